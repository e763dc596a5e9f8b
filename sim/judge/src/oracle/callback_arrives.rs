//! A callback that was asked for is repeated until its receiver has taken it or refused it for good, or until
//! the last attempt has failed (protocol §8).
//!
//! That none was ever asked for is another oracle's business.

use std::collections::BTreeMap;
use std::time::Duration;

use super::history::{CallbackRequest, SessionHistory};
use super::{Broken, Check, Oracle, secs};

pub(super) const ORACLE: Oracle = Oracle {
    name: "due-callbacks-arrive",
    rule: "A callback is taken by its receiver, unless that refused it for good or failed at all attempts.",
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Broken> {
    let mut callbacks: BTreeMap<&str, Vec<&CallbackRequest>> = BTreeMap::new();
    let of_messages = session
        .callbacks
        .iter()
        .filter(|request| !request.is_of_execution());
    for request in of_messages {
        callbacks.entry(request.key()).or_default().push(request);
    }
    let mut broken = Vec::new();
    for (message, requests) in callbacks {
        let is_taken = requests.iter().any(|request| request.is_delivered());
        let mut ends = session.kept.iter().filter(|event| event.is_end());
        let end = ends.find(|event| event.message() == Some(message));
        let since = end.map_or(requests[0].at, |end| end.at);
        if is_taken || session.is_removed || is_given_up(session, &requests, since) {
            continue;
        }
        let last = requests[requests.len() - 1];
        let answer = last.status.map_or("got no answer".to_owned(), |status| {
            format!("was answered {status}")
        });
        let text = format!(
            "its callback was asked for {} times, the last time at {}, which {answer}, and it still waits to \
             be taken",
            requests.len(),
            secs(last.at)
        );
        broken.push(Broken::new(session.run.end, message, text));
    }
    broken
}

/// Whether a callback that cannot have been asked for before `since` may rightly have been given up, after
/// these requests that the receiver has seen. An attempt that did not reach the receiver is nowhere recorded:
/// if it was out of reach, some may have been, and the last may be one that comes so late that it can be the
/// last, seen or not.
pub(super) fn is_given_up(session: &SessionHistory, requests: &[&CallbackRequest], since: Duration) -> bool {
    let out_of_reach_until = session.run.faults.receiver_out_of_reach_until();
    let may_miss_some = out_of_reach_until.is_some_and(|until| until >= since);
    let last_seen = requests.iter().map(|request| request.at).max();
    let profile = &session.run.context.profile;
    let attempts = profile.callback_attempts.get();
    // Each pause is twice as long as the one before (protocol §8).
    let all_pauses = profile
        .callback_retry_base
        .saturating_mul(2_u32.saturating_pow(attempts - 1) - 1);
    let last_attempt = since.saturating_add(all_pauses);
    requests.len() >= attempts as usize
        || requests.iter().any(|request| is_definite_refusal(request.status))
        || may_miss_some && out_of_reach_until.max(last_seen) >= Some(last_attempt)
}

/// Answers after which there is no further request.
fn is_definite_refusal(status: Option<u16>) -> bool {
    status.is_some_and(|status| (300..500).contains(&status) && status != 429)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    #[test]
    fn a_receiver_that_refuses_for_good_is_owed_nothing_more_and_one_that_fails_is() {
        const NOTHING: [&str; 0] = [];
        for (answers, rules) in [
            (&[404][..], &NOTHING[..]),
            (&[500, 200], &NOTHING),
            (&[500, 429, 500, 500, 500], &NOTHING),
            (&[500], &["due-callbacks-arrive"]),
            (&[429, 500], &["due-callbacks-arrive"]),
        ] {
            let mut writer = Writer::with_callback("m1");
            writer.turn("m1");
            for answer in answers {
                writer.called_back("m1", json!({}), *answer);
            }
            assert_eq!(writer.judged(), rules, "{answers:?}");
        }
    }
}
