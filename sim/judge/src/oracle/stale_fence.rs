//! A fence that was superseded by a newer allocation has no effect any more (protocol §5): no ingest opens under it, and
//! a frame on a socket under it reaches no client and ends no message.
//!
//! A fence is superseded at the latest when the wrapper receives a newer one, because the server knew of the newer
//! allocation before the wrapper did. From then on:
//!
//! - A frame that the wrapper sent *after* that time cannot have been processed before it.
//! - A frame that it sent *before* may have been processed, or may have been in transit. The server's time, which every
//!   event carries, decides.
//!
//! Two runs may send equal frames, so frames are counted: a stream may contain an event only as often as it was sent
//! under a fence that was current.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::history::{Ingest, SessionHistory, Stream, StreamEvent, WrapperFrame, kilo};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "stale-fence-counts-for-nothing",
    rule: "Under a superseded fence no ingest opens, and no event reaches a client or ends a message.",
    why: "A wrapper that was replaced may still be running, and its events describe an abandoned turn. They \
        must not mix with the events of the run that replaced it.",
    moment: Moment::Always,
    protocol: &ids(["R1.5", "R5.50", "R5.61", "R5.65"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let fences = Fences::of(session);
    let mut findings = refusals_missing(session, &fences);
    if fences.were_superseded() {
        let frames: Vec<FencedFrame> = session
            .wrapper_frames()
            .map(|(ingest, frame)| FencedFrame {
                frame,
                generation: ingest.fence.generation,
                stale_from: fences.superseded_at(ingest.fence.generation),
                time_error: session.run.time_error(),
            })
            .collect();
        findings.extend(ends_by_stale_frames(session, &frames));
        findings.extend(stale_events_shown(session, &frames));
    }
    findings
}

/// The latest time at which each fence was superseded.
struct Fences {
    /// Time at which the wrapper first received a fence of each generation.
    given_at: BTreeMap<u64, Duration>,
}

impl Fences {
    fn of(session: &SessionHistory) -> Self {
        let mut given_at = BTreeMap::new();
        for binding in &session.bindings {
            given_at.entry(binding.fence.generation).or_insert(binding.at);
        }
        Self { given_at }
    }

    fn were_superseded(&self) -> bool {
        self.given_at.len() > 1
    }

    /// The time from which a generation is certainly superseded; the maximum if none is newer.
    fn superseded_at(&self, generation: u64) -> Duration {
        let newer = self.given_at.range(generation.saturating_add(1)..);
        newer.map(|(_, at)| *at).min().unwrap_or(Duration::MAX)
    }
}

/// Findings about ingest sockets that should have been refused. The wrapper cancels a pending socket when its binding
/// changes, so a socket that opens later was also requested later.
fn refusals_missing(session: &SessionHistory, fences: &Fences) -> Vec<Finding> {
    let violation = |ingest: &Ingest| {
        let generation = ingest.fence.generation;
        let superseded_at = fences.superseded_at(generation);
        let mut given = session.bindings.iter();
        let was_given = given.any(|given| given.fence == ingest.fence && given.at <= ingest.opened_at);
        let tolerance = session.run.context.timing_tolerance;
        if ingest.opened_at > superseded_at.saturating_add(tolerance) {
            Some(format!(
                "an ingest was opened under generation {generation}, which was superseded at {}",
                secs(superseded_at)
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
        .map(|(at, text)| ORACLE.finding(at, None, text))
        .collect()
}

/// A frame of the wrapper, and how long its fence was current.
struct FencedFrame<'a> {
    frame: &'a WrapperFrame,
    generation: u64,
    stale_from: Duration,
    /// How far the time of its effect may be from the time that the server reports.
    time_error: Duration,
}

impl FencedFrame<'_> {
    /// Whether it may have an effect that the server reports at `reported_at`.
    fn may_have_effect(&self, reported_at: Duration) -> bool {
        reported_at < self.stale_from && self.frame.at < self.stale_from
    }

    /// Whether it was sent before that time.
    fn was_sent(&self, reported_at: Duration) -> bool {
        self.frame.at <= reported_at + self.time_error
    }
}

/// Findings about messages that were ended by frames under a superseded fence alone.
fn ends_by_stale_frames(session: &SessionHistory, frames: &[FencedFrame]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for end in session.kept.iter().filter(|event| event.is_end()) {
        let Some(message) = end.message() else { continue };
        let Some(cause) = Cause::of(end) else { continue };
        if cause == Cause::Interrupt && is_interrupted_by_user(session, end.at) {
            continue;
        }
        let mut causes = frames
            .iter()
            .filter(|frame| frame.was_sent(end.at) && cause.is_given_by(frame.frame, message))
            .peekable();
        let Some(generation) = causes.peek().map(|frame| frame.generation) else {
            continue;
        };
        if !causes.any(|frame| frame.may_have_effect(end.at)) {
            let text = format!(
                "event {} ends it because of a frame under generation {generation}, which had been superseded",
                end.id
            );
            findings.push(ORACLE.finding_about(session.run.first_seen(end), message, text));
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

    fn is_given_by(self, frame: &WrapperFrame, message: &str) -> bool {
        match self {
            Self::Interrupt => frame.name == "interrupted",
            Self::FatalError => frame.name == "error" && frame.data["fatal"] == true,
            Self::Reply => {
                let Some(("message.updated", properties)) = kilo(&frame.name, &frame.data) else {
                    return false;
                };
                let info = &properties["info"];
                let has_ended = !info["time"]["completed"].is_null() || !info["error"].is_null();
                info["parentID"] == message && has_ended
            }
        }
    }
}

/// Whether a user had interrupted the session by then. A deletion begins with an interrupt.
fn is_interrupted_by_user(session: &SessionHistory, reported_at: Duration) -> bool {
    let is_interrupt = |procedure: &str| matches!(procedure, "interruptSession" | "deleteSession");
    let mut calls = session.calls.iter();
    calls.any(|call| is_interrupt(&call.procedure) && call.at <= reported_at + session.run.time_error())
}

/// Findings about events that a stream contains more often than they were sent under a current fence.
fn stale_events_shown(session: &SessionHistory, frames: &[FencedFrame]) -> Vec<Finding> {
    let first_change = frames
        .iter()
        .map(|frame| frame.stale_from)
        .min()
        .unwrap_or(Duration::MAX);
    let mut sent: BTreeMap<String, Vec<&FencedFrame>> = BTreeMap::new();
    for frame in frames {
        sent.entry(content(&frame.frame.name, &frame.frame.data))
            .or_default()
            .push(frame);
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
    sent: &BTreeMap<String, Vec<&FencedFrame>>,
    first_change: Duration,
) -> Vec<Finding> {
    let mut shown: BTreeMap<&str, Vec<(Duration, &StreamEvent)>> = BTreeMap::new();
    for seen in session.run.shown(stream) {
        // No wrapper sends the server's own events.
        let is_own = seen.event.name.starts_with("cloud.");
        if is_own || seen.seen_at < first_change {
            continue;
        }
        if let Some((frames, _)) = sent.get_key_value(&content(&seen.event.name, &seen.event.data)) {
            shown.entry(frames).or_default().push((seen.seen_at, &seen.event));
        }
    }
    let mut findings = Vec::new();
    for (content, mut events) in shown {
        let frames = &sent[content];
        let mut current_until: Vec<Duration> = frames
            .iter()
            .filter(|frame| frame.frame.at < frame.stale_from)
            .map(|frame| frame.stale_from)
            .collect();
        // The latest event needs the frame whose fence was current the longest, and so on.
        current_until.sort_unstable_by(|one, other| other.cmp(one));
        events.sort_by_key(|(_, event)| std::cmp::Reverse(event.at));
        for (place, (seen_at, event)) in events.into_iter().enumerate() {
            let is_current = current_until.get(place).is_some_and(|until| event.at < *until);
            let stale = frames
                .iter()
                .find(|frame| frame.was_sent(event.at) && !frame.may_have_effect(event.at));
            if let (false, Some(frame)) = (is_current, stale) {
                let name = event.kilo().map_or(event.name.as_str(), |(name, _)| name);
                let text = format!(
                    "{} received {name}, which was sent under generation {}, after that had been superseded",
                    stream.party, frame.generation
                );
                findings.push(ORACLE.finding(seen_at, None, text));
                break;
            }
        }
    }
    findings
}

/// The content of an event without its time, for comparison.
fn content(name: &str, data: &Value) -> String {
    format!("{name} {data}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["stale-fence-counts-for-nothing"];

    /// A message of the first run has failed, and a second run has another.
    fn second_run() -> Writer {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.bound(1);
        writer.opens_ingest(1);
        writer.delivered("m1");
        writer.sent("m1");
        writer
    }

    fn is_lost(writer: &mut Writer) {
        writer.failed("m1", json!({"completionSource": "wrapper_failure"}));
        writer.acked("send", "m2", json!({}));
        writer.queued("m2");
        writer.bound(2);
        writer.opens_ingest(2);
        writer.delivered("m2");
        writer.sent("m2");
    }

    fn reply(message: &str) -> Value {
        let info = json!({"id": "a", "role": "assistant", "parentID": message, "time": {"completed": 1}});
        json!({"event": "message.updated", "properties": {"info": info}})
    }

    #[test]
    fn an_event_that_is_shown_after_the_change_is_found_whenever_it_was_sent() {
        for sent_before in [true, false] {
            let mut writer = second_run();
            if sent_before {
                writer.wrapper_sends(1, "kilocode", reply("m1"));
            }
            is_lost(&mut writer);
            if !sent_before {
                writer.wrapper_sends(1, "kilocode", reply("m1"));
            }
            assert_eq!(writer.clone().ended("m2"), NOTHING, "no client has received it");
            writer.event("kilocode", reply("m1"));
            let mut found = writer.ended("m2");
            found.dedup();
            assert_eq!(found, FOUND);
        }
    }

    #[test]
    fn an_event_that_was_processed_before_the_change_is_allowed() {
        let mut writer = second_run();
        writer.wrapper_sends(1, "kilocode", reply("m1"));
        writer.event("kilocode", reply("m1"));
        is_lost(&mut writer);
        assert_eq!(writer.ended("m2"), NOTHING);
    }

    #[test]
    fn an_event_of_both_runs_may_be_shown_as_often_as_the_current_run_sent_it() {
        let idle = json!({"event": "session.idle", "properties": {"sessionID": "root"}});
        for (shown, rules) in [(1, &NOTHING[..]), (2, &FOUND[..])] {
            let mut writer = second_run();
            is_lost(&mut writer);
            for generation in [1, 2] {
                writer.wrapper_sends(generation, "kilocode", idle.clone());
            }
            for _ in 0..shown {
                writer.event("kilocode", idle.clone());
            }
            let mut found = writer.ended("m2");
            found.dedup();
            assert_eq!(found, rules);
        }
    }

    #[test]
    fn a_message_that_is_ended_by_a_stale_frame_alone_is_found() {
        for (generation, rules) in [(1, &FOUND[..]), (2, &NOTHING[..])] {
            let mut writer = second_run();
            is_lost(&mut writer);
            writer.wrapper_sends(generation, "kilocode", reply("m2"));
            assert_eq!(writer.ended("m2"), rules);
        }
    }

    #[test]
    fn an_interrupt_after_a_stale_frame_needs_a_user_who_interrupted_or_deleted() {
        for (procedure, is_found) in [
            ("getSession", true),
            ("interruptSession", false),
            ("deleteSession", false),
        ] {
            let mut writer = second_run();
            is_lost(&mut writer);
            writer.wrapper_sends(1, "interrupted", json!({"reason": "killed"}));
            writer.answered(
                procedure,
                json!({}),
                200,
                json!({"result": {"data": {"success": true}}}),
            );
            writer.interrupted("m2");
            let found = writer.judged().iter().any(|name| name == FOUND[0]);
            assert_eq!(found, is_found, "{procedure}");
        }
    }

    #[test]
    fn an_ingest_under_a_superseded_or_unknown_fence_is_found() {
        for (generation, rules) in [(1, &FOUND[..]), (2, &NOTHING[..]), (3, &FOUND[..])] {
            let mut writer = second_run();
            is_lost(&mut writer);
            writer.opens_ingest(generation);
            assert_eq!(writer.ended("m2"), rules, "{generation}");
        }
    }
}
