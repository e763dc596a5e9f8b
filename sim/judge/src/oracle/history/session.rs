//! What of a history concerns one session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{
    Binding, Call, CallbackRequest, Delivery, History, ImportedIngest, Ingest, LogUnread, Preparation,
    SeenEvent, Stream, StreamEvent, WrapperFrame,
};
use crate::parties::OBSERVER;

/// The longest that a slow client rests between one event and the next. Only the harness's own eye never does.
const LONGEST_REST: Duration = Duration::from_mins(10);

/// One session.
pub struct SessionHistory<'a> {
    /// The whole of which this is a part.
    pub run: &'a History,
    /// The session's id.
    pub id: &'a str,
    /// Requests of clients about it.
    pub calls: Vec<&'a Call>,
    /// Its streams.
    pub streams: Vec<&'a Stream>,
    /// The log of its kept events as the harness read it when all was over, in order of id; none if the
    /// harness never read it, or could not.
    pub log: Option<Vec<&'a StreamEvent>>,
    /// Its kept events as far as known: the log, or what was seen if there is no log.
    pub kept: Vec<&'a StreamEvent>,
    /// Bindings that the wrapper was given for it.
    pub bindings: Vec<&'a Binding>,
    /// Requests to get ready for it that reached the wrapper.
    pub preparations: Vec<&'a Preparation>,
    /// Its turns that reached the wrapper.
    pub deliveries: Vec<&'a Delivery>,
    /// Requests to the receiver that say that they are about it.
    pub callbacks: Vec<&'a CallbackRequest>,
    /// Whether it may have been removed: somebody asked for its deletion, or nothing happened in it for long.
    pub is_removed: bool,
}

/// Places in [`History::seen`] of a session's kept events as far as known, in order of id.
pub(super) fn kept(history: &History, id: &str) -> Vec<usize> {
    let notes = &history.sessions[id];
    if let Some(Ok(log)) = &notes.log {
        return log.clone();
    }
    let mut last_words = BTreeMap::new();
    for (place, seen) in history.seen.iter().enumerate() {
        if seen.event.id > 0 && *seen.event.session == *id {
            last_words.insert(seen.event.id, place);
        }
    }
    last_words.into_values().collect()
}

/// Whether there was ever so long without a call or a kept event that a session may have been removed.
fn has_expired(run: &History, calls: &[&Call], kept: &[&StreamEvent]) -> bool {
    let mut active_at: Vec<Duration> = calls.iter().map(|call| call.at).collect();
    active_at.extend(kept.iter().map(|event| event.at));
    active_at.push(run.end);
    active_at.sort_unstable();
    let lifetime = run.context.profile.session_lifetime;
    active_at.windows(2).any(|pair| pair[1] - pair[0] >= lifetime)
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
        let is_deletion = |call: &&Call| call.procedure == "deleteSession" && !call.is_refused();
        let is_removed = calls.iter().any(is_deletion) || has_expired(run, &calls, &kept);
        let has_log = matches!(run.sessions[id].log, Some(Ok(_)));
        let is_of = |session: &Option<Arc<str>>| session.as_deref() == Some(id);
        Self {
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
            deliveries: run
                .deliveries
                .iter()
                .filter(|delivery| is_of(&delivery.session))
                .collect(),
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

    /// Whether the harness asked for its log and was not given it.
    pub fn is_unread(&self) -> bool {
        matches!(self.run.sessions[self.id].log, Some(Err(LogUnread)))
    }

    /// Messages that some client was told are admitted, with when it was told first and by which call.
    pub fn acked(&self) -> BTreeMap<&'a str, (Duration, &'a Call)> {
        let mut acked = BTreeMap::new();
        for call in &self.calls {
            if let Some((message, at)) = call.acked() {
                acked.entry(message).or_insert((at, *call));
            }
        }
        acked
    }

    /// The ids of its kilo's root, as far as anybody was told.
    pub fn roots(&self) -> &'a BTreeSet<String> {
        &self.run.sessions[self.id].roots
    }

    /// What its streams showed, in order of receiving.
    pub fn seen(&self) -> impl Iterator<Item = &'a SeenEvent> {
        let id = self.id;
        self.run
            .seen
            .iter()
            .filter(move |seen| *seen.event.session == *id)
    }

    /// The ingest sockets that were opened for it.
    pub fn ingests(&self) -> impl Iterator<Item = &'a Ingest> {
        let id = self.id;
        self.run
            .ingests
            .iter()
            .filter(move |ingest| *ingest.session == *id)
    }

    /// The ingest sockets that the wrappers of its imported executions opened.
    pub fn imported_ingests(&self) -> impl Iterator<Item = &'a ImportedIngest> {
        let id = self.id;
        self.run
            .imported_ingests
            .iter()
            .filter(move |ingest| *ingest.session == *id)
    }

    /// What its wrapper said, each with the socket it was said on.
    pub fn wrapper_frames(&self) -> impl Iterator<Item = (&'a Ingest, &'a WrapperFrame)> {
        let (id, run) = (self.id, self.run);
        let of_socket = run
            .wrapper_frames
            .iter()
            .map(|frame| (&run.ingests[frame.ingest], frame));
        of_socket.filter(move |(ingest, _)| *ingest.session == *id)
    }

    /// Whether what a stream showed is all that there was from its opening to the end of the run: it never
    /// ended, no fault can have ended it without its client's noticing, and its client is not still busy taking
    /// what comes.
    pub fn is_alive(&self, stream: &Stream) -> bool {
        stream.closed_at.is_none()
            && stream.opened_at > self.run.faults.broken_until(&stream.party)
            && self.has_caught_up(stream)
    }

    fn has_caught_up(&self, stream: &Stream) -> bool {
        let last = self.run.shown(stream).next_back();
        let last_at = last.map_or(stream.opened_at, |seen| seen.seen_at);
        stream.party == OBSERVER || last_at + LONGEST_REST <= self.run.end
    }
}
