//! A fence that is not current any more has no effect (protocol §5): no ingest opens under it, and a frame on a socket
//! under it reaches no client and ends no message. A fence stops being current when its run ends or when a newer run is
//! allocated; [`Fences`] has the times.
//!
//! - A frame that the wrapper sent *after* that time cannot have been processed before it.
//! - A frame that it sent *before* may have been processed, or may have been in transit. The server's time, which every
//!   event carries, decides.
//!
//! Two runs may send equal frames, so frames are counted: a stream may contain an event only as often as it was sent
//! under a fence that was current.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fences::Fences;
use super::frames::RunEnd;
use super::history::{Ingest, SessionHistory, Stream, StreamEvent, WrapperFrame, is_reserved, kilo};
use super::interrupts;
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "stale-fence-counts-for-nothing",
    rule: "Under a superseded fence, or after the end of its run, no ingest opens, and no event reaches a client or \
        ends a message.",
    why: "A wrapper that was replaced or stopped may still be running, and its events describe an abandoned turn. \
        They must not mix with the events of the run that replaced it.",
    moment: Moment::Always,
    protocol: &ids(["R1.5", "R5.50", "R5.61", "R5.63", "R5.65", "R6.25", "R6.34"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let fences = Fences::of(session);
    let mut findings = refusals_missing(session, &fences);
    if fences.have_changed() {
        let frames: Vec<FencedFrame> = session
            .wrapper_frames()
            .map(|(ingest, frame)| FencedFrame {
                frame,
                generation: ingest.fence.generation,
                stale_from: fences.stale_from(ingest.fence.generation),
                replaced_at: fences.acts_replaced_from(ingest.fence.generation),
                time_error: session.run.time_error(),
            })
            .collect();
        findings.extend(ends_by_stale_frames(session, &frames));
        findings.extend(stale_events_shown(session, &frames));
    }
    findings
}

/// Findings about ingest sockets that should have been refused. The wrapper cancels a pending socket when its binding
/// changes, so a socket that opens later was also requested later.
fn refusals_missing(session: &SessionHistory, fences: &Fences) -> Vec<Finding> {
    let violation = |ingest: &Ingest| {
        let generation = ingest.fence.generation;
        let replaced_at = fences.replaced_at(generation);
        let mut given = session.bindings.iter();
        let was_given = given.any(|given| given.fence == ingest.fence && given.at <= ingest.opened_at);
        let tolerance = session.run.timing_tolerance();
        if ingest.opened_at > replaced_at.saturating_add(tolerance) {
            Some(format!(
                "an ingest was opened under generation {generation}, which was superseded at {}",
                secs(replaced_at)
            ))
        } else if let Some(ended_at) = fences.ended_at(generation)
            && opened_after(session, ingest, ended_at)
        {
            Some(format!(
                "an ingest was opened under generation {generation}, whose run had ended at {}",
                secs(ended_at)
            ))
        } else if was_given {
            None
        } else {
            Some(format!(
                "an ingest was opened under generation {generation} with a fence that no wrapper received"
            ))
        }
    };
    let violations = session
        .ingests()
        .filter_map(|ingest| Some((ingest.opened_at, violation(ingest)?)));
    violations
        .map(|(at, text)| ORACLE.finding(&ids(["R5.50"]), at, None, text))
        .collect()
}

/// Whether the server certainly accepted an ingest after that time. Its answer may be in transit.
fn opened_after(session: &SessionHistory, ingest: &Ingest, time: Duration) -> bool {
    let faults = &session.run.faults;
    ingest.opened_at > time + session.run.time_error() + session.run.max_transit()
        && !faults.may_have_disrupted(&ingest.host, time, ingest.opened_at)
}

/// A frame of the wrapper, and how long its fence was current.
struct FencedFrame<'a> {
    frame: &'a WrapperFrame,
    generation: u64,
    /// The time from which the fence was certainly not current.
    stale_from: Duration,
    /// The time at which a newer fence replaced it.
    replaced_at: Duration,
    /// How far the time of its effect may be from the time that the server reports.
    time_error: Duration,
}

