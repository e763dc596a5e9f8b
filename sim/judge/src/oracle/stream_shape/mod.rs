//! The shape of a stream (protocol §9): the replay, `connected` with the status of the session, the catalogue of
//! commands, the snapshot, then live events.
//!
//! `filters` has what a filtered stream may show.
//!
//! What the replay contains is reported by `replay`, what the snapshot contains by `snapshot`. A stream does not show
//! when the server took its state. Every state is accepted that the session may have had while the stream opened.

mod filters;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::history::{Preparation, SeenEvent, SessionHistory, Stream, StreamEvent};
use super::replay::is_connected;
use super::snapshot::{known_by, possible_moments};
use super::{Check, Finding, Moment, Oracle};
use crate::parties::OBSERVER;
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "stream-has-its-shape",
    rule: "After the replay a stream has `connected` with the status of the session, `commands.available` with the \
        latest catalogue, the snapshot, then live events, none of which is older than the stream. A filtered stream has \
        only what was asked for.",
    why: "A client clears its view at `connected` and builds it again from what follows. What is missing, outdated or in \
        another place is shown wrongly until it connects again.",
    moment: Moment::Always,
    protocol: &ids([
        "R5.84", "R9.5", "R9.6", "R9.7", "R9.9", "R9.18", "R9.20", "R9.21", "R9.22", "R9.36", "R9.37",
    ]),
    check: Check::Sessions(check),
};

/// The event that shows the commands of the wrapper.
const CATALOGUE: &str = "commands.available";

fn check(session: &SessionHistory) -> Vec<Finding> {
    let catalogues = Catalogues::of(session);
    let first_seen = first_seen(session);
    let mut findings = Vec::new();
    for stream in &session.streams {
        let shown: Vec<&SeenEvent> = session.run.shown(stream).collect();
        let Some(place) = shown.iter().position(|seen| is_connected(&seen.event)) else {
            continue;
        };
        let opened = Opened {
            session,
            stream,
            before: place.checked_sub(1).map(|place| shown[place]),
            connected: shown[place],
            after: &shown[place + 1..],
        };
        findings.extend(opened.wrong_status(&shown[..place]));
        findings.extend(filters::not_asked_for(session, stream, &shown));
        if !stream.is_filtered || !session.run.context.profile.filters_hide_snapshot {
            findings.extend(opened.wrong_catalogue(&catalogues));
        }
        if !stream.is_filtered {
            findings.extend(opened.late_snapshot());
            findings.extend(opened.late_replay(&first_seen));
        }
    }
    findings
}

/// The time at which a client first received each kept event.
fn first_seen(session: &SessionHistory) -> BTreeMap<u64, Duration> {
    let mut first = BTreeMap::new();
    for seen in session.seen() {
        first.entry(seen.event.id).or_insert(seen.seen_at);
    }
    first
}

/// A stream whose client is connected.
struct Opened<'s, 'a> {
    session: &'s SessionHistory<'a>,
    stream: &'a Stream,
    /// The event before `connected`.
    before: Option<&'a SeenEvent>,
    connected: &'a SeenEvent,
    /// The events after `connected`.
    after: &'s [&'a SeenEvent],
}

impl Opened<'_, '_> {
    fn finding(&self, violated: &[RuleId], at: Duration, what: impl std::fmt::Display) -> Finding {
        let text = format!("{} {what}", self.stream.party);
        ORACLE.finding(violated, at, None, text)
    }

    /// The finding about a `cloudStatus` that the session did not have while the stream opened.
    fn wrong_status(&self, replayed: &[&SeenEvent]) -> Option<Finding> {
        let (session, seen_at) = (self.session, self.connected.seen_at);
        let status = &self.connected.event.data["cloudStatus"];
        let shown = if status.is_null() {
            "absent"
        } else {
            status["type"].as_str().unwrap_or("unknown")
        };
        let known_by = known_by(session, self.stream);
        let is_prepared = session.deliveries.iter().any(|delivery| delivery.at < known_by);
        let (may_wait, may_be_idle) = self.queue(replayed);
        let possible = [
            ("ready", may_be_prepared(session, seen_at)),
            ("preparing", !is_prepared && may_wait),
            ("absent", !is_prepared && may_be_idle),
        ];
        if possible.contains(&(shown, true)) {
            return None;
        }
        let possible = possible.iter().filter(|(_, is_possible)| *is_possible);
        let possible: Vec<&str> = possible.map(|(status, _)| *status).collect();
        let what = format!(
            "received `connected` with the cloud status {shown}, but at that time it was {}",
            possible.join(" or ")
        );
        Some(self.finding(&ids(["R9.36"]), seen_at, what))
    }

