//! A message ends once (protocol §6), and no event about it follows.

use std::collections::BTreeMap;

use super::history::{SessionHistory, StreamEvent};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "terminal-once",
    rule: "A message ends exactly once, and no event about it follows its end.",
    why: "Clients and callback receivers act on the first end that they see. A second end or a later event \
        would contradict what they already showed or reported.",
    moment: Moment::Always,
    protocol: &ids(["R6.1"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let mut ended: BTreeMap<&str, &StreamEvent> = BTreeMap::new();
    let mut findings = Vec::new();
    for event in &session.kept {
        let Some(message) = event.message() else { continue };
        match ended.get(message) {
            Some(end) => findings.push(ORACLE.finding_about(
                &ids(["R6.1"]),
                session.run.first_seen(event),
                message,
                format!(
                    "it ended with event {} ({}), but event {} is {}",
                    end.id, end.name, event.id, event.name
                ),
            )),
            None if event.is_end() => {
                ended.insert(message, event);
            }
            None => {}
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use crate::oracle::written::Writer;

    #[test]
    fn a_second_end_and_a_later_event_are_found() {
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
