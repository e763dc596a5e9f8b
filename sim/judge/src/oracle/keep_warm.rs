//! A run that has nothing to do is released `KEEP_WARM` after its last idle (protocol §7): its wrapper is ordered to stop.
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
    rule: "A run without a pending or accepted message is released as soon as its wrapper has been idle for the time that \
        it is kept warm.",
    why: "An idle sandbox costs money. If its timer is lost or fires late, sandboxes that nobody uses pile up.",
    moment: Moment::Always,
    protocol: &ids(["R7.7", "R7.13"]),
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
    let mut findings = Vec::new();
    for event in &session.kept {
        let ends_idle = event.message().is_some() || RunEnd::of_event(event).is_some();
        if ends_idle || session.is_root_idle(event) {
            findings.extend(last_idle.take().and_then(|idle| overdue(session, idle, event.at)));
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
    findings.extend(last_idle.and_then(|idle| overdue(session, idle, session.run.end)));
    findings
}

/// The finding about a run that was not released in time after an idle, if nothing else happened before `until`.
fn overdue(session: &SessionHistory, idle: &StreamEvent, until: Duration) -> Option<Finding> {
    let run = session.run;
    // The abort takes a new connection.
    let leeway = run.time_error() + 4 * run.max_transit();
    let limit = idle.at + run.context.profile.keep_warm + leeway;
    let fence = sender(session, idle)?;
    if until <= limit || is_disturbed(session, fence, idle.at, limit) {
        return None;
    }
    let mut stops = run
        .stops
        .iter()
        .filter(|stop| stop.run.as_ref() == Some(&fence.run));
    let stopped_at = stops.find(|stop| stop.at >= idle.at).map(|stop| stop.at);
    if stopped_at.is_some_and(|at| at <= limit) {
        return None;
    }
    let released = stopped_at.map_or("was never ordered to stop".to_owned(), |at| {
        format!("was ordered to stop at {}", secs(at))
    });
    let text = format!(
        "the wrapper of generation {} was last idle at {} with nothing to do, but it {released}",
        fence.generation,
        secs(idle.at)
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
    let sent = session.wrapper_frames().filter(|(_, frame)| {
        let is_idle = matches!(kilo(&frame.name, &frame.data), Some(("session.idle", _)));
        is_idle && frame.at <= idle.at + session.run.time_error() && frame.at + transit >= idle.at
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
    let faults = &session.run.faults;
    let before = from.saturating_sub(session.run.max_transit());
    let Some(run) = Run::of(session, fence) else {
        return true;
    };
    let is_asked = session.calls.iter().any(|call| {
        (call.is_admission() || call.procedure == "interruptSession")
            && call.at <= until
            && !answered_before(call, before)
    });
    let requests = session.preparations.iter().map(|request| request.at);
    let mut requests = requests.chain(session.deliveries.iter().map(|request| request.at));
    is_asked
        || requests.any(|at| (from..=until).contains(&at))
        || faults.may_have_disrupted(run.host(), before, until)
        || faults.may_have_stopped_server(before, until)
        || faults.store_may_have_failed(before, until)
        || run.may_have_ended_silently(until)
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

    fn found(writer: Writer) -> Vec<String> {
        let mut found = writer.judged();
        found.retain(|rule| rule == FOUND[0]);
        found
    }

    #[test]
    fn an_idle_run_is_released_after_the_time_that_it_is_kept_warm() {
        for (seconds, rules) in [(298, &NOTHING[..]), (301, &FOUND)] {
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
        asked.acked("send", "m2", json!({}));
        asked.queued("m2");
        assert_eq!(found(asked), NOTHING);

        let mut finished = idle();
        finished.event("complete", json!({"exitCode": 0}));
        assert_eq!(found(finished), NOTHING);
    }

    #[test]
    fn a_fault_excuses_an_order_that_did_not_arrive() {
        let mut writer = idle();
        let link = Link::between(SERVER, WRAPPER);
        writer.world(WorldEvent::of(&Fault::cut(&link)));
        assert_eq!(found(writer), NOTHING);
    }
}
