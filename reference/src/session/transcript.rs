//! What the assistant answered, as far as kilo's events told: which of its messages answers which user
//! turn, whether it is finished, and its text.
//!
//! Built from events alone, those of a wrapper as they come or those of the store after a restart. It
//! decides nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::events::{KiloEvent, kilo_event};
use crate::identity::MessageId;

/// Said of an assistant's error that has no text of its own (protocol §6).
const STOCK_ERROR: &str = "The assistant failed without saying why";

/// All that was heard of the assistant's messages in one session.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    /// By kilo's id of the message. A user's own message has an entry too, for its parts.
    messages: BTreeMap<String, KiloMessage>,
}

#[derive(Debug, Clone, Default)]
struct KiloMessage {
    answers: Option<MessageId>,
    end: Option<ReplyEnd>,
    /// By id of the part.
    texts: BTreeMap<String, String>,
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
    /// Kilo's id of it.
    pub assistant_message_id: String,
    /// The turn it answers.
    pub answers: MessageId,
    /// How it ended, if it did.
    pub end: Option<ReplyEnd>,
}

impl Transcript {
    /// Takes in the data of a `kilocode` event. Returns the assistant's message that the event was
    /// about, if it was about one.
    pub fn observe(&mut self, data: &Value) -> Option<Reply> {
        let (event, properties) = kilo_event(data)?;
        match event {
            KiloEvent::MessageUpdated => self.observe_message(&properties["info"]),
            KiloEvent::MessagePartUpdated => {
                self.observe_part(&properties["part"]);
                None
            }
            KiloEvent::MessagePartRemoved => {
                if let (Some(message), Some(part)) =
                    (properties["messageID"].as_str(), properties["partID"].as_str())
                    && let Some(message) = self.messages.get_mut(message)
                {
                    message.texts.remove(part);
                }
                None
            }
            _ => None,
        }
    }

    /// The latest finished answer to `message`, else the latest unfinished one.
    pub fn reply_to(&self, message: &MessageId) -> Option<Reply> {
        let answers = |finished: bool| {
            self.messages
                .iter()
                .rev()
                .find(|(_, kilo)| kilo.answers.as_ref() == Some(message) && kilo.end.is_some() == finished)
        };
        let (id, kilo) = answers(true).or_else(|| answers(false))?;
        Some(Reply {
            assistant_message_id: id.clone(),
            answers: message.clone(),
            end: kilo.end.clone(),
        })
    }

    /// The latest message of the assistant's, in the order of kilo's ids.
    pub fn latest_reply(&self) -> Option<Reply> {
        self.latest_reply_where(|_| true)
    }

    /// The latest message of the assistant's that answers such a turn.
    pub fn latest_reply_where(&self, is_meant: impl Fn(&MessageId) -> bool) -> Option<Reply> {
        let mut latest_first = self.messages.iter().rev();
        latest_first.find_map(|(id, kilo)| {
            Some(Reply {
                assistant_message_id: id.clone(),
                answers: kilo.answers.clone().filter(&is_meant)?,
                end: kilo.end.clone(),
            })
        })
    }

    /// The text of a kilo message: its text parts in order of their ids, joined and trimmed; nothing if
    /// that is empty (protocol §8).
    pub fn text(&self, kilo_message: &str) -> Option<String> {
        let text: String = self
            .messages
            .get(kilo_message)?
            .texts
            .values()
            .map(String::as_str)
            .collect();
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn observe_message(&mut self, info: &Value) -> Option<Reply> {
        let id = info["id"].as_str()?;
        if info["role"] != "assistant" {
            return None;
        }
        let answers: MessageId = info["parentID"].as_str()?.parse().ok()?;
        let end = if !info["error"].is_null() {
            Some(ReplyEnd::Failed(error_text(&info["error"])))
        } else {
            (!info["time"]["completed"].is_null()).then_some(ReplyEnd::Completed)
        };
        let kilo = self.messages.entry(id.to_owned()).or_default();
        kilo.answers = Some(answers.clone());
        // The latest word counts, as it does for a server that has read its log again.
        kilo.end.clone_from(&end);
        Some(Reply {
            assistant_message_id: id.to_owned(),
            answers,
            end,
        })
    }

    fn observe_part(&mut self, part: &Value) {
        let (Some(message), Some(id)) = (part["messageID"].as_str(), part["id"].as_str()) else {
            return;
        };
        let text = part["text"].as_str().filter(|_| part["type"] == "text");
        let Some(text) = text else {
            // A part may become something else than a text.
            if let Some(message) = self.messages.get_mut(message) {
                message.texts.remove(id);
            }
            return;
        };
        self.messages
            .entry(message.to_owned())
            .or_default()
            .texts
            .insert(id.to_owned(), text.to_owned());
    }
}

/// What a fatal `error` event of a wrapper says.
pub fn wrapper_error_text(data: &Value) -> String {
    data["error"]
        .as_str()
        .map_or_else(|| error_text(data), str::to_owned)
}

/// What an error object of kilo says: `data.message`, else `message`, else a stock text (protocol §6).
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

    fn part(id: &str, text: &str) -> Value {
        let properties = json!({"part": {"id": id, "messageID": "a", "type": "text", "text": text}});
        json!({"event": "message.part.updated", "properties": properties})
    }

    #[test]
    fn the_text_is_the_parts_in_order_of_their_ids_without_removed_ones() {
        let mut transcript = Transcript::default();
        for data in [part("p2", "world "), part("p1", " hello "), part("p3", "gone")] {
            transcript.observe(&data);
        }
        transcript.observe(&json!({"event": "message.part.removed",
            "properties": {"messageID": "a", "partID": "p3"}}));
        assert_eq!(transcript.text("a").as_deref(), Some("hello world"));
    }

    #[test]
    fn a_text_of_blanks_is_none() {
        let mut transcript = Transcript::default();
        transcript.observe(&part("p1", "  \n"));
        assert_eq!(transcript.text("a"), None);
    }

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
