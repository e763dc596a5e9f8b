//! The snapshot of a stream (protocol §9): after `connected`, the events with id 0 of the messages that are pending, or
//! that failed in the queue and are not superseded.
//!
//! The stream does not show when the server took the snapshot. It is compared with the log at every moment at which
//! that may have been.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::history::{LONGEST_OPENING, SeenEvent, SessionHistory, Stream, StreamEvent};
use super::replay::is_connected;
use super::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "snapshot-is-exact",
    rule: "The snapshot of a stream has the messages that are pending or failed in the queue at that time, in the \
        order of the queue, and no superseded or other message.",
    why: "A client learns from the snapshot alone which messages wait and which could not be delivered. What is \
        wrong there stays on its screen.",
    moment: Moment::Always,
    protocol: &ids(["R2.75", "R9.21", "R9.69"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let Some(log) = &session.log else {
        return Vec::new();
    };
    let events: Vec<&StreamEvent> = log
        .iter()
        .copied()
        .filter(|event| event.message().is_some())
        .collect();
    let streams = session.streams.iter().filter(|stream| !stream.is_filtered);
    streams
        .filter_map(|stream| check_stream(session, stream, &events))
        .collect()
}

fn check_stream(session: &SessionHistory, stream: &Stream, events: &[&StreamEvent]) -> Option<Finding> {
    let shown: Vec<&SeenEvent> = session.run.shown(stream).collect();
    let connected = shown.iter().position(|seen| is_connected(&seen.event))?;
    let (replayed, live) = shown.split_at(connected);
    let snapshot: Vec<&SeenEvent> = live
        .iter()
        .copied()
        .filter(|seen| seen.event.id == 0 && seen.event.message().is_some())
        .collect();
    let at = live[0].seen_at;
    let finding = |(violated, message, what): Mismatch| {
        let text = format!("{} received a snapshot {what}", stream.party);
        ORACLE.finding_about(&[violated], at, message, text)
    };
    let shown = match Shown::of(&snapshot) {
        Ok(messages) => Shown {
            messages,
            is_complete: session.is_alive(stream) || live.iter().any(|seen| seen.event.id > 0),
        },
        Err(mismatch) => return Some(finding(mismatch)),
    };
    let taken_by = snapshot.last().map_or(at, |last| last.seen_at) + session.run.max_transit();
    let (least, most) = possible_moments(session, stream, events, replayed, taken_by);
    let mut queue = QueueState::default();
    let mut mismatch = None;
    for place in 0..=most {
        if place >= least {
            mismatch = queue.mismatch(&shown);
            mismatch?;
        }
        if let Some(event) = events.get(place) {
            queue.take(event);
        }
    }
    mismatch.map(finding)
}

/// The fewest and the most events that the snapshot of a stream may take into account.
pub(super) fn possible_moments(
    session: &SessionHistory,
    stream: &Stream,
    events: &[&StreamEvent],
    replayed: &[&SeenEvent],
    taken_by: Duration,
) -> (usize, usize) {
    let last_replayed = replayed.iter().map(|seen| seen.event.id).max().unwrap_or(0);
    let known_by = known_by(session, stream);
    let is_known = |event: &StreamEvent| event.id <= last_replayed || event.at < known_by;
    let may_be_known = |event: &StreamEvent| event.at <= taken_by + session.run.time_error();
    let least = events.iter().rposition(|event| is_known(event));
    let most = events.iter().rposition(|event| may_be_known(event));
    let count = |last: Option<usize>| last.map_or(0, |place| place + 1);
    (count(least), count(most).max(count(least)))
}

/// The time of the events that a stream certainly knows when it opens: they happened before it was requested. On a busy
/// machine, a stream may be seen to open late.
pub(super) fn known_by(session: &SessionHistory, stream: &Stream) -> Duration {
    let earliest = stream.opened_at.saturating_sub(LONGEST_OPENING);
    let is_slow = session
        .run
        .faults
        .may_have_disrupted(&stream.party, earliest, stream.opened_at);
    let opening = if is_slow {
        LONGEST_OPENING
    } else {
        session.run.max_transit() * 4 + session.run.warned_lateness()
    };
    stream
        .opened_at
        .saturating_sub(opening + session.run.time_error())
}

/// A violated rule, a message of a snapshot, and what is wrong with it.
type Mismatch<'a> = (RuleId, &'a str, &'static str);

/// The rule about the content of a snapshot.
const CONTENT: RuleId = RuleId::named("R9.21");
/// The rule about superseded messages.
const SUPERSEDED: RuleId = RuleId::named("R9.69");

/// A snapshot as a stream shows it.
struct Shown<'a> {
    /// The messages in order, each with whether it is shown as failed.
    messages: Vec<(&'a str, bool)>,
    /// Whether the stream certainly shows all of it.
    is_complete: bool,
}

impl<'a> Shown<'a> {
    fn of(snapshot: &[&'a SeenEvent]) -> Result<Vec<(&'a str, bool)>, Mismatch<'a>> {
        let mut messages: Vec<(&str, bool)> = Vec::new();
        for seen in snapshot {
            let event = &seen.event;
            let Some(message) = event.message() else { continue };
            let known = messages.iter_mut().find(|(known, _)| *known == message);
            match (event.name.as_str(), known) {
                ("cloud.message.queued", None) => messages.push((message, false)),
                ("cloud.message.failed", Some((_, has_failed))) if !*has_failed => *has_failed = true,
                ("cloud.message.queued" | "cloud.message.failed", Some(_)) => {
                    return Err((CONTENT, message, "with one state of a message twice"));
                }
                ("cloud.message.failed", None) => {
                    return Err((
                        CONTENT,
                        message,
                        "with a failed message without the event that queued it",
                    ));
                }
                _ => return Err((CONTENT, message, "with a state that is replayed, not shown again")),
            }
        }
        Ok(messages)
    }

    /// Whether a message is shown, and whether as failed; `None` if it is not shown. The state of the last message of an
    /// incomplete snapshot may be missing.
    fn state(&self, message: &str) -> Option<(bool, bool)> {
        let place = self.messages.iter().position(|(shown, _)| *shown == message)?;
        let is_open = !self.is_complete && place + 1 == self.messages.len();
        Some((self.messages[place].1, is_open))
    }
}

/// The queue of a session after some of its events.
#[derive(Default)]
struct QueueState<'a> {
    messages: Vec<Message<'a>>,
    places: BTreeMap<&'a str, usize>,
    /// The time at which the last message was queued that was accepted since.
    last_accepted: Option<Duration>,
}

