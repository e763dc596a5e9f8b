//! An entity of kilo has one row (protocol §9): all its versions have the id of the first one. Only after its removal
//! the next version gets a new row.
//!
//! Each stream is followed by itself, because only its order shows what came first. What a client learned on an earlier
//! stream holds for its next one, unless the replay says otherwise. Whether an id stands for one row only is reported by
//! `acked_survives`.

use std::collections::BTreeMap;

use super::history::{SessionHistory, Stream, StreamEvent};
use super::replay::is_connected;
use super::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "one-row-per-entity",
    rule: "All versions of an entity have the id of the first one, until it is removed. The next version after that has \
        a new id.",
    why: "A client replaces what it shows by the id of the row. With a second row an answer appears twice; under the id \
        of a removed row it appears in the wrong place, or not at all.",
    moment: Moment::Always,
    protocol: &ids(["R9.27", "R9.30"]),
    check: Check::Sessions(check),
};

/// An entity: the id of a message, and of a part, which is empty for a message.
type Entity<'a> = (&'a str, &'a str);

/// What a client knows about the row of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    /// Its id.
    Is(u64),
    /// It was removed by the event with this id; 0 if that event has none.
    Removed(u64),
}

type Rows<'a> = BTreeMap<Entity<'a>, Row>;

fn check(session: &SessionHistory) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut known: Vec<(&Stream, Rows)> = Vec::new();
    for stream in session.streams.iter().filter(|stream| !stream.is_filtered) {
        let is_before = |(earlier, _): &&(&Stream, Rows)| {
            earlier.party == stream.party
                && earlier
                    .closed_at
                    .is_some_and(|closed_at| closed_at <= stream.opened_at)
        };
        let before = known.iter().rev().find(is_before);
        let before = before.map(|(_, rows)| rows.clone()).unwrap_or_default();
        let (rows, finding) = follow(session, stream, before);
        known.push((stream, rows));
        findings.extend(finding);
    }
    findings
}

/// The rows after all events of a stream, and the finding about the first event that contradicts them.
fn follow<'a>(
    session: &SessionHistory<'a>,
    stream: &'a Stream,
    mut before: Rows<'a>,
) -> (Rows<'a>, Option<Finding>) {
    let mut rows = Rows::new();
    let mut finding = None;
    for seen in session.run.shown(stream) {
        let event = &seen.event;
        if is_connected(event) {
            // What the replay shows is newer than what the client knew.
            before.append(&mut rows);
            rows = std::mem::take(&mut before);
        }
        if let Some(part) = removed_part(event) {
            rows.insert(part, Row::Removed(event.id));
        }
        let Some(entity) = event.entity().filter(|_| event.id > 0) else {
            continue;
        };
        let known = rows.insert(entity, Row::Is(event.id));
        let known = known.filter(|row| !may_be_gone(session, *row));
        if let Some((violated, what)) = known.and_then(|row| contradiction(row, event.id)) {
            let (id, party) = (event.id, &stream.party);
            let text = format!(
                "{party} received a version of {} with id {id}, {what}",
                name(entity)
            );
            finding.get_or_insert_with(|| ORACLE.finding(&[violated], seen.seen_at, None, text));
        }
    }
    (rows, finding)
}

/// Whether the server may have removed a row with other old ones (R9.70).
fn may_be_gone(session: &SessionHistory, row: Row) -> bool {
    let first = session.log.as_ref().and_then(|log| log.first());
    first.is_some_and(|first| matches!(row, Row::Is(id) if id < first.id))
}

/// Why a version cannot have an id, if it cannot.
fn contradiction(known: Row, id: u64) -> Option<(RuleId, String)> {
    match known {
        Row::Is(row) if row != id => {
            let what = format!("but the entity has the row with id {row} and was not removed");
            Some((RuleId::named("R9.27"), what))
        }
        Row::Removed(removed) if id <= removed => {
            let what = format!("but it was removed by event {removed}, so the row is an old one");
            Some((RuleId::named("R9.30"), what))
        }
        Row::Is(_) | Row::Removed(_) => None,
    }
}

/// The part that an event removes.
fn removed_part(event: &StreamEvent) -> Option<Entity<'_>> {
    let ("message.part.removed", properties) = event.kilo()? else {
        return None;
    };
    Some((properties["messageID"].as_str()?, properties["partID"].as_str()?))
}

fn name((message, part): Entity) -> String {
    if part.is_empty() {
        format!("message {message}")
    } else {
        format!("part {part} of {message}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;
    use crate::parties::OBSERVER;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["one-row-per-entity"];

    /// A part was shown with id 3.
    fn with_part() -> Writer {
        let mut writer = Writer::at_work();
        writer.part("a1", "p1", "one");
        writer
    }

    fn part(text: &str) -> Value {
        let part = json!({"id": "p1", "messageID": "a1", "type": "text", "text": text});
        json!({"event": "message.part.updated", "properties": {"part": part}})
    }

    fn removes(writer: &mut Writer) {
        writer.kilo("message.part.removed", json!({"messageID": "a1", "partID": "p1"}));
    }

    #[test]
    fn a_later_version_has_the_row_of_the_first_one() {
        let mut same = with_part();
        same.part("a1", "p1", "two");
        same.part("a1", "p2", "other");
        assert_eq!(same.ended("m1"), NOTHING);

        let mut second_row = with_part();
        second_row.event_in_new_row("kilocode", part("two"));
        assert_eq!(second_row.ended("m1"), FOUND);
    }

    #[test]
    fn a_version_after_the_removal_has_a_new_row() {
        let mut new_row = with_part();
        removes(&mut new_row);
        new_row.event_in_new_row("kilocode", part("two"));
        assert_eq!(new_row.ended("m1"), NOTHING);

        let mut old_row = with_part();
        removes(&mut old_row);
        old_row.part("a1", "p1", "two");
        assert_eq!(old_row.ended("m1"), FOUND);
    }

    #[test]
    fn a_client_that_reconnects_knows_the_rows_of_its_last_stream() {
        for (is_removed, rules) in [(true, &FOUND[..]), (false, &NOTHING)] {
            let mut writer = with_part();
            if is_removed {
                removes(&mut writer);
            }
            writer.client_leaves(OBSERVER);
            let from = if is_removed { 4 } else { 3 };
            writer.client_replays(OBSERVER, from, from..from);
            writer.part("a1", "p1", "two");
            assert_eq!(writer.ended("m1"), rules);
        }
    }

    #[test]
    fn a_replay_shows_the_removed_row_and_the_new_one() {
        let mut writer = with_part();
        removes(&mut writer);
        writer.event_in_new_row("kilocode", part("two"));
        writer.client_replays("late", 0, 0..5);
        writer.completed("m1");
        writer.client_receives("late", 5);
        assert_eq!(writer.judged(), NOTHING);
    }
}
