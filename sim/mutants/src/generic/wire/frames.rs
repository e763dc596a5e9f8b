//! The frames that a server sends on a WebSocket, to clients and to wrappers.

use std::io::Cursor;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};
use turnstile_reference::session::events::name;

use super::Output;
use crate::generic::kinds::kind_of_event;
use crate::generic::planted::{Fate, Planted, Unit};
use crate::generic::{Operation, Place};

/// The operations on whole frames.
const WHOLE: [Operation; 4] = [
    Operation::Drop,
    Operation::Double,
    Operation::Delay,
    Operation::Swap,
];

/// The frames on one connection.
pub struct Frames {
    planted: Arc<Planted>,
    /// The end of the path at which the socket was opened, `stream` or `ingest`.
    place: String,
    /// The part of a stream that the next event belongs to.
    part: Part,
    /// A frame for after the next one of its kind.
    swapped: Option<Bytes>,
}

/// The parts of a client's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Replay,
    Snapshot,
    Live,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Snapshot => "snapshot",
            Self::Live => "live",
        }
    }

    /// The part that a frame with this event belongs to. `connected` and the snapshot have id 0; the first other event begins
    /// the live part.
    fn of_next(self, event: &Value) -> Self {
        let event_type = event["streamEventType"].as_str().unwrap_or_default();
        let is_synthetic = event["eventId"] == 0
            && (event_type == name::COMMANDS_AVAILABLE || event_type.starts_with("cloud.message."));
        match self {
            Self::Replay if event_type != name::CONNECTED => Self::Replay,
            Self::Replay => Self::Snapshot,
            Self::Snapshot if is_synthetic => Self::Snapshot,
            Self::Snapshot | Self::Live => Self::Live,
        }
    }
}

impl Frames {
    /// Reads the frames of a socket that was opened at a path that ends with `place`.
    pub fn new(place: &str, planted: Arc<Planted>) -> Self {
        Self {
            planted,
            place: place.to_owned(),
            part: Part::Replay,
            swapped: None,
        }
    }

    /// Takes whole frames from `buffer`.
    pub fn write(&mut self, buffer: &mut BytesMut, out: &mut Output) {
        loop {
            let mut cursor = Cursor::new(&buffer[..]);
            let Ok(Some((header, length))) = FrameHeader::parse(&mut cursor) else {
                return;
            };
            let head = cursor.position() as usize;
            let Some(end) = usize::try_from(length).ok().map(|length| head + length) else {
                return;
            };
            if buffer.len() < end {
                return;
            }
            let bytes = buffer.split_to(end).freeze();
            let payload = bytes.slice(head..);
            match header.opcode {
                OpCode::Data(Data::Text) if header.is_final => self.take_text(bytes, &payload, out),
                OpCode::Control(Control::Close) => self.take_close(bytes, &payload, out),
                _ => out.bytes(bytes),
            }
        }
    }

    fn take_text(&mut self, bytes: Bytes, payload: &[u8], out: &mut Output) {
        let Ok(value) = serde_json::from_slice::<Value>(payload) else {
            return out.bytes(bytes);
        };
        let kind = match value["streamEventType"].as_str() {
            Some(event_type) => {
                self.part = self.part.of_next(&value);
                format!(
                    "{}/{}",
                    self.part.name(),
                    kind_of_event(event_type, &value["data"])
                )
            }
            None => format!("{}/{}", self.place, value["type"].as_str().unwrap_or("unknown")),
        };
        self.pass(&kind, bytes, &value, &|value| Some(text(value)), out);
    }

    fn take_close(&mut self, bytes: Bytes, payload: &[u8], out: &mut Output) {
        let Some((code, _)) = payload.split_first_chunk() else {
            return out.bytes(bytes);
        };
        let code = u16::from_be_bytes(*code);
        let kind = format!("{}/close/{code}", self.place);
        self.pass(&kind, bytes, &json!({"code": code}), &close, out);
    }

