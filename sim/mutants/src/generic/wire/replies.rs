//! The replies of a server, and the switch to frames.

use std::sync::Arc;

use bytes::BytesMut;
use serde_json::Value;

use super::Output;
use super::frames::Frames;
use super::http::{Cut, cut_reply};
use crate::generic::planted::{Fate, Planted, Unit};
use crate::generic::{Operation, Place};

/// The operations on whole replies.
const WHOLE: [Operation; 2] = [Operation::Drop, Operation::Delay];
/// The start of the head that switches to a WebSocket.
const SWITCH: &[u8] = b"HTTP/1.1 101";
/// The end of a head.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// The replies on one accepted connection.
pub struct Replies {
    planted: Arc<Planted>,
    /// The bytes of the request up to the end of its first line.
    asked: Vec<u8>,
    buffer: BytesMut,
    phase: Phase,
}

enum Phase {
    Replies,
    Frames(Frames),
    /// Bytes that are not understood are passed on.
    Unknown,
}

impl Replies {
    /// Reads the replies on one connection.
    pub fn new(planted: Arc<Planted>) -> Self {
        Self {
            planted,
            asked: Vec::new(),
            buffer: BytesMut::new(),
            phase: Phase::Replies,
        }
    }

    /// Takes bytes of the peer, to know what is replied to. Peers send one request on a connection.
    pub fn read(&mut self, bytes: &[u8]) {
        if !self.asked.contains(&b'\n') {
            let line = bytes.split_inclusive(|byte| *byte == b'\n').next();
            self.asked.extend_from_slice(line.unwrap_or_default());
        }
    }

    /// The path of the request, without its query.
    fn path(&self) -> String {
        let line = String::from_utf8_lossy(&self.asked);
        let path = line.split(' ').nth(1).unwrap_or_default();
        path.split('?').next().unwrap_or_default().to_owned()
    }

    /// Takes written bytes.
    pub fn write(&mut self, bytes: &[u8], out: &mut Output) {
        self.buffer.extend_from_slice(bytes);
        loop {
            match &mut self.phase {
                Phase::Unknown => return out.bytes(self.buffer.split()),
                Phase::Frames(frames) => return frames.write(&mut self.buffer, out),
                Phase::Replies => {
                    if !self.take_reply(out) {
                        return;
                    }
                }
            }
        }
    }

    /// Takes the next reply. Returns whether there may be more in the buffer.
    fn take_reply(&mut self, out: &mut Output) -> bool {
        let path = self.path();
        let last = path.rsplit('/').next().unwrap_or_default();
        let reply = match cut_reply(&mut self.buffer) {
            Cut::Incomplete => return false,
            Cut::Unknown => {
                self.phase = match self.cut_switch() {
                    Some(head) => {
                        out.bytes(head);
                        Phase::Frames(Frames::new(last, Arc::clone(&self.planted)))
                    }
                    None => Phase::Unknown,
                };
                return true;
            }
            Cut::Message(reply) => reply,
        };
        let unit = Unit {
            place: Place::Reply,
            kind: &format!("{last}/{}", reply.status()),
            whole: &WHOLE,
            value: &reply.value,
            is_possible: &|value: &Value| reply.with(value).is_some(),
        };
        match self.planted.fate(last, &unit) {
            Fate::Whole(Operation::Drop) => {}
            Fate::Whole(Operation::Delay) => out.late(reply.bytes),
            Fate::Changed(value) => out.bytes(reply.with(&value).unwrap_or(reply.bytes)),
            _ => out.bytes(reply.bytes),
        }
        !self.buffer.is_empty()
    }

    /// Cuts off the head that switches to a WebSocket.
    fn cut_switch(&mut self) -> Option<BytesMut> {
        if !self.buffer.starts_with(SWITCH) {
            return None;
        }
        let end = self
            .buffer
            .windows(HEAD_END.len())
            .position(|bytes| bytes == HEAD_END)?;
        Some(self.buffer.split_to(end + HEAD_END.len()))
    }
}
