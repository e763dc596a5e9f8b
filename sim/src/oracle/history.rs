//! A trace as oracles read it: who asked what and was answered what, what the stream told, what reached
//! the wrapper and the receiver.
//!
//! It sorts what was seen; it judges nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use fake_gateway::observation::Sight;
use jiff::Timestamp;
use serde_json::Value;

use crate::stage::{GATEWAY, OBSERVER, RECEIVER, SERVER, WRAPPER};
use crate::trace::{Trace, What};
use crate::world::WorldEvent;

/// What all of a trace tells.
#[derive(Debug, Default)]
pub struct History {
    /// Requests of clients to the server, in order of sending.
    pub calls: Vec<Call>,
    /// What the streams showed, in order of receiving.
    pub seen: Vec<SeenEvent>,
    /// The log of kept events as the harness read it when all was over, in order of id; none if it could
    /// not be read.
    pub log: Option<Vec<StreamEvent>>,
    /// Turns that reached the wrapper, in order of arrival.
    pub deliveries: Vec<Delivery>,
    /// Requests that reached the receiver, in order of arrival.
    pub callbacks: Vec<CallbackRequest>,
    /// When the server went down.
    pub server_crashes: Vec<Duration>,
    /// What the gateway said at the end of who waits there.
    pub waiters: Option<Value>,
    /// When the last thing happened.
    pub end: Duration,
}

/// A client's request to the server.
#[derive(Debug)]
pub struct Call {
    /// When it was sent.
    pub at: Duration,
    /// The procedure.
    pub procedure: String,
    /// Its input.
    pub input: Value,
    /// The answer, and when it came; none if it never did.
    pub reply: Option<(Duration, u16, Value)>,
}

impl Call {
    /// The message that the answer acknowledges, and when; none if it does not.
    pub fn acked(&self) -> Option<(&str, Duration)> {
        let (at, status, body) = self.reply.as_ref()?;
        let is_admission = matches!(self.procedure.as_str(), "start" | "send");
        let message = body["result"]["data"]["messageId"].as_str()?;
        (is_admission && *status == 200).then_some((message, *at))
    }
}

/// An event of a session's stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEvent {
    /// 0 if it is not kept.
    pub id: u64,
    /// Its `streamEventType`.
    pub name: String,
    /// What it carries.
    pub data: Value,
    /// When the server says it happened, since the beginning of the run.
    pub at: Duration,
}

impl StreamEvent {
    /// The message that a `cloud.message.*` event is about.
    pub fn message(&self) -> Option<&str> {
        self.name.strip_prefix("cloud.message.")?;
        self.data["messageId"].as_str()
    }

    /// Whether it tells how a message ended.
    pub fn is_end(&self) -> bool {
        matches!(
            self.name.as_str(),
            "cloud.message.completed" | "cloud.message.failed"
        )
    }

    /// The kilo event's name and properties, if it carries one.
    pub fn kilo(&self) -> Option<(&str, &Value)> {
        if self.name != "kilocode" {
            return None;
        }
        Some((self.data["event"].as_str()?, &self.data["properties"]))
    }

    /// Whether it is the latest word on something, so that its content may change.
    pub fn is_upserted(&self) -> bool {
        matches!(self.kilo(), Some(("message.updated" | "message.part.updated", _)))
    }
}

/// An event that a stream showed.
#[derive(Debug)]
pub struct SeenEvent {
    /// Whose stream.
    pub party: String,
    /// Which of its streams.
    pub socket: u64,
    /// When.
    pub seen_at: Duration,
    /// The event.
    pub event: StreamEvent,
}

/// A turn that reached the wrapper.
#[derive(Debug)]
pub struct Delivery {
    /// When.
    pub at: Duration,
    /// The message.
    pub message: String,
    /// Whether the wrapper answered that it took it.
    pub taken: bool,
}

/// A request that reached the receiver.
#[derive(Debug)]
pub struct CallbackRequest {
    /// When.
    pub at: Duration,
    /// Its body.
    pub body: Value,
    /// What it was answered; none if nothing.
    pub status: Option<u16>,
}

impl CallbackRequest {
    /// What receivers tell repeats by.
    pub fn key(&self) -> &str {
        self.body["idempotencyKey"].as_str().unwrap_or_default()
    }

