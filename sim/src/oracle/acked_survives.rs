//! What a client was told is admitted survives any crash (protocol §3), and so does every kept event that
//! a stream has shown.

use std::collections::BTreeMap;

use super::history::{History, StreamEvent};
use super::{Broken, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "acked-survives",
    rule: "What was acknowledged or shown as kept is in the log at the end, unchanged.",
    check,
};

fn check(history: &History) -> Vec<Broken> {
    let Some(log) = &history.log else {
        return vec![Broken {
            at: history.end,
            message: None,
            text: "the log could not be read when all was over: the server did not answer".to_owned(),
        }];
    };
    let mut broken = Vec::new();
    for (message, at) in history.acked() {
        let queued = log
            .iter()
            .any(|event| event.name == "cloud.message.queued" && event.message() == Some(message));
        if !queued {
            broken.push(Broken::new(
                at,
                message,
                "it was acknowledged, and the log knows nothing of it",
            ));
        }
    }
    let log: BTreeMap<u64, &StreamEvent> = log.iter().map(|event| (event.id, event)).collect();
    for seen in history.seen.iter().filter(|seen| seen.event.id > 0) {
        let StreamEvent { id, name, .. } = &seen.event;
        let text = match log.get(id) {
            None => format!(
                "event {id} ({name}) was shown to {}, and the log does not have it",
                seen.party
            ),
            Some(kept) if !kept.is_upserted() && (kept.data != seen.event.data || kept.name != *name) => {
                format!(
                    "event {id} was shown to {} as {name}, and the log has it with other content",
                    seen.party
                )
            }
            Some(_) => continue,
        };
        let message = seen.event.message().map(str::to_owned);
        broken.push(Broken {
            at: seen.seen_at,
            message,
            text,
        });
    }
    broken
}