    /// Whether messages may have been pending while the stream opened, and whether none may have been.
    fn queue(&self, replayed: &[&SeenEvent]) -> (bool, bool) {
        let session = self.session;
        let Some(log) = &session.log else {
            return (true, true);
        };
        let events: Vec<&StreamEvent> = log
            .iter()
            .copied()
            .filter(|event| event.message().is_some())
            .collect();
        let taken_by = self.connected.seen_at + session.run.max_transit();
        let (least, most) = possible_moments(session, self.stream, &events, replayed, taken_by);
        let (mut may_wait, mut may_be_idle) = (false, false);
        let mut pending = BTreeSet::new();
        for place in 0..=most {
            if place >= least {
                may_wait |= !pending.is_empty();
                may_be_idle |= pending.is_empty();
            }
            if let Some(event) = events.get(place) {
                if event.is_queued() {
                    pending.insert(event.message());
                } else {
                    pending.remove(&event.message());
                }
            }
        }
        (may_wait, may_be_idle)
    }

    /// The finding about a catalogue that is missing beside `connected`, or that is not the latest one.
    fn wrong_catalogue(&self, catalogues: &Catalogues) -> Option<Finding> {
        let next = self.after.first().copied();
        let is_catalogue = |seen: &&SeenEvent| seen.event.name == CATALOGUE;
        // The order of the two events is a choice.
        let Some(shown) = [next, self.before].into_iter().flatten().find(is_catalogue) else {
            return self.missing_catalogue(next);
        };
        let commands = &shown.event.data["commands"];
        if !commands.is_array() {
            let what = format!(
                "received `{CATALOGUE}` with {}, which is no list of commands",
                shown.event.data
            );
            return Some(self.finding(&ids(["R9.37"]), shown.seen_at, what));
        }
        let possible = catalogues.possible(self.session, self.stream, shown.seen_at);
        let is_possible = possible.is_none_or(|possible| possible.contains(commands));
        (!is_possible).then(|| {
            let what = format!("received `{CATALOGUE}` with {commands}, which was not the latest catalogue");
            self.finding(&ids(["R5.84", "R9.20"]), shown.seen_at, what)
        })
    }

    fn missing_catalogue(&self, next: Option<&SeenEvent>) -> Option<Finding> {
        let connected_at = self.connected.seen_at;
        let (at, what) = match next {
            Some(next) => (
                next.seen_at,
                format!("received {} in place of it", next.event.name),
            ),
            None => {
                let due_at = connected_at + self.session.longest_pause(self.stream);
                let is_due = self.session.is_alive(self.stream) && self.session.run.end >= due_at;
                is_due.then(|| (due_at, "received nothing".to_owned()))?
            }
        };
        let what = format!("is connected without `{CATALOGUE}`, and {what}");
        Some(self.finding(&ids(["R9.20"]), at, what))
    }

    /// The finding about an event of the snapshot after a live event.
    fn late_snapshot(&self) -> Option<Finding> {
        let is_live = |seen: &&&SeenEvent| {
            let event = &seen.event;
            event.id > 0 || event.message().is_none() && event.name != CATALOGUE && !is_connected(event)
        };
        let live_from = self.after.iter().position(|seen| is_live(&seen))?;
        let is_of_snapshot = |seen: &&&SeenEvent| seen.event.id == 0 && seen.event.message().is_some();
        let late = self.after[live_from..].iter().find(is_of_snapshot)?;
        let what = format!(
            "received {} with id 0 after {}, which is live",
            late.event.name, self.after[live_from].event.name
        );
        Some(self.finding(&ids(["R9.21", "R9.22"]), late.seen_at, what))
    }

