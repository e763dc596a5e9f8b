//! On a stream, kept events arrive in the order of their ids and none arrives twice (protocol §9). The exception is a
//! live later version of an entity, whose row keeps its first id. A replay has one version of each entity.

use super::history::{SessionHistory, Stream};
use super::replay::is_connected;
use super::{Check, Finding, Moment, Oracle};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "event-ids-rise",
    rule: "On a stream the ids of kept events rise. Only a later version of an entity has an earlier id.",
    why: "A client reconnects with the last id that it saw. If ids did not rise, it would miss events or \
        receive them twice.",
    moment: Moment::Always,
    protocol: &ids(["R1.6", "R9.18", "R9.23", "R9.27", "R9.29"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let streams = session.streams.iter();
    streams.flat_map(|stream| check_stream(session, stream)).collect()
}

fn check_stream(session: &SessionHistory, stream: &Stream) -> Vec<Finding> {
    let mut latest = 0;
    // A filtered stream need not show where its replay ends.
    let mut is_replay = !stream.is_filtered;
    let mut findings = Vec::new();
    for seen in session.run.shown(stream) {
        let event = &seen.event;
        is_replay &= !is_connected(event);
        if event.id > latest {
            latest = event.id;
        } else if event.id > 0 && (is_replay || !event.is_upserted()) {
            findings.push(ORACLE.finding(
                &ids(["R1.6", "R9.23"]),
                seen.seen_at,
                event.message(),
                format!(
                    "{} was shown event {} ({}) after event {latest}",
                    seen.party, event.id, event.name
                ),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    #[test]
    fn an_id_that_does_not_rise_is_found() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer.repeats_event(2);
        assert_eq!(writer.judged(), ["event-ids-rise"]);
    }

    #[test]
    fn a_later_version_of_an_entity_keeps_its_id_live_and_occurs_once_in_a_replay() {
        let mut writer = Writer::started("m1");
        writer.assistant("m1", "a1", json!({}));
        writer.turn("m1");
        writer.assistant("m1", "a1", json!({"completed": 1}));
        assert_eq!(writer.clone().judged(), [""; 0]);
        writer.replays_event_twice("a1");
        assert_eq!(writer.judged(), ["event-ids-rise"]);
    }
}
