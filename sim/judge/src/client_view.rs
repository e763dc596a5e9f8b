//! The delivery badge that a client shows beside each message, derived from the raw frames of a stream (protocol §9).
//!
//! This is a client as the protocol describes one. It opens no stream and judges nothing.

use std::collections::BTreeMap;

use serde_json::Value;

/// The badge of a message. Label and tone both follow from the variant, so they always match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Badge {
    /// The message is queued.
    Queued,
    /// The message could not be delivered.
    FailedToDeliver,
}

/// The tone of a badge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// A normal state.
    Info,
    /// A failure.
    Error,
}

impl Badge {
    /// The text of the badge.
    pub fn label(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::FailedToDeliver => "Failed to deliver",
        }
    }

    /// The tone of the badge.
    pub fn tone(self) -> Tone {
        match self {
            Self::Queued => Tone::Info,
            Self::FailedToDeliver => Tone::Error,
        }
    }
}

/// The badges that a client shows, by message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryBadges(BTreeMap<String, Badge>);

impl DeliveryBadges {
    /// Processes a frame of the stream. A frame that is no event of a message changes nothing.
    pub fn take(&mut self, frame: &Value) {
        if let Some(name) = frame["streamEventType"].as_str() {
            self.take_event(name, &frame["data"]);
        }
    }

    /// Processes an event, given its `streamEventType` and data.
    ///
    /// A message that failed after a wrapper had accepted it was delivered: it loses its badge. A client that connects
    /// later shows none either, because the snapshot does not contain the message.
    pub fn take_event(&mut self, name: &str, data: &Value) {
        if name == "connected" {
            self.0.clear();
        }
        let Some(what) = name.strip_prefix("cloud.message.") else {
            return;
        };
        let Some(message) = data["messageId"].as_str() else {
            return;
        };
        let was_delivered = data["delivery"] == "sent" || data["accepted"] == true;
        let badge = match what {
            "queued" => Some(Badge::Queued),
            "failed" if !was_delivered => Some(Badge::FailedToDeliver),
            "sent" | "completed" | "failed" => None,
            _ => return,
        };
        match badge {
            Some(badge) => self.0.insert(message.to_owned(), badge),
            None => self.0.remove(message),
        };
    }

    /// The badge of a message, if it has one.
    pub fn badge(&self, message: &str) -> Option<Badge> {
        self.0.get(message).copied()
    }

    /// The messages whose badges differ, each with its badge here and in `other`.
    pub fn differences<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a str, Option<Badge>, Option<Badge>)> {
        let only_there = other.0.keys().filter(|message| !self.0.contains_key(*message));
        let messages = self.0.keys().chain(only_there);
        messages
            .map(|message| (message.as_str(), self.badge(message), other.badge(message)))
            .filter(|(_, here, there)| here != there)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(frames: &[(&str, Value)]) -> DeliveryBadges {
        let mut badges = DeliveryBadges::default();
        for (name, data) in frames {
            badges.take(&json!({"eventId": 0, "streamEventType": name, "data": data}));
        }
        badges
    }

    fn queued() -> (&'static str, Value) {
        (
            "cloud.message.queued",
            json!({"messageId": "m", "delivery": "queued"}),
        )
    }

    #[test]
    fn a_message_is_queued_until_it_is_sent_or_cannot_be_delivered() {
        assert_eq!(shown(&[queued()]).badge("m"), Some(Badge::Queued));
        let sent = ("cloud.message.sent", json!({"messageId": "m"}));
        assert_eq!(shown(&[queued(), sent]).badge("m"), None);
        let failed = |delivery: &str| {
            let data = json!({"messageId": "m", "delivery": delivery});
            ("cloud.message.failed", data)
        };
        assert_eq!(
            shown(&[queued(), failed("queued")]).badge("m"),
            Some(Badge::FailedToDeliver)
        );
        assert_eq!(shown(&[queued(), failed("sent")]).badge("m"), None);
    }

    #[test]
    fn a_new_connection_starts_without_badges() {
        let connected = ("connected", json!({}));
        assert_eq!(shown(&[queued(), connected]), DeliveryBadges::default());
    }

    #[test]
    fn each_badge_has_its_own_label_and_tone() {
        assert_eq!(
            (Badge::Queued.label(), Badge::Queued.tone()),
            ("Queued", Tone::Info)
        );
        let failed = Badge::FailedToDeliver;
        assert_eq!(
            (failed.label(), failed.tone()),
            ("Failed to deliver", Tone::Error)
        );
    }
}
