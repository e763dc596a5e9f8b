//! The assistant's messages by kilo's events: the user turns that they answer, their ends, and their texts.
//!
//! Built from events alone: from a wrapper, or from the store after a restart. Nothing is decided here.

use std::collections::BTreeMap;

use super::kilo::{KiloEvent, PartId, Reply, ReplyEnd};
use crate::identity::MessageId;

/// The assistant's messages of a session.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    /// By kilo's id of the message. A user's message also has an entry, for its parts.
    messages: BTreeMap<String, KiloMessage>,
}

#[derive(Debug, Clone, Default)]
struct KiloMessage {
    answers: Option<MessageId>,
    end: Option<ReplyEnd>,
    /// By id of the part.
    texts: BTreeMap<String, String>,
}

impl Transcript {
    /// Applies an event of kilo.
    pub fn observe(&mut self, event: &KiloEvent) {
        match event {
            KiloEvent::MessageUpdated {
                reply: Some(reply), ..
            } => {
                let kilo = self
                    .messages
                    .entry(reply.assistant_message_id.clone())
                    .or_default();
                kilo.answers = Some(reply.answers.clone());
                // The last event counts, as it does after a restart.
                kilo.end.clone_from(&reply.end);
            }
            KiloEvent::PartUpdated {
                part: Some(PartId { message, part }),
                text: Some(text),
            } => {
                let message = self.messages.entry(message.clone()).or_default();
                message.texts.insert(part.clone(), text.clone());
            }
            // A part may change from text to another type.
            KiloEvent::PartUpdated { part: Some(id), .. } | KiloEvent::PartRemoved { part: Some(id) } => {
                if let Some(message) = self.messages.get_mut(&id.message) {
                    message.texts.remove(&id.part);
                }
            }
            _ => {}
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

    /// The latest assistant message, in the order of kilo's ids.
    pub fn latest_reply(&self) -> Option<Reply> {
        self.latest_reply_where(|_| true)
    }

    /// The latest assistant message whose turn satisfies `is_meant`.
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

    /// The text of a message: its text parts in the order of their ids, joined and trimmed. `None` if empty (R8.18).
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
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part(id: &str, text: &str) -> KiloEvent {
        let properties = json!({"part": {"id": id, "messageID": "a", "type": "text", "text": text}});
        KiloEvent::read(&json!({"event": "message.part.updated", "properties": properties}))
    }

    #[test]
    fn the_text_is_the_parts_in_order_of_their_ids_without_removed_ones() {
        let mut transcript = Transcript::default();
        for event in [part("p2", "world "), part("p1", " hello "), part("p3", "gone")] {
            transcript.observe(&event);
        }
        transcript.observe(&KiloEvent::read(&json!({"event": "message.part.removed",
            "properties": {"messageID": "a", "partID": "p3"}})));
        assert_eq!(transcript.text("a").as_deref(), Some("hello world"));
    }

    #[test]
    fn a_blank_text_is_absent() {
        let mut transcript = Transcript::default();
        transcript.observe(&part("p1", "  \n"));
        assert_eq!(transcript.text("a"), None);
    }
}
