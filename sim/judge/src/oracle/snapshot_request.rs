//! A client that opens the stream during a turn gets the state of the turn (protocol §5): the server asks the wrapper for
//! a snapshot.
//!
//! The server sees the stream open up to a transit before the client does. A turn, a socket or a link that may have
//! changed around that time allows both.

use std::time::Duration;

use super::fences::Fences;
use super::history::{Fence, Ingest, SessionHistory, Stream};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "snapshot-is-requested",
    rule: "When a client opens the stream while a message is accepted, the wrapper of its run is asked for a snapshot.",
    why: "Deltas are not kept. Without a snapshot a client that comes in the middle of a turn shows a text that begins \
        in the middle.",
    moment: Moment::Always,
    protocol: &ids(["R5.59"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.is_removed {
        return Vec::new();
    }
    let fences = Fences::of(session);
    let findings = session.streams.iter().filter_map(|stream| {
        let (message, fence) = turn_under_way(session, &fences, stream)?;
        let socket = socket_of(session, stream, fence)?;
        if is_disturbed(session, stream, socket) || is_requested(session, stream, fence) {
            return None;
        }
        let text = format!(
            "{} opened the stream while generation {} ran it, but its wrapper was not asked for a snapshot",
            stream.party, fence.generation
        );
        Some(ORACLE.finding_about(&ids(["R5.59"]), stream.opened_at, message, text))
    });
    findings.collect()
}

/// The times around the opening of a stream at which the server may have accepted it, with a margin.
fn around(session: &SessionHistory, stream: &Stream) -> (Duration, Duration) {
    let margin = 2 * session.run.max_transit() + session.run.time_error();
    (stream.opened_at.saturating_sub(margin), stream.opened_at + margin)
}

/// A message that was certainly accepted when the stream opened, with the fence of its run.
fn turn_under_way<'a>(
    session: &SessionHistory<'a>,
    fences: &Fences,
    stream: &Stream,
) -> Option<(&'a str, &'a Fence)> {
    let (from, until) = around(session, stream);
    let mut sent = session.sent.iter().filter(|sent| sent.at < from);
    sent.find_map(|sent| {
        let message = sent.message()?;
        let mut ends = session.ends.iter().filter(|end| end.at <= until);
        let has_ended = ends.any(|end| end.message() == Some(message));
        let fence = session.run_of(message, sent.at + session.run.time_error())?;
        (!has_ended && fences.stale_from(fence.generation) > until).then_some((message, fence))
    })
}

/// The newest socket of a run, if it was certainly open when the stream opened.
fn socket_of<'a>(session: &SessionHistory<'a>, stream: &Stream, fence: &Fence) -> Option<&'a Ingest> {
    let (from, until) = around(session, stream);
    let sockets = session
        .ingests()
        .filter(|ingest| ingest.fence == *fence && ingest.opened_at <= until);
    let newest = sockets.max_by_key(|ingest| ingest.opened_at)?;
    let is_open = newest.closed_at.is_none_or(|closed_at| closed_at > until);
    (newest.opened_at < from && is_open).then_some(newest)
}

/// Whether a fault may have hidden the request from the wrapper, or the opening from the client.
fn is_disturbed(session: &SessionHistory, stream: &Stream, socket: &Ingest) -> bool {
    let (from, until) = around(session, stream);
    let faults = &session.run.faults;
    faults.broken_from(&socket.host, socket.opened_at) <= until
        || faults.may_have_disrupted(&socket.host, from, until)
        || faults.may_have_disrupted(&stream.party, from, until)
        || faults.may_have_stopped_server(from, until)
}

/// Whether the wrapper of a run was asked for a snapshot when the stream opened. On a busy machine, the request and the
/// opening may be seen further apart.
fn is_requested(session: &SessionHistory, stream: &Stream, fence: &Fence) -> bool {
    let (from, until) = around(session, stream);
    let run = session.run;
    let more = run.warned_lateness();
    let (from, until) = (from.saturating_sub(more), until + more);
    run.snapshot_requests
        .iter()
        .any(|request| run.ingests[request.ingest].fence == *fence && (from..=until).contains(&request.at))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["snapshot-is-requested"];

    #[test]
    fn a_client_that_comes_during_a_turn_and_gets_no_snapshot_is_found() {
        for (is_requested, rules) in [(true, &NOTHING[..]), (false, &FOUND)] {
            let mut writer = Writer::at_work().also_judged_by(FOUND[0]);
            writer.at_once(|writer| {
                writer.client_replays("phone", 0, 0..2);
                if is_requested {
                    writer.snapshot_is_requested(1);
                }
            });
            writer.client_receives_next("phone", |writer| writer.completed("m1"));
            assert_eq!(writer.judged(), rules);
        }
    }

    #[test]
    fn in_real_time_the_request_may_come_a_little_later() {
        for (milliseconds, rules) in [(500, &NOTHING[..]), (10, &FOUND)] {
            let mut writer = Writer::at_work().also_judged_by(FOUND[0]);
            writer.in_real_time(Duration::from_millis(milliseconds));
            writer.client_replays("phone", 0, 0..2);
            writer.wait(2);
            writer.snapshot_is_requested(1);
            writer.client_receives_next("phone", |writer| writer.completed("m1"));
            let mut found = writer.judged();
            found.retain(|rule| rule == FOUND[0]);
            assert_eq!(found, rules, "{milliseconds}");
        }
    }

    #[test]
    fn no_snapshot_is_due_without_a_socket_or_a_turn() {
        let mut without_socket = Writer::at_work().also_judged_by(FOUND[0]);
        without_socket.ingest_ends(1);
        without_socket.client_replays("phone", 0, 0..2);
        without_socket.client_receives_next("phone", |writer| writer.completed("m1"));
        assert_eq!(without_socket.judged(), NOTHING);

        let mut without_turn = Writer::at_work().also_judged_by(FOUND[0]);
        without_turn.completed("m1");
        without_turn.client_replays("phone", 0, 0..3);
        assert_eq!(without_turn.judged(), NOTHING);
    }
}
