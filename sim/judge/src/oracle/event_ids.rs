//! On one stream, kept events come in the order of their ids and none comes twice (protocol §9), but for
//! the later words on an entity, whose row keeps its first id. A replay has one word on each.

use super::history::{SessionHistory, Stream};
use super::replay::is_connected;
use super::{Broken, Check, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "event-ids-rise",
    rule: "On a stream, the ids of kept events rise; only a later word on an entity has an earlier id.",
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Broken> {
    let streams = session.streams.iter();
    streams.flat_map(|stream| check_stream(session, stream)).collect()
}

fn check_stream(session: &SessionHistory, stream: &Stream) -> Vec<Broken> {
    let mut latest = 0;
    // A stream that shows some events only need not show where its replay ends.
    let mut is_replay = !stream.is_filtered;
    let mut broken = Vec::new();
    for seen in session.run.shown(stream) {
        let event = &seen.event;
        is_replay &= !is_connected(event);
        if event.id > latest {
            latest = event.id;
        } else if event.id > 0 && (is_replay || !event.is_upserted()) {
            broken.push(Broken::of(
                seen.seen_at,
                event.message(),
                format!(
                    "{} was shown event {} ({}) after event {latest}",
                    seen.party, event.id, event.name
                ),
            ));
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    #[test]
    fn a_stream_that_goes_back_is_noticed() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer.repeats_event(2);
        assert_eq!(writer.judged(), ["event-ids-rise"]);
    }

    #[test]
    fn a_later_word_on_an_entity_keeps_its_id_live_and_comes_once_in_a_replay() {
        let mut writer = Writer::started("m1");
        writer.assistant("m1", "a1", json!({}));
        writer.turn("m1");
        writer.assistant("m1", "a1", json!({"completed": 1}));
        assert_eq!(writer.clone().judged(), [""; 0]);
        writer.replays_event_twice("a1");
        assert_eq!(writer.judged(), ["event-ids-rise"]);
    }
}
