//! The states of a message only go forward, each through the one before it (protocol §5, §6, §9): it is
//! queued once, then perhaps sent once, and its end says whether it was.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::history::{SessionHistory, StreamEvent, kilo};
use super::{Broken, Check, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "states-go-forward",
    rule: "A message is queued once, sent at most once and only if a wrapper had it, and ends accordingly.",
    check: Check::Sessions(check),
};

#[derive(Default)]
struct Told {
    is_sent: bool,
    has_ended: bool,
}

fn check(session: &SessionHistory) -> Vec<Broken> {
    let Some(log) = &session.log else {
        return Vec::new();
    };
    let taken_at = first_sign_of_wrapper(session);
    let mut told: BTreeMap<&str, Told> = BTreeMap::new();
    let mut broken = Vec::new();
    for event in log {
        let Some(message) = event.message() else { continue };
        let wrong = match told.get_mut(message) {
            None if event.is_queued() => {
                told.insert(message, Told::default());
                None
            }
            None => Some(format!(
                "event {} ({}) is told of it, and it was never queued",
                event.id, event.name
            )),
            // What is told after the end is another oracle's business.
            Some(known) if known.has_ended => None,
            Some(_) if event.is_queued() => Some(format!("event {} queues it once more", event.id)),
            Some(known) if event.is_sent() => {
                let was_sent = std::mem::replace(&mut known.is_sent, true);
                let taken_at = taken_at.get(message);
                if was_sent {
                    Some(format!("event {} says once more that it was sent", event.id))
                } else if taken_at.is_none_or(|at| *at > event.at + session.run.time_error()) {
                    Some(format!(
                        "event {} says that it was sent, and no wrapper had been given it",
                        event.id
                    ))
                } else {
                    None
                }
            }
            Some(known) if event.is_end() => {
                known.has_ended = true;
                contradiction(event, known.is_sent)
            }
            Some(_) => None,
        };
        broken.extend(wrong.map(|text| Broken::new(session.run.first_seen(event), message, text)));
    }
    broken
}

/// When each message was first with a wrapper: it was given to it, or the wrapper told of an answer to it.
fn first_sign_of_wrapper<'a>(session: &SessionHistory<'a>) -> BTreeMap<&'a str, Duration> {
    let delivered = session.deliveries.iter();
    let delivered = delivered.map(|delivery| (delivery.message.as_str(), delivery.at));
    let answered = session.wrapper_frames().filter_map(|(_, frame)| {
        let (_, properties) = kilo(&frame.name, &frame.data)?;
        Some((properties["info"]["parentID"].as_str()?, frame.at))
    });
    let mut first: BTreeMap<&str, Duration> = BTreeMap::new();
    for (message, at) in delivered.chain(answered) {
        let known = first.entry(message).or_insert(at);
        *known = at.min(*known);
    }
    first
}

/// What is wrong with what an end says of the message's delivery, if anything is.
fn contradiction(end: &StreamEvent, is_sent: bool) -> Option<String> {
    let accepted = end.data["accepted"] == true;
    let (id, delivery) = (end.id, &end.data["delivery"]);
    if is_sent && !accepted {
        Some(format!("event {id} ends it as never accepted, and it was sent"))
    } else if end.data["status"] == "completed" && !accepted {
        Some(format!(
            "event {id} completes it, and says that it was never accepted"
        ))
    } else if *delivery != json!(if accepted { "sent" } else { "queued" }) {
        Some(format!(
            "event {id} ends it with delivery {delivery} and accepted {accepted}"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    #[test]
    fn what_is_told_out_of_turn_is_noticed() {
        let wrongs: [fn(&mut Writer); 4] = [
            |writer| writer.queued("m1"),
            |writer| {
                writer.sent("m1");
                writer.sent("m1");
            },
            |writer| writer.sent("never-queued"),
            |writer| {
                writer.queued("undelivered");
                writer.sent("undelivered");
                writer.completed("undelivered");
            },
        ];
        for wrong in wrongs {
            let mut writer = Writer::started("m1");
            writer.queued("m1");
            writer.delivered("m1");
            wrong(&mut writer);
            writer.completed("m1");
            writer.idle();
            assert_eq!(writer.judged(), ["states-go-forward"]);
        }
    }

    #[test]
    fn an_end_that_contradicts_the_delivery_is_noticed() {
        for (wrong, is_sent) in [
            (
                json!({"status": "completed", "accepted": false, "delivery": "queued"}),
                false,
            ),
            (
                json!({"status": "failed", "accepted": true, "delivery": "queued"}),
                true,
            ),
            (
                json!({"status": "failed", "accepted": false, "delivery": "queued"}),
                true,
            ),
        ] {
            let mut writer = Writer::started("m1");
            writer.queued("m1");
            writer.delivered("m1");
            if is_sent {
                writer.sent("m1");
            }
            let name = if wrong["status"] == "failed" {
                "failed"
            } else {
                "completed"
            };
            writer.message_event(name, "m1", wrong);
            let found = writer.judged();
            assert!(found.iter().any(|rule| rule == "states-go-forward"), "{found:?}");
        }
    }

    #[test]
    fn a_message_may_end_without_having_been_sent() {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.failed_in_queue("m1");
        assert_eq!(writer.judged(), [""; 0]);
    }
}
