//! The part of a history that concerns one session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{
    Binding, Call, CallbackRequest, Delivery, Fence, History, ImportedIngest, Ingest, LogUnread, Preparation,
    SeenEvent, Stream, StreamEvent, WrapperFrame, answer,
};
use crate::parties::OBSERVER;

/// The longest time that a stream takes to open, and then to show that it is connected: a client gives up after it.
pub(in crate::oracle) const LONGEST_OPENING: Duration = Duration::from_secs(60);
/// Longest pause of a slow client between two events. The observer of the harness never pauses.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// One session.
pub struct SessionHistory<'a> {
    /// The history of the whole run.
    pub run: &'a History,
    /// Id of the session.
    pub id: &'a str,
    /// Requests of clients about it.
    pub calls: Vec<&'a Call>,
    /// Its streams.
    pub streams: Vec<&'a Stream>,
    /// The log of its kept events at the end of the run, in order of id; `None` if the harness did not read it or could
    /// not.
    pub log: Option<Vec<&'a StreamEvent>>,
    /// Its kept events: the log, or the received events if there is no log.
    pub kept: Vec<&'a StreamEvent>,
    /// Bindings that the wrapper received for it.
    pub bindings: Vec<&'a Binding>,
    /// Requests to get ready for it that reached the wrapper.
    pub preparations: Vec<&'a Preparation>,
    /// Its turns that reached the wrapper.
    pub deliveries: Vec<&'a Delivery>,
    /// Requests to the receiver that name it.
    pub callbacks: Vec<&'a CallbackRequest>,
    /// The ends of messages among the kept events.
    pub ends: Vec<&'a StreamEvent>,
    /// The acceptances among the kept events.
    pub sent: Vec<&'a StreamEvent>,
    /// The idles of the root among the kept events.
    pub root_idles: Vec<&'a StreamEvent>,
    /// What shows when each message was taken, by message.
    taken: BTreeMap<&'a str, Taken<'a>>,
    /// Requests to admit each message, also of clients that do not name the session.
    requests: BTreeMap<&'a str, Vec<&'a Call>>,
    /// The kept events about parts of each of kilo's messages, in order of id.
    parts: BTreeMap<&'a str, Vec<&'a StreamEvent>>,
    /// Whether it may have been removed: a client requested its deletion, or it was inactive for its whole lifetime.
    pub is_removed: bool,
}

/// What shows when a message was taken.
#[derive(Default)]
struct Taken<'a> {
    /// Its first admission.
    queued: Option<&'a StreamEvent>,
    /// Its deliveries, in order of arrival.
    deliveries: Vec<&'a Delivery>,
    /// Its first end.
    end: Option<&'a StreamEvent>,
    /// Id of the last event of its acceptance.
    last_sent: Option<u64>,
    /// Id of the first report of its wrapper.
    first_report: Option<u64>,
    /// The kept rows of the assistant's messages that answer it, in order of id.
    answers: Vec<&'a StreamEvent>,
}

impl<'a> Taken<'a> {
    /// Reads the deliveries and the kept events of a session, in order of id.
    fn all(deliveries: &[&'a Delivery], kept: &[&'a StreamEvent]) -> BTreeMap<&'a str, Self> {
        let mut all = BTreeMap::<&str, Self>::new();
        for delivery in deliveries {
            let taken = all.entry(delivery.message.as_str()).or_default();
            taken.deliveries.push(delivery);
        }
        for event in kept {
            if let Some(message) = event.message().filter(|_| event.is_queued()) {
                all.entry(message).or_default().queued.get_or_insert(event);
            }
            if let Some(message) = event.message().filter(|_| event.is_sent()) {
                all.entry(message).or_default().last_sent = Some(event.id);
            }
            if let Some(message) = event.message().filter(|_| event.is_end()) {
                all.entry(message).or_default().end.get_or_insert(event);
            }
            let kilo = event.kilo();
            if let Some((message, _)) = kilo.and_then(answer) {
                all.entry(message).or_default().answers.push(event);
            }
            if let Some(("message.updated", properties)) = kilo {
                let info = &properties["info"];
                for message in [&info["id"], &info["parentID"]]
                    .into_iter()
                    .filter_map(Value::as_str)
                {
                    all.entry(message)
                        .or_default()
                        .first_report
                        .get_or_insert(event.id);
                }
            }
        }
        all
    }
}

