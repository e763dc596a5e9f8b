//! The step that releases requests at the gateway.

use serde_json::Value;
use turnstile_scenarios::Spot;

use crate::script::player::{Halt, Player};
use crate::stage::GATEWAY_AUTHORITY;

impl Player<'_> {
    /// Releases what is parked at the gateway under a tag.
    pub(super) fn release(&mut self, tag: &str, spot: Spot) -> Result<(), Halt> {
        let url = format!("http://{GATEWAY_AUTHORITY}/test/release?tag={tag}");
        let status = self.side_door(url, Value::Null)?.map(|(status, _)| status);
        self.view.released(tag);
        match status {
            Some(204) => Ok(()),
            Some(404) => Err(self.break_off(spot, None, format!("nobody is parked under `{tag}`"))),
            other => Err(self.break_off(
                spot,
                None,
                format!("the gateway answered the release with {other:?}"),
            )),
        }
    }
}
