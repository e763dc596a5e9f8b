//! An ingest socket that the harness opens itself, on the wrapper's machine: as the wrapper of an older
//! service, or as one that nobody asked for.
//!
//! It sends what it is told to and answers nothing by itself.

use futures_util::{SinkExt as _, StreamExt as _};
use http::Uri;
use serde_json::Value;
use tokio::sync::mpsc;
use turnstile_events::observation::{ClosedBy, Observation, Probe, body_as_value};
use turnstile_seams::websocket::{self, CloseFrame, Message, OpenError, WebSocket};
use turnstile_seams::{ClockExt as _, Seams};

use super::SERVER_AUTHORITY;
use super::client::{Awaited, PATIENCE};

/// The status of an ingest that opened.
pub const SWITCHING_PROTOCOLS: u16 = 101;

/// What is done on an open socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IngestOrder {
    /// Sends a text frame.
    Text(String),
    /// Sends a binary frame.
    Binary(Vec<u8>),
    /// Says goodbye with this code.
    Close(u16),
}

/// A socket that was opened, or is being.
pub struct Ingest {
    orders: mpsc::UnboundedSender<IngestOrder>,
}

impl Ingest {
    /// Has something done on it. Whether there still is a socket.
    pub fn order(&self, order: IngestOrder) -> bool {
        self.orders.send(order).is_ok()
    }

    /// A socket and the end at which its task takes its orders.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<IngestOrder>) {
        let (orders, taken) = mpsc::unbounded_channel();
        (Self { orders }, taken)
    }
}

/// Who opens a socket, and as whom.
pub(super) struct Opener {
    pub seams: Seams,
    pub probe: Probe,
    pub token: String,
}

impl Opener {
    /// Opens a socket at `path` of the server, tells `opened` what came of it, and does as it is ordered
    /// until one side ends it.
    pub(super) async fn run(
        self,
        path: String,
        opened: Awaited,
        mut orders: mpsc::UnboundedReceiver<IngestOrder>,
    ) {
        let number = self.probe.next_socket();
        let Some(socket) = self.open(number, path, opened).await else {
            return;
        };
        let (code, by) = self.converse(number, socket, &mut orders).await;
        self.probe.observe(Observation::SocketClosed {
            socket: number,
            code,
            by,
        });
    }

    async fn open(&self, number: u64, path: String, opened: Awaited) -> Option<WebSocket> {
        let url: Uri = format!("ws://{SERVER_AUTHORITY}{path}")
            .parse()
            .expect("the harness makes valid URLs");
        let to = url.host().unwrap_or_default().to_owned();
        let authorization = format!("Bearer {}", self.token);
        let opening = websocket::open(&*self.seams.network, &url, Some(&authorization));
        let (answer, error) = match self.seams.clock.timeout(PATIENCE, opening).await {
            Ok(Ok(socket)) => {
                self.probe.observe(Observation::SocketOpened {
                    socket: number,
                    to,
                    path,
                });
                opened.set(Some((SWITCHING_PROTOCOLS, Value::Null)));
                return Some(socket);
            }
            Ok(Err(error)) => {
                let text = error.to_string();
                match error {
                    OpenError::Refused { status, body } => (Some((status, body_as_value(&body))), text),
                    OpenError::Connect(_) | OpenError::Handshake(_) => (None, text),
                }
            }
            Err(elapsed) => (None, elapsed.to_string()),
        };
        self.probe.observe(Observation::SocketRefused {
            socket: number,
            to,
            path,
            status: answer.as_ref().map(|(status, _)| *status),
            error,
        });
        opened.set(answer);
        None
    }

    /// How the socket ended: with which code, and by whom.
    async fn converse(
        &self,
        number: u64,
        mut socket: WebSocket,
        orders: &mut mpsc::UnboundedReceiver<IngestOrder>,
    ) -> (Option<u16>, ClosedBy) {
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => {
                    let message = match order {
                        Some(IngestOrder::Text(text)) => Message::text(text),
                        Some(IngestOrder::Binary(bytes)) => Message::binary(bytes),
                        Some(IngestOrder::Close(code)) => {
                            let frame = CloseFrame { code: code.into(), reason: "".into() };
                            // The server may have gone first; either way this side is done.
                            let _ = socket.send(Message::Close(Some(frame))).await;
                            return (Some(code), ClosedBy::Itself);
                        }
                        None => return (None, ClosedBy::Itself),
                    };
                    let frame = body_as_value(&message.clone().into_data());
                    if socket.send(message).await.is_err() {
                        return (None, ClosedBy::Lost);
                    }
                    self.probe.observe(Observation::FrameSent { socket: number, frame });
                }
                message = socket.next() => match message {
                    Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                        let frame = body_as_value(&message.into_data());
                        self.probe.observe(Observation::FrameReceived { socket: number, frame });
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return (frame.map(|frame| frame.code.into()), ClosedBy::Peer);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return (None, ClosedBy::Lost),
                },
            }
        }
    }
}
