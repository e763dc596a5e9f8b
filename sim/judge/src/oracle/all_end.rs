//! Every message that a client was told is admitted comes to an end (protocol §3, §6), once everything
//! that was broken works again and time has passed.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{SessionHistory, StreamEvent};
use super::{Broken, Check, Oracle, secs};

pub(super) const ORACLE: Oracle = Oracle {
    name: "every-acked-message-ends",
    rule: "Every message that was acknowledged has ended when the run is over.",
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Broken> {
    if session.is_removed {
        return Vec::new();
    }
    let mut ended = BTreeSet::new();
    let mut last_told: BTreeMap<&str, &StreamEvent> = BTreeMap::new();
    for event in &session.kept {
        let Some(message) = event.message() else { continue };
        last_told.insert(message, event);
        if event.is_end() {
            ended.insert(message);
        }
    }
    let acked = session.acked().into_keys();
    acked
        .filter(|message| !ended.contains(message))
        .map(|message| {
            let waits = match last_told.get(message) {
                None => "nothing was ever told of it".to_owned(),
                Some(last) if last.is_sent() => waits_for_its_turn(session, last),
                Some(_) => waits_in_the_queue(session, message, &ended),
            };
            Broken::new(session.run.end, message, format!("it has not ended; {waits}"))
        })
        .collect()
}

fn waits_for_its_turn(session: &SessionHistory, sent: &StreamEvent) -> String {
    let last_word = session.wrapper_frames().last().map(|(_, frame)| frame.at);
    let last_word = last_word.map_or("the wrapper never said anything".to_owned(), |at| {
        format!("the wrapper's last word was at {}", secs(at))
    });
    format!(
        "it was sent at {} and still waits for the end of its turn; {last_word}",
        secs(sent.at)
    )
}

fn waits_in_the_queue(session: &SessionHistory, message: &str, ended: &BTreeSet<&str>) -> String {
    let tries = session
        .deliveries
        .iter()
        .filter(|delivery| delivery.message == message);
    if let Some(last) = tries.clone().next_back() {
        let answer = if last.is_taken() {
            "took it"
        } else {
            "did not say that it took it"
        };
        return format!(
            "it still waits to be sent; it was given to the wrapper {} times, the last time at {}, which {answer}",
            tries.count(),
            secs(last.at)
        );
    }
    let queue = session.kept.iter().filter(|event| event.is_queued());
    let head = queue
        .filter_map(|event| event.message())
        .find(|queued| !ended.contains(queued));
    match head {
        Some(head) if head != message => format!("it still waits in the queue behind {head}"),
        _ => "it still waits in the queue, and was never given to a wrapper".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    #[test]
    fn an_acked_message_that_never_ends_is_noticed_with_what_it_waits_for() {
        let texts = |writer: Writer| -> Vec<String> {
            let findings = writer.findings().into_iter();
            let about_ends = findings.filter(|finding| finding.rule == "every-acked-message-ends");
            about_ends.map(|finding| finding.text).collect()
        };
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.acked("send", "m2", json!({}));
        writer.queued("m2");
        let queued = texts(writer.clone());
        assert!(queued[0].contains("never given to a wrapper"), "{queued:?}");
        assert!(queued[1].contains("behind m1"), "{queued:?}");

        writer.delivered("m1");
        let delivered = texts(writer.clone());
        assert!(
            delivered[0].contains("was given to the wrapper 1 times"),
            "{delivered:?}"
        );

        writer.sent("m1");
        let sent = texts(writer);
        assert!(sent[0].contains("waits for the end of its turn"), "{sent:?}");
    }
}