/// The requests of a run that may admit a message to a session, by message.
fn requests<'a>(run: &'a History, id: &str) -> BTreeMap<&'a str, Vec<&'a Call>> {
    let mut requests = BTreeMap::<&str, Vec<&Call>>::new();
    for call in &run.calls {
        if let Some(message) = call.requested_message()
            && call.session().is_none_or(|session| session == id)
        {
            requests.entry(message).or_default().push(call);
        }
    }
    requests
}

/// The events about parts of each of kilo's messages.
fn parts<'a>(kept: &[&'a StreamEvent]) -> BTreeMap<&'a str, Vec<&'a StreamEvent>> {
    let mut parts = BTreeMap::<&str, Vec<&StreamEvent>>::new();
    for event in kept {
        let message = match event.kilo() {
            Some(("message.part.updated", properties)) => &properties["part"]["messageID"],
            Some(("message.part.removed", properties)) => &properties["messageID"],
            _ => continue,
        };
        if let Some(message) = message.as_str() {
            parts.entry(message).or_default().push(event);
        }
    }
    parts
}

/// Indices into [`History::seen`] of a session's kept events, in order of id.
pub(super) fn kept(history: &History, id: &str) -> Vec<usize> {
    let notes = &history.sessions[id];
    if let Some(Ok(log)) = &notes.log {
        return log.clone();
    }
    let mut last_versions = BTreeMap::new();
    for (place, seen) in history.seen.iter().enumerate() {
        if seen.event.id > 0 && *seen.event.session == *id {
            last_versions.insert(seen.event.id, place);
        }
    }
    last_versions.into_values().collect()
}

/// Whether a session was inactive, without a call or a kept event, for its whole lifetime.
fn has_expired(run: &History, calls: &[&Call], kept: &[&StreamEvent]) -> bool {
    // A query changes nothing, so it may be no activity.
    let acts = calls.iter().filter(|call| !call.is_query());
    let mut active_at: Vec<Duration> = acts.map(|call| call.at).collect();
    active_at.extend(kept.iter().map(|event| event.at));
    active_at.push(run.end);
    active_at.sort_unstable();
    let lifetime = run.context.profile.session_lifetime;
    let inactive_for = |pair: &[Duration]| {
        let gained = run.faults.clock().gain(pair[0], pair[1]);
        (pair[1] - pair[0]).saturating_add(gained)
    };
    active_at.windows(2).any(|pair| inactive_for(pair) >= lifetime)
}

/// Whether an event is an idle of one of these roots; of any kilo session if the roots are unknown.
fn is_idle_of(roots: &BTreeSet<String>, event: &StreamEvent) -> bool {
    let Some(("session.idle", properties)) = event.kilo() else {
        return false;
    };
    let mut named = properties["sessionID"].as_str().into_iter();
    !event.is_of_execution() && (roots.is_empty() || named.any(|id| roots.contains(id)))
}

