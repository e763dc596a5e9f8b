//! The texts of assistant messages, as a mutant sees them pass.

use std::collections::BTreeMap;
use std::sync::Mutex;

use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::identity::MessageId;
use turnstile_reference::session::Input;
use turnstile_reference::session::frame::Meaning;
use turnstile_reference::session::kilo::{KiloEvent, ReplyEnd};

use crate::lock;

/// Records what assistant messages say.
#[derive(Default)]
pub struct Answers(Mutex<Heard>);

#[derive(Default)]
struct Heard {
    /// The text parts of each assistant message, by kilo's id of the message and of the part.
    parts: BTreeMap<String, BTreeMap<String, String>>,
    /// The finished assistant messages of each user turn, in order.
    finished: BTreeMap<MessageId, Vec<String>>,
}

impl Answers {
    /// The text of the first finished assistant message of a turn.
    pub fn first_of(&self, turn: &MessageId) -> Option<String> {
        let heard = lock(&self.0);
        heard
            .finished
            .get(turn)?
            .first()
            .map(|message| heard.text_of(message))
    }

    /// The text of the last finished assistant message of a turn.
    pub fn last_of(&self, turn: &MessageId) -> Option<String> {
        let heard = lock(&self.0);
        heard
            .finished
            .get(turn)?
            .last()
            .map(|message| heard.text_of(message))
    }
}

impl Heard {
    fn text_of(&self, message: &str) -> String {
        let parts = self.parts.get(message);
        parts
            .into_iter()
            .flat_map(BTreeMap::values)
            .map(String::as_str)
            .collect()
    }
}

impl Interceptor for Answers {
    fn decided(&self, moment: &Moment<'_>, _: &mut Decided<'_>) -> Memory {
        let Input::IngestEvent { frame, .. } = moment.input else {
            return Memory::Stays;
        };
        let mut heard = lock(&self.0);
        match frame.meaning() {
            Meaning::Kilo(KiloEvent::PartUpdated { part: Some(part) }) => {
                let content = &frame.data()["properties"]["part"];
                if let Some(text) = content["text"].as_str().filter(|_| content["type"] == "text") {
                    let parts = heard.parts.entry(part.message.clone()).or_default();
                    parts.insert(part.part.clone(), text.to_owned());
                }
            }
            Meaning::Kilo(KiloEvent::MessageUpdated {
                reply: Some(reply), ..
            }) if reply.end == Some(ReplyEnd::Completed) => {
                let finished = heard.finished.entry(reply.answers.clone()).or_default();
                if !finished.contains(&reply.assistant_message_id) {
                    finished.push(reply.assistant_message_id.clone());
                }
            }
            _ => {}
        }
        Memory::Stays
    }
}
