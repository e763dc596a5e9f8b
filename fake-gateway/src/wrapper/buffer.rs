//! Frames that are not yet written to an ingest socket.
//!
//! A frame stays here until the socket reports it as written. While the ingest is lost, the buffer is bounded
//! (R11.29). Sending happens elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;

use super::events;
use crate::coverage::FakeEvent;

/// Unwritten frames, oldest first.
#[derive(Debug)]
pub(super) struct Buffer {
    /// The maximum number of frames while the ingest is lost (R11.29).
    capacity: usize,
    frames: VecDeque<Arc<Value>>,
    /// Whether the ingest is open. An open ingest has no bound, because frames are written at once.
    is_open: bool,
    /// Number of `wrapper_resumed` frames at the front. They are dropped if the ingest is lost again.
    announcements: usize,
    /// Frames dropped since the last `wrapper_resumed` that was written.
    lost: u64,
}

impl Buffer {
    /// An empty buffer, whose ingest is not open.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            frames: VecDeque::new(),
            is_open: false,
            announcements: 0,
            lost: 0,
        }
    }

    /// Forgets everything but its capacity.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.capacity);
    }

    /// Adds the newest frame.
    pub(super) fn push(&mut self, frame: Arc<Value>) {
        self.frames.push_back(frame);
        self.drop_excess();
    }

    /// Whether every frame is written.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Removes the oldest frame, which was written.
    pub(super) fn written(&mut self) {
        self.frames.pop_front();
        if self.announcements > 0 {
            self.announcements -= 1;
            self.lost = 0;
        }
    }

    /// Drops all frames and counts them as lost.
    pub(super) fn discard(&mut self) {
        self.lost += self.frames.len() as u64;
        self.frames.clear();
        self.announcements = 0;
    }

    /// Whether the frame that the open ingest writes now is `complete`. It is the oldest one.
    pub(super) fn is_writing_complete(&self) -> bool {
        self.is_open
            && self
                .frames
                .front()
                .is_some_and(|frame| events::is_complete(frame))
    }

    /// Drops every `complete`. Returns whether there was one.
    pub(super) fn discard_complete(&mut self) -> bool {
        let before = self.frames.len();
        self.frames.retain(|frame| !events::is_complete(frame));
        self.frames.len() < before
    }

    /// Marks the ingest as open for the first time.
    pub(super) fn open(&mut self) {
        self.is_open = true;
    }

    /// Marks the ingest as open again (R11.30). Puts `copies` of the frame `announce(kept, lost)` in front
    /// and returns all frames to write, in order.
    pub(super) fn resume(
        &mut self,
        copies: usize,
        announce: impl FnOnce(usize, u64) -> Value,
    ) -> impl Iterator<Item = &Arc<Value>> {
        self.is_open = true;
        let announcement = Arc::new(announce(self.frames.len(), self.lost));
        for _ in 0..copies {
            self.frames.push_front(Arc::clone(&announcement));
        }
        self.announcements = copies;
        self.frames.iter()
    }

    /// Marks the ingest as lost.
    pub(super) fn lose_connection(&mut self) {
        self.is_open = false;
        self.frames.drain(..self.announcements);
        self.announcements = 0;
        self.drop_excess();
    }

    fn drop_excess(&mut self) {
        if self.is_open {
            return;
        }
        let excess = self.frames.len().saturating_sub(self.capacity);
        if excess > 0 {
            FakeEvent::BufferOverflow.hit();
        }
        self.frames.drain(..excess);
        self.lost += excess as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CAPACITY: usize = 1000;

    fn resume(buffer: &mut Buffer) -> Vec<Value> {
        buffer
            .resume(1, |buffered, lost| json!([buffered, lost]))
            .map(|frame| Value::clone(frame))
            .collect()
    }

    #[test]
    fn unwritten_frames_follow_the_announcement() {
        let mut buffer = Buffer::new(CAPACITY);
        buffer.open();
        for frame in 1..=3 {
            buffer.push(json!(frame).into());
        }
        buffer.written();
        buffer.lose_connection();
        buffer.push(json!(4).into());
        assert_eq!(resume(&mut buffer), [json!([3, 0]), json!(2), json!(3), json!(4)]);
    }

    #[test]
    fn the_oldest_frames_beyond_the_capacity_are_dropped_and_counted() {
        let mut buffer = Buffer::new(CAPACITY);
        buffer.lose_connection();
        for frame in 0..CAPACITY + 5 {
            buffer.push(json!(frame).into());
        }
        let frames = resume(&mut buffer);
        assert_eq!(frames.len(), CAPACITY + 1);
        assert_eq!(frames[..2], [json!([CAPACITY, 5]), json!(5)]);
    }

    #[test]
    fn an_unwritten_announcement_is_replaced() {
        let mut buffer = Buffer::new(CAPACITY);
        buffer.lose_connection();
        for frame in 0..=CAPACITY {
            buffer.push(json!(frame).into());
        }
        resume(&mut buffer);
        buffer.lose_connection();
        assert_eq!(resume(&mut buffer)[0], json!([CAPACITY, 1]));
        buffer.written();
        buffer.lose_connection();
        assert_eq!(resume(&mut buffer)[..2], [json!([CAPACITY, 0]), json!(1)]);
    }
}