impl FencedFrame<'_> {
    /// Whether it may be shown at `reported_at`.
    fn may_be_shown(&self, reported_at: Duration) -> bool {
        reported_at < self.stale_from && self.frame.at < self.stale_from
    }

    /// Whether it may end a message at `reported_at`. A message whose delivery is in progress is ended when it is
    /// accepted, which may be after the end of the run (R6.30, R6.31).
    fn may_end_message(&self, reported_at: Duration) -> bool {
        reported_at < self.replaced_at && self.frame.at < self.stale_from
    }

    /// Whether it was sent before that time.
    fn was_sent(&self, reported_at: Duration) -> bool {
        self.frame.at <= reported_at + self.time_error
    }
}

/// Findings about messages that were ended by frames under a superseded fence alone.
fn ends_by_stale_frames(session: &SessionHistory, frames: &[FencedFrame]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let causes = Causes::of(frames);
    for end in &session.ends {
        let Some(message) = end.message() else { continue };
        let Some(cause) = Cause::of(end) else { continue };
        if cause == Cause::Interrupt && is_interrupted_by_user(session, end.at) {
            continue;
        }
        let mut causes = causes
            .given(cause, message)
            .iter()
            .filter(|frame| frame.was_sent(end.at))
            .peekable();
        let Some(generation) = causes.peek().map(|frame| frame.generation) else {
            continue;
        };
        if !causes.any(|frame| frame.may_end_message(end.at)) {
            let text = format!(
                "event {} ends it because of a frame under generation {generation}, which was not current any more",
                end.id
            );
            findings.push(ORACLE.finding_about(&ids(["R5.61"]), session.run.first_seen(end), message, text));
        }
    }
    findings
}

/// The frames by which a wrapper ends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Reply,
    Interrupt,
    FatalError,
}

impl Cause {
    fn of(end: &StreamEvent) -> Option<Self> {
        match (
            end.data["completionSource"].as_str()?,
            end.data["reason"].as_str().unwrap_or_default(),
        ) {
            ("assistant_message_event", _) => Some(Self::Reply),
            ("interrupt", _) => Some(Self::Interrupt),
            ("wrapper_failure", "wrapper_error") => Some(Self::FatalError),
            _ => None,
        }
    }
}

/// The frames that may end messages, by what they say.
struct Causes<'f, 'a> {
    /// By the message that the frame ends.
    replies: BTreeMap<&'a str, Vec<&'f FencedFrame<'a>>>,
    interrupts: Vec<&'f FencedFrame<'a>>,
    errors: Vec<&'f FencedFrame<'a>>,
}

impl<'f, 'a> Causes<'f, 'a> {
    fn of(frames: &'f [FencedFrame<'a>]) -> Self {
        let mut causes = Self {
            replies: BTreeMap::new(),
            interrupts: Vec::new(),
            errors: Vec::new(),
        };
        for frame in frames {
            match RunEnd::of_frame(frame.frame) {
                Some(RunEnd::Interrupted) => causes.interrupts.push(frame),
                Some(RunEnd::FatalError) => causes.errors.push(frame),
                Some(RunEnd::Complete { .. }) => {}
                None => {
                    if let Some(message) = ended_by(frame.frame) {
                        causes.replies.entry(message).or_default().push(frame);
                    }
                }
            }
        }
        causes
    }

    fn given(&self, cause: Cause, message: &str) -> &[&'f FencedFrame<'a>] {
        match cause {
            Cause::Reply => self.replies.get(message).map_or(&[], Vec::as_slice),
            Cause::Interrupt => &self.interrupts,
            Cause::FatalError => &self.errors,
        }
    }
}

