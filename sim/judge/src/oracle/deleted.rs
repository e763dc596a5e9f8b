//! A deletion is an end (protocol §2): it ends every message, and afterwards the session shows nothing, takes no socket and
//! gives its wrapper no work. The callback of what it interrupted still arrives.
//!
//! The log of a deleted session cannot be read, so it is judged by what the streams showed. The harness's own stream shows
//! everything as long as no fault disturbs it.

use std::time::Duration;

use super::admissions::{CallbackTargets, Likely};
use super::callback_arrives::is_given_up;
use super::history::SessionHistory;
use super::one_callback::{first_requests, is_owed};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::parties::OBSERVER;
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "deletion-is-an-end",
    rule: "A deletion ends every message and is followed by no event, socket or work of the session, but by the \
        callback of what it interrupted. Its streams end.",
    why: "The user wants the session gone, and the receiver still waits for its result. Work that goes on unseen costs \
        money, and a result that never comes blocks what follows.",
    moment: Moment::AtEnd,
    protocol: &ids(["R2.91", "R2.92", "R2.93", "R2.122"]),
    check: Check::Sessions(check),
};

/// How long before the end of the run a callback must be due. The queue takes jobs at once while it works.
const CALLBACK_SLACK: Duration = Duration::from_mins(1);

/// More events than a deletion sends at once.
const LARGEST_BURST: usize = 64;

/// The deletion of a session by its user.
struct Deletion {
    requested_at: Duration,
    answered_at: Duration,
}

fn check(session: &SessionHistory) -> Vec<Finding> {
    let mut calls = session
        .calls
        .iter()
        .filter(|call| call.procedure == "deleteSession");
    let Some(first) = calls.find(|call| call.is_by_user()) else {
        return Vec::new();
    };
    let answer = first.success().filter(|(_, data)| data["success"] == true);
    let Some((answered_at, _)) = answer else {
        return Vec::new();
    };
    let deletion = Deletion {
        requested_at: first.at,
        answered_at,
    };
    let mut findings = told_afterwards(session, &deletion);
    findings.extend(opened_afterwards(session, &deletion));
    findings.extend(left_open(session, &deletion));
    findings.extend(work_afterwards(session, &deletion));
    if is_watched(session, &deletion) {
        findings.extend(left(session, &deletion));
        findings.extend(missing_callback(session, &deletion));
    }
    findings
}

/// The finding about an event of a time after the deletion.
fn told_afterwards(session: &SessionHistory, deletion: &Deletion) -> Vec<Finding> {
    let mut seen = session.seen();
    let late = seen.find(|seen| seen.event.at > deletion.answered_at + session.run.time_error());
    let finding = late.map(|seen| {
        let text = format!(
            "{} received {} of {}, but the session had been deleted at {}",
            seen.party,
            seen.event.name,
            secs(seen.event.at),
            secs(deletion.answered_at)
        );
        ORACLE.finding(&ids(["R2.91"]), seen.seen_at, None, text)
    });
    finding.into_iter().collect()
}

/// Findings about sockets that opened after the deletion. An answer may be in transit.
fn opened_afterwards(session: &SessionHistory, deletion: &Deletion) -> Vec<Finding> {
    let run = session.run;
    let is_after = |party: &str, opened_at: Duration| {
        let is_late = opened_at > deletion.answered_at + 2 * run.max_transit();
        is_late
            && !run
                .faults
                .may_have_disrupted(party, deletion.requested_at, opened_at)
    };
    let streams = session
        .streams
        .iter()
        .map(|stream| (stream.party.as_str(), stream.party.as_str(), stream.opened_at));
    let ingests = session
        .ingests()
        .map(|ingest| (ingest.party.as_str(), ingest.host.as_str(), ingest.opened_at));
    let late = streams
        .chain(ingests)
        .filter(|(_, host, opened_at)| is_after(host, *opened_at));
    late.map(|(party, _, opened_at)| {
        let text = format!(
            "{party} opened a socket, but the session had been deleted at {}",
            secs(deletion.answered_at)
        );
        ORACLE.finding(&ids(["R2.92"]), opened_at, None, text)
    })
    .collect()
}

