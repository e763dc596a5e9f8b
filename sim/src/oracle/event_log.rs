//! On one stream, kept events come in the order of their ids and none comes twice (protocol §9), but for
//! the later words on an entity, whose row keeps its first id.

use std::collections::BTreeMap;

use super::history::History;
use super::{Broken, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "event-ids-rise",
    rule: "On a stream, the ids of kept events rise; only a later word on an entity has an earlier id.",
    check,
};

fn check(history: &History) -> Vec<Broken> {
    let mut latest: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    let mut broken = Vec::new();
    for seen in history.seen.iter().filter(|seen| seen.event.id > 0) {
        let latest = latest.entry((&seen.party, seen.socket)).or_default();
        if seen.event.id > *latest {
            *latest = seen.event.id;
        } else if !seen.event.is_upserted() {
            broken.push(Broken {
                at: seen.seen_at,
                message: seen.event.message().map(str::to_owned),
                text: format!(
                    "{} was shown event {} ({}) after event {latest}",
                    seen.party, seen.event.id, seen.event.name
                ),
            });
        }
    }
    broken
}
