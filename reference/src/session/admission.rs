//! Taking a user turn in (protocol §3).
//!
//! Whether the turn itself is well-formed was settled at the edge: there are only valid values here. What
//! is left is what depends on the session: is the id known, and is there room.

use jiff::Timestamp;

use super::events::{self, name};
use super::step::Step;
use super::{Reply, Session};
use crate::coverage::Row;
use crate::identity::{MessageId, WrapperRunId};
use crate::model::message::{Message, State, Turn};
pub use crate::model::metadata::AgentChoice;
use crate::model::metadata::{CallbackTarget, Finalization};
use crate::refusal::{Code, Refusal};

/// A user turn that asks to be taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    /// Its id: the client's, or one that was drawn for it.
    pub id: MessageId,
    /// What the agent shall do.
    pub turn: Turn,
    /// What it is run with; what is absent comes from the session.
    pub agent: AgentChoice,
    /// What happens after it; what is absent comes from the session.
    pub finalization: Finalization,
}

/// The answer to a turn that is known now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The message.
    pub message: MessageId,
    /// How far it is: `queued` or `sent`.
    pub delivery: Delivery,
    /// The run that took it, if one did.
    pub wrapper_run: Option<WrapperRunId>,
}

/// How far an admitted message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// It waits.
    Queued,
    /// A wrapper took it.
    Sent,
}

impl Session {
    pub(super) fn admit(&mut self, admission: Admission, step: &mut Step) -> Reply {
        Reply::Admission(self.admit_or_repeat(admission, step))
    }

    /// Takes in the message that the session was prepared with, under the id that it was given then.
    pub(super) fn initiate(&mut self, step: &mut Step) -> Reply {
        let Some(initial) = self.metadata.initial_message.clone() else {
            let refusal = Refusal::bad_request("The session was not prepared with a message");
            return Reply::Admission(Err(refusal));
        };
        if self.metadata.lifecycle.initiated_at.is_some() && self.queue.is_empty() {
            let refusal = Refusal::bad_request("The session was initiated by an older service");
            return Reply::Admission(Err(refusal));
        }
        let id = initial
            .id
            .clone()
            .unwrap_or_else(|| MessageId::draw(step.now, &self.identifiers));
        let admission = Admission {
            id: id.clone(),
            turn: initial.turn,
            agent: AgentChoice::default(),
            finalization: Finalization::default(),
        };
        let admitted = self.admit_or_repeat(admission, step);
        if admitted.is_ok() && initial.id.is_none() {
            // From now on the message is known by this id, whoever asks for it again.
            let initial = self.change_metadata(step).initial_message.as_mut();
            if let Some(initial) = initial {
                initial.id = Some(id);
            }
        }
        Reply::Admission(admitted)
    }

    /// Messages that are admitted from now on call back there; those that were keep what they have.
    pub(super) fn set_callback_target(&mut self, target: Option<CallbackTarget>, step: &mut Step) -> Reply {
        self.change_metadata(step).callback = target;
        Reply::None
    }

    fn admit_or_repeat(&mut self, admission: Admission, step: &mut Step) -> Result<Ack, Refusal> {
        let message = self.message_from(step.now, admission)?;
        if self.imported.answers(&message.id) {
            let text = format!("Message {} is an older service's", message.id);
            return Err(Refusal::bad_request(text));
        }
        match self.queue.find(&message.id) {
            Some(known) if !step.sabotage.admits_repeats() => self.repeat(&known.clone(), &message, step),
            _ => self.admit_new(message, step),
        }
    }

    fn message_from(&self, now: Timestamp, admission: Admission) -> Result<Message, Refusal> {
        let Admission {
            id,
            turn,
            agent,
            finalization,
        } = admission;
        let metadata = &self.metadata;
        let agent = agent.or(&metadata.agent)?;
        if agent.mode.needs_system_prompt() && metadata.profile.append_system_prompt.is_none() {
            return Err(agent.mode.lacks_system_prompt());
        }
        let defaults = &metadata.finalization;
        Ok(Message {
            id,
            created_at: now,
            turn,
            agent,
            finalization: Finalization {
                auto_commit: finalization.auto_commit.or(defaults.auto_commit),
                condense_on_complete: finalization
                    .condense_on_complete
                    .or(defaults.condense_on_complete),
                gate_threshold: finalization.gate_threshold.or(defaults.gate_threshold),
            },
            callback_target: metadata.callback.clone(),
            state: State::Queued,
            accepted_by: None,
            failed_deliveries: 0,
            retry_at: None,
            gate_result: None,
            callback: None,
        })
    }

    /// The id is known: the same turn is answered again, any other is refused.
    fn repeat(&mut self, known: &Message, repeated: &Message, step: &mut Step) -> Result<Ack, Refusal> {
        let id = &known.id;
        if known.is_terminal() {
            Row::RepeatedTerminal.reach();
            return Err(Refusal::bad_request(format!("Message {id} is already terminal")));
        }
        if !known.has_intent_of(repeated) {
            Row::RepeatedOtherIntent.reach();
            return Err(Refusal::bad_request(format!(
                "Message {id} was admitted with another intent"
            )));
        }
        if known.is_queued() {
            Row::RepeatedQueued.reach();
            self.ask_for_drain(step);
        } else {
            Row::RepeatedAccepted.reach();
        }
        Ok(Self::ack(known))
    }

    fn admit_new(&mut self, message: Message, step: &mut Step) -> Result<Ack, Refusal> {
        let limit = step.profile.pending_limit;
        if self.queue.queued().count() >= limit + usize::from(step.sabotage.admits_one_too_many()) {
            Row::QueueFull.reach();
            return Err(Refusal::new(
                Code::TooManyRequests,
                format!("PENDING_QUEUE_FULL: {limit} messages are pending"),
            ));
        }
        match message.callback_target {
            Some(_) => Row::Admitted.reach(),
            None => Row::AdmittedWithoutTarget.reach(),
        }
        let ack = Self::ack(&message);
        let data = events::queued(&message);
        self.queue.admit(message, step);
        self.stream.tell(name::QUEUED, data, step);
        self.ask_for_drain(step);
        Ok(ack)
    }

    fn ack(message: &Message) -> Ack {
        Ack {
            message: message.id.clone(),
            delivery: if message.is_accepted() {
                Delivery::Sent
            } else {
                Delivery::Queued
            },
            wrapper_run: message.accepted_by.clone(),
        }
    }
}