/// Findings about streams that the deletion left open. A slow client notices the end once it has read what came before it.
fn left_open(session: &SessionHistory, deletion: &Deletion) -> Vec<Finding> {
    let run = session.run;
    let open = session.streams.iter().filter(|stream| {
        let ended_by = deletion.answered_at + session.longest_pause(stream);
        let is_open = stream.closed_at.is_none_or(|closed_at| closed_at > ended_by);
        let faults = &run.faults;
        let is_disturbed = faults.may_have_disrupted(&stream.party, stream.opened_at, ended_by)
            || faults.may_have_stopped_server(deletion.requested_at, ended_by);
        let is_caught_up = run
            .shown(stream)
            .next_back()
            .is_none_or(|last| last.seen_at <= ended_by);
        stream.opened_at < deletion.requested_at
            && is_open
            && is_caught_up
            && !is_disturbed
            && ended_by < run.end
    });
    open.map(|stream| {
        let text = format!(
            "the stream of {} stayed open, but the session had been deleted at {}",
            stream.party,
            secs(deletion.answered_at)
        );
        ORACLE.finding(&ids(["R2.91"]), deletion.answered_at, None, text)
    })
    .collect()
}

/// The finding about work that the wrapper got after the deletion.
fn work_afterwards(session: &SessionHistory, deletion: &Deletion) -> Option<Finding> {
    let run = session.run;
    let mut bindings = session.bindings.iter();
    let late = bindings.find(|binding| {
        let is_late = binding.at > deletion.answered_at + 3 * run.max_transit();
        is_late
            && !run
                .faults
                .may_have_disrupted(&binding.host, deletion.requested_at, binding.at)
    })?;
    let text = format!(
        "the wrapper got work, but the session had been deleted at {}",
        secs(deletion.answered_at)
    );
    Some(ORACLE.finding(&ids(["R2.91"]), late.at, None, text))
}

/// Whether the harness's stream was open from before the first message until the deletion, without a disturbance.
fn is_watched(session: &SessionHistory, deletion: &Deletion) -> bool {
    let run = session.run;
    let margin = 2 * run.max_transit();
    let (from, until) = (
        deletion.requested_at.saturating_sub(margin),
        deletion.answered_at + margin,
    );
    // The ends come in one burst, which may leave the harness too far behind (R9.25).
    if run.context.profile.subscriber_backlog < LARGEST_BURST {
        return false;
    }
    let mut streams = session.streams.iter();
    streams.any(|stream| {
        let is_open = stream
            .closed_at
            .is_none_or(|closed_at| closed_at >= deletion.requested_at);
        let is_sound = run.faults.broken_from(OBSERVER, stream.opened_at) > until;
        stream.party == OBSERVER && stream.opened_at < from && is_open && is_sound && !stream.is_filtered
    }) && !run.faults.may_have_stopped_server(from, until)
        && !run.faults.may_have_disrupted(OBSERVER, from, until)
}

/// Findings about messages that the deletion did not end.
fn left(session: &SessionHistory, deletion: &Deletion) -> Vec<Finding> {
    let time_error = session.run.time_error();
    let queued = session
        .kept
        .iter()
        .filter(|event| event.is_queued() && event.at + time_error < deletion.requested_at);
    let left = queued.filter_map(|queued| {
        let message = queued
            .message()
            .filter(|message| session.end_of(message).is_none())?;
        let text = format!(
            "the session was deleted at {}, but no stream showed its end",
            secs(deletion.answered_at)
        );
        Some(ORACLE.finding_about(&ids(["R2.93"]), deletion.answered_at, message, text))
    });
    left.collect()
}

