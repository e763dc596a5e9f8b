//! The frames that were not yet handed to an ingest socket.
//!
//! While the ingest is open, frames stay here until their writing is reported; while it is lost, they
//! wait for its return, only so many of them (protocol §11). Nothing is sent from here.

use std::collections::VecDeque;

use serde_json::Value;

use crate::coverage::Deed;

/// How many frames are kept while the ingest is lost.
pub(super) const CAPACITY: usize = 1000;

/// Unwritten frames, oldest first.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    frames: VecDeque<Value>,
    /// Whether a frame may be handed to a socket right now, so that none needs to be dropped.
    is_open: bool,
    /// How many of the first frames announce a return. They are worth nothing on another return.
    announcements: usize,
    /// How many frames were dropped since the last return that the server was told of.
    lost: u64,
}

impl Buffer {
    /// Adds the newest frame.
    pub(super) fn push(&mut self, frame: Value) {
        self.frames.push_back(frame);
        self.drop_excess();
    }

    /// Whether every frame was written.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The oldest frame was written.
    pub(super) fn written(&mut self) {
        self.frames.pop_front();
        if self.announcements > 0 {
            self.announcements -= 1;
            self.lost = 0;
        }
    }

    /// Drops every frame that waits for the return of the ingest, and counts them as lost.
    pub(super) fn discard(&mut self) {
        self.lost += self.frames.len() as u64;
        self.frames.clear();
        self.announcements = 0;
    }

    /// The ingest was opened for the first time.
    pub(super) fn open(&mut self) {
        self.is_open = true;
    }

    /// The ingest is back: puts `copies` of what `announce` makes of the numbers of kept and of lost
    /// frames before everything else, and tells all that is to be written now, in order.
    pub(super) fn resume(
        &mut self,
        copies: usize,
        announce: impl FnOnce(usize, u64) -> Value,
    ) -> impl Iterator<Item = &Value> {
        self.is_open = true;
        let announcement = announce(self.frames.len(), self.lost);
        for _ in 0..copies {
            self.frames.push_front(announcement.clone());
        }
        self.announcements = copies;
        self.frames.iter()
    }

    /// The ingest is lost.
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
        let excess = self.frames.len().saturating_sub(CAPACITY);
        if excess > 0 {
            Deed::BufferOverflown.reach();
        }
        self.frames.drain(..excess);
        self.lost += excess as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resume(buffer: &mut Buffer) -> Vec<Value> {
        buffer
            .resume(1, |buffered, lost| json!([buffered, lost]))
            .cloned()
            .collect()
    }

    #[test]
    fn what_was_not_written_comes_again_after_the_announcement() {
        let mut buffer = Buffer::default();
        buffer.open();
        for frame in 1..=3 {
            buffer.push(json!(frame));
        }
        buffer.written();
        buffer.lose_connection();
        buffer.push(json!(4));
        assert_eq!(resume(&mut buffer), [json!([3, 0]), json!(2), json!(3), json!(4)]);
    }

    #[test]
    fn the_oldest_beyond_a_thousand_are_dropped_and_counted() {
        let mut buffer = Buffer::default();
        buffer.lose_connection();
        for frame in 0..CAPACITY + 5 {
            buffer.push(json!(frame));
        }
        let frames = resume(&mut buffer);
        assert_eq!(frames.len(), CAPACITY + 1);
        assert_eq!(frames[..2], [json!([CAPACITY, 5]), json!(5)]);
    }

    #[test]
    fn an_announcement_that_was_not_written_is_made_anew() {
        let mut buffer = Buffer::default();
        buffer.lose_connection();
        for frame in 0..=CAPACITY {
            buffer.push(json!(frame));
        }
        resume(&mut buffer);
        buffer.lose_connection();
        assert_eq!(resume(&mut buffer)[0], json!([CAPACITY, 1]));
        buffer.written();
        buffer.lose_connection();
        assert_eq!(resume(&mut buffer)[..2], [json!([CAPACITY, 0]), json!(1)]);
    }
}
