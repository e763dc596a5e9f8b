//! When all is over nobody is left waiting at the gateway: no turn goes on that no message stands for.

use serde_json::json;

use super::history::History;
use super::{Broken, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "gateway-is-empty",
    rule: "When the run is over, no request is parked at the gateway and no answer is under way.",
    check,
};

fn check(history: &History) -> Vec<Broken> {
    let text = match &history.waiters {
        None => "the gateway did not say who waits there".to_owned(),
        Some(waiters) if waiters["tags"] == json!([]) && waiters["liveResponses"] == 0 => return Vec::new(),
        Some(waiters) => format!("the gateway still has {waiters}"),
    };
    vec![Broken {
        at: history.end,
        message: None,
        text,
    }]
}