    /// Whether the receiver took it.
    pub fn is_delivered(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

impl History {
    /// Sorts what a trace has.
    pub fn read(trace: &Trace) -> Self {
        let mut history = Self::default();
        let mut reader = Reader::default();
        for record in trace.records() {
            history.end = record.at;
            match &record.what {
                What::Sight(sight) => history.take(trace, record.at, &record.party, sight, &mut reader),
                What::World(WorldEvent::Crashed { host, .. }) if host == SERVER => {
                    history.server_crashes.push(record.at);
                }
                What::World(_) | What::Step { .. } => {}
            }
        }
        history.log = reader.last_full_replay.map(|socket| {
            let mut log: Vec<StreamEvent> = history
                .seen
                .iter()
                .filter(|seen| seen.party == OBSERVER && seen.socket == socket && seen.event.id > 0)
                .map(|seen| seen.event.clone())
                .collect();
            log.sort_by_key(|event| event.id);
            log
        });
        history
    }

    /// Messages that some client was told are admitted, with when it was told first.
    pub fn acked(&self) -> BTreeMap<&str, Duration> {
        let mut acked = BTreeMap::new();
        for (message, at) in self.calls.iter().filter_map(Call::acked) {
            acked.entry(message).or_insert(at);
        }
        acked
    }

    /// The call that started the session.
    pub fn start(&self) -> Option<&Call> {
        self.calls
            .iter()
            .find(|call| call.procedure == "start" && call.acked().is_some())
    }

    /// The kept events as far as known: the log, or what was seen if there is no log.
    pub fn kept_events(&self) -> Vec<&StreamEvent> {
        if let Some(log) = &self.log {
            return log.iter().collect();
        }
        let mut by_id = BTreeMap::new();
        for seen in self.seen.iter().filter(|seen| seen.event.id > 0) {
            by_id.entry(seen.event.id).or_insert(&seen.event);
        }
        by_id.into_values().collect()
    }

    /// When a kept event was first shown on any stream; if it never was, when it happened by its own word.
    pub fn first_seen(&self, event: &StreamEvent) -> Duration {
        let seen = self.seen.iter().find(|seen| seen.event.id == event.id);
        seen.map_or(event.at, |seen| seen.seen_at)
    }

    fn take(&mut self, trace: &Trace, at: Duration, party: &str, sight: &Sight, reader: &mut Reader) {
        match (party, sight) {
            (
                WRAPPER,
                Sight::RequestReceived {
                    exchange, path, body, ..
                },
            ) if path.starts_with("/job/") => {
                if let Some(message) = body["message"]["id"].as_str() {
                    reader.deliveries.insert(*exchange, self.deliveries.len());
                    self.deliveries.push(Delivery {
                        at,
                        message: message.to_owned(),
                        taken: false,
                    });
                }
            }
            (WRAPPER, Sight::ReplySent { exchange, status, .. }) => {
                if let Some(index) = reader.deliveries.get(exchange) {
                    self.deliveries[*index].taken = *status == 200;
                }
            }
            (RECEIVER, Sight::RequestReceived { exchange, body, .. }) => {
                reader.callbacks.insert(*exchange, self.callbacks.len());
                self.callbacks.push(CallbackRequest {
                    at,
                    body: body.clone(),
                    status: None,
                });
            }
            (RECEIVER, Sight::ReplySent { exchange, status, .. }) => {
                if let Some(index) = reader.callbacks.get(exchange) {
                    self.callbacks[*index].status = Some(*status);
                }
            }
            (
                _,
                Sight::RequestSent {
                    exchange,
                    to,
                    path,
                    body,
                    ..
                },
            ) => {
                let key = (party.to_owned(), *exchange);
                if let Some(procedure) = path.strip_prefix("/trpc/").filter(|_| to == SERVER) {
                    reader.calls.insert(key, self.calls.len());
                    let procedure = procedure.to_owned();
                    self.calls.push(Call {
                        at,
                        procedure,
                        input: body.clone(),
                        reply: None,
                    });
                } else if to == GATEWAY && path == "/test/waiters" {
                    reader.waiters = Some(key);
                }
            }
            (
                _,
                Sight::ReplyReceived {
                    exchange,
                    status,
                    body,
                },
            ) => {
                let key = (party.to_owned(), *exchange);
                if let Some(index) = reader.calls.get(&key) {
                    self.calls[*index].reply = Some((at, *status, body.clone()));
                } else if reader.waiters.as_ref() == Some(&key) {
                    self.waiters = Some(body.clone());
                }
            }
            (OBSERVER, Sight::SocketOpened { socket, path, .. }) if path.ends_with("&fromId=0") => {
                reader.last_full_replay = Some(*socket);
            }
            (_, Sight::FrameReceived { socket, frame }) if party != WRAPPER => {
                if let Some(event) = read_event(trace, frame) {
                    self.seen.push(SeenEvent {
                        party: party.to_owned(),
                        socket: *socket,
                        seen_at: at,
                        event,
                    });
                }
            }
            _ => {}
        }
    }
}

/// Where in the history the exchanges are that are still to be answered.
#[derive(Default)]
struct Reader {
    calls: BTreeMap<(String, u64), usize>,
    deliveries: BTreeMap<u64, usize>,
    callbacks: BTreeMap<u64, usize>,
    waiters: Option<(String, u64)>,
    last_full_replay: Option<u64>,
}

fn read_event(trace: &Trace, frame: &Value) -> Option<StreamEvent> {
    let time: Timestamp = frame["timestamp"].as_str()?.parse().ok()?;
    Some(StreamEvent {
        id: frame["eventId"].as_u64()?,
        name: frame["streamEventType"].as_str()?.to_owned(),
        data: frame["data"].clone(),
        at: trace.since_beginning(time).unwrap_or_default(),
    })
}
