//! A run that has nothing to do is released `KEEP_WARM` after its last idle, and not earlier (protocol §7): its wrapper is
//! ordered to stop. One that was made ready for a message that it never accepted is released `READY_ONLY_TIMEOUT` later.
//!
//! The wire shows a release only by the orders that reach the wrapper. A run is judged if it was certainly current at its
//! last idle, nothing was asked of the session since, and no fault may have hidden an order or delayed the server.

use std::collections::BTreeSet;
use std::time::Duration;

use super::frames::RunEnd;
use super::history::{Fence, SessionHistory, StreamEvent, kilo};
use super::runs::Run;
use super::{Check, Finding, Late, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "idle-runs-are-released",
    rule: "A run without a pending or accepted message is released when its wrapper has been idle for the time that it is \
        kept warm, neither earlier nor later, or ready for the time that it may be without a message.",
    why: "An idle sandbox costs money. If its timer is lost or fires late, sandboxes that nobody uses pile up. If it \
        fires early, the next message waits for a cold start.",
    moment: Moment::Always,
    protocol: &ids(["R7.6", "R7.7", "R7.13"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let is_judged = session.log.is_some()
        && !session.is_removed
        && session.roots().len() == 1
        && session.imported_ingests().next().is_none();
    if !is_judged {
        return Vec::new();
    }
    let mut unfinished = BTreeSet::new();
    let mut last_idle = None;
    let mut findings = unused(session);
    for event in &session.kept {
        let ends_idle = event.message().is_some() || RunEnd::of_event(event).is_some();
        if ends_idle || session.is_root_idle(event) {
            findings.extend(last_idle.take().and_then(|idle| judged(session, idle, event.at)));
        }
        match event.message() {
            Some(message) if event.is_end() => {
                unfinished.remove(message);
            }
            Some(message) => {
                unfinished.insert(message);
            }
            None if session.is_root_idle(event) && unfinished.is_empty() => last_idle = Some(*event),
            None => {}
        }
    }
    findings.extend(last_idle.and_then(|idle| judged(session, idle, session.run.end)));
    findings
}

/// The finding about a run that was released too early or too late after an idle, if nothing else happened before `until`.
fn judged(session: &SessionHistory, idle: &StreamEvent, until: Duration) -> Option<Finding> {
    let fence = sender(session, idle)?;
    early(session, idle, fence, until).or_else(|| overdue(session, idle, fence, until))
}

/// The finding about a run that was released before the time was over for which it is kept warm.
fn early(session: &SessionHistory, idle: &StreamEvent, fence: &Fence, until: Duration) -> Option<Finding> {
    let run = session.run;
    let stop = first_stop(session, fence, idle.at)?;
    let due = idle.at + run.context.profile.keep_warm;
    let is_early = stop + run.time_error() + run.max_transit() < due && stop < until;
    let has_lost_socket = session.ingests().any(|ingest| {
        ingest.fence == *fence && ingest.closed_at.is_some_and(|at| at + run.max_transit() < stop)
    });
    // A run that a gate result is awaited from has another deadline.
    let has_other_deadline = awaits_gate(session, stop);
    if !is_early || has_other_deadline || has_lost_socket || is_disturbed(session, fence, idle.at, stop) {
        return None;
    }
    let text = format!(
        "the wrapper of generation {} was last idle at {}, but it was ordered to stop at {} already",
        fence.generation,
        secs(idle.at),
        secs(stop)
    );
    Some(ORACLE.finding(&ids(["R7.7"]), stop, None, text))
}

/// Time of the first order to stop a run, from a time on.
fn first_stop(session: &SessionHistory, fence: &Fence, from: Duration) -> Option<Duration> {
    let mut stops = session.run.stops.iter();
    stops
        .find(|stop| stop.at >= from && stop.run.as_ref() == Some(&fence.run))
        .map(|stop| stop.at)
}

/// What a finding says about the order to stop a run.
fn shown(stop: Option<Duration>) -> String {
    stop.map_or("was never ordered to stop".to_owned(), |at| {
        format!("was ordered to stop at {}", secs(at))
    })
}

/// Whether a gate result of a turn that was delivered by then may be awaited.
fn awaits_gate(session: &SessionHistory, until: Duration) -> bool {
    let mut deliveries = session.deliveries.iter().filter(|delivery| delivery.at <= until);
    deliveries.any(|delivery| !matches!(delivery.gate_threshold().as_str(), None | Some("off")))
}

/// Findings about runs that were made ready for a message that was exhausted, and that were released too early or too late
/// after that (R7.6).
fn unused(session: &SessionHistory) -> Vec<Finding> {
    let exhausted = session
        .ends
        .iter()
        .filter(|end| end.data["reason"] == "exhausted");
    exhausted.filter_map(|end| unused_after(session, end)).collect()
}

fn unused_after(session: &SessionHistory, exhausted: &StreamEvent) -> Option<Finding> {
    let run = session.run;
    let timeout = run.context.profile.ready_only_timeout;
    let leeway = run.max_order_time();
    let last = session
        .preparations
        .iter()
        .rfind(|ready| ready.at <= exhausted.at)?;
    let (fence, ready_at) = (
        last.fence.as_ref()?,
        last.answer.as_ref().filter(|_| last.is_ready())?.at,
    );
    // A run that was allocated for the message is released at once (R5.9).
    let existed = session.sent.iter().any(|sent| {
        sent.id < exhausted.id && session.run_of(sent.message().unwrap_or_default(), sent.at) == Some(fence)
    });
    let limit = ready_at + timeout + leeway;
    let is_newest = session
        .bindings
        .iter()
        .all(|binding| binding.fence.generation <= fence.generation || binding.at > limit);
    let is_alone = session.kept.iter().all(|event| {
        let is_other_message = event.message().is_some() && event.id != exhausted.id;
        let is_in_span = event.at >= ready_at && event.at <= limit;
        !is_in_span || !(is_other_message || RunEnd::of_event(event).is_some() || session.is_root_idle(event))
    });
    // An earlier deadline of the idle may have released it.
    let is_warm = session
        .root_idles
        .iter()
        .rfind(|idle| idle.at < ready_at)
        .is_some_and(|idle| idle.at + run.context.profile.keep_warm <= limit);
    let is_asked = session
        .calls
        .iter()
        .any(|call| !call.is_query() && call.at > exhausted.at && call.at <= limit);
    // The run of a message that is pending is kept for it, however late that is sent.
    let mut by_then = session.kept.iter().take_while(|event| event.at <= limit);
    let all_ended = by_then.all(|event| {
        let other = event
            .message()
            .filter(|message| Some(*message) != exhausted.message());
        other.is_none_or(|other| session.end_of(other).is_some_and(|end| end.at < ready_at))
    });
    let is_judged = existed && is_newest && is_alone && all_ended && !is_warm && !is_asked && limit < run.end;
    if !is_judged
        || exhausted.at >= ready_at + timeout
        || awaits_gate(session, limit)
        || is_held_up(session, fence, ready_at, limit)
    {
        return None;
    }
    let stop = first_stop(session, fence, exhausted.at.saturating_sub(run.time_error()));
    let is_early = stop.is_some_and(|stop| stop + leeway < ready_at + timeout);
    let is_late = stop.is_none_or(|stop| stop > limit);
    let text = format!(
        "the wrapper of generation {} was ready at {} and accepted no message, but it {}",
        fence.generation,
        secs(ready_at),
        shown(stop)
    );
    if is_early {
        return Some(ORACLE.finding(&ids(["R7.6"]), stop?, None, text));
    }
    let late = Late { limit, at: stop };
    is_late.then(|| ORACLE.finding_late(run, &ids(["R7.6"]), late, None, &text))
}

/// The finding about a run that was not released in time after an idle, if nothing else happened before `until`.
fn overdue(session: &SessionHistory, idle: &StreamEvent, fence: &Fence, until: Duration) -> Option<Finding> {
    let run = session.run;
    let limit = idle.at + run.context.profile.keep_warm + run.max_order_time();
    if until <= limit || is_disturbed(session, fence, idle.at, limit) {
        return None;
    }
    let stopped_at = first_stop(session, fence, idle.at);
    if stopped_at.is_some_and(|at| at <= limit) {
        return None;
    }
    let text = format!(
        "the wrapper of generation {} was last idle at {} with nothing to do, but it {}",
        fence.generation,
        secs(idle.at),
        shown(stopped_at)
    );
    let late = Late {
        limit,
        at: stopped_at,
    };
    Some(ORACLE.finding_late(run, &ids(["R7.7"]), late, None, &text))
}

/// The fence under which an idle was sent, if it was certainly the current one and its run had not ended.
fn sender<'a>(session: &SessionHistory<'a>, idle: &StreamEvent) -> Option<&'a Fence> {
    let transit = session.run.max_transit();
    let (run, until) = (session.run, idle.at + session.run.time_error());
    let frames = &run.wrapper_frames;
    let first = frames.partition_point(|frame| frame.at + transit < idle.at);
    let near = frames[first..].iter().take_while(|frame| frame.at <= until);
    let sent = near
        .map(|frame| (&run.ingests[frame.ingest], frame))
        .filter(|(ingest, frame)| {
            let is_idle = matches!(kilo(&frame.name, &frame.data), Some(("session.idle", _)));
            is_idle && *ingest.session == *session.id
        });
    let mut fences: Vec<&Fence> = sent.map(|(ingest, _)| &ingest.fence).collect();
    fences.dedup();
    let [fence] = fences[..] else { return None };
    let bound = session.bindings.iter().find(|binding| binding.fence == *fence)?;
    let mut events = session
        .kept
        .iter()
        .filter(|event| event.id < idle.id && event.at >= bound.at);
    let may_have_ended = events.any(|event| {
        let is_lost = event.is_end()
            && matches!(
                event.data["completionSource"].as_str(),
                Some("interrupt" | "wrapper_failure")
            );
        is_lost || RunEnd::of_event(event).is_some()
    });
    let is_newest = session
        .bindings
        .iter()
        .all(|binding| binding.fence.generation <= fence.generation || binding.at > idle.at);
    (is_newest && !may_have_ended).then_some(fence)
}

