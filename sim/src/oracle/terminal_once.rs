//! A message ends once (protocol §6): nothing that is told of it later says otherwise, or says it again.

use std::collections::BTreeMap;

use super::history::{History, StreamEvent};
use super::{Broken, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "terminal-once",
    rule: "A message ends exactly once, and nothing is told of it after its end.",
    check,
};

fn check(history: &History) -> Vec<Broken> {
    let mut ended: BTreeMap<&str, &StreamEvent> = BTreeMap::new();
    let mut broken = Vec::new();
    for event in history.kept_events() {
        let Some(message) = event.message() else { continue };
        match ended.get(message) {
            Some(end) => broken.push(Broken::new(
                history.first_seen(event),
                message,
                format!(
                    "it ended with event {} ({}), and event {} is {}",
                    end.id, end.name, event.id, event.name
                ),
            )),
            None if event.is_end() => {
                ended.insert(message, event);
            }
            None => {}
        }
    }
    broken
}
