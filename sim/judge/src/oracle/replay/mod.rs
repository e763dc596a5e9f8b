//! A stream has no gap and no duplicate (protocol §9): it contains the requested kept events, each in its last version,
//! then `connected`, then live events.
//!
//! Every stream is compared with the log at the end of the run. Events after a silent death of the connection are not
//! required, because the client cannot know that it misses them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::history::{
    CONNECTED, LONGEST_OPENING, SeenEvent, SessionHistory, Stream, StreamEvent, StreamStart,
};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "replay-is-exact",
    rule: "A stream contains every kept event after its starting point that passes its filters, in its last version, none \
        twice, then `connected`, and no event of another session. An event that is kept keeps its time.",
    why: "A client shows only what its stream contains. A gap, a duplicate or an outdated version stays on its \
        screen until it reconnects.",
    moment: Moment::Always,
    protocol: &ids([
        "R9.3", "R9.4", "R9.9", "R9.15", "R9.18", "R9.19", "R9.22", "R9.20", "R9.23", "R9.27", "R9.70",
    ]),
    check: Check::Sessions(check),
};

/// The event that shows the commands of the wrapper.
const CATALOGUE: &str = "commands.available";

/// Whether an event ends the replay.
pub(super) fn is_connected(event: &StreamEvent) -> bool {
    event.name == CONNECTED
}

/// Live versions of entities by the id of their row, in the order of the times that the server reports. Those with one
/// time are in the order of each stream, one stream after the other.
type Versions<'a> = BTreeMap<u64, Vec<Version<'a>>>;

/// Whether the wrapper sent a version more often than any stream showed it, so that it may have replaced others unseen.
fn was_sent_unshown(version: &StreamEvent, known: &[Version], session: &SessionHistory) -> bool {
    let frames = session.wrapper_frames().map(|(_, frame)| frame);
    let sent = frames.filter(|frame| frame.content == version.content);
    let mut shown = BTreeMap::<usize, usize>::new();
    for known in known
        .iter()
        .filter(|known| known.event.content == version.content)
    {
        *shown.entry(known.stream).or_default() += 1;
    }
    sent.count() > shown.into_values().max().unwrap_or_default()
}

/// A version of an entity on a stream.
struct Version<'a> {
    /// Index of the stream.
    stream: usize,
    event: &'a StreamEvent,
}

fn check(session: &SessionHistory) -> Vec<Finding> {
    let mut findings: Vec<Finding> = session
        .run
        .unreadable
        .iter()
        .filter(|unreadable| *unreadable.session == *session.id)
        .map(|unreadable| {
            let text = format!(
                "{} received {}, which is not an event",
                unreadable.party, unreadable.frame
            );
            ORACLE.finding(&ids(["R9.15"]), unreadable.seen_at, None, text)
        })
        .collect();
    let views: Vec<View> = session
        .streams
        .iter()
        .map(|stream| View::of(session, stream))
        .collect();
    findings.extend(moved(session));
    let versions = versions(&views);
    for view in &views {
        findings.extend(view.foreign_events());
        findings.extend(view.silence(session));
        if view.stream.is_filtered {
            findings.extend(view.gap(session));
            continue;
        }
        findings.extend(view.misplaced_events());
        findings.extend(view.stale_versions(&versions, session));
        findings.extend(view.duplicates(session));
        findings.extend(view.gap(session));
    }
    findings
}

/// The finding about the first kept event that a client received with another time than an earlier client.
fn moved(session: &SessionHistory) -> Option<Finding> {
    let mut times: BTreeMap<u64, Duration> = BTreeMap::new();
    let mut kept = session
        .seen()
        .filter(|seen| seen.event.id > 0 && !seen.event.is_upserted());
    let seen = kept.find(|seen| *times.entry(seen.event.id).or_insert(seen.event.at) != seen.event.at)?;
    let StreamEvent { id, name, at, .. } = &seen.event;
    let text = format!(
        "{} received event {id} ({name}) with the time {}, but its time was {} before",
        seen.party,
        secs(*at),
        secs(times[id])
    );
    Some(ORACLE.finding(&ids(["R9.18"]), seen.seen_at, seen.event.message(), text))
}

