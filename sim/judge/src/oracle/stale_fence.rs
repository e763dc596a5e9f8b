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

use serde_json::Value;

use super::fences::Fences;
use super::frames::RunEnd;
use super::history::{Ingest, SessionHistory, Stream, StreamEvent, WrapperFrame, kilo};
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
                replaced_at: fences.replaced_at(ingest.fence.generation),
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
        let tolerance = session.run.context.timing_tolerance;
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

    fn is_given_by(self, frame: &WrapperFrame, message: &str) -> bool {
        match self {
            Self::Interrupt => RunEnd::of_frame(frame) == Some(RunEnd::Interrupted),
            Self::FatalError => RunEnd::of_frame(frame) == Some(RunEnd::FatalError),
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
        if is_of_server(&seen.event) || seen.seen_at < first_change {
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
                .find(|frame| frame.was_sent(event.at) && !frame.may_be_shown(event.at));
            if let (false, Some(frame)) = (is_current, stale) {
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
    is_shared || event.name.starts_with("cloud.") || event.is_of_execution()
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

    /// How the run of generation 1 ends.
    type RunEnd = fn(&mut Writer);

    const ENDS_OF_A_RUN: [RunEnd; 4] = [
        |writer| {
            writer.completed("m1");
            writer.wrapper_sends(1, "complete", json!({"exitCode": 0}));
            writer.event("complete", json!({"exitCode": 0}));
        },
        |writer| {
            writer.wrapper_sends(1, "error", json!({"fatal": true}));
            writer.at_once(|writer| {
                writer.event("error", json!({"fatal": true}));
                let data = json!({"completionSource": "wrapper_failure", "reason": "wrapper_error"});
                writer.failed("m1", data);
            });
        },
        |writer| writer.interrupts_with(true, |writer| writer.interrupted("m1")),
        |writer| {
            writer.ingest_ends(1);
            writer.wait(10);
            let data = json!({"completionSource": "wrapper_failure", "reason": "wrapper_disconnected"});
            writer.failed("m1", data);
        },
    ];

    fn at_work() -> Writer {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.bound(1);
        writer.opens_ingest(1);
        writer.delivered_to("m1", 1);
        writer.sent("m1");
        writer.wrapper_reports(1, "m1");
        writer
    }

    #[test]
    fn an_event_after_the_end_of_its_run_is_found_if_it_is_shown() {
        // After the last one the wrapper has no socket to send on.
        for (place, end) in ENDS_OF_A_RUN[..3].iter().enumerate() {
            let mut writer = at_work();
            end(&mut writer);
            writer.wrapper_sends(1, "kilocode", reply("m1"));
            assert_eq!(writer.clone().judged(), NOTHING, "{place}");
            writer.event("kilocode", reply("m1"));
            let found = writer.judged();
            assert!(found.contains(&FOUND[0].to_owned()), "{place}: {found:?}");
        }
    }

    #[test]
    fn an_ingest_after_the_end_of_its_run_is_found() {
        for (place, end) in ENDS_OF_A_RUN.into_iter().enumerate() {
            let mut writer = at_work();
            end(&mut writer);
            writer.opens_ingest(1);
            assert_eq!(writer.judged(), FOUND, "{place}");
        }
    }

    #[test]
    fn a_complete_without_valid_data_or_with_a_pending_message_ends_no_run() {
        let ends: [RunEnd; 2] = [
            |writer| {
                writer.wrapper_sends(1, "complete", json!({"exitCode": "0"}));
                writer.event("complete", json!({"exitCode": "0"}));
            },
            |writer| {
                writer.acked("send", "m2", json!({}));
                writer.queued("m2");
                writer.wrapper_sends(1, "complete", json!({"exitCode": 0}));
                writer.event("complete", json!({"exitCode": 0}));
                writer.delivered_to("m2", 1);
                writer.sent("m2");
                writer.completed("m2");
            },
        ];
        for (place, end) in ends.into_iter().enumerate() {
            let mut writer = at_work();
            writer.completed("m1");
            end(&mut writer);
            writer.opens_ingest(1);
            assert_eq!(writer.judged(), NOTHING, "{place}");
        }
    }

    #[test]
    fn a_message_in_delivery_may_end_with_its_run_after_it() {
        let mut writer = at_work();
        writer.acked("send", "m2", json!({}));
        writer.queued("m2");
        writer.delivered_to("m2", 1);
        writer.wrapper_sends(1, "interrupted", json!({}));
        writer.at_once(|writer| {
            writer.event("interrupted", json!({}));
            writer.interrupted("m1");
        });
        writer.at_once(|writer| {
            writer.sent("m2");
            writer.interrupted("m2");
        });
        assert_eq!(writer.judged(), NOTHING);
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
