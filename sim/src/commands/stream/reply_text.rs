//! Extracts the growing text of the assistant's replies from the frames of a stream.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The text of replies so far.
#[derive(Default)]
pub(super) struct ReplyText {
    /// Ids of the assistant's messages.
    replies: BTreeSet<String>,
    /// The printed text of each part.
    printed: BTreeMap<String, String>,
}

impl ReplyText {
    /// The text that a frame adds; empty if it adds none.
    ///
    /// Chunks are sent once and only live. A late client gets the whole text of a part so far.
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
                self.add(part, "id", |printed| part["text"].as_str()?.strip_prefix(printed))
            }
            _ if frame["streamEventType"] == "cloud.message.completed" => "\n".to_owned(),
            _ => String::new(),
        }
    }

    /// Appends new text to a part and returns it.
    fn add<'a>(&mut self, part: &Value, id: &str, news: impl FnOnce(&str) -> Option<&'a str>) -> String {
        let is_of_reply = part["messageID"]
            .as_str()
            .is_some_and(|message| self.replies.contains(message));
        let Some(id) = part[id].as_str().filter(|_| is_of_reply) else {
            return String::new();
        };
        let printed = self.printed.entry(id.to_owned()).or_default();
        // A text that does not continue the printed one cannot be shown: a terminal cannot be rewritten.
        let news = news(printed).unwrap_or_default().to_owned();
        printed.push_str(&news);
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
    fn a_reply_is_printed_once_from_chunks_and_updates() {
        let mut text = ReplyText::default();
        let mut printed = String::new();
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
            printed.push_str(&text.take(&frame));
        }
        assert_eq!(printed, "one two three\n");
    }
}