    fn pass(
        &mut self,
        kind: &str,
        bytes: Bytes,
        value: &Value,
        write: &dyn Fn(&Value) -> Option<Bytes>,
        out: &mut Output,
    ) {
        let unit = Unit {
            place: Place::Frame,
            kind,
            whole: &WHOLE,
            value,
            is_possible: &|value| write(value).is_some(),
        };
        match self.planted.fate(&self.place, &unit) {
            Fate::Whole(Operation::Drop) => {}
            Fate::Whole(Operation::Double) => {
                out.bytes(bytes.clone());
                out.bytes(bytes);
            }
            Fate::Whole(Operation::Delay) => out.late(bytes),
            Fate::Whole(Operation::Swap) => match self.swapped.take() {
                Some(earlier) => {
                    out.bytes(bytes);
                    out.bytes(earlier);
                }
                None => self.swapped = Some(bytes),
            },
            Fate::Changed(value) => out.bytes(write(&value).unwrap_or(bytes)),
            Fate::Unchanged | Fate::Whole(_) => out.bytes(bytes),
        }
    }
}

/// The bytes of a text frame.
fn text(value: &Value) -> Bytes {
    written(Frame::message(value.to_string(), OpCode::Data(Data::Text), true))
}

/// The bytes of a close frame; `None` if the value has no code.
fn close(value: &Value) -> Option<Bytes> {
    let code = u16::try_from(value["code"].as_u64()?).ok()?;
    let frame = CloseFrame {
        code: code.into(),
        reason: "".into(),
    };
    Some(written(Frame::close(Some(frame))))
}

fn written(frame: Frame) -> Bytes {
    let mut bytes = Vec::new();
    frame.format(&mut bytes).expect("memory can be written to");
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::super::Piece;
    use super::*;

    fn event(id: u64, event_type: &str) -> Bytes {
        text(&json!({"eventId": id, "streamEventType": event_type, "data": {}}))
    }

    /// The bytes that are written for `frames` with the mutant.
    fn rewritten(mutant: &str, frames: &[Bytes]) -> Vec<Bytes> {
        let planted = Planted::mutation(mutant.parse().unwrap());
        let mut codec = Frames::new("stream", Arc::new(planted));
        let (mut buffer, mut out) = (BytesMut::new(), Output::default());
        for frame in frames {
            for piece in frame.chunks(5) {
                buffer.extend_from_slice(piece);
                codec.write(&mut buffer, &mut out);
            }
        }
        let bytes = |piece| match piece {
            Piece::Bytes(bytes) => bytes,
            Piece::Pause(_) => Bytes::from_static(b"pause"),
        };
        out.0.into_iter().map(bytes).collect()
    }

    #[test]
    fn an_event_belongs_to_the_replay_the_snapshot_or_the_live_part() {
        let queued = "cloud.message.queued";
        let frames = [
            event(1, queued),
            event(0, "connected"),
            event(0, queued),
            event(2, queued),
        ];
        let without = |index: usize| {
            let mut frames = frames.to_vec();
            frames.remove(index);
            frames
        };
        assert_eq!(
            rewritten("drop:frame:replay/cloud.message.queued", &frames),
            without(0)
        );
        assert_eq!(
            rewritten("drop:frame:snapshot/cloud.message.queued", &frames),
            without(2)
        );
        assert_eq!(
            rewritten("drop:frame:live/cloud.message.queued", &frames),
            without(3)
        );
    }

    #[test]
    fn frames_are_doubled_delayed_swapped_and_changed() {
        let (first, second, other) = (event(1, "a"), event(2, "a"), event(3, "b"));
        let frames = [first.clone(), other.clone(), second.clone()];
        let expected = [other.clone(), second.clone(), first.clone()];
        assert_eq!(rewritten("swap:frame:replay/a", &frames), expected);
        let expected = [first.clone(), other.clone(), other.clone(), second.clone()];
        assert_eq!(rewritten("double:frame:replay/b", &frames), expected);
        let expected = [first.clone(), "pause".into(), other.clone(), second.clone()];
        assert_eq!(rewritten("delay:frame:replay/b", &frames), expected);
        let expected = [first, event(4, "b"), second];
        assert_eq!(rewritten("raise:frame:replay/b:eventId", &frames), expected);
    }

    #[test]
    fn a_close_frame_has_a_code() {
        let close = |code: u16| close(&json!({"code": code})).unwrap();
        let changed = rewritten("raise:frame:stream/close/1000:code", &[close(1000)]);
        assert_eq!(changed, [close(1001)]);
        assert!(rewritten("drop:frame:stream/close/1000", &[close(1000)]).is_empty());
    }
}
