//! Reads the stream events of messages, independently of the server's types.

use turnstile_reference::identity::MessageId;
use turnstile_reference::session::events::Event;

/// An event about a message.
#[derive(Debug, Clone, PartialEq)]
pub enum MessageEvent {
    Queued,
    Sent,
    Ended(End),
}

/// The data of an event that ends a message.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    pub status: String,
    pub source: String,
    pub reason: Option<String>,
    pub error: Option<String>,
    pub assistant_message: Option<String>,
    pub accepted: bool,
    pub attempts: Option<u64>,
}

impl MessageEvent {
    /// Reads an event. `None` if it is not about a message.
    pub fn read(event: &Event) -> Option<(MessageId, Self)> {
        let (kind, data) = (
            event.stream_event_type.strip_prefix("cloud.message.")?,
            &event.data,
        );
        let message = data["messageId"].as_str()?.parse().ok()?;
        let text = |key: &str| data[key].as_str().map(str::to_owned);
        let event = match kind {
            "queued" => Self::Queued,
            "sent" => Self::Sent,
            _ => Self::Ended(End {
                status: text("status")?,
                source: text("completionSource")?,
                reason: text("reason"),
                error: text("error"),
                assistant_message: text("assistantMessageId"),
                accepted: data["accepted"].as_bool()?,
                attempts: data["attempts"].as_u64(),
            }),
        };
        Some((message, event))
    }

    /// A summary to compare with the expected one.
    pub fn summary(&self) -> String {
        match self {
            Self::Queued => "queued".to_owned(),
            Self::Sent => "sent".to_owned(),
            Self::Ended(end) => {
                let reason = end.reason.as_deref().unwrap_or("-");
                format!("{} {reason} {}", end.status, end.source)
            }
        }
    }
}
