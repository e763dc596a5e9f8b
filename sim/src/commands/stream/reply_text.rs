//! The text of the assistant's replies, picked out of a stream's frames as it grows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What was told of the replies so far.
#[derive(Default)]
pub(super) struct ReplyText {
    /// Messages that are the assistant's.
    replies: BTreeSet<String>,
    /// What was told of each part of theirs.
    told: BTreeMap<String, String>,
}

impl ReplyText {
    /// What a frame adds to what was told; nothing if it is about something else.
    ///
    /// Pieces come once and live only; whoever comes late learns the whole of a part so far.
    pub(super) fn take(&mut self, frame: &Value) -> String {
        let data = &frame["data"];
        let properties = &data["properties"];
        match data["event"].as_str() {
            Some("message.updated") => {
                let message = &properties["info"];
                if let ("assistant", Some(id)) = (
                    message["role"].as_str().unwrap_or_default(),
                    message["id"].as_str(),
                ) {
                    self.replies.insert(id.to_owned());
                }
                String::new()
            }
            Some("message.part.delta") => self.add(properties, "partID", |_| properties["delta"].as_str()),
            Some("message.part.updated") => {
                let part = &properties["part"];
                self.add(part, "id", |told| part["text"].as_str()?.strip_prefix(told))
            }
            _ if frame["streamEventType"] == "cloud.message.completed" => "\n".to_owned(),
            _ => String::new(),
        }
    }

    /// Adds to a part what is new of it.
    fn add<'a>(&mut self, part: &Value, id: &str, news: impl FnOnce(&str) -> Option<&'a str>) -> String {
        let is_of_reply = part["messageID"]
            .as_str()
            .is_some_and(|message| self.replies.contains(message));
        let Some(id) = part[id].as_str().filter(|_| is_of_reply) else {
            return String::new();
        };
        let told = self.told.entry(id.to_owned()).or_default();
        // What does not go on where it was cannot be taken back from a terminal.
        let news = news(told).unwrap_or_default().to_owned();
        told.push_str(&news);
        news
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kilo(event: &str, properties: &Value) -> Value {
        json!({"streamEventType": "kilocode", "data": {"event": event, "properties": properties}})
    }

    #[test]
    fn a_reply_is_told_once_however_it_comes() {
        let mut text = ReplyText::default();
        let mut told = String::new();
        for frame in [
            kilo("message.updated", &json!({"info": {"id": "u", "role": "user"}})),
            kilo(
                "message.part.updated",
                &json!({"part": {"id": "q", "messageID": "u", "text": "a question"}}),
            ),
            kilo(
                "message.updated",
                &json!({"info": {"id": "a", "role": "assistant"}}),
            ),
            kilo(
                "message.part.updated",
                &json!({"part": {"id": "p", "messageID": "a", "text": "one "}}),
            ),
            kilo(
                "message.part.delta",
                &json!({"partID": "p", "messageID": "a", "delta": "two "}),
            ),
            kilo(
                "message.part.updated",
                &json!({"part": {"id": "p", "messageID": "a", "text": "one two "}}),
            ),
            kilo(
                "message.part.delta",
                &json!({"partID": "p", "messageID": "a", "delta": "three"}),
            ),
            json!({"streamEventType": "cloud.message.completed", "data": {}}),
        ] {
            told.push_str(&text.take(&frame));
        }
        assert_eq!(told, "one two three\n");
    }
}
