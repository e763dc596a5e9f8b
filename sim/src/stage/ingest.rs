//! An ingest socket that the harness opens from the wrapper's host, as the wrapper of an older service or as an impostor.
//!
//! It sends only what the script orders, and answers nothing.

use futures_util::{SinkExt as _, StreamExt as _};
use http::Uri;
use serde_json::Value;
use tokio::sync::mpsc;
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::{ClosedBy, Observation, Probe, body_as_value};
use turnstile_seams::websocket::{self, CloseFrame, Message, OpenError, WebSocket};
use turnstile_seams::{ClockExt as _, Seams};

use super::SERVER_AUTHORITY;
use super::client::{Awaited, REQUEST_TIMEOUT};

/// The status of an opened ingest.
pub const SWITCHING_PROTOCOLS: u16 = 101;

/// An operation on an open socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IngestOrder {
    /// Sends a text frame.
    Text(String),
    /// Sends a binary frame.
    Binary(Vec<u8>),
    /// Closes the socket with this code.
    Close(u16),
}

/// A socket that is open or opening. Clones share it.
#[derive(Clone)]
pub struct Ingest {
    orders: mpsc::UnboundedSender<IngestOrder>,
}

impl Ingest {
    /// Queues an operation. Returns false if the socket has ended.
    pub fn order(&self, order: IngestOrder) -> bool {
        self.orders.send(order).is_ok()
    }

    /// Whether the socket has ended.
    pub fn is_over(&self) -> bool {
        self.orders.is_closed()
    }

    /// A handle, and the receiver for the task of the socket.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<IngestOrder>) {
        let (orders, taken) = mpsc::unbounded_channel();
        (Self { orders }, taken)
    }
}

/// Opens a socket with a party's seams and identity.
pub(super) struct Opener {
    pub seams: Seams,
    pub probe: Probe,
    /// Token to show; `None` shows none.
    pub token: Option<String>,
    /// How traces name it.
    pub credentials: Credentials,
}

impl Opener {
    /// Opens a socket at `path` of the server, sets `opened` to the answer, and executes orders until either side closes.
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
        let credentials = self.credentials;
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let opening = websocket::open(&*self.seams.network, &url, authorization.as_deref());
        let (answer, error) = match self.seams.clock.timeout(REQUEST_TIMEOUT, opening).await {
            Ok(Ok(socket)) => {
                self.probe.observe(Observation::SocketOpened {
                    socket: number,
                    to,
                    path,
                    credentials,
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
            credentials,
            status: answer.as_ref().map(|(status, _)| *status),
            error,
        });
        opened.set(answer);
        None
    }

    /// Runs an open socket. Returns the close code and the side that closed.
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
                            // The server may have closed first.
                            let _ = socket.send(Message::Close(Some(frame))).await;
                            return (Some(code), ClosedBy::Itself);
                        }
                        None => return (None, ClosedBy::Itself),
                    };
                    let frame = body_as_value(&message.clone().into_data()).into();
                    if socket.send(message).await.is_err() {
                        return (None, ClosedBy::Lost);
                    }
                    self.probe.observe(Observation::FrameSent { socket: number, frame });
                }
                message = socket.next() => match message {
                    Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                        let frame = body_as_value(&message.into_data()).into();
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