/// The message that a frame ends as the reply of an assistant, if it is one.
fn ended_by(frame: &WrapperFrame) -> Option<&str> {
    let ("message.updated", properties) = kilo(&frame.name, &frame.data)? else {
        return None;
    };
    let info = &properties["info"];
    let has_ended = !info["time"]["completed"].is_null() || !info["error"].is_null();
    info["parentID"].as_str().filter(|_| has_ended)
}

/// Whether a user may have interrupted the session by then.
fn is_interrupted_by_user(session: &SessionHistory, reported_at: Duration) -> bool {
    let mut calls = session.calls.iter();
    calls.any(|call| interrupts::is_request(call) && call.at <= reported_at + session.run.time_error())
}

/// Findings about events that a stream contains more often than they were sent under a current fence.
fn stale_events_shown(session: &SessionHistory, frames: &[FencedFrame]) -> Vec<Finding> {
    let first_change = frames
        .iter()
        .map(|frame| frame.stale_from)
        .min()
        .unwrap_or(Duration::MAX);
    let mut sent: BTreeMap<usize, Vec<&FencedFrame>> = BTreeMap::new();
    for frame in frames {
        sent.entry(frame.frame.content).or_default().push(frame);
    }
    // Only contents that were sent at least once under a superseded fence can be stale.
    sent.retain(|_, frames| frames.iter().any(|frame| frame.stale_from < Duration::MAX));
    if sent.is_empty() {
        return Vec::new();
    }
    let streams = session.streams.iter();
    streams
        .flat_map(|stream| stale_events_on(session, stream, &sent, first_change))
        .collect()
}

fn stale_events_on(
    session: &SessionHistory,
    stream: &Stream,
    sent: &BTreeMap<usize, Vec<&FencedFrame>>,
    first_change: Duration,
) -> Vec<Finding> {
    let mut shown: BTreeMap<usize, Vec<(Duration, &StreamEvent)>> = BTreeMap::new();
    for seen in session.run.shown(stream) {
        // After the server's clock was set, the clock may have shown two times alike.
        let is_of_unknown_time = session.run.faults.clock().was_set(seen.seen_at);
        if is_of_server(&seen.event) || seen.seen_at < first_change || is_of_unknown_time {
            continue;
        }
        let content = seen.event.content;
        if sent.contains_key(&content) {
            shown
                .entry(content)
                .or_default()
                .push((seen.seen_at, &seen.event));
        }
    }
    let mut findings = Vec::new();
    for (content, mut events) in shown {
        let frames = &sent[&content];
        let mut current_until: Vec<Duration> = frames
            .iter()
            .filter(|frame| frame.frame.at < frame.stale_from)
            .map(|frame| frame.stale_from)
            .collect();
        // The latest event needs the frame whose fence was current the longest, and so on.
        current_until.sort_unstable_by(|one, other| other.cmp(one));
        events.sort_by_key(|(_, event)| std::cmp::Reverse(event.at));
        for (place, (seen_at, event)) in events.into_iter().enumerate() {
            // Events such as heartbeats have as many equal frames as equal events.
            if current_until.get(place).is_some_and(|until| event.at < *until) {
                continue;
            }
            let mut frames = frames.iter();
            let stale = frames.find(|frame| frame.was_sent(event.at) && !frame.may_be_shown(event.at));
            if let Some(frame) = stale {
                let name = event.kilo().map_or(event.name.as_str(), |(name, _)| name);
                let text = format!(
                    "{} received {name}, which was sent under generation {}, when that was not current any more",
                    stream.party, frame.generation
                );
                findings.push(ORACLE.finding(&ids(["R5.61"]), seen_at, None, text));
                break;
            }
        }
    }
    findings
}

/// Whether an event may be the server's own, or is one of an imported execution. `commands.available` is remembered for
/// clients that connect later (R5.84).
fn is_of_server(event: &StreamEvent) -> bool {
    let is_shared = matches!(event.name.as_str(), "preparing" | "commands.available");
    is_shared || is_reserved(&event.name) || event.is_of_execution()
}

#[cfg(test)]
mod tests;
