//! The assistant's messages by kilo's events: the user turns that they answer, their ends, and their parts.
//!
//! Built from events alone: from a wrapper, or from the store after a restart. Nothing is decided here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::kilo::{self, KiloEvent, PartId, Reply, ReplyEnd};
use crate::identity::MessageId;

/// The row of an event in the log of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRow {
    /// The id, which an entity keeps from its first event on. Later entities have higher ids.
    pub event_id: u64,
    /// The time of the entity's last event.
    pub at: Timestamp,
}

/// An assistant message as kilo reported it (R2.126–R2.128).
#[derive(Debug, Clone, PartialEq)]
pub struct AssistantMessage {
    /// Its row.
    pub row: LogRow,
    /// The `info` of its last `message.updated`.
    pub info: Value,
    /// Its parts in the order of their ids, without removed ones.
    pub parts: Vec<Value>,
}

/// The assistant's messages of a session.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    /// By kilo's id of the message. A message of another role has an entry too, without its parts.
    messages: BTreeMap<String, KiloMessage>,
}

#[derive(Debug, Clone, Default)]
struct KiloMessage {
    role: Role,
    answers: Option<MessageId>,
    end: Option<ReplyEnd>,
    /// By id of the part.
    parts: BTreeMap<String, Value>,
}

/// Who wrote a message. Parts may be reported before the message.
#[derive(Debug, Clone, Default)]
enum Role {
    #[default]
    NotReported,
    Assistant {
        row: LogRow,
        info: Value,
    },
    Other,
}

impl KiloMessage {
    /// The row of an assistant's message.
    fn row(&self) -> Option<LogRow> {
        match self.role {
            Role::Assistant { row, .. } => Some(row),
            Role::NotReported | Role::Other => None,
        }
    }

    fn is_of_other_role(&self) -> bool {
        matches!(self.role, Role::Other)
    }
}

impl Transcript {
    /// Applies an event of kilo. `data` is its JSON, and `row` its place in the log.
    pub fn observe(&mut self, event: &KiloEvent, data: &Value, row: LogRow) {
        match event {
            KiloEvent::MessageUpdated { id: Some(id), reply } => {
                let message = self.messages.entry(id.clone()).or_default();
                let info = kilo::message_info(data);
                if info["role"] != "assistant" {
                    message.role = Role::Other;
                    message.parts.clear();
                    return;
                }
                let info = info.clone();
                message.role = Role::Assistant { row, info };
                // The last event counts, as it does after a restart.
                message.answers = reply.as_ref().map(|reply| reply.answers.clone());
                message.end = reply.as_ref().and_then(|reply| reply.end.clone());
            }
            KiloEvent::PartUpdated {
                part: Some(PartId { message, part }),
            } => {
                let message = self.messages.entry(message.clone()).or_default();
                if !message.is_of_other_role() {
                    message.parts.insert(part.clone(), kilo::part(data).clone());
                }
            }
            KiloEvent::PartRemoved { part: Some(id) } => {
                if let Some(message) = self.messages.get_mut(&id.message) {
                    message.parts.remove(&id.part);
                }
            }
            _ => {}
        }
    }

    /// The reply by which idle reconciliation decides about `message` (R7.21–R7.24): one that finished without an
    /// error, else one with an error, else an unfinished one; of several, the latest by first appearance.
    pub fn reply_to(&self, message: &MessageId) -> Option<Reply> {
        let rank = |end: &Option<ReplyEnd>| match end {
            Some(ReplyEnd::Completed) => 2,
            Some(ReplyEnd::Failed(_)) => 1,
            None => 0,
        };
        self.replies(|answered| answered == message)
            .max_by_key(|(row, reply)| (rank(&reply.end), row.event_id))
            .map(|(_, reply)| reply)
    }

    /// The latest finished assistant message, by first appearance, whose turn satisfies `is_meant`; without a
    /// finished one, the latest.
    pub fn latest_reply_where(&self, is_meant: impl Fn(&MessageId) -> bool) -> Option<Reply> {
        self.replies(is_meant)
            .max_by_key(|(row, reply)| (reply.end.is_some(), row.event_id))
            .map(|(_, reply)| reply)
    }

    /// The replies to the turns that satisfy `is_meant`, with their rows.
    fn replies(&self, is_meant: impl Fn(&MessageId) -> bool) -> impl Iterator<Item = (LogRow, Reply)> {
        self.messages.iter().filter_map(move |(id, message)| {
            let answers = message.answers.as_ref().filter(|answers| is_meant(answers))?;
            let reply = Reply {
                assistant_message_id: id.clone(),
                answers: answers.clone(),
                end: message.end.clone(),
            };
            Some((message.row()?, reply))
        })
    }

