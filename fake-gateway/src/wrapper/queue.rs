//! Frames that wait for their turn on one ingest socket.
//!
//! The socket gets one frame at a time, so that a frame that waits can still be dropped. What is kept for the next
//! socket is in the lifecycle's buffer.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::events;

/// The frames of one socket, oldest first.
pub(super) struct FrameQueue {
    socket: UnboundedSender<Arc<Value>>,
    waiting: VecDeque<Arc<Value>>,
    /// Whether the socket has a frame that it has not reported as written.
    is_writing: bool,
}

impl FrameQueue {
    /// An empty queue, and the channel on which its socket gets the frames.
    pub(super) fn new() -> (Self, UnboundedReceiver<Arc<Value>>) {
        let (socket, frames) = mpsc::unbounded_channel();
        let queue = Self {
            socket,
            waiting: VecDeque::new(),
            is_writing: false,
        };
        (queue, frames)
    }

    /// Adds the newest frame.
    pub(super) fn push(&mut self, frame: Arc<Value>) {
        self.waiting.push_back(frame);
        self.write_next();
    }

    /// The socket has written its frame.
    pub(super) fn written(&mut self) {
        self.is_writing = false;
        self.write_next();
    }

    /// Drops every `complete` that waits.
    pub(super) fn drop_complete(&mut self) {
        self.waiting.retain(|frame| !events::is_complete(frame));
    }

    /// Gives the socket all frames. It closes once they are written.
    pub(super) fn close(self) {
        for frame in self.waiting {
            // The send fails if the socket has ended.
            let _ = self.socket.send(frame);
        }
    }

    fn write_next(&mut self) {
        if self.is_writing {
            return;
        }
        if let Some(frame) = self.waiting.pop_front() {
            self.is_writing = true;
            // The send fails if the socket has ended; the frame is still in the buffer then.
            let _ = self.socket.send(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn frame(number: u64) -> Arc<Value> {
        json!(number).into()
    }

    fn complete() -> Arc<Value> {
        json!({ "streamEventType": "complete" }).into()
    }

    #[test]
    fn a_complete_behind_a_frame_that_is_being_written_can_be_dropped() {
        let (mut queue, mut frames) = FrameQueue::new();
        for frame in [frame(1), complete(), frame(2)] {
            queue.push(frame);
        }
        assert_eq!(frames.try_recv(), Ok(frame(1)));
        assert!(
            frames.is_empty(),
            "the next frame waits until this one is written"
        );
        queue.drop_complete();
        queue.written();
        assert_eq!(frames.try_recv(), Ok(frame(2)));
        queue.written();
        assert!(frames.is_empty());
    }

    #[test]
    fn frames_that_wait_are_written_before_the_socket_closes() {
        let (mut queue, mut frames) = FrameQueue::new();
        for frame in [frame(1), complete()] {
            queue.push(frame);
        }
        queue.close();
        assert_eq!(frames.blocking_recv(), Some(frame(1)));
        assert_eq!(frames.blocking_recv(), Some(complete()));
        assert_eq!(frames.blocking_recv(), None);
    }
}