fn versions<'a>(views: &[View<'a>]) -> Versions<'a> {
    let mut versions = Versions::new();
    for (stream, view) in views.iter().enumerate() {
        for event in view.live().map(|seen| &seen.event) {
            if event.id > 0 && event.is_upserted() {
                let version = Version { stream, event };
                versions.entry(event.id).or_default().push(version);
            }
        }
    }
    for versions in versions.values_mut() {
        versions.sort_by_key(|version| version.event.at);
    }
    versions
}

/// The contents of the versions that may be the last one of those, which have one time. A stream may end before it shows
/// the last one.
fn possibly_last(same_time: &[Version]) -> Vec<usize> {
    let shown: Vec<Vec<usize>> = same_time
        .chunk_by(|one, next| one.stream == next.stream)
        .map(|versions| versions.iter().map(|version| version.event.content).collect())
        .collect();
    let is_cut_short = |versions: &Vec<usize>| {
        shown
            .iter()
            .any(|other| other.len() > versions.len() && other.starts_with(versions))
    };
    let complete = shown.iter().filter(|versions| !is_cut_short(versions));
    complete.filter_map(|versions| versions.last().copied()).collect()
}

/// One stream as its client saw it.
struct View<'a> {
    stream: &'a Stream,
    shown: Vec<&'a SeenEvent>,
    /// The place of `connected`; the length of the stream if it never arrived.
    connected: usize,
}

impl<'a> View<'a> {
    fn of(session: &SessionHistory<'a>, stream: &'a Stream) -> Self {
        let shown: Vec<&SeenEvent> = session.run.shown(stream).collect();
        let connected = shown.iter().position(|seen| is_connected(&seen.event));
        Self {
            stream,
            connected: connected.unwrap_or(shown.len()),
            shown,
        }
    }

