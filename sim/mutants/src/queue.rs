//! Mutants of the rules of admission and of the pending queue (protocol §3, §4).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde_json::json;
use turnstile_profile::Profile;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::identity::{MessageId, SessionId};
use turnstile_reference::model::message::{Message, Source, State};
use turnstile_reference::model::metadata::{AgentChoice, Finalization};
use turnstile_reference::session::admission::Admission;
use turnstile_reference::session::events::{Event, name};
use turnstile_reference::session::{CallbackOwner, Effect, Input, Session, Stored};

use crate::core_row::{CoreRow, change_core};
use crate::{id_of, lock};

/// Exhausts a delivery one attempt early; violates R4.9.
pub fn exhaust_one_attempt_early(profile: &mut Profile) {
    profile.delivery_retry_delays_warm.pop();
    profile.delivery_retry_delays_cold.pop();
}

/// Loses the pending entries of queued messages on restart; violates R4.1.
#[derive(Default)]
pub struct LosesPending {
    /// Sessions that handled an input since the start of the server.
    at_work: Mutex<BTreeSet<SessionId>>,
}

impl Interceptor for LosesPending {
    fn before(&self, session: &Session, _: &mut Input) -> Memory {
        let mut at_work = lock(&self.at_work);
        if !at_work.contains(id_of(session)) {
            at_work.insert(id_of(session).clone());
        }
        Memory::Stays
    }

    fn read(&self, stored: &mut Stored) {
        let at_work = lock(&self.at_work);
        if !at_work.contains(&stored.metadata.identity.session_id) {
            stored.messages.retain(|message| !message.is_queued());
        }
    }
}

/// Keeps a message pending that ended in the queue; violates R4.1. The message stays at the head, is delivered in
/// place of later messages, and blocks the end of its batch. A restart repairs the state.
#[derive(Default)]
pub struct KeepsEndedPending {
    kept: Mutex<BTreeMap<SessionId, Message>>,
}

impl Interceptor for KeepsEndedPending {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut kept = lock(&self.kept);
        let session = id_of(decided.session);
        let was_queued = |message: &&Cow<'_, Message>| {
            let before = moment.before.message(&message.id);
            message.is_terminal() && before.is_some_and(Message::is_queued)
        };
        let ended = decided.commit.messages.iter().filter(was_queued);
        if let Some(first) = ended.min_by_key(|message| message.created_at) {
            kept.entry(session.clone())
                .or_insert_with(|| first.clone().into_owned());
        }
        if let Some(head) = kept.get(session) {
            decided
                .effects
                .retain(|effect| !matches!(effect, Effect::Enqueue(job) if job.owner.message().is_some()));
            for effect in &mut decided.effects {
                if let Effect::Deliver(delivery) = effect {
                    delivery.message = head.clone();
                }
            }
        }
        Memory::Stays
    }
}

/// Removes an exhausted message from the queue without a terminal state; violates R4.10.
#[derive(Default)]
pub struct DropsExhausted {
    dropped: Mutex<BTreeSet<MessageId>>,
}

impl Interceptor for DropsExhausted {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is_exhausted = |message: &&Cow<'_, Message>| {
            let outcome = message.outcome();
            outcome.is_some_and(|outcome| outcome.source == Source::DeliveryFailure)
                && moment.before.message(&message.id).is_some_and(Message::is_queued)
        };
        let Some(id) = decided.commit.messages.iter().find(is_exhausted) else {
            return Memory::Stays;
        };
        let id = id.id.clone();
        for row in &mut decided.commit.messages {
            if row.id == id {
                let row = row.to_mut();
                (row.state, row.callback) = (State::Queued, None);
            }
        }
        let tells =
            |event: &Event| event.stream_event_type == name::FAILED && event.data["messageId"] == json!(id);
        decided.commit.events.to_mut().retain(|row| !tells(&row.event));
        let owner = CallbackOwner::Message(id.clone());
        decided.effects.retain(|effect| match effect {
            Effect::Broadcast(event) => !tells(event),
            Effect::Enqueue(job) => job.owner != owner,
            _ => true,
        });
        let batch = CoreRow::of(moment.before).0["batch"].take();
        change_core(decided, |core| {
            core.0["batch"] = batch;
            if let Some(outbox) = core.0["outbox"].as_array_mut() {
                outbox.retain(|owed| *owed != json!(id));
            }
        });
        let mut dropped = lock(&self.dropped);
        dropped.insert(id);
        Memory::IsReread
    }

    fn read(&self, stored: &mut Stored) {
        let dropped = lock(&self.dropped);
        stored.messages.retain(|message| !dropped.contains(&message.id));
    }
}

/// Admits a repeated message id as new by hiding the known message from the decision; violates R3.7 and R3.8.
#[derive(Default)]
pub struct AdmitsRepeats {
    hidden: Mutex<BTreeMap<SessionId, MessageId>>,
}

impl AdmitsRepeats {
    /// The message that `input` repeats, if the session would admit it as new.
    fn repeated(session: &Session, input: &mut Input) -> Option<MessageId> {
        if let Input::Initiate = input {
            let initial = session.metadata().initial_message.clone()?;
            let id = initial.id?;
            session.message(&id)?;
            *input = Input::Admit(Box::new(Admission {
                id,
                turn: initial.turn,
                agent: AgentChoice::default(),
                finalization: Finalization::default(),
            }));
        }
        let Input::Admit(admission) = input else {
            return None;
        };
        let metadata = session.metadata();
        let agent = admission.agent.clone().or(&metadata.agent).ok()?;
        let has_prompt = metadata.profile.append_system_prompt.is_some();
        let others = session.messages().filter(|message| message.id != admission.id);
        let pending = others.filter(|message| message.is_queued()).count();
        let is_admitted = !session.is_deleted()
            && (has_prompt || !agent.mode.needs_system_prompt())
            && pending < Profile::default().pending_limit;
        (is_admitted && session.message(&admission.id).is_some()).then(|| admission.id.clone())
    }
}

impl Interceptor for AdmitsRepeats {
    fn before(&self, session: &Session, input: &mut Input) -> Memory {
        let Some(id) = Self::repeated(session, input) else {
            return Memory::Stays;
        };
        let mut hidden = lock(&self.hidden);
        hidden.insert(id_of(session).clone(), id);
        Memory::IsReread
    }

    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut hidden = lock(&self.hidden);
        match hidden.remove(id_of(decided.session)) {
            Some(id) if decided.session.message(&id).is_none() => Memory::IsReread,
            _ => Memory::Stays,
        }
    }

    fn read(&self, stored: &mut Stored) {
        let hidden = lock(&self.hidden);
        if let Some(id) = hidden.get(&stored.metadata.identity.session_id) {
            stored.messages.retain(|message| message.id != *id);
        }
    }
}