/// The finding about the callback of the last message that the deletion interrupted.
fn missing_callback(session: &SessionHistory, deletion: &Deletion) -> Option<Finding> {
    let run = session.run;
    let profile = &run.context.profile;
    let due_at = deletion.answered_at + profile.callback_latency + CALLBACK_SLACK;
    let is_disturbed = run.faults.may_have_stopped_server(deletion.requested_at, due_at)
        || run.faults.queue_may_have_failed(deletion.requested_at, due_at);
    if !profile.delete_keeps_callbacks || is_disturbed || run.end < due_at {
        return None;
    }
    let targets = CallbackTargets::of(session);
    let span =
        deletion.requested_at.saturating_sub(run.time_error())..=deletion.answered_at + run.time_error();
    let interrupted = session
        .ends
        .iter()
        .filter(|end| end.data["completionSource"] == "interrupt" && span.contains(&end.at));
    // The last one with a target represents the batch (R8.1).
    let mut representative = None;
    for end in interrupted {
        let message = end.message()?;
        match targets.calls_back(session.queued_of(message)?.at) {
            Likely::Yes => representative = Some((message, end)),
            Likely::No => {}
            Likely::Perhaps => return None,
        }
    }
    let (message, end) = representative?;
    let is_requested = first_requests(session).contains_key(message);
    (!is_requested && is_owed(session, message) && !is_given_up(session, &[], end.at)).then(|| {
        let text = format!(
            "it was interrupted by the deletion of {}, but its callback never reached the receiver",
            secs(deletion.answered_at)
        );
        ORACLE.finding_about(&ids(["R2.122"]), run.end, message, text)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{ClockChange, Fault};

    use crate::oracle::written::Writer;
    use crate::parties::{OBSERVER, SERVER};

    const FOUND: [&str; 1] = ["deletion-is-an-end"];

    /// A session with a callback, whose message is accepted.
    fn at_work() -> Writer {
        let mut writer = Writer::with_callback("m1");
        writer.queued("m1");
        writer.bound(1);
        writer.delivered_to("m1", 1);
        writer.sent("m1");
        writer
    }

    /// The session is deleted, and these things happen before the answer.
    fn deleted(writer: &mut Writer, happens: impl FnOnce(&mut Writer)) {
        let exchange = writer.requests("deleteSession", json!({"sessionId": "s"}));
        writer.at_once(happens);
        writer.is_answered(exchange, 200, json!({"result": {"data": {"success": true}}}));
    }

    /// Number of findings of this oracle when the log cannot be read any more.
    fn count(mut writer: Writer) -> usize {
        writer.client_leaves(OBSERVER);
        let findings = writer.findings_without_log();
        findings.iter().filter(|finding| finding.rule == FOUND[0]).count()
    }

    #[test]
    fn a_message_without_an_end_and_a_callback_that_is_missing_are_found() {
        let mut right = at_work();
        deleted(&mut right, |writer| writer.interrupted("m1"));
        right.called_back("m1", json!({"status": "interrupted"}), 200);
        assert_eq!(count(right), 0);

        let mut without_end = at_work();
        deleted(&mut without_end, |_| {});
        without_end.called_back("m1", json!({"status": "interrupted"}), 200);
        assert_eq!(count(without_end), 1);

        let mut without_callback = at_work();
        deleted(&mut without_callback, |writer| writer.interrupted("m1"));
        assert_eq!(count(without_callback), 1);
    }

    #[test]
    fn a_stream_that_stays_open_is_found() {
        for (ends, expected) in [(true, 0), (false, 1)] {
            let mut writer = at_work();
            deleted(&mut writer, |writer| writer.interrupted("m1"));
            writer.called_back("m1", json!({"status": "interrupted"}), 200);
            if ends {
                writer.client_leaves(OBSERVER);
            }
            let findings = writer.findings_without_log();
            let open = findings
                .iter()
                .filter(|finding| finding.text.contains("stayed open"));
            assert_eq!(open.count(), expected, "{ends}");
        }
    }

    #[test]
    fn what_comes_after_a_deletion_is_found() {
        type Later = fn(&mut Writer);
        let later: [(Later, usize); 4] = [
            (|_| {}, 0),
            (|writer| writer.idle(), 1),
            (|writer| writer.bound(2), 1),
            (|writer| writer.opens_ingest(1), 1),
        ];
        for (place, (happens, expected)) in later.into_iter().enumerate() {
            let mut writer = at_work();
            deleted(&mut writer, |writer| writer.interrupted("m1"));
            writer.called_back(
                "m1",
                json!({"status": "interrupted", "errorMessage": Value::Null}),
                200,
            );
            happens(&mut writer);
            assert_eq!(count(writer), expected, "{place}");
        }
    }

    #[test]
    fn what_a_slow_client_reads_after_a_change_of_the_clock_is_of_its_own_time() {
        for (is_new, expected) in [(false, 0), (true, 1)] {
            let mut writer = at_work();
            writer.client_opens("viewer", 0);
            let before = writer.envelope(0, "kilocode", json!({"event": "message.part.delta"}));
            writer.wait(2);
            deleted(&mut writer, |writer| writer.interrupted("m1"));
            writer.called_back("m1", json!({"status": "interrupted"}), 200);
            let after = writer.envelope(0, "kilocode", json!({"event": "message.part.delta"}));
            let (host, back) = (SERVER.to_owned(), ClockChange::Back("1m".parse().unwrap()));
            writer.world(WorldEvent::of(&Fault::crash(SERVER)));
            writer.world(WorldEvent::of(&Fault::Clock { host, set: back }));
            writer.wait(70);
            writer.client_receives_frame("viewer", if is_new { after } else { before });
            writer.client_leaves("viewer");
            assert_eq!(count(writer), expected, "{is_new}");
        }
    }
}
