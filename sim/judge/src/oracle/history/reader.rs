//! Reads a trace in one pass.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_events::world::WorldEvent;

use super::content::Contents;
use super::event::{CONNECTED, read_event};
use super::faults::Report;
use super::filters::Filters;
use super::logs;
use super::wire::{self, Fence};
use super::wrapper::{ingest_host, wrapper_answer};
use super::{
    Binding, Call, CallbackRequest, Delivery, Door, History, ImportedIngest, Ingest, LostOpening, Ping,
    Preparation, ProtocolError, RefusedSocket, SeenEvent, SnapshotRequest, Stop, Stream, StreamStart,
    UnreadableFrame, WrapperFrame,
};
use crate::parties::{GATEWAY, OBSERVER, RECEIVER, SERVER};
use crate::trace::{Record, What};

/// Reads the records of a trace, or the first of them.
pub(super) fn read(epoch: Timestamp, records: &[Record]) -> History {
    let mut reader = Reader {
        history: History {
            epoch,
            ..History::default()
        },
        sockets: BTreeMap::new(),
        exchanges: BTreeMap::new(),
        readings: BTreeMap::new(),
        has_set_clock: records
            .iter()
            .any(|record| matches!(&record.what, What::World(event) if event.sets_clock())),
        times: BTreeMap::new(),
        contents: Contents::default(),
    };
    for record in records {
        reader.history.end = record.at;
        match &record.what {
            What::Observation(observation) => reader.take(record.at, &record.party, observation),
            What::World(WorldEvent::Stalled { stalled_us }) => {
                let stalled = Duration::from_micros(*stalled_us);
                reader.history.stalls.take(record.at, stalled);
            }
            What::World(event) => reader.history.faults.take(record.at, event),
            What::Queue(submission) => reader.history.submissions.push((record.at, submission.clone())),
            What::Step { .. } => {}
        }
    }
    logs::note(&mut reader.history, reader.readings);
    reader.history
}