    fn replayed(&self) -> impl Iterator<Item = &'a SeenEvent> {
        self.shown[..self.connected].iter().copied()
    }

    fn live(&self) -> impl Iterator<Item = &'a SeenEvent> {
        self.shown[self.connected..].iter().copied()
    }

    fn finding(&self, violated: RuleId, seen: &SeenEvent, what: &str) -> Finding {
        let StreamEvent { id, name, .. } = &seen.event;
        let text = format!("{} received event {id} ({name}) {what}", self.stream.party);
        ORACLE.finding(&[violated], seen.seen_at, seen.event.message(), text)
    }

    /// The finding about a stream that opened and did not show that it is connected.
    fn silence(&self, session: &SessionHistory) -> Option<Finding> {
        if self.connected < self.shown.len() {
            return None;
        }
        let (run, stream) = (session.run, self.stream);
        let quiet_from = self.shown.last().map_or(stream.opened_at, |last| last.seen_at);
        let overdue_at = quiet_from + session.longest_pause(stream) + run.timing_tolerance();
        let is_silent = match stream.closed_at {
            None => session.is_alive(stream) && run.end >= overdue_at,
            Some(closed_at) => {
                closed_at >= overdue_at
                    && !run
                        .faults
                        .may_have_disrupted(&stream.party, stream.opened_at, overdue_at)
            }
        };
        is_silent.then(|| {
            let text = format!(
                "{} opened a stream, which never showed `{CONNECTED}`",
                stream.party
            );
            ORACLE.finding(&ids(["R9.19"]), overdue_at, None, text)
        })
    }

    /// Findings about events of other sessions, and about events that do not name theirs.
    fn foreign_events(&self) -> Vec<Finding> {
        let foreign = self.shown.iter().filter_map(|seen| {
            let what = match seen.event.others.get("sessionId")? {
                Value::Null => "without the id of its session",
                _ => "on a stream of another session",
            };
            Some(self.finding(RuleId::named("R9.15"), seen, what))
        });
        foreign.collect()
    }

    /// Findings about events that do not belong in a replay, and about a second `connected`.
    fn misplaced_events(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for seen in self.replayed() {
            let event = &seen.event;
            let (violated, what) = match self.stream.from {
                // The catalogue may come before or after the end of the replay.
                _ if event.id == 0 && event.name == CATALOGUE => continue,
                _ if event.id == 0 => ("R9.18", "in its replay, but it is not kept"),
                StreamStart::Live => ("R9.4", "in a replay, but it requested none"),
                StreamStart::After(from) if event.id <= from => {
                    ("R9.3", "in its replay, but requested a later start")
                }
                StreamStart::After(_) | StreamStart::Unspecified => continue,
            };
            findings.push(self.finding(RuleId::named(violated), seen, what));
        }
        let again = self.live().skip(1).filter(|seen| is_connected(&seen.event));
        findings.extend(
            again.map(|seen| self.finding(RuleId::named("R9.19"), seen, "in the middle of the stream")),
        );
        findings
    }

    /// Findings about replayed versions of entities that were replaced before the stream was requested.
    fn stale_versions(&self, versions: &Versions, session: &SessionHistory) -> Vec<Finding> {
        let time_error = session.run.time_error();
        // The stream was requested after the events that it replays.
        let newest = self
            .replayed()
            .map(|seen| seen.event.at)
            .max()
            .unwrap_or_default();
        let requested_after = newest.max(self.stream.opened_at.saturating_sub(LONGEST_OPENING));
        let is_stale = |seen: &&SeenEvent| {
            let Some(versions) = versions.get(&seen.event.id).filter(|_| seen.event.is_upserted()) else {
                return false;
            };
            let known = versions.partition_point(|version| version.event.at + time_error < requested_after);
            let (known, later) = versions.split_at(known);
            let Some(last) = known.last() else {
                return false;
            };
            let before_last = known.partition_point(|version| version.event.at < last.event.at);
            let is_it = |version: &Version| version.event.content == seen.event.content;
            known.iter().any(is_it)
                && !was_sent_unshown(&seen.event, known, session)
                && !later.iter().any(is_it)
                && !possibly_last(&known[before_last..]).contains(&seen.event.content)
        };
        self.replayed()
            .filter(is_stale)
            .map(|seen| {
                self.finding(
                    RuleId::named("R9.27"),
                    seen,
                    "in a version that had been replaced by then",
                )
            })
            .collect()
    }

    /// Findings about versions of entities that are replayed and then sent live again. If the wrapper has sent a version
    /// only once, both are the same one.
    fn duplicates(&self, session: &SessionHistory) -> Vec<Finding> {
        let replayed: BTreeMap<u64, &StreamEvent> = self
            .replayed()
            .filter(|seen| seen.event.is_upserted())
            .map(|seen| (seen.event.id, &seen.event))
            .collect();
        let is_double = |seen: &&SeenEvent| {
            let event = &seen.event;
            let is_same = replayed.get(&event.id).is_some_and(|replayed| *replayed == event);
            is_same && {
                let frames = session.wrapper_frames();
                let sent = frames.filter(|(_, frame)| frame.content == event.content);
                sent.take(2).count() == 1
            }
        };
        self.live()
            .filter(is_double)
            .map(|seen| self.finding(RuleId::named("R9.23"), seen, "live after its replay"))
            .collect()
    }

    /// The finding about the first event of the log that the stream should contain and lacks. A filtered stream contains
    /// what passes its filters.
    fn gap(&self, session: &SessionHistory) -> Option<Finding> {
        let log = session.log.as_ref()?;
        let shown: BTreeSet<u64> = self.shown.iter().map(|seen| seen.event.id).collect();
        // The row of a later version of an entity may be new or old.
        let firsts = || {
            let events = self.shown.iter().map(|seen| &seen.event);
            events
                .filter(|event| event.id > 0 && !event.is_upserted())
                .map(|event| event.id)
        };
        let from = match self.stream.from {
            StreamStart::After(from) => from,
            StreamStart::Unspecified | StreamStart::Live => firsts().min()?,
        };
        let is_connected = self.connected < self.shown.len();
        let upto = if is_connected && session.is_alive(self.stream) {
            log.last()?.id
        } else {
            firsts().max()?
        };
        let filters = &self.stream.filters;
        let is_missing = |event: &&&StreamEvent| {
            event.id > from && event.id <= upto && !shown.contains(&event.id) && filters.admits(event)
        };
        let missing = log.iter().find(is_missing)?;
        let later = self.shown.iter().find(|seen| seen.event.id > missing.id);
        let (at, what) = match later {
            Some(later) => (
                later.seen_at,
                format!("received event {} instead", later.event.id),
            ),
            None => (session.run.end, "no later one".to_owned()),
        };
        let text = format!(
            "{} never received event {} ({}), but {what}",
            self.stream.party, missing.id, missing.name
        );
        Some(ORACLE.finding(&ids(["R9.18", "R9.23"]), at, missing.message(), text))
    }
}

#[cfg(test)]
mod tests;
