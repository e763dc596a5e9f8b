//! A client's streams: what it asks for, and following them.

use std::sync::PoisonError;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{StatusCode, Uri};
use jiff::Timestamp;
use percent_encoding::utf8_percent_encode;
use serde_json::Value;
use tokio::sync::watch;
use turnstile_events::observation::{ClosedBy, Observation, body_as_value};
use turnstile_seams::ClockExt as _;
use turnstile_seams::websocket::{self, CloseCode, CloseFrame, Message, OpenError, WebSocket};

use super::SERVER_AUTHORITY;
use super::client::{Client, PATIENCE, QUERY};

/// How long a client that follows a session waits before it opens its stream again.
const REOPEN_DELAY: Duration = Duration::from_secs(1);

/// From where a stream is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// After the event of that id; 0 is the beginning.
    After(u64),
    /// After the last event that this client has seen.
    Last,
    /// Nothing is replayed.
    Nowhere,
}

/// What a client asks of a stream, and how it takes it (protocol §9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamWish {
    /// From where it is replayed.
    pub from: From,
    /// Only events of these types; of all if there are none here.
    pub event_types: Vec<String>,
    /// Only events of the executions with these ids; no matter whose if there are none here.
    pub executions: Vec<String>,
    /// Only events from this moment on.
    pub since: Option<Timestamp>,
    /// Only events up to this moment.
    pub until: Option<Timestamp>,
    /// How long the client rests after each frame.
    pub pause: Duration,
}

impl std::convert::From<From> for StreamWish {
    fn from(from: From) -> Self {
        Self {
            from,
            event_types: Vec::new(),
            executions: Vec::new(),
            since: None,
            until: None,
            pause: Duration::ZERO,
        }
    }
}

impl StreamWish {
    /// The parameters that ask for it, for a client that has seen up to `last_event`.
    fn query(&self, last_event: u64) -> String {
        let mut query = match self.from {
            From::After(event) => format!("&fromId={event}"),
            From::Last => format!("&fromId={last_event}"),
            From::Nowhere => "&replay=false".to_owned(),
        };
        let iso = |time: &Option<Timestamp>| time.map(|time| time.to_string());
        let list = |names: &[String]| Some(names.join(",")).filter(|list| !list.is_empty());
        let filters = [
            ("eventTypes", list(&self.event_types)),
            ("executionIds", list(&self.executions)),
            ("startTime", iso(&self.since)),
            ("endTime", iso(&self.until)),
        ];
        for (name, value) in filters {
            if let Some(value) = value {
                query.push_str(&format!("&{name}={}", utf8_percent_encode(&value, &QUERY)));
            }
        }
        query
    }
}

/// What came of opening a stream.
enum Opened {
    /// It is open, and has this number.
    Open(u64, Box<WebSocket>),
    /// The server refused it.
    Refused(StatusCode),
    /// There was no answer.
    Lost,
}

impl Client {
    /// Opens the stream of a session and follows it until it ends or is closed.
    pub async fn stream(self, session: String, wish: impl Into<StreamWish>) {
        let wish = wish.into();
        let mut closing = self.closing.subscribe();
        if let Opened::Open(number, socket) = self.open(&session, &wish).await {
            self.follow(&session, number, socket, wish.pause, &mut closing)
                .await;
        }
    }

    /// Follows a session for ever: a stream that ends is opened again, from where it ended, after a while or
    /// when its closing is asked for. Only a session that is not there any more is given up.
    pub async fn watch(self, session: String) {
        let mut closing = self.closing.subscribe();
        loop {
            closing.mark_unchanged();
            match self.open(&session, &From::Last.into()).await {
                Opened::Open(number, socket) => {
                    self.follow(&session, number, socket, Duration::ZERO, &mut closing)
                        .await;
                }
                Opened::Refused(StatusCode::NOT_FOUND) => return,
                Opened::Refused(_) | Opened::Lost => {}
            }
            tokio::select! {
                biased;
                _ = closing.changed() => {}
                () = self.seams.clock.sleep(REOPEN_DELAY) => {}
            }
        }
    }

    /// Closes all its open streams; to be run on the client's host.
    pub async fn close(self) {
        self.close_streams();
    }

    /// Closes all its open streams; one that is watched is opened again.
    pub(super) fn close_streams(&self) {
        self.closing.send_modify(|times| *times += 1);
    }

    async fn open(&self, session: &str, wish: &StreamWish) -> Opened {
        let number = self.probe.next_socket();
        let query = wish.query(self.last_event(session));
        let path = format!("/stream?cloudAgentSessionId={session}{query}");
        let url = format!("ws://{SERVER_AUTHORITY}{path}&ticket={}", self.ticket(session));
        let url: Uri = url.parse().expect("the harness makes valid URLs");
        let to = url.host().unwrap_or_default().to_owned();
        let opening = websocket::open(&*self.seams.network, &url, None);
        let (status, error) = match self.seams.clock.timeout(PATIENCE, opening).await {
            Ok(Ok(socket)) => {
                self.probe.observe(Observation::SocketOpened {
                    socket: number,
                    to,
                    path,
                });
                return Opened::Open(number, Box::new(socket));
            }
            Ok(Err(error @ OpenError::Refused { status, .. })) => (Some(status), error.to_string()),
            Ok(Err(error)) => (None, error.to_string()),
            Err(elapsed) => (None, elapsed.to_string()),
        };
        self.probe.observe(Observation::SocketRefused {
            socket: number,
            to,
            path,
            status,
            error,
        });
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        status.map_or(Opened::Lost, Opened::Refused)
    }

    /// Takes what a stream brings, with a pause after each frame.
    async fn follow(
        &self,
        session: &str,
        number: u64,
        mut socket: Box<WebSocket>,
        pause: Duration,
        closing: &mut watch::Receiver<u64>,
    ) {
        let (code, by) = loop {
            tokio::select! {
                biased;
                _ = closing.changed() => {
                    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                    // The server may have gone first; either way this side is done.
                    let _ = socket.send(Message::Close(Some(frame))).await;
                    break (Some(CloseCode::Normal.into()), ClosedBy::Itself);
                }
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.take(session, number, &body_as_value(text.as_bytes())),
                    Some(Ok(Message::Close(frame))) => {
                        break (frame.map(|frame| frame.code.into()), ClosedBy::Peer);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break (None, ClosedBy::Lost),
                },
            }
            if !pause.is_zero() {
                self.seams.clock.sleep(pause).await;
            }
        };
        self.probe.observe(Observation::SocketClosed {
            socket: number,
            code,
            by,
        });
    }

    /// Id of the last kept event of a session that any of its streams showed; 0 if none has.
    fn last_event(&self, session: &str) -> u64 {
        let last_events = self.last_events.lock().unwrap_or_else(PoisonError::into_inner);
        last_events.get(session).copied().unwrap_or_default()
    }

    fn take(&self, session: &str, socket: u64, frame: &Value) {
        if let Some(id) = frame["eventId"].as_u64() {
            let mut last_events = self.last_events.lock().unwrap_or_else(PoisonError::into_inner);
            let last = last_events.entry(session.to_owned()).or_default();
            *last = id.max(*last);
        }
        self.probe.observe(Observation::FrameReceived {
            socket,
            frame: frame.clone(),
        });
    }
}
