//! The step that releases parked requests.

use serde_json::Value;
use turnstile_scenarios::Spot;

use crate::script::player::{Halt, Player};
use crate::stage::{GATEWAY_AUTHORITY, RELEASE_PATH};

impl Player<'_> {
    /// Releases the requests parked under a tag.
    pub(super) fn release(&mut self, tag: &str, spot: Spot) -> Result<(), Halt> {
        let url = format!("http://{GATEWAY_AUTHORITY}{RELEASE_PATH}{tag}");
        let status = self.post_to_fake(url, Value::Null)?.map(|(status, _)| status);
        self.view.released(tag);
        match status {
            Some(204) => Ok(()),
            Some(404) => Err(self.fail_step(spot, None, format!("no request is parked under `{tag}`"))),
            other => Err(self.fail_step(
                spot,
                None,
                format!("the gateway answered the release with {other:?}"),
            )),
        }
    }
}