    /// The latest assistant message by first appearance (R2.110).
    pub fn latest_assistant_message(&self) -> Option<AssistantMessage> {
        let messages = self.messages.values().filter_map(|message| match &message.role {
            Role::Assistant { row, info } => Some((row, info, &message.parts)),
            Role::NotReported | Role::Other => None,
        });
        let (row, info, parts) = messages.max_by_key(|(row, ..)| row.event_id)?;
        Some(AssistantMessage {
            row: *row,
            info: info.clone(),
            parts: parts.values().cloned().collect(),
        })
    }

    /// The text of an assistant message: its text parts in the order of their ids, joined and trimmed (R8.18).
    pub fn text(&self, kilo_message: &str) -> String {
        let parts = self.messages.get(kilo_message).map(|message| &message.parts);
        let text: String = parts
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|part| part["type"] == "text")
            .filter_map(|part| part["text"].as_str())
            .collect();
        text.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Applies an event with that id in the log.
    fn observe(transcript: &mut Transcript, event_id: u64, event: &str, properties: &Value) {
        let data = json!({"event": event, "properties": properties});
        let at = Timestamp::from_second(event_id as i64).unwrap();
        transcript.observe(&KiloEvent::read(&data), &data, LogRow { event_id, at });
    }

    fn part(transcript: &mut Transcript, id: &str, text: &str) {
        let part = json!({"part": {"id": id, "messageID": "a", "type": "text", "text": text}});
        observe(transcript, 1, "message.part.updated", &part);
    }

    /// An assistant message. `end` is `completed`, `error` or nothing.
    fn answer(transcript: &mut Transcript, event_id: u64, id: &str, end: &str) {
        let mut info = json!({"id": id, "role": "assistant", "parentID": turn(), "time": {}});
        match end {
            "completed" => info["time"]["completed"] = json!(1),
            "error" => info["error"] = json!({"message": id}),
            _ => {}
        }
        observe(transcript, event_id, "message.updated", &json!({"info": info}));
    }

    fn turn() -> MessageId {
        "msg_0123456789abABCDEFGHIJKLMN".parse().unwrap()
    }

    fn reply(transcript: &Transcript) -> String {
        transcript.reply_to(&turn()).unwrap().assistant_message_id
    }

    #[test]
    fn the_text_is_the_parts_in_order_of_their_ids_without_removed_ones() {
        let mut transcript = Transcript::default();
        for (id, text) in [("p2", "world "), ("p1", " hello "), ("p3", "gone"), ("p4", "")] {
            part(&mut transcript, id, text);
        }
        let tool = json!({"part": {"id": "p0", "messageID": "a", "type": "tool", "text": "no text part"}});
        observe(&mut transcript, 2, "message.part.updated", &tool);
        let removed = json!({"messageID": "a", "partID": "p3"});
        observe(&mut transcript, 3, "message.part.removed", &removed);
        assert_eq!(transcript.text("a"), "hello world");
    }

    #[test]
    fn a_message_without_text_has_an_empty_one() {
        let mut transcript = Transcript::default();
        part(&mut transcript, "p1", "  \n");
        assert_eq!(transcript.text("a"), "");
        assert_eq!(transcript.text("unknown"), "");
    }

    #[test]
    fn the_latest_message_is_the_one_that_appeared_last() {
        let mut transcript = Transcript::default();
        answer(&mut transcript, 5, "z", "");
        answer(&mut transcript, 7, "a", "");
        part(&mut transcript, "p1", "hello");
        // An update keeps the row, and with it the place in the order.
        answer(&mut transcript, 5, "z", "completed");
        let user = json!({"info": {"id": "u", "role": "user"}});
        observe(&mut transcript, 9, "message.updated", &user);
        let latest = transcript.latest_assistant_message().unwrap();
        assert_eq!(latest.row.event_id, 7);
        assert_eq!(latest.info["id"], "a");
        let part = json!({"id": "p1", "messageID": "a", "type": "text", "text": "hello"});
        assert_eq!(latest.parts, [part]);
    }

    #[test]
    fn reconciliation_prefers_an_answer_without_an_error_and_then_the_latest() {
        let mut transcript = Transcript::default();
        answer(&mut transcript, 9, "unfinished", "");
        assert_eq!(reply(&transcript), "unfinished");
        answer(&mut transcript, 4, "failed", "error");
        assert_eq!(reply(&transcript), "failed");
        answer(&mut transcript, 2, "y-first", "completed");
        answer(&mut transcript, 3, "a-second", "completed");
        assert_eq!(reply(&transcript), "a-second");
    }

    #[test]
    fn the_parts_of_a_users_message_are_not_kept() {
        let mut transcript = Transcript::default();
        part(&mut transcript, "p1", "a prompt");
        let user = json!({"info": {"id": "a", "role": "user"}});
        observe(&mut transcript, 2, "message.updated", &user);
        part(&mut transcript, "p2", "more");
        assert_eq!(transcript.text("a"), "");
    }
}