struct Reader<'a> {
    history: History,
    /// Open sockets, by party and number.
    sockets: BTreeMap<(&'a str, u64), Socket>,
    /// Exchanges without an answer yet, by party and number.
    exchanges: BTreeMap<(&'a str, u64), Exchange>,
    /// The harness's last reading of each session's log; `None` if it was refused.
    readings: BTreeMap<Arc<str>, Option<usize>>,
    /// Whether the server's clock is set in the run.
    has_set_clock: bool,
    /// The times of kept events by session, id and reported time, if the clock is set.
    times: BTreeMap<(Arc<str>, u64, String), Duration>,
    contents: Contents<'a>,
}

/// A socket, as an index into the history.
#[derive(Clone, Copy)]
enum Socket {
    Stream(usize),
    Ingest(usize),
    ImportedIngest(usize),
}

/// An exchange, as an index into the history if it has an entry there.
enum Exchange {
    Call(usize),
    Waiters,
    Preparation(usize),
    Delivery(usize),
    Callback(usize),
}

impl<'a> Reader<'a> {
    fn take(&mut self, at: Duration, party: &'a str, observation: &'a Observation) {
        match observation {
            Observation::RequestSent {
                exchange, to, path, ..
            } => self.request_sent(at, (party, *exchange), to, path, observation),
            Observation::RequestReceived {
                exchange,
                method,
                path,
                headers,
                body,
                ..
            } if party == RECEIVER => {
                let request = CallbackRequest {
                    at,
                    method: method.clone(),
                    path: path.clone(),
                    headers: headers.clone(),
                    body: body.clone(),
                    status: None,
                    answered_at: None,
                };
                self.called_back((party, *exchange), request);
            }
            Observation::RequestReceived {
                exchange, path, body, ..
            } => self.wrapper_requested(at, (party, *exchange), path, body),
            Observation::ReplyReceived {
                exchange,
                status,
                body,
                ..
            }
            | Observation::ReplySent {
                exchange,
                status,
                body,
                ..
            } => self.answered(at, (party, *exchange), *status, body),
            Observation::NoReply { exchange, .. } => self.unanswered(at, (party, *exchange)),
            Observation::SocketOpened {
                socket,
                to,
                path,
                credentials,
            } if wire::is_server(to, path) => {
                self.opened(at, (party, *socket), path, *credentials);
            }
            Observation::SocketRefused { to, path, .. } if wire::is_server(to, path) => {
                self.refused(at, party, path, observation);
            }
            Observation::FrameReceived { socket, frame, .. } => {
                self.frame_received(at, (party, *socket), frame);
            }
            Observation::FrameSent { socket, frame, .. } => self.frame_sent(at, (party, *socket), frame),
            Observation::SocketClosed { socket, by, .. } => self.closed(at, (party, *socket), *by),
            _ => {}
        }
    }

    fn called_back(&mut self, exchange: (&'a str, u64), request: CallbackRequest) {
        let place = self.history.callbacks.len();
        self.exchanges.insert(exchange, Exchange::Callback(place));
        self.history.callbacks.push(request);
    }

    /// The server refused a WebSocket, or could not be reached.
    fn refused(&mut self, at: Duration, party: &str, path: &str, refusal: &Observation) {
        let Observation::SocketRefused {
            to,
            credentials,
            status,
            ..
        } = refusal
        else {
            return;
        };
        if to == SERVER && party == OBSERVER {
            self.reading_refused(path);
        }
        match (status, Door::of_path(path)) {
            (None, _) if to == SERVER && party != OBSERVER => self.opening_lost(at, path),
            (Some(status), Some((door, session))) => self.history.refused.push(RefusedSocket {
                at,
                party: party.to_owned(),
                door,
                session: session.into_owned(),
                credentials: *credentials,
                status: *status,
            }),
            _ => {}
        }
    }

    /// The harness is not allowed to open a stream. If that was to read the log from its beginning, it is unread.
    fn reading_refused(&mut self, path: &str) {
        if let (Some(session), StreamStart::After(0)) = (wire::stream_session(path), wire::stream_start(path))
        {
            let session = self.session(&session);
            self.readings.insert(session, None);
        }
    }

    /// An attempt to open an ingest socket ended without an answer.
    fn opening_lost(&mut self, at: Duration, path: &str) {
        if let (Some(session), Some(fence)) = (wire::ingest_session(path), Fence::of_path(path)) {
            let session = self.session(session);
            self.history
                .lost_openings
                .push(LostOpening { session, fence, at });
        }
    }

    fn frame_received(&mut self, at: Duration, socket: (&'a str, u64), frame: &'a Arc<Value>) {
        match self.sockets.get(&socket) {
            Some(Socket::Stream(stream)) => self.shown(at, *stream, frame),
            Some(Socket::Ingest(ingest)) if frame["type"] == "kill" => {
                let run = Some(self.history.ingests[*ingest].fence.run.clone());
                let is_abort = false;
                self.history.stops.push(Stop { at, run, is_abort });
            }
            Some(Socket::Ingest(ingest)) if frame["type"] == "request_snapshot" => {
                let ingest = *ingest;
                self.history
                    .snapshot_requests
                    .push(SnapshotRequest { at, ingest });
            }
            Some(Socket::Ingest(ingest)) if frame["code"] == "WS_PROTOCOL_ERROR" => {
                let ingest = *ingest;
                self.history.protocol_errors.push(ProtocolError { at, ingest });
            }
            Some(Socket::ImportedIngest(ingest)) if frame["code"] == "WS_PROTOCOL_ERROR" => {
                let ingest = *ingest;
                self.history.imported_errors.push(ProtocolError { at, ingest });
            }
            Some(Socket::Ingest(ingest)) if frame["type"] == "ping" => {
                self.history.pings.push(Ping { at, ingest: *ingest });
            }
            _ => {}
        }
    }

    fn frame_sent(&mut self, at: Duration, socket: (&'a str, u64), frame: &'a Arc<Value>) {
        let contents = &mut self.contents;
        let mut sent = |ingest: &usize| WrapperFrame::of(at, *ingest, frame, contents.number(frame));
        match self.sockets.get(&socket) {
            Some(Socket::Ingest(ingest)) => {
                let place = self.history.wrapper_frames.len();
                self.history.ingests[*ingest].frames.push(place);
                self.history.wrapper_frames.push(sent(ingest));
            }
            Some(Socket::ImportedIngest(ingest)) => self.history.imported_frames.push(sent(ingest)),
            Some(Socket::Stream(_)) | None => {}
        }
    }

    fn closed(&mut self, at: Duration, socket: (&'a str, u64), by: ClosedBy) {
        match self.sockets.remove(&socket) {
            Some(Socket::Stream(stream)) => self.history.streams[stream].closed_at = Some(at),
            Some(Socket::Ingest(ingest)) => {
                let ingest = &mut self.history.ingests[ingest];
                (ingest.closed_at, ingest.is_closed_by_server) = (Some(at), by == ClosedBy::Peer);
            }
            Some(Socket::ImportedIngest(ingest)) => {
                self.history.imported_ingests[ingest].closed_at = Some(at);
            }
            None => {}
        }
    }

    fn request_sent(
        &mut self,
        at: Duration,
        exchange: (&'a str, u64),
        to: &str,
        path: &str,
        sent: &Observation,
    ) {
        let Observation::RequestSent {
            credentials, body, ..
        } = sent
        else {
            return;
        };
        let known = if let Some(called) = path.strip_prefix("/trpc/").filter(|_| to == SERVER) {
            let procedure = called.split('?').next().unwrap_or_default().to_owned();
            let place = self.history.calls.len();
            self.history.calls.push(Call {
                at,
                party: exchange.0.to_owned(),
                procedure,
                credentials: *credentials,
                input: wire::input(path, body),
                reply: None,
                given_up_at: None,
            });
            Exchange::Call(place)
        } else if to == GATEWAY && path == "/test/waiters" {
            Exchange::Waiters
        } else {
            return;
        };
        self.exchanges.insert(exchange, known);
    }

    /// A request to a wrapper, or to a party whose requests are not judged.
    fn wrapper_requested(&mut self, at: Duration, exchange: (&'a str, u64), path: &str, body: &Value) {
        let binding = &body["session"];
        let named = body["agentSessionId"]
            .as_str()
            .or_else(|| wire::ingest_session(binding["ingestUrl"].as_str()?));
        let session = named.map(|id| self.session(id));
        let fence = Fence::of_binding(binding);
        if let Some(fence) = fence.clone() {
            self.history.bindings.push(Binding {
                at,
                host: exchange.0.to_owned(),
                session: session.clone(),
                fence,
                token: binding["workerAuthToken"].as_str().map(str::to_owned),
            });
        }
        if path == "/job/abort" {
            let run = body["wrapperRunId"].as_str().map(str::to_owned);
            let is_abort = true;
            self.history.stops.push(Stop { at, run, is_abort });
        } else if let (true, Some(message)) = (path.starts_with("/job/"), wire::delivered_message(body)) {
            let place = self.history.deliveries.len();
            self.exchanges.insert(exchange, Exchange::Delivery(place));
            self.history.deliveries.push(Delivery {
                at,
                session,
                path: path.to_owned(),
                message: message.to_owned(),
                fence,
                body: body.clone(),
                answer: None,
            });
        } else if path.starts_with("/job/") && !body.is_null() {
            self.history.nameless_jobs.push((at, path.to_owned()));
        } else if path == "/session/ready" {
            if let Some(session) = &session {
                self.learn_root(session, &body["kiloSessionId"]);
            }
            let place = self.history.preparations.len();
            self.exchanges.insert(exchange, Exchange::Preparation(place));
            self.history.preparations.push(Preparation {
                at,
                session,
                fence,
                body: body.clone(),
                answer: None,
            });
        }
    }

    fn answered(&mut self, at: Duration, exchange: (&'a str, u64), status: u16, body: &Value) {
        match self.exchanges.remove(&exchange) {
            Some(Exchange::Call(place)) => {
                let call = &mut self.history.calls[place];
                call.reply = Some((at, status, body.clone()));
                let root = call.success().map(|(_, data)| data["kiloSessionId"].clone());
                let session = call.session().map(str::to_owned);
                if let (Some(session), Some(root)) = (session, root) {
                    let session = self.session(&session);
                    self.learn_root(&session, &root);
                }
            }
            Some(Exchange::Waiters) => self.history.waiters = Some(body.clone()),
            Some(Exchange::Preparation(place)) => {
                let preparation = &mut self.history.preparations[place];
                preparation.answer = Some(wrapper_answer(at, status, body));
                if let Some(session) = preparation.session.clone() {
                    self.learn_root(&session, &body["kiloSessionId"]);
                }
            }
            Some(Exchange::Delivery(place)) => {
                self.history.deliveries[place].answer = Some(wrapper_answer(at, status, body));
            }
            Some(Exchange::Callback(place)) => {
                let request = &mut self.history.callbacks[place];
                (request.status, request.answered_at) = (Some(status), Some(at));
            }
            None => {}
        }
    }

    /// A request ended without an answer.
    fn unanswered(&mut self, at: Duration, exchange: (&'a str, u64)) {
        if let Some(Exchange::Call(place)) = self.exchanges.remove(&exchange) {
            self.history.calls[place].given_up_at = Some(at);
        }
    }

    fn opened(&mut self, at: Duration, socket: (&'a str, u64), path: &str, credentials: Credentials) {
        if let Some(session) = wire::stream_session(path) {
            let session = self.session(&session);
            let place = self.history.streams.len();
            let from = wire::stream_start(path);
            if socket.0 == OBSERVER && from == StreamStart::After(0) {
                self.readings.insert(session.clone(), Some(place));
            }
            self.history.streams.push(Stream {
                party: socket.0.to_owned(),
                socket: socket.1,
                credentials,
                session,
                from,
                is_filtered: wire::is_filtered(path),
                filters: Filters::of_path(path),
                opened_at: at,
                connected_at: None,
                closed_at: None,
                events: Vec::new(),
            });
            self.sockets.insert(socket, Socket::Stream(place));
        } else if let (Some(session), Some(fence)) = (wire::ingest_session(path), Fence::of_path(path)) {
            let session = self.session(session);
            let place = self.history.ingests.len();
            self.history.ingests.push(Ingest {
                party: socket.0.to_owned(),
                credentials,
                session,
                fence,
                host: ingest_host(socket.0),
                opened_at: at,
                closed_at: None,
                is_closed_by_server: false,
                frames: Vec::new(),
            });
            self.sockets.insert(socket, Socket::Ingest(place));
        } else if let (Some(session), Some(execution)) =
            (wire::ingest_session(path), wire::parameter(path, "executionId"))
        {
            let session = self.session(session);
            let place = self.history.imported_ingests.len();
            self.history.imported_ingests.push(ImportedIngest {
                session,
                execution: execution.to_owned(),
                host: ingest_host(socket.0),
                opened_at: at,
                closed_at: None,
            });
            self.sockets.insert(socket, Socket::ImportedIngest(place));
        }
    }

    fn shown(&mut self, at: Duration, place: usize, frame: &'a Arc<Value>) {
        let history = &self.history;
        let stream = &history.streams[place];
        let report = Report {
            opened_at: stream.opened_at,
            seen_at: at,
            is_replayed: stream.connected_at.is_none(),
        };
        let clock = history.faults.clock();
        let time_of = |time: Timestamp| clock.time_of(time.duration_since(history.epoch), &report);
        let content = self.contents.number(frame);
        let event = read_event(&stream.session, frame, content, time_of);
        let stream = &mut self.history.streams[place];
        match event {
            Some(mut event) => {
                if self.has_set_clock && event.id > 0 {
                    // What a replay repeats has the time of its first sight.
                    let version = (event.session.clone(), event.id, frame["timestamp"].to_string());
                    event.at = *self.times.entry(version).or_insert(event.at);
                }
                if event.name == CONNECTED {
                    stream.connected_at.get_or_insert(at);
                }
                stream.events.push(self.history.seen.len());
                self.history.seen.push(SeenEvent {
                    party: stream.party.clone(),
                    socket: stream.socket,
                    seen_at: at,
                    event,
                });
            }
            None => self.history.unreadable.push(UnreadableFrame {
                session: stream.session.clone(),
                party: stream.party.clone(),
                seen_at: at,
                frame: Arc::clone(frame),
            }),
        }
    }

    /// The session with this id. It is part of the history from now on.
    fn session(&mut self, id: &str) -> Arc<str> {
        if let Some((known, _)) = self.history.sessions.get_key_value(id) {
            return known.clone();
        }
        let id: Arc<str> = id.into();
        self.history
            .sessions
            .insert(id.clone(), super::SessionNotes::default());
        id
    }

    fn learn_root(&mut self, session: &Arc<str>, root: &Value) {
        if let (Some(root), Some(notes)) = (root.as_str(), self.history.sessions.get_mut(session)) {
            notes.roots.insert(root.to_owned());
        }
    }
}