struct Message<'a> {
    id: &'a str,
    queued_at: Duration,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Pending,
    Accepted,
    Failed,
    Interrupted,
}

impl<'a> QueueState<'a> {
    fn take(&mut self, event: &'a StreamEvent) {
        let Some(id) = event.message() else { return };
        if event.is_queued() {
            self.places.entry(id).or_insert_with(|| {
                self.messages.push(Message {
                    id,
                    queued_at: event.at,
                    state: State::Pending,
                });
                self.messages.len() - 1
            });
            return;
        }
        let Some(message) = self.places.get(id).map(|place| &mut self.messages[*place]) else {
            return;
        };
        if message.state != State::Pending {
            return;
        }
        message.state = match (&event.data["accepted"], &event.data["status"]) {
            (Value::Bool(true), _) => State::Accepted,
            _ if event.is_sent() => State::Accepted,
            (_, status) if *status == "interrupted" => State::Interrupted,
            _ => State::Failed,
        };
        if message.state == State::Accepted {
            self.last_accepted = self.last_accepted.max(Some(message.queued_at));
        }
    }

    /// How a snapshot differs from this queue, if it does.
    fn mismatch<'s>(&self, shown: &Shown<'s>) -> Option<Mismatch<'s>>
    where
        'a: 's,
    {
        let unknown = shown
            .messages
            .iter()
            .find(|(id, _)| !self.places.contains_key(id));
        if let Some((id, _)) = unknown {
            return Some((CONTENT, *id, "with a message that was not queued at that time"));
        }
        self.messages
            .iter()
            .find_map(|message| {
                let (violated, what) = self.mismatch_of(message, shown)?;
                Some((violated, message.id, what))
            })
            .or_else(|| self.disorder(shown))
    }

    fn mismatch_of(&self, message: &Message, shown: &Shown) -> Option<(RuleId, &'static str)> {
        let is_missing = shown.is_complete.then_some("without it");
        let is_superseded = self.last_accepted.filter(|last| *last >= message.queued_at);
        let shows = shown.state(message.id);
        let what = match (message.state, is_superseded) {
            (State::Pending, _) => match shows {
                None => is_missing.and(Some("without the message, which was pending")),
                Some((true, _)) => Some("with the message as failed, which was pending"),
                Some((false, _)) => None,
            },
            (State::Accepted, _) => shows.and(Some("with the message, which was not in the queue any more")),
            (State::Failed, Some(last)) if last > message.queued_at => {
                return shows.and(Some((
                    SUPERSEDED,
                    "with the failed message, which a later one had superseded",
                )));
            }
            (State::Failed | State::Interrupted, is_superseded) => match shows {
                // Whether an interrupted message is superseded is open, and so is the order within one millisecond.
                None if is_superseded.is_some() => None,
                None => is_missing.and(Some("without the message, which had failed in the queue")),
                Some((false, false)) => Some("with the message as pending, which had failed in the queue"),
                Some(_) => None,
            },
        };
        Some((CONTENT, what?))
    }

    /// The finding about a message that is shown before one that was certainly queued earlier.
    fn disorder<'s>(&self, shown: &Shown<'s>) -> Option<Mismatch<'s>> {
        let queued_at = |id: &str| self.places.get(id).map(|place| self.messages[*place].queued_at);
        let pairs = shown.messages.windows(2);
        pairs
            .filter(|pair| queued_at(pair[0].0) > queued_at(pair[1].0))
            .map(|pair| {
                (
                    CONTENT,
                    pair[0].0,
                    "with the message before one that was queued earlier",
                )
            })
            .next()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{ConnectionEnd, Fault};

    use crate::oracle::written::Writer;
    use crate::parties::SERVER;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["snapshot-is-exact"];

    /// Events of the queue in a snapshot: the message, and whether it is shown as failed.
    type Snapshot = &'static [(&'static str, bool)];

    /// A client connects after `kept` events and receives a snapshot.
    fn connects(writer: &mut Writer, kept: usize, snapshot: Snapshot) {
        writer.client_replays("late", 0, 0..kept);
        for (message, has_failed) in snapshot {
            writer.client_receives_unkept("late", "cloud.message.queued", json!({"messageId": message}));
            if *has_failed {
                let failed = json!({"messageId": message, "delivery": "queued", "accepted": false});
                writer.client_receives_unkept("late", "cloud.message.failed", failed);
            }
        }
    }

    /// Whether this oracle finds something. Badges that are wrong are found by another one as well.
    fn is_found(writer: Writer) -> bool {
        writer.judged().contains(&FOUND[0].to_owned())
    }

    fn send(writer: &mut Writer, message: &str) {
        writer.acked("send", message, json!({}));
        writer.queued(message);
    }

    #[test]
    fn the_snapshot_has_what_is_pending_or_failed() {
        let snapshots: [(Snapshot, bool); 6] = [
            (&[("m1", true), ("m2", false)], false),
            (&[("m2", false)], true),
            (&[("m1", true)], true),
            (&[("m1", false), ("m2", false)], true),
            (&[("m1", true), ("m2", true)], true),
            (&[("m2", false), ("m1", true)], true),
        ];
        for (snapshot, found) in snapshots {
            let mut writer = Writer::started("m1");
            writer.queued("m1");
            writer.failed_in_queue("m1");
            send(&mut writer, "m2");
            connects(&mut writer, 3, snapshot);
            assert_eq!(is_found(writer), found, "{snapshot:?}");
        }
    }

    #[test]
    fn a_failure_is_superseded_once_a_later_message_is_accepted() {
        for (is_sent, snapshot, found) in [
            (false, &[("m1", true), ("m2", false)][..], false),
            (true, &[], false),
            (true, &[("m1", true)], true),
        ] {
            let mut writer = Writer::started("m1");
            writer.queued("m1");
            writer.failed_in_queue("m1");
            send(&mut writer, "m2");
            writer.delivered("m2");
            if is_sent {
                writer.sent("m2");
            }
            connects(&mut writer, 3 + usize::from(is_sent), snapshot);
            assert_eq!(is_found(writer), found, "{snapshot:?}");
        }
    }

    #[test]
    fn whether_an_interrupted_message_is_superseded_is_open() {
        for snapshot in [&[("m1", true)][..], &[]] {
            let mut writer = Writer::started("m1");
            writer.queued("m1");
            let data = json!({"status": "interrupted", "completionSource": "interrupt", "reason": "interrupted",
                "accepted": false, "delivery": "queued"});
            writer.message_event("failed", "m1", data);
            send(&mut writer, "m2");
            writer.delivered("m2");
            writer.sent("m2");
            connects(&mut writer, 4, snapshot);
            assert!(!is_found(writer), "{snapshot:?}");
        }
    }

    #[test]
    fn a_snapshot_that_was_cut_off_need_not_be_complete() {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.failed_in_queue("m1");
        connects(&mut writer, 2, &[]);
        assert!(is_found(writer.clone()));
        let reset = Fault::end_of("late", SERVER, ConnectionEnd::Reset);
        writer.world(WorldEvent::ended_connections(&reset, 1));
        assert_eq!(writer.judged(), NOTHING);
    }

    #[test]
    fn a_message_that_was_sent_is_in_no_snapshot() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer.client_replays("late", 0, 0..4);
        writer.client_receives_unkept("late", "cloud.message.sent", json!({"messageId": "m1"}));
        assert_eq!(writer.judged(), FOUND);
    }
}
