//! When all is over nobody is left waiting at the gateway (protocol §11): no turn goes on that no message
//! stands for.
//!
//! A wrapper that was told to stop by a server that it could not hear goes on, and nothing in the protocol tells
//! it later. Its ingest is then open for it alone.

use serde_json::json;

use super::history::History;
use super::{Broken, Check, Oracle};
use crate::parties::host_of;

pub(super) const ORACLE: Oracle = Oracle {
    name: "gateway-is-empty",
    rule: "When the run is over, no request is parked at the gateway and no answer is under way.",
    check: Check::Run(check),
};

fn check(history: &History) -> Vec<Broken> {
    let text = match &history.waiters {
        None => "the gateway did not say who waits there".to_owned(),
        Some(waiters) if waiters["tags"] == json!([]) && waiters["liveResponses"] == 0 => return Vec::new(),
        Some(_) if has_unheard_wrapper(history) => return Vec::new(),
        Some(waiters) => format!("the gateway still has {waiters}"),
    };
    vec![Broken::of(history.end, None, text)]
}

/// Whether the connection of a wrapper may have died without its noticing, so that it is still there for it.
fn has_unheard_wrapper(history: &History) -> bool {
    let mut ingests = history.ingests.iter();
    ingests.any(|ingest| {
        let broken_until = history.faults.broken_until(host_of(&ingest.party));
        ingest.closed_at.is_none() && ingest.opened_at <= broken_until
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    #[test]
    fn somebody_left_at_the_gateway_is_noticed_and_so_is_a_gateway_that_does_not_say() {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        for waiters in [
            json!({"tags": [], "liveResponses": 1}),
            json!({"tags": [{"tag": "t", "count": 1}], "liveResponses": 0}),
            json!(null),
        ] {
            writer.waiters(waiters);
            assert_eq!(writer.clone().judged(), ["gateway-is-empty"]);
        }
    }
}
