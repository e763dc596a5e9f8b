//! What frames say about a turn, and whether that is what follows from the gateway's answers.

use std::collections::BTreeMap;

use serde_json::Value;

/// The name of an event: that of kilo's event, or the type of another frame.
pub(super) fn name(frame: &Value) -> &str {
    let kilo = match frame["streamEventType"].as_str() {
        Some("kilocode") => frame["data"]["event"].as_str(),
        other => other,
    };
    kilo.unwrap_or_default()
}

fn properties(frame: &Value) -> &Value {
    &frame["data"]["properties"]
}

/// Whether a frame is the idle of a session.
pub(super) fn is_root_idle(frame: &Value, kilo: &str) -> bool {
    name(frame) == "session.idle" && properties(frame)["sessionID"] == kilo
}

/// Whether a frame reports the message of a user.
pub(super) fn is_user_message(frame: &Value, message: &str) -> bool {
    let info = &properties(frame)["info"];
    name(frame) == "message.updated" && info["id"] == message && info["role"] == "user"
}

/// A text part of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
struct Part {
    text: String,
    deltas: String,
}

/// An assistant message.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    parts: BTreeMap<String, Part>,
    /// Index of the frame with its end.
    pub end: Option<usize>,
    pub has_error: bool,
}

impl Answer {
    fn text(&self) -> String {
        self.parts.values().map(|part| part.text.as_str()).collect()
    }
}

/// A turn as the frames report it.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Index of the first frame with the message of the user.
    pub user: Option<usize>,
    /// Index of the first frame of an answer.
    pub begin: Option<usize>,
    /// Answers by their ids, in the order of their first appearance.
    pub answers: Vec<(String, Answer)>,
}

impl Turn {
    /// The turn of a message.
    pub fn of<'a>(frames: impl IntoIterator<Item = &'a Value>, message: &str) -> Self {
        let mut turn = Self::default();
        for (index, frame) in frames.into_iter().enumerate() {
            turn.take(index, frame, message);
        }
        turn
    }

    fn answer(&mut self, id: &Value) -> Option<&mut Answer> {
        let found = self.answers.iter_mut().find(|(known, _)| id == known.as_str());
        found.map(|(_, answer)| answer)
    }

    fn take(&mut self, index: usize, frame: &Value, message: &str) {
        let properties = properties(frame);
        match name(frame) {
            "message.updated" => {
                let info = &properties["info"];
                if is_user_message(frame, message) {
                    self.user.get_or_insert(index);
                }
                if info["role"] == "assistant" && info["parentID"] == message {
                    self.begin.get_or_insert(index);
                    self.take_answer(index, info);
                }
            }
            "message.part.updated" => {
                let part = &properties["part"];
                if part["type"] == "text"
                    && let Some(id) = part["id"].as_str()
                    && let Some(answer) = self.answer(&part["messageID"])
                {
                    let text = part["text"].as_str().unwrap_or_default();
                    text.clone_into(&mut answer.parts.entry(id.to_owned()).or_default().text);
                }
            }
            "message.part.delta" if properties["field"] == "text" => {
                if let Some(id) = properties["partID"].as_str()
                    && let Some(answer) = self.answer(&properties["messageID"])
                {
                    let delta = properties["delta"].as_str().unwrap_or_default();
                    answer
                        .parts
                        .entry(id.to_owned())
                        .or_default()
                        .deltas
                        .push_str(delta);
                }
            }
            "message.part.removed" => {
                if let Some(id) = properties["partID"].as_str()
                    && let Some(answer) = self.answer(&properties["messageID"])
                {
                    answer.parts.remove(id);
                }
            }
            _ => {}
        }
    }

    fn take_answer(&mut self, index: usize, info: &Value) {
        if self.answer(&info["id"]).is_none() {
            let id = info["id"].as_str().unwrap_or_default();
            self.answers.push((id.to_owned(), Answer::default()));
        }
        if let Some(answer) = self.answer(&info["id"]) {
            answer.has_error |= info["error"].is_object();
            if info["time"]["completed"].is_number() {
                answer.end.get_or_insert(index);
            }
        }
    }

    /// Index of the frame with the end of the last of `count` answers, once all of them have ended.
    pub fn end(&self, count: usize) -> Option<usize> {
        let ends: Option<Vec<usize>> = self.answers.iter().map(|(_, answer)| answer.end).collect();
        ends.filter(|ends| ends.len() >= count)?.into_iter().max()
    }

    /// What is wrong with a turn that has ended, whose answers have these texts.
    pub fn difference(&self, texts: &[&str]) -> Option<String> {
        match (self.user, self.begin) {
            (None, _) => return Some("the message of the user is not reported".to_owned()),
            (Some(user), Some(begin)) if begin < user => {
                return Some("an answer is reported before the message of the user".to_owned());
            }
            _ => {}
        }
        if self.answers.len() != texts.len() {
            let (seen, expected) = (self.answers.len(), texts.len());
            return Some(format!("{seen} answers are reported, not {expected}"));
        }
        for ((id, answer), expected) in self.answers.iter().zip(texts) {
            let text = answer.text();
            if text != *expected {
                return Some(format!("the text of {id} is {text:?}, not {expected:?}"));
            }
            for part in answer.parts.values() {
                // A wrapper that streams nothing is slow, and not wrong.
                if !part.deltas.is_empty() && part.deltas != part.text {
                    let Part { text, deltas } = part;
                    return Some(format!(
                        "the deltas of {id} are {deltas:?}, and its text is {text:?}"
                    ));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KILO: &str = "ses_1";

    fn kilo(event: &str, properties: Value) -> Value {
        json!({"streamEventType": "kilocode", "data": {"event": event, "properties": properties}})
    }

    fn frames(text: &str) -> Vec<Value> {
        let answer = |time: Value| {
            kilo(
                "message.updated",
                json!({"info": {"id": "a", "role": "assistant", "parentID": "m", "time": time}}),
            )
        };
        vec![
            kilo("message.updated", json!({"info": {"id": "m", "role": "user"}})),
            answer(json!({"created": 1})),
            kilo(
                "message.part.delta",
                json!({"messageID": "a", "partID": "p", "field": "text", "delta": "hi"}),
            ),
            kilo(
                "message.part.updated",
                json!({"part": {"id": "p", "messageID": "a", "type": "text", "text": text}}),
            ),
            answer(json!({"created": 1, "completed": 2})),
            kilo("session.idle", json!({"sessionID": KILO})),
        ]
    }

    #[test]
    fn a_turn_is_read_from_its_frames() {
        let all = frames("hi");
        let turn = Turn::of(&all, "m");
        assert_eq!((turn.user, turn.end(1), turn.end(2)), (Some(0), Some(4), None));
        assert_eq!(turn.difference(&["hi"]), None);
        assert!(is_root_idle(&all[5], KILO) && !is_root_idle(&all[5], "ses_2"));
        assert_eq!(Turn::of(&all[..4], "m").end(1), None);
    }

    #[test]
    fn differences_are_named() {
        for (frames, texts, expected) in [
            (frames("hi")[1..].to_vec(), ["hi"].as_slice(), "not reported"),
            (frames("hi"), &["ho"], "the text of a is \"hi\""),
            (frames("hi"), &["hi", "hi"], "1 answers"),
            (frames("hihi"), &["hihi"], "the deltas of a are \"hi\""),
        ] {
            let difference = Turn::of(&frames, "m").difference(texts).unwrap_or_default();
            assert!(difference.contains(expected), "{difference}");
        }
    }
}