    /// The finding about a kept event that is sent live although another client had received it before the stream was
    /// requested. A later version of an entity looks like the first one.
    fn late_replay(&self, first_seen: &BTreeMap<u64, Duration>) -> Option<Finding> {
        let known_by = known_by(self.session, self.stream);
        let is_old = |seen: &&&SeenEvent| {
            let event = &seen.event;
            event.id > 0 && !event.is_upserted() && first_seen[&event.id] < known_by
        };
        let old = self.after.iter().find(is_old)?;
        let what = format!(
            "received event {} ({}) after `connected`, but it happened before the stream was requested",
            old.event.id, old.event.name
        );
        Some(self.finding(&ids(["R9.18", "R9.22"]), old.seen_at, what))
    }
}

/// Whether a workspace of the session may have been ready by then. An imported record may say so.
fn may_be_prepared(session: &SessionHistory, by: Duration) -> bool {
    let is_imported = !session.calls.iter().any(|call| call.is_creation());
    let is_ready = |preparation: &&Preparation| {
        let answer = preparation.answer.as_ref();
        answer.is_some_and(|answer| answer.is_success() && answer.at <= by + session.run.max_transit())
    };
    is_imported
        || session.preparations.iter().any(is_ready)
        || session.deliveries.iter().any(|delivery| delivery.at <= by)
}

/// The catalogues of the wrappers of a session.
struct Catalogues {
    /// Those that wrappers sent, with the time of sending.
    sent: Vec<(Duration, Value)>,
    /// Those that the observer received from wrappers, with the time, one list for each of its streams.
    relayed: Vec<Vec<(Duration, Value)>>,
}

impl Catalogues {
    fn of(session: &SessionHistory) -> Self {
        let run = session.run;
        let of_imported = session.imported_frames().map(|(_, frame)| frame);
        let frames = session
            .wrapper_frames()
            .map(|(_, frame)| frame)
            .chain(of_imported);
        let catalogues = frames.filter(|frame| frame.name == CATALOGUE);
        let of_observer = session.streams.iter().filter(|stream| stream.party == OBSERVER);
        let relayed = of_observer.map(|stream| {
            let shown = run.shown(stream).filter(|seen| seen.event.name == CATALOGUE);
            // The first one is the server's.
            let relayed = shown.skip(1);
            relayed
                .map(|seen| (seen.seen_at, seen.event.data["commands"].clone()))
                .collect()
        });
        Self {
            sent: catalogues
                .map(|frame| (frame.at, frame.data["commands"].clone()))
                .collect(),
            relayed: relayed.collect(),
        }
    }

    /// The catalogues that may have been the latest one while a stream opened, which showed its catalogue at `shown_at`.
    /// `None` if wrappers sent something else than lists: what is remembered of that is open.
    fn possible(&self, session: &SessionHistory, stream: &Stream, shown_at: Duration) -> Option<Vec<Value>> {
        if !self.sent.iter().all(|(_, catalogue)| catalogue.is_array()) {
            return None;
        }
        let known_by = known_by(session, stream);
        let is_known = |(at, _): &&(Duration, Value)| *at < known_by;
        let lists = self
            .relayed
            .iter()
            .map(|list| list.iter().filter(is_known).collect());
        // A list of one stream, because only its order is certain.
        let latest: Option<Vec<&(Duration, Value)>> =
            lists.max_by_key(|list: &Vec<&(Duration, Value)>| list.last().map(|(at, _)| *at));
        let relayed = latest.unwrap_or_default();
        let mut possible: Vec<Value> = Vec::new();
        match relayed.last() {
            Some((at, last)) => {
                possible.push(last.clone());
                // That a catalogue survives a restart is a choice.
                if session.run.faults.server_restarted_at(shown_at) >= Some(*at) {
                    possible.push(json!([]));
                }
            }
            None => possible.push(json!([])),
        }
        // Catalogues that were sent and are not known to be replaced.
        for (_, catalogue) in self
            .sent
            .iter()
            .filter(|(at, _)| *at <= shown_at + session.run.max_transit())
        {
            let count = |times: usize, is_it: bool| times + usize::from(is_it);
            let sent = self.sent.iter().map(|(_, sent)| sent == catalogue).fold(0, count);
            let known = relayed.iter().map(|(_, known)| known == catalogue).fold(0, count);
            if known < sent {
                possible.push(catalogue.clone());
            }
        }
        Some(possible)
    }
}

#[cfg(test)]
mod tests;
