//! The streams of a client.

use std::sync::{Arc, PoisonError};
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
use super::client::{Client, QUERY, REQUEST_TIMEOUT};
use super::small_reads::SmallReads;

/// Delay before a client that watches a session reopens its stream.
const REOPEN_DELAY: Duration = Duration::from_secs(1);

/// Where the replay of a stream starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// After the event with this id; 0 replays everything.
    After(u64),
    /// After the last event that this client has seen.
    Last,
    /// No replay.
    Nowhere,
}

/// Parameters of a stream, and how the client reads it (protocol §9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRequest {
    /// Start of the replay.
    pub from: From,
    /// Event types to receive; empty for all.
    pub event_types: Vec<String>,
    /// Ids of executions to receive; empty for all.
    pub executions: Vec<String>,
    /// Earliest time of events.
    pub since: Option<Timestamp>,
    /// Latest time of events.
    pub until: Option<Timestamp>,
    /// Pause of the client after each frame.
    pub pause: Duration,
}

impl std::convert::From<From> for StreamRequest {
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

impl StreamRequest {
    /// The query for a client that has seen events up to `last_event`.
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

/// The result of opening a stream.
enum Opened {
    /// Open, with the number of the socket.
    Open(u64, Box<WebSocket>),
    /// Refused by the server.
    Refused(StatusCode),
    /// No answer.
    Lost,
}

impl Client {
    /// Opens the stream of a session and reads it until it ends or is closed.
    pub async fn stream(self, session: String, request: impl Into<StreamRequest>) {
        let request = request.into();
        let mut closing = self.closing.subscribe();
        if let Opened::Open(number, socket) = self.open(&session, &request).await {
            self.follow(&session, number, socket, request.pause, &mut closing)
                .await;
        }
    }

    /// Watches a session: reopens its stream where it ended, after a delay or when the stream is closed on request. Stops
    /// if the session does not exist.
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

    /// Closes all open streams. Runs on the client's host.
    pub async fn close(self) {
        self.close_streams();
    }

    /// Closes all open streams; watched ones are reopened.
    pub(super) fn close_streams(&self) {
        self.closing.send_modify(|times| *times += 1);
    }

    async fn open(&self, session: &str, request: &StreamRequest) -> Opened {
        let number = self.probe.next_socket();
        let query = request.query(self.last_event(session));
        let path = format!("/stream?cloudAgentSessionId={session}{query}");
        let url = format!("ws://{SERVER_AUTHORITY}{path}&ticket={}", self.ticket(session));
        let url: Uri = url.parse().expect("the harness makes valid URLs");
        let to = url.host().unwrap_or_default().to_owned();
        let network = match request.pause.is_zero() {
            true => Arc::clone(&self.seams.network),
            false => Arc::new(SmallReads(Arc::clone(&self.seams.network))),
        };
        let opening = websocket::open(&*network, &url, None);
        let (status, error) = match self.seams.clock.timeout(REQUEST_TIMEOUT, opening).await {
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

    /// Reads frames, with a pause after each.
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
                    // The server may have closed first.
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

    /// Id of the last kept event of a session that any stream showed; 0 if none.
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
