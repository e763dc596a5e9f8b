//! When `stream --until` ends: at the awaited event, or when a message failed and none is left that could bring it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

/// How long events are awaited after the last message failed: some follow its failure.
const AFTER_A_FAILURE: Duration = Duration::from_secs(2);

/// The awaited event, and the messages that are not over.
pub(super) struct Until {
    event: String,
    unfinished: BTreeSet<String>,
    /// The error of the message that ended last, if it failed.
    failure: Option<String>,
    /// Whether the events that were kept before the stream was opened are over.
    is_live: bool,
}

impl Until {
    pub(super) fn new(event: &str) -> Self {
        Self {
            event: event.to_owned(),
            unfinished: BTreeSet::new(),
            failure: None,
            is_live: false,
        }
    }

    /// Takes a frame; true if it is the awaited one.
    pub(super) fn take(&mut self, frame: &Value) -> bool {
        let event = frame["streamEventType"].as_str().unwrap_or_default();
        let data = &frame["data"];
        let message = data["messageId"].as_str().unwrap_or_default();
        // Events with the id 0 repeat the state of messages whose events were replayed.
        let is_kept = frame["eventId"] != 0;
        match event {
            "connected" => self.is_live = true,
            "cloud.message.queued" | "cloud.message.sent" if is_kept => {
                self.unfinished.insert(message.to_owned());
                self.failure = None;
            }
            "cloud.message.completed" => {
                self.unfinished.remove(message);
                self.failure = None;
            }
            "cloud.message.failed" if is_kept => {
                self.unfinished.remove(message);
                let error = data["error"].as_str().unwrap_or("no error text");
                self.failure = Some(format!("{message} failed: {error}"));
            }
            _ => {}
        }
        event == self.event
    }

    /// How long the next frame may take, with the failure after which it may not take longer; `None` for any time.
    pub(super) fn patience(&self) -> Option<(Duration, &str)> {
        let failure = self.failure.as_deref()?;
        (self.is_live && self.unfinished.is_empty()).then_some((AFTER_A_FAILURE, failure))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(until: &mut Until, id: u64, state: &str, name: &str) -> bool {
        let data = json!({"messageId": name, "error": "no credit"});
        until.take(&json!({"eventId": id, "streamEventType": format!("cloud.message.{state}"), "data": data}))
    }

    #[test]
    fn a_failure_ends_the_wait_once_no_message_is_left() {
        let mut until = Until::new("cloud.message.completed");
        assert!(!message(&mut until, 1, "queued", "a"));
        message(&mut until, 2, "queued", "b");
        message(&mut until, 3, "failed", "a");
        until.take(&json!({"eventId": 0, "streamEventType": "connected", "data": {}}));
        assert_eq!(until.patience(), None, "b is pending");
        message(&mut until, 4, "failed", "b");
        assert_eq!(until.patience(), Some((AFTER_A_FAILURE, "b failed: no credit")));
        message(&mut until, 5, "queued", "c");
        assert_eq!(until.patience(), None, "another message was sent");
        assert!(message(&mut until, 6, "completed", "c"));
    }

    #[test]
    fn a_replayed_failure_does_not_end_the_wait_before_the_replay_is_over() {
        let mut until = Until::new("cloud.message.completed");
        message(&mut until, 1, "queued", "a");
        message(&mut until, 2, "failed", "a");
        assert_eq!(until.patience(), None);
        until.take(&json!({"eventId": 0, "streamEventType": "connected", "data": {}}));
        message(&mut until, 0, "queued", "a");
        message(&mut until, 0, "failed", "a");
        assert!(until.patience().is_some());
    }
}
