//! Admission of user turns (protocol §3).
//!
//! The edges have checked the turn itself. This module checks what depends on the session: whether the id is known,
//! and whether the queue has room.

use jiff::Timestamp;

use super::events::{self, name};
use super::step::Step;
use super::{Reply, Session};
use crate::coverage::ServerMark;
use crate::identity::{MessageId, WrapperRunId};
use crate::model::message::{Message, State, Turn};
pub use crate::model::metadata::AgentChoice;
use crate::model::metadata::{CallbackTarget, Finalization};
use crate::refusal::{Code, Refusal};

/// A user turn to admit.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    /// The id from the client, or a drawn one.
    pub id: MessageId,
    /// The content.
    pub turn: Turn,
    /// The agent. Absent values come from the session.
    pub agent: AgentChoice,
    /// The steps after the turn. Absent values come from the session.
    pub finalization: Finalization,
}

/// The acknowledgement of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The message id.
    pub message: MessageId,
    /// `queued` or `sent`.
    pub delivery: Delivery,
    /// The run that accepted it, if any.
    pub wrapper_run: Option<WrapperRunId>,
}

/// The delivery state in an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// In the queue.
    Queued,
    /// Accepted by a wrapper.
    Sent,
}

impl Session {
    pub(super) fn admit(&mut self, admission: Admission, step: &mut Step) -> Reply {
        Reply::Admission(self.admit_or_repeat(admission, step))
    }

    /// Admits the prepared message under its id (R2.76).
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
            // The id is permanent from now on.
            let initial = self.change_metadata(step).initial_message.as_mut();
            if let Some(initial) = initial {
                initial.id = Some(id);
            }
        }
        Reply::Admission(admitted)
    }

    /// Sets the target of messages that are admitted from now on (R2.87–R2.89).
    pub(super) fn set_callback_target(&mut self, target: Option<CallbackTarget>, step: &mut Step) -> Reply {
        self.change_metadata(step).callback = target;
        Reply::None
    }

    fn admit_or_repeat(&mut self, admission: Admission, step: &mut Step) -> Result<Ack, Refusal> {
        let message = self.message_from(self.queue.next_creation(step.now), admission)?;
        if self.imported.answers(&message.id) {
            let text = format!("Message {} is an older service's", message.id);
            return Err(Refusal::bad_request(text));
        }
        match self.queue.find(&message.id) {
            Some(known) => self.repeat(&known.clone(), &message, step),
            None => self.admit_new(message, step),
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
            accepted_at: None,
            failed_deliveries: 0,
            retry_at: None,
            gate_result: None,
            callback: None,
        })
    }

    /// Answers a known id: repeats of the same intent are acknowledged, others are refused (R3.5–R3.8).
    fn repeat(&mut self, known: &Message, repeated: &Message, step: &mut Step) -> Result<Ack, Refusal> {
        let id = &known.id;
        if known.is_terminal() {
            ServerMark::RepeatedTerminal.hit();
            return Err(Refusal::bad_request(format!("Message {id} is already terminal")));
        }
        if !known.has_intent_of(repeated) {
            ServerMark::RepeatedOtherIntent.hit();
            return Err(Refusal::bad_request(format!(
                "Message {id} was admitted with another intent"
            )));
        }
        if known.is_queued() {
            ServerMark::RepeatedQueued.hit();
            self.schedule_drain(step);
        } else {
            ServerMark::RepeatedAccepted.hit();
        }
        Ok(Self::ack(known))
    }

    fn admit_new(&mut self, message: Message, step: &mut Step) -> Result<Ack, Refusal> {
        let limit = step.profile.pending_limit;
        if self.queue.queued().count() >= limit {
            ServerMark::QueueFull.hit();
            return Err(Refusal::new(
                Code::TooManyRequests,
                format!("PENDING_QUEUE_FULL: {limit} messages are pending"),
            ));
        }
        match message.callback_target {
            Some(_) => ServerMark::Admitted.hit(),
            None => ServerMark::AdmittedWithoutTarget.hit(),
        }
        let ack = Self::ack(&message);
        let data = events::queued(&message);
        self.queue.admit(message, step);
        self.stream.emit_kept(name::QUEUED, data, step);
        self.schedule_drain(step);
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
