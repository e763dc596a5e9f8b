//! How long a gate result is certainly awaited (protocol §8) if no event ends the wait: as long as the run cannot have
//! been lost.
//!
//! The server releases a run without outstanding work for several reasons that leave no event. Each takes a known time
//! or is visible elsewhere. The first that may have happened counts. This module judges nothing.

use std::time::Duration;

use super::history::{Fence, SessionHistory, StreamEvent};
use super::runs::{Run, is_pong};

/// The time until which the gate result of a message with this end was certainly awaited, if it was awaited.
/// `interrupts` are the spans of time in which users' interrupts may have been carried out.
pub(super) fn lasts_until(
    session: &SessionHistory,
    message: &str,
    end: &StreamEvent,
    interrupts: &[(Duration, Duration)],
) -> Duration {
    let Some(fence) = session.run_of(message, end.at + session.run.time_error()) else {
        return end.at;
    };
    // The shortest time after which a wrapper without accepted messages is released.
    let profile = &session.run.context.profile;
    let released_at = end.at + profile.ready_only_timeout.min(profile.keep_warm);
    let connected_until =
        connected_until(session, fence, released_at).saturating_sub(session.run.max_transit());
    let interrupted_at = interrupts
        .iter()
        .filter(|(_, until)| until.saturating_add(session.run.time_error()) >= end.at)
        .map(|(from, _)| *from);
    let replaced_at = session
        .bindings
        .iter()
        .filter(|binding| binding.fence.generation > fence.generation)
        .map(|binding| binding.at.saturating_sub(session.run.max_transit()));
    [
        released_at,
        connected_until,
        answers_until(session, fence, end.at),
    ]
    .into_iter()
    .chain(interrupted_at)
    .chain(replaced_at)
    .min()
    .map_or(end.at, |until| until.max(end.at))
}

/// The time until which the server certainly had a socket of that run, judged at `time`.
fn connected_until(session: &SessionHistory, fence: &Fence, time: Duration) -> Duration {
    let faults = &session.run.faults;
    session
        .ingests()
        .filter(|ingest| ingest.fence == *fence)
        .map(|ingest| faults.lasted_until(&ingest.host, ingest.opened_at, ingest.closed_at, time))
        .max()
        .unwrap_or_default()
}

/// The time until which the run was certainly not unhealthy for a missing pong, by its signs of life up to `time`.
fn answers_until(session: &SessionHistory, fence: &Fence, time: Duration) -> Duration {
    let faults = &session.run.faults;
    let mut bindings = session.bindings.iter();
    let bound = bindings.find(|binding| binding.fence == *fence);
    let run = Run::of(session, fence);
    let answers = run
        .iter()
        .flat_map(Run::frames)
        .filter(|(_, frame)| is_pong(frame))
        .filter(|(ingest, frame)| {
            !faults.may_have_disrupted(
                &ingest.host,
                ingest.opened_at,
                frame.at + session.run.max_transit(),
            )
        })
        .map(|(_, frame)| frame.at);
    let signs = bound.map(|binding| binding.at).into_iter().chain(answers);
    let last = signs.filter(|at| *at <= time).max();
    // A ping is due first, and then its answer (protocol §7).
    let profile = &session.run.context.profile;
    last.map_or(Duration::ZERO, |at| {
        at + profile.ping_interval + profile.pong_timeout
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::Fault;

    use crate::oracle::written::Writer;
    use crate::parties::WRAPPER;

    const NOTHING: [&str; 0] = [];
    const BROKEN: [&str; 1] = ["one-callback-per-batch"];

    /// A message has ended, and its gate result is not reported yet.
    fn waiting() -> Writer {
        let mut writer = Writer::with_callback("m1");
        writer.acked(
            "send",
            "m2",
            json!({"message": {"id": "m2"}, "finalization": {"gateThreshold": "all"}}),
        );
        writer.bound(1);
        writer.opens_ingest(1);
        writer.queued("m1");
        writer.queued("m2");
        for message in ["m1", "m2"] {
            writer.delivered_to(message, 1);
            writer.sent(message);
            writer.completed(message);
        }
        writer.idle();
        writer
    }

    fn calls_back(mut writer: Writer) -> Vec<String> {
        writer.called_back("m2", json!({}), 200);
        writer.judged()
    }

    #[test]
    fn a_callback_without_its_gate_result_is_found_while_the_wrapper_cannot_have_been_lost() {
        for (seconds, rules) in [(1, &BROKEN[..]), (50, &BROKEN), (65, &NOTHING)] {
            let mut writer = waiting();
            writer.wait(seconds);
            assert_eq!(calls_back(writer), rules, "{seconds}");
        }
    }

    #[test]
    fn a_possible_end_of_the_run_excuses_a_callback_without_its_gate_result() {
        let mut gone = waiting();
        gone.ingest_ends(1);
        assert_eq!(calls_back(gone), NOTHING);

        let mut crashed = waiting();
        crashed.world(WorldEvent::of(&Fault::crash(WRAPPER)));
        assert_eq!(calls_back(crashed), NOTHING);

        let mut replaced = waiting();
        replaced.bound(2);
        assert_eq!(calls_back(replaced), NOTHING);

        let mut interrupted = waiting();
        interrupted.interrupts(200);
        assert_eq!(calls_back(interrupted), NOTHING);
    }
}
