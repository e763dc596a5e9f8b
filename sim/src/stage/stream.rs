//! The streams of a client.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{StatusCode, Uri};
use jiff::Timestamp;
use percent_encoding::utf8_percent_encode;
use serde_json::Value;
use turnstile_events::observation::{ClosedBy, Observation, body_as_value};
use turnstile_seams::latest::Follower;
use turnstile_seams::websocket::{self, CloseCode, CloseFrame, Message, OpenError, WebSocket};
use turnstile_seams::{ClockExt as _, Wrapped};

use super::SERVER_AUTHORITY;
use super::client::{Awaited, Client, QUERY, REQUEST_TIMEOUT};
use super::identity::Claim;
use super::ingest::SWITCHING_PROTOCOLS;
use super::small_reads::SmallReads;

/// Delay before a client that watches a session reopens its stream.
const REOPEN_DELAY: Duration = Duration::from_secs(1);
/// The same after so many attempts in a row that found no server: a server that is down for months then costs few records. A
/// restart by the harness is seen at once, because it closes the streams.
const LATER_REOPEN_DELAY: Duration = Duration::from_secs(60);
const MANY_ATTEMPTS: u32 = 600;

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
    /// Who opens it.
    pub claim: Claim,
}

impl StreamRequest {
    /// All events from there on, for the user that owns the session.
    pub fn of(user: Arc<str>, from: From) -> Self {
        Self {
            from,
            event_types: Vec::new(),
            executions: Vec::new(),
            since: None,
            until: None,
            pause: Duration::ZERO,
            claim: Claim::of(user),
        }
    }

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
    /// Refused by the server, with this body.
    Refused(StatusCode, Value),
    /// No answer.
    Lost,
}

impl Client {
    /// Opens the stream of a session, sets `opened` to the answer, with status [`SWITCHING_PROTOCOLS`] if it is open, and
    /// reads it until it ends or is closed.
    pub async fn stream(self, session: String, request: StreamRequest, opened: Awaited) {
        let mut closing = self.closing.follow();
        let result = self.open(&session, &request).await;
        opened.set(match &result {
            Opened::Open(..) => Some((SWITCHING_PROTOCOLS, Value::Null)),
            Opened::Refused(status, body) => Some((status.as_u16(), body.clone())),
            Opened::Lost => None,
        });
        if let Opened::Open(number, socket) = result {
            self.follow(&session, number, socket, request.pause, &mut closing)
                .await;
        }
    }

    /// Watches a session: reopens its stream where it ended, after a delay or when the stream is closed on request. Stops
    /// if the session does not exist.
    pub async fn watch(self, session: String, user: Arc<str>) {
        let request = StreamRequest::of(user, From::Last);
        let mut closing = self.closing.follow();
        let mut failed = 0;
        loop {
            closing.mark_seen();
            match self.open(&session, &request).await {
                Opened::Open(number, socket) => {
                    self.follow(&session, number, socket, Duration::ZERO, &mut closing)
                        .await;
                    failed = 0;
                }
                Opened::Refused(StatusCode::NOT_FOUND, _) => return,
                Opened::Refused(..) => {}
                Opened::Lost => failed += 1,
            }
            let delay = match failed {
                ..MANY_ATTEMPTS => REOPEN_DELAY,
                _ => LATER_REOPEN_DELAY,
            };
            tokio::select! {
                biased;
                () = closing.changed() => failed = 0,
                () = self.seams.clock.sleep(delay) => {}
            }
        }
    }

    /// Closes all open streams. Runs on the client's host.
    pub async fn close(self) {
        self.close_streams();
    }

    /// Closes all open streams; watched ones are reopened.
    pub(super) fn close_streams(&self) {
        self.closing.update(|()| ());
    }

    async fn open(&self, session: &str, request: &StreamRequest) -> Opened {
        let number = self.probe.next_socket();
        let query = request.query(self.last_event(session));
        let path = format!("/stream?cloudAgentSessionId={session}{query}");
        let credentials = request.claim.credentials;
        let ticket = self.stream_ticket(session, &request.claim);
        let ticket = ticket
            .map(|ticket| format!("&ticket={ticket}"))
            .unwrap_or_default();
        let url = format!("ws://{SERVER_AUTHORITY}{path}{ticket}");
        let url: Uri = url.parse().expect("the harness makes valid URLs");
        let to = url.host().unwrap_or_default().to_owned();
        let network = match request.pause.is_zero() {
            true => Arc::clone(&self.seams.network),
            false => Arc::new(Wrapped::new(Arc::clone(&self.seams.network), SmallReads)),
        };
        let opening = websocket::open(&*network, &url, None);
        let (refusal, error) = match self.seams.clock.timeout(REQUEST_TIMEOUT, opening).await {
            Ok(Ok(socket)) => {
                self.probe.observe(Observation::SocketOpened {
                    socket: number,
                    to,
                    path,
                    credentials,
                });
                return Opened::Open(number, Box::new(socket));
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
            status: refusal.as_ref().map(|(status, _)| *status),
            error,
        });
        let refusal = refusal.and_then(|(status, body)| Some((StatusCode::from_u16(status).ok()?, body)));
        refusal.map_or(Opened::Lost, |(status, body)| Opened::Refused(status, body))
    }

    /// Reads frames, with a pause after each.
    async fn follow(
        &self,
        session: &str,
        number: u64,
        mut socket: Box<WebSocket>,
        pause: Duration,
        closing: &mut Follower<()>,
    ) {
        let (code, by) = loop {
            tokio::select! {
                biased;
                () = closing.changed() => {
                    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                    // The server may have closed first.
                    let _ = socket.send(Message::Close(Some(frame))).await;
                    break (Some(CloseCode::Normal.into()), ClosedBy::Itself);
                }
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.take(session, number, self.frames.read(&text)),
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

    fn take(&self, session: &str, socket: u64, frame: Arc<Value>) {
        if let Some(id) = frame["eventId"].as_u64() {
            let mut last_events = self.last_events.lock().unwrap_or_else(PoisonError::into_inner);
            let last = last_events.entry(session.to_owned()).or_default();
            *last = id.max(*last);
        }
        self.probe.observe(Observation::FrameReceived { socket, frame });
    }
}
