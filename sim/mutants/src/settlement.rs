//! Mutants whose terminal states are not final, or whose errors lose their text (protocol §6).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use serde_json::json;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::identity::{MessageId, SessionId};
use turnstile_reference::model::message::{Message, State};
use turnstile_reference::session::frame::Meaning;
use turnstile_reference::session::kilo::KiloEvent;
use turnstile_reference::session::{Input, Session, Stored};

use crate::{change_events, id_of, lock};

/// Ends a terminal message again when the assistant answers it later; violates R6.1. Hides the end from the decision.
#[derive(Default)]
pub struct EndsAgain {
    reopened: Mutex<BTreeMap<SessionId, MessageId>>,
}

/// Returns the message that a wrapper frame completes or fails, if any.
fn answered<'a>(session: &'a Session, input: &Input) -> Option<&'a Message> {
    let Input::IngestEvent { frame, .. } = input else {
        return None;
    };
    let Meaning::Kilo(KiloEvent::MessageUpdated { reply, .. }) = frame.meaning() else {
        return None;
    };
    let reply = reply.as_ref().filter(|reply| reply.end.is_some())?;
    session.message(&reply.answers)
}

impl Interceptor for EndsAgain {
    fn before(&self, session: &Session, input: &mut Input) -> Memory {
        match answered(session, input) {
            Some(message) if message.is_terminal() => {
                let mut reopened = lock(&self.reopened);
                let session = id_of(session).clone();
                reopened.insert(session, message.id.clone());
                Memory::IsReread
            }
            _ => Memory::Stays,
        }
    }

    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut reopened = lock(&self.reopened);
        let Some(id) = reopened.remove(id_of(decided.session)) else {
            return Memory::Stays;
        };
        match decided.session.message(&id) {
            Some(message) if message.is_terminal() => Memory::Stays,
            _ => Memory::IsReread,
        }
    }

    fn read(&self, stored: &mut Stored) {
        let reopened = lock(&self.reopened);
        let id = reopened.get(&stored.metadata.identity.session_id);
        for message in &mut stored.messages {
            if Some(&message.id) == id {
                message.state = State::Accepted;
            }
        }
    }
}

/// Ends messages by a fatal error with another text than the wrapper gave; violates R6.13.
pub struct LosesTextOfError;

impl Interceptor for LosesTextOfError {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        change_events(decided, |event| {
            if event.data["reason"] == "wrapper_error" {
                Arc::make_mut(&mut event.data)["error"] = json!("The wrapper failed");
            }
        });
        Memory::Stays
    }
}
