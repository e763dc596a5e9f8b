//! Kilo's events as a session reads them (protocol §11).
//!
//! Reading never fails: what an event does not say, or says in another form, is absent. Nothing is decided here.

use serde_json::Value;

use crate::identity::MessageId;

/// The text of an error of the assistant that has no text of its own (protocol §6).
const STOCK_ERROR: &str = "The assistant failed without saying why";

/// What an event of kilo's says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KiloEvent {
    /// `message.updated`.
    MessageUpdated {
        /// Kilo's id of the message.
        id: Option<String>,
        /// The reply that the message is, if it is the assistant's and answers a user turn.
        reply: Option<Reply>,
    },
    /// `message.part.updated`.
    PartUpdated {
        /// The part.
        part: Option<PartId>,
        /// Its text, if it is a part with text.
        text: Option<String>,
    },
    /// `message.part.removed`.
    PartRemoved {
        /// The part.
        part: Option<PartId>,
    },
    /// `session.status`.
    SessionStatus {
        /// Kilo's id of the session.
        session: Option<String>,
        /// Whether the status is `busy`.
        is_busy: bool,
    },
    /// `session.idle`.
    SessionIdle {
        /// Kilo's id of the session.
        session: Option<String>,
    },
    /// Another event that clients get again in a replay, and that says nothing to a session.
    OtherKept,
    /// An event that this server does not know.
    Unknown,
}

/// What names a part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartId {
    /// Kilo's id of the message.
    pub message: String,
    /// Kilo's id of the part.
    pub part: String,
}

/// How an assistant's message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyEnd {
    /// It is complete.
    Completed,
    /// It carries this error.
    Failed(String),
}

/// An assistant's message that answers a user turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Kilo's id of the message.
    pub assistant_message_id: String,
    /// The user turn that it answers.
    pub answers: MessageId,
    /// How it ended, if it did.
    pub end: Option<ReplyEnd>,
}

impl KiloEvent {
    /// Reads the data of a `kilocode` event.
    pub fn read(data: &Value) -> Self {
        let properties = &data["properties"];
        match data["event"].as_str().or_else(|| data["type"].as_str()) {
            Some("message.updated") => Self::MessageUpdated {
                id: text(&properties["info"]["id"]),
                reply: Reply::read(&properties["info"]),
            },
            Some("message.part.updated") => {
                let part = &properties["part"];
                Self::PartUpdated {
                    part: PartId::read(&part["messageID"], &part["id"]),
                    text: text(&part["text"]).filter(|_| part["type"] == "text"),
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
    /// The reply that a message of kilo's is. `None` for a user's message, and for one that answers no user turn.
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

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The text of an error object of kilo: `data.message`, else `message`, else a stock text (protocol §6).
pub fn error_text(error: &Value) -> String {
    error["data"]["message"]
        .as_str()
        .or_else(|| error["message"].as_str())
        .unwrap_or(STOCK_ERROR)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_speaks_through_its_data_then_its_message_then_a_stock_text() {
        assert_eq!(
            error_text(&json!({"data": {"message": "a"}, "message": "b"})),
            "a"
        );
        assert_eq!(error_text(&json!({"message": "b"})), "b");
        assert_eq!(error_text(&json!({})), STOCK_ERROR);
    }
}
