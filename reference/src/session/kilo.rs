//! The events of kilo (protocol §11).
//!
//! Parsing never fails: fields that are missing or malformed are absent. Nothing is decided here.

use serde_json::Value;

use crate::identity::MessageId;

/// The text of an assistant's error without a text (R6.11).
const STOCK_ERROR: &str = "The assistant failed without saying why";

/// An event of kilo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KiloEvent {
    /// `message.updated`.
    MessageUpdated {
        /// kilo's id of the message.
        id: Option<String>,
        /// The reply, if it is an assistant message that answers a user turn.
        reply: Option<Reply>,
    },
    /// `message.part.updated`.
    PartUpdated {
        /// The part.
        part: Option<PartId>,
    },
    /// `message.part.removed`.
    PartRemoved {
        /// The part.
        part: Option<PartId>,
    },
    /// `session.status`.
    SessionStatus {
        /// kilo's id of the session.
        session: Option<String>,
        /// Whether the status is `busy`.
        is_busy: bool,
    },
    /// `session.idle`.
    SessionIdle {
        /// kilo's id of the session.
        session: Option<String>,
    },
    /// Another kept event, without a meaning for a session (R9.26).
    OtherKept,
    /// Any other event.
    Unknown,
}

/// The id of a part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartId {
    /// kilo's id of the message.
    pub message: String,
    /// kilo's id of the part.
    pub part: String,
}

/// The end of an assistant message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyEnd {
    /// Completed.
    Completed,
    /// Failed with this error text.
    Failed(String),
}

/// An assistant message that answers a user turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// kilo's id of the message.
    pub assistant_message_id: String,
    /// The turn that it answers.
    pub answers: MessageId,
    /// Its end, if it has ended.
    pub end: Option<ReplyEnd>,
}

impl KiloEvent {
    /// Parses the data of a `kilocode` event.
    pub fn read(data: &Value) -> Self {
        let properties = &data["properties"];
        match data["event"].as_str().or_else(|| data["type"].as_str()) {
            Some("message.updated") => Self::MessageUpdated {
                id: text(&message_info(data)["id"]),
                reply: Reply::read(message_info(data)),
            },
            Some("message.part.updated") => {
                let part = part(data);
                Self::PartUpdated {
                    part: PartId::read(&part["messageID"], &part["id"]),
                }
            }
            Some("message.part.removed") => Self::PartRemoved {
                part: PartId::read(&properties["messageID"], &properties["partID"]),
            },
            Some("session.status") => Self::SessionStatus {
                session: text(&properties["sessionID"]),
                is_busy: properties["status"]["type"] == "busy",
            },
            Some("session.idle") => Self::SessionIdle {
                session: text(&properties["sessionID"]),
            },
            Some("session.created" | "session.updated" | "session.error" | "session.turn.close") => {
                Self::OtherKept
            }
            _ => Self::Unknown,
        }
    }
}

impl PartId {
    fn read(message: &Value, part: &Value) -> Option<Self> {
        Some(Self {
            message: text(message)?,
            part: text(part)?,
        })
    }
}

impl Reply {
    /// The reply in a message of kilo. `None` if the message is not an assistant's answer to a user turn.
    fn read(info: &Value) -> Option<Self> {
        let assistant_message_id = text(&info["id"])?;
        if info["role"] != "assistant" {
            return None;
        }
        let answers: MessageId = info["parentID"].as_str()?.parse().ok()?;
        let end = if !info["error"].is_null() {
            Some(ReplyEnd::Failed(error_text(&info["error"])))
        } else {
            (!info["time"]["completed"].is_null()).then_some(ReplyEnd::Completed)
        };
        Some(Self {
            assistant_message_id,
            answers,
            end,
        })
    }
}

/// The message in the data of a `message.updated`.
pub(super) fn message_info(data: &Value) -> &Value {
    &data["properties"]["info"]
}

/// The part in the data of a `message.part.updated`.
pub(super) fn part(data: &Value) -> &Value {
    &data["properties"]["part"]
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The text of an error object of kilo: `data.message`, else `message`, else a stock text (R6.11).
pub fn error_text(error: &Value) -> String {
    find_error_text(error).unwrap_or(STOCK_ERROR).to_owned()
}

/// The text of an error object of kilo, if it has one.
pub(super) fn find_error_text(error: &Value) -> Option<&str> {
    let nested = error["data"]["message"].as_str();
    nested.or_else(|| error["message"].as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_error_text_is_data_message_then_message_then_a_stock_text() {
        assert_eq!(
            error_text(&json!({"data": {"message": "a"}, "message": "b"})),
            "a"
        );
        assert_eq!(error_text(&json!({"message": "b"})), "b");
        assert_eq!(error_text(&json!({})), STOCK_ERROR);
    }
}
