//! A message ends once (protocol §6): nothing that is told of it later says otherwise, or says it again.

use std::collections::BTreeMap;

use super::history::{SessionHistory, StreamEvent};
use super::{Broken, Check, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "terminal-once",
    rule: "A message ends exactly once, and nothing is told of it after its end.",
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Broken> {
    let mut ended: BTreeMap<&str, &StreamEvent> = BTreeMap::new();
    let mut broken = Vec::new();
    for event in &session.kept {
        let Some(message) = event.message() else { continue };
        match ended.get(message) {
            Some(end) => broken.push(Broken::new(
                session.run.first_seen(event),
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

#[cfg(test)]
mod tests {
    use crate::oracle::written::Writer;

    #[test]
    fn a_second_end_is_noticed_and_so_is_anything_after_the_end() {
        let mut twice = Writer::started("m1");
        twice.turn("m1");
        twice.completed("m1");
        assert_eq!(twice.judged(), ["terminal-once"]);

        let mut sent = Writer::started("m1");
        sent.queued("m1");
        sent.delivered("m1");
        sent.completed("m1");
        sent.sent("m1");
        assert_eq!(sent.judged(), ["terminal-once"]);
    }

    #[test]
    fn the_same_id_in_two_sessions_is_two_messages() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer.in_session("other");
        writer.starts("m1");
        writer.turn("m1");
        assert_eq!(writer.judged(), [""; 0]);
    }
}
