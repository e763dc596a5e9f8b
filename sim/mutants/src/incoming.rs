//! A mutant that needs the frames which a server receives: it relays events with the server's own names (protocol §5).
//!
//! The check of names is at the server's edge. So the network disguises a reserved name before the edge reads it, and the
//! events have the name again when clients get them.

use std::io;
use std::io::Cursor;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::server::Hooks;
use turnstile_seams::{ByteStream, Seams, Wrapped, Wrapping};

use crate::change_events;

/// What a frame with a reserved name contains.
const RESERVED: &[u8] = br#""streamEventType":"cloud."#;
/// The beginning of a reserved name.
const NAME: &str = "cloud.";
/// The same in disguise. Its length is the same, so that the length of a frame does not change.
const DISGUISE: &str = "qloud.";
/// The end of the head of an HTTP request.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";
/// Bytes that are read at once.
const CHUNK: usize = 4096;

/// Relays events with names of the server; violates R5.83.
pub fn relay_reserved_names(hooks: &mut Hooks, seams: &mut Seams) {
    seams.network = Arc::new(Wrapped::new(Arc::clone(&seams.network), Disguising));
    hooks.interceptor = Some(Arc::new(DropsDisguise));
}

struct DropsDisguise;

impl Interceptor for DropsDisguise {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        change_events(decided, |event| {
            if let Some(rest) = event.stream_event_type.strip_prefix(DISGUISE) {
                event.stream_event_type = format!("{NAME}{rest}");
            }
        });
        Memory::Stays
    }
}

/// Disguises reserved names in what is received from wrappers.
struct Disguising;

impl Wrapping for Disguising {
    fn accepted(&self, stream: Box<dyn ByteStream>) -> Box<dyn ByteStream> {
        Box::new(Disguised {
            stream,
            incoming: Incoming::default(),
            has_ended: false,
        })
    }
}

/// What a connection receives.
#[derive(Default)]
struct Incoming {
    part: Part,
    /// Bytes that are not a whole unit yet.
    received: BytesMut,
    /// Bytes for the server.
    passed: BytesMut,
}

/// The part of a connection that is received next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    /// The head of the first request.
    #[default]
    Head,
    /// Frames of an ingest.
    Frames,
    /// Anything else.
    Other,
}

impl Incoming {
    fn take(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        if self.part == Part::Head {
            let mut windows = self.received.windows(END_OF_HEAD.len());
            let Some(end) = windows.position(|window| window == END_OF_HEAD) else {
                return;
            };
            let head = self.received.split_to(end + END_OF_HEAD.len());
            self.part = match head.starts_with(b"GET /sessions/") {
                true => Part::Frames,
                false => Part::Other,
            };
            self.passed.extend_from_slice(&head);
        }
        match self.part {
            Part::Frames => while self.take_frame().is_some() {},
            Part::Head | Part::Other => self.pass_on(),
        }
    }

    /// Passes on what was received, whole or not.
    fn pass_on(&mut self) {
        let rest = self.received.split();
        self.passed.extend_from_slice(&rest);
    }

    /// Takes a frame. Returns `None` without a whole one.
    fn take_frame(&mut self) -> Option<()> {
        let mut cursor = Cursor::new(&self.received[..]);
        let (header, length) = FrameHeader::parse(&mut cursor).ok()??;
        let head = usize::try_from(cursor.position()).ok()?;
        let end = head.checked_add(usize::try_from(length).ok()?)?;
        if self.received.len() < end {
            return None;
        }
        let mut frame = self.received.split_to(end);
        let mask = header.mask.unwrap_or_default();
        let payload = frame[head..].iter().zip(mask.iter().cycle());
        let payload: Vec<u8> = payload.map(|(byte, mask)| byte ^ mask).collect();
        let mut windows = payload.windows(RESERVED.len());
        if let Some(place) = windows.position(|window| window == RESERVED) {
            let first = head + place + RESERVED.len() - NAME.len();
            // A masked letter changes like the letter itself.
            frame[first] ^= NAME.as_bytes()[0] ^ DISGUISE.as_bytes()[0];
        }
        self.passed.extend_from_slice(&frame);
        Some(())
    }
}

/// A connection whose received frames are disguised. A frame is passed on when all of it was received.
struct Disguised {
    stream: Box<dyn ByteStream>,
    incoming: Incoming,
    has_ended: bool,
}

impl AsyncRead for Disguised {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let passed = &mut this.incoming.passed;
            if !passed.is_empty() || this.has_ended {
                let count = passed.len().min(out.remaining());
                out.put_slice(&passed.split_to(count));
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [0; CHUNK];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                this.has_ended = true;
                this.incoming.pass_on();
            } else {
                this.incoming.take(chunk.filled());
            }
        }
    }
}

impl AsyncWrite for Disguised {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    use super::*;

    fn masked(text: &str) -> Vec<u8> {
        let mut frame = Frame::message(text.to_owned(), OpCode::Data(Data::Text), true);
        frame.header_mut().mask = Some([7, 1, 200, 33]);
        let mut bytes = Vec::new();
        frame.format(&mut bytes).unwrap();
        bytes
    }

    /// What is passed on of these bytes, which arrive in pieces.
    fn passed(bytes: &[u8]) -> Vec<u8> {
        let mut incoming = Incoming::default();
        for piece in bytes.chunks(7) {
            incoming.take(piece);
        }
        incoming.passed.to_vec()
    }

    #[test]
    fn reserved_names_on_an_ingest_are_disguised() {
        let frame = |name: &str| masked(&format!(r#"{{"streamEventType":"{name}","data":{{}}}}"#));
        let ingest = b"GET /sessions/user/agent/ingest?a=b HTTP/1.1\r\nhost: server\r\n\r\n";
        for (head, name, expected) in [
            (&ingest[..], "cloud.status", "qloud.status"),
            (ingest, "complete", "complete"),
            (
                b"POST /trpc/send HTTP/1.1\r\n\r\n",
                "cloud.status",
                "cloud.status",
            ),
        ] {
            let bytes = [head, &frame(name), &frame("pong")].concat();
            let expected = [head, &frame(expected), &frame("pong")].concat();
            assert_eq!(passed(&bytes), expected, "{name}");
        }
    }
}