/// Whether something other than the idle may have released the run or put its release off.
fn is_disturbed(session: &SessionHistory, fence: &Fence, from: Duration, until: Duration) -> bool {
    let before = from.saturating_sub(session.run.max_transit());
    let is_asked = session.calls.iter().any(|call| {
        (call.is_admission() || call.procedure == "interruptSession")
            && call.at <= until
            && !answered_before(call, before)
    });
    let is_delivered = session.requests_at().any(|at| (from..=until).contains(&at));
    is_asked || is_delivered || is_held_up(session, fence, before, until)
}

/// Whether a fault may have hidden an order or delayed the server.
fn is_held_up(session: &SessionHistory, fence: &Fence, from: Duration, until: Duration) -> bool {
    let faults = &session.run.faults;
    Run::of(session, fence).is_none_or(|run| {
        faults.may_have_disrupted(run.host(), from, until)
            || faults.may_have_stopped_server(from, until)
            || faults.store_may_have_failed(from, until)
            || run.may_have_ended_silently(until)
    })
}

/// Whether a call was over at a time.
fn answered_before(call: &super::history::Call, time: Duration) -> bool {
    call.reply.as_ref().is_some_and(|(at, ..)| *at < time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{Fault, Link};

    use crate::oracle::written::Writer;
    use crate::parties::{SERVER, WRAPPER};

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["idle-runs-are-released"];

    /// A message has ended, and its wrapper is idle.
    fn idle() -> Writer {
        let mut writer = Writer::started("m1").also_judged_by(FOUND[0]);
        writer.queued("m1");
        writer.bound_with(1, json!({"kiloSessionId": "root"}));
        writer.opens_ingest(1);
        writer.delivered_to("m1", 1);
        writer.sent("m1");
        writer.completed("m1");
        falls_idle(&mut writer);
        writer
    }

    fn falls_idle(writer: &mut Writer) {
        let data = json!({"event": "session.idle", "properties": {"sessionID": "root"}});
        writer.at_once(|writer| {
            writer.wrapper_sends(1, "kilocode", data.clone());
            writer.event("kilocode", data);
        });
    }

    /// A message is admitted.
    fn admits(writer: &mut Writer, message: &str) {
        writer.acked("send", message, json!({}));
        writer.queued(message);
    }

    /// A message is exhausted three seconds after the wrapper of the first run was ready for it.
    fn exhausts(writer: &mut Writer, message: &str) {
        writer.bound(1);
        writer.refused(message, 400);
        writer.exhausted(message, "BAD_REQUEST", 2);
    }

    fn found(writer: Writer) -> Vec<String> {
        let mut found = writer.judged();
        found.retain(|rule| rule == FOUND[0]);
        found
    }

    #[test]
    fn an_idle_run_is_released_after_the_time_that_it_is_kept_warm() {
        for (seconds, rules) in [(298, &NOTHING[..]), (301, &FOUND), (290, &FOUND)] {
            let mut writer = idle();
            writer.wait(seconds);
            writer.is_killed(1);
            assert_eq!(found(writer), rules, "{seconds}");
        }
        assert_eq!(found(idle()), FOUND);
    }

    #[test]
    fn a_later_idle_begins_the_time_anew_and_a_later_message_or_end_of_the_run_ends_it() {
        let mut again = idle();
        again.wait(200);
        falls_idle(&mut again);
        again.wait(298);
        again.is_killed(1);
        assert_eq!(found(again), NOTHING);

        let mut asked = idle();
        asked.wait(200);
        admits(&mut asked, "m2");
        assert_eq!(found(asked), NOTHING);

        let mut finished = idle();
        finished.event("complete", json!({"exitCode": 0}));
        assert_eq!(found(finished), NOTHING);
    }

    #[test]
    fn a_run_that_was_ready_for_an_exhausted_message_is_released() {
        for (seconds, rules) in [(56, &NOTHING[..]), (20, &FOUND), (80, &FOUND)] {
            let mut writer = idle();
            writer.orders_by_hand();
            writer.wait(5);
            admits(&mut writer, "m2");
            exhausts(&mut writer, "m2");
            writer.wait(seconds);
            writer.is_killed(1);
            // What comes later excuses nothing.
            writer.wait(60);
            admits(&mut writer, "m3");
            writer.bound(2);
            writer.delivered_to("m3", 2);
            writer.sent("m3");
            writer.completed("m3");
            assert_eq!(found(writer), rules, "{seconds}");
        }
    }

    #[test]
    fn a_run_that_was_ready_for_an_exhausted_message_is_kept_for_a_pending_one() {
        let mut writer = idle();
        writer.orders_by_hand();
        writer.wait(5);
        admits(&mut writer, "m2");
        admits(&mut writer, "m3");
        exhausts(&mut writer, "m2");
        // Getting ready takes longer than a run may be unused.
        writer.wait(100);
        writer.delivered_to("m3", 1);
        writer.sent("m3");
        writer.completed("m3");
        assert_eq!(found(writer), NOTHING);
    }

    #[test]
    fn a_later_turn_with_a_gate_excuses_no_early_release() {
        let mut writer = idle();
        writer.orders_by_hand();
        writer.wait(100);
        writer.is_killed(1);
        writer.wait(300);
        admits(&mut writer, "m2");
        writer.bound(2);
        writer.delivered_with("m2", json!({"gateThreshold": "all"}));
        writer.sent("m2");
        writer.completed("m2");
        assert_eq!(found(writer), FOUND);
    }

    #[test]
    fn a_fault_excuses_an_order_that_did_not_arrive() {
        let mut writer = idle();
        let link = Link::between(SERVER, WRAPPER);
        writer.world(WorldEvent::of(&Fault::cut(&link)));
        assert_eq!(found(writer), NOTHING);
    }
}