impl<'a> SessionHistory<'a> {
    pub(super) fn of(run: &'a History, id: &'a str) -> Self {
        let kept: Vec<&StreamEvent> = kept(run, id)
            .into_iter()
            .map(|place| &run.seen[place].event)
            .collect();
        let calls: Vec<&Call> = run
            .calls
            .iter()
            .filter(|call| call.session() == Some(id))
            .collect();
        let is_deletion =
            |call: &&Call| call.procedure == "deleteSession" && call.is_by_user() && !call.is_refused();
        let is_removed = calls.iter().any(is_deletion) || has_expired(run, &calls, &kept);
        let has_log = matches!(run.sessions[id].log, Some(Ok(_)));
        let is_of = |session: &Option<Arc<str>>| session.as_deref() == Some(id);
        let deliveries: Vec<&Delivery> = run
            .deliveries
            .iter()
            .filter(|delivery| is_of(&delivery.session))
            .collect();
        let among = |is_it: &dyn Fn(&StreamEvent) -> bool| -> Vec<&'a StreamEvent> {
            kept.iter().copied().filter(|event| is_it(event)).collect()
        };
        Self {
            ends: among(&StreamEvent::is_end),
            sent: among(&StreamEvent::is_sent),
            root_idles: among(&|event| is_idle_of(&run.sessions[id].roots, event)),
            taken: Taken::all(&deliveries, &kept),
            requests: requests(run, id),
            parts: parts(&kept),
            run,
            id,
            log: has_log.then(|| kept.clone()),
            kept,
            streams: run
                .streams
                .iter()
                .filter(|stream| *stream.session == *id)
                .collect(),
            bindings: run
                .bindings
                .iter()
                .filter(|binding| is_of(&binding.session))
                .collect(),
            preparations: run
                .preparations
                .iter()
                .filter(|preparation| is_of(&preparation.session))
                .collect(),
            deliveries,
            callbacks: run
                .callbacks
                .iter()
                .filter(|request| {
                    let body = &request.body;
                    body["cloudAgentSessionId"] == id || body["sessionId"] == id
                })
                .collect(),
            is_removed,
            calls,
        }
    }

    /// Whether the harness requested its log and did not receive it.
    pub fn is_unread(&self) -> bool {
        matches!(self.run.sessions[self.id].log, Some(Err(LogUnread)))
    }

    /// Whether the harness followed its stream, so that its events are known. A session that a script makes with a
    /// `call` may have no reader.
    pub fn is_watched(&self) -> bool {
        self.log.is_some() || self.is_unread() || self.streams.iter().any(|stream| stream.party == OBSERVER)
    }

    /// Acknowledged messages, with the time and the call of the first acknowledgement.
    pub fn acked(&self) -> BTreeMap<&'a str, (Duration, &'a Call)> {
        let mut acked = BTreeMap::new();
        for call in &self.calls {
            if let Some((message, at)) = call.acked() {
                acked.entry(message).or_insert((at, *call));
            }
        }
        acked
    }

    /// The fence of the run that a message was delivered to last, up to `by`; `None` if the wire does not show it.
    ///
    /// Generations rise. A request that was held up may arrive after one of a later generation.
    pub fn run_of(&self, message: &str, by: Duration) -> Option<&'a Fence> {
        let taken = self.taken.get(message)?;
        taken
            .deliveries
            .iter()
            .filter(|delivery| delivery.at <= by)
            .filter_map(|delivery| delivery.fence.as_ref())
            .max_by_key(|fence| fence.generation)
    }

    /// The requests to admit a message, in order of sending. Those without an answer may not name the session.
    pub fn requests_of(&self, message: &str) -> &[&'a Call] {
        self.requests.get(message).map_or(&[], Vec::as_slice)
    }

    /// The kept rows of the assistant's messages that answer a message, in order of id.
    pub fn answers_to(&self, message: &str) -> &[&'a StreamEvent] {
        self.taken
            .get(message)
            .map_or(&[], |taken| taken.answers.as_slice())
    }

    /// The kept events about parts of one of kilo's messages, in order of id.
    pub fn parts_of(&self, message: &str) -> &[&'a StreamEvent] {
        self.parts.get(message).map_or(&[], Vec::as_slice)
    }

    /// The first event that reports the admission of a message.
    pub fn queued_of(&self, message: &str) -> Option<&'a StreamEvent> {
        self.taken.get(message)?.queued
    }

    /// The first end of a message.
    pub fn end_of(&self, message: &str) -> Option<&'a StreamEvent> {
        self.taken.get(message)?.end
    }

    /// Time of the delivery of a message, if the wire shows exactly one.
    pub fn only_delivery_of(&self, message: &str) -> Option<Duration> {
        match self.taken.get(message)?.deliveries[..] {
            [delivery] => Some(delivery.at),
            _ => None,
        }
    }

    /// Whether a message was in delivery when an event of the log happened, and its wrapper had reported it: the wire
    /// shows one delivery of it, which was accepted later, and the log has a report of it before the event.
    pub fn was_taken_before(&self, message: &str, event: &StreamEvent) -> bool {
        self.only_delivery_of(message).is_some() && self.may_have_been_taken_before(message, event)
    }

    /// The same with any number of deliveries, where the report may have been about an earlier one: a report that is
    /// repeated keeps its place in the log.
    pub fn may_have_been_taken_before(&self, message: &str, event: &StreamEvent) -> bool {
        self.taken.get(message).is_some_and(|taken| {
            // The server had begun the delivery before it reached the wrapper.
            let until = event.at + self.run.time_error() + self.run.max_transit();
            let last = taken.deliveries.last();
            last.is_some_and(|delivery| delivery.at <= until)
                && taken.last_sent.is_some_and(|id| id > event.id)
                && taken.first_report.is_some_and(|id| id < event.id)
        })
    }

    /// Whether an event is an idle of the root. The idle of a child session or of an imported execution has no
    /// effect.
    pub fn is_root_idle(&self, event: &StreamEvent) -> bool {
        is_idle_of(self.roots(), event)
    }

    /// The ids of its root kilo session that were on the wire.
    pub fn roots(&self) -> &'a BTreeSet<String> {
        &self.run.sessions[self.id].roots
    }

    /// Events of its streams, in order of receiving.
    pub fn seen(&self) -> impl Iterator<Item = &'a SeenEvent> {
        let id = self.id;
        self.run
            .seen
            .iter()
            .filter(move |seen| *seen.event.session == *id)
    }

    /// The times at which requests of deliveries reached a wrapper: to get ready, and turns.
    pub fn requests_at(&self) -> impl Iterator<Item = Duration> {
        let prepared = self.preparations.iter().map(|request| request.at);
        prepared.chain(self.deliveries.iter().map(|request| request.at))
    }

    /// Its ingest sockets.
    pub fn ingests(&self) -> impl Iterator<Item = &'a Ingest> {
        let id = self.id;
        self.run
            .ingests
            .iter()
            .filter(move |ingest| *ingest.session == *id)
    }

    /// The ingest sockets of its imported executions.
    pub fn imported_ingests(&self) -> impl Iterator<Item = &'a ImportedIngest> {
        let id = self.id;
        self.run
            .imported_ingests
            .iter()
            .filter(move |ingest| *ingest.session == *id)
    }

    /// Frames of its wrapper on one socket.
    pub fn frames_on(&self, ingest: &'a Ingest) -> impl Iterator<Item = (usize, &'a WrapperFrame)> {
        let run = self.run;
        ingest
            .frames
            .iter()
            .map(|place| (*place, &run.wrapper_frames[*place]))
    }

    /// Frames of its wrapper, each with its socket.
    pub fn wrapper_frames(&self) -> impl Iterator<Item = (&'a Ingest, &'a WrapperFrame)> {
        let (id, run) = (self.id, self.run);
        let of_socket = run
            .wrapper_frames
            .iter()
            .map(|frame| (&run.ingests[frame.ingest], frame));
        of_socket.filter(move |(ingest, _)| *ingest.session == *id)
    }

    /// Frames of the wrappers of its imported executions, each with its socket.
    pub fn imported_frames(&self) -> impl Iterator<Item = (&'a ImportedIngest, &'a WrapperFrame)> {
        let (id, run) = (self.id, self.run);
        let of_socket = run
            .imported_frames
            .iter()
            .map(|frame| (&run.imported_ingests[frame.ingest], frame));
        of_socket.filter(move |(ingest, _)| *ingest.session == *id)
    }

    /// Whether a stream was open from its opening to the end of the run and its client has received everything: it did
    /// not end, no fault may have ended it silently, and the client is not behind.
    pub fn is_alive(&self, stream: &Stream) -> bool {
        stream.closed_at.is_none()
            && stream.opened_at > self.run.faults.broken_until(&stream.party)
            && self.has_caught_up(stream)
    }

    fn has_caught_up(&self, stream: &Stream) -> bool {
        let last = self.run.shown(stream).next_back();
        let last_at = last.map_or(stream.opened_at, |seen| seen.seen_at);
        stream.party == OBSERVER || last_at + LONGEST_PAUSE <= self.run.end
    }

    /// The longest time that the client of a stream that has something to show does not read it.
    pub fn longest_pause(&self, stream: &Stream) -> Duration {
        if stream.party == OBSERVER {
            LONGEST_OPENING
        } else {
            LONGEST_PAUSE
        }
    }
}
