//! Historic bugs of deliveries: their delays, their count, and their exhaustion (protocol §4).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use jiff::Timestamp;
use serde_json::json;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::identity::{MessageId, SessionId};
use turnstile_reference::model::message::{Message, Source, State};
use turnstile_reference::session::events::EventRow;
use turnstile_reference::session::{Effect, Input, Stored};

use crate::core_row::{CoreRow, change_core};
use crate::{id_of, lock};

/// Counts the delay from the beginning of the attempt that failed; violates R4.23.
#[derive(Default)]
pub struct DelaysFromAttempt {
    began: Mutex<BTreeMap<MessageId, Timestamp>>,
}

impl Interceptor for DelaysFromAttempt {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut began = lock(&self.began);
        for effect in &decided.effects {
            if let Effect::Deliver(delivery) = effect {
                began.insert(delivery.message.id.clone(), moment.now);
            }
        }
        let Input::Delivered {
            message,
            result: Err(_),
            ..
        } = moment.input
        else {
            return Memory::Stays;
        };
        let Some(began) = began.get(message) else {
            return Memory::Stays;
        };
        let Some(row) = decided.commit.messages.iter_mut().find(|row| row.id == *message) else {
            return Memory::Stays;
        };
        let Some(retry_at) = row.retry_at else {
            return Memory::Stays;
        };
        let earlier = (retry_at - began.until(moment.now).unwrap_or_default()).max(moment.now);
        row.to_mut().retry_at = Some(earlier);
        change_core(decided, |core| core.set_deadline("drain", &json!(earlier)));
        Memory::IsReread
    }
}

/// Counts a delivery that the server cut short as a failed attempt; violates R4.24.
#[derive(Default)]
pub struct CountsCutShort {
    /// Messages that were being delivered when their session was last stored.
    in_flight: Mutex<BTreeSet<MessageId>>,
}

impl Interceptor for CountsCutShort {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let cut_short = match moment.input {
            // Whether a delivery was in progress is not stored: a session with a run and a pending head had one.
            Input::Resume if !CoreRow::of(moment.before).0["run"].is_null() => {
                let queued = moment.before.messages().filter(|message| message.is_queued());
                queued
                    .min_by_key(|message| message.created_at)
                    .map(|message| message.id.clone())
            }
            _ => self.released(decided),
        };
        let mut in_flight = lock(&self.in_flight);
        if let Input::Delivered { message, .. } = moment.input {
            in_flight.remove(message);
        }
        for effect in &decided.effects {
            if let Effect::Deliver(delivery) = effect {
                in_flight.insert(delivery.message.id.clone());
            }
        }
        let Some(message) = cut_short.and_then(|id| decided.session.message(&id)) else {
            return Memory::Stays;
        };
        if !message.is_queued() {
            return Memory::Stays;
        }
        let mut row = message.clone();
        row.failed_deliveries += 1;
        decided.commit.messages.retain(|other| other.id != row.id);
        decided.commit.messages.push(Cow::Owned(row));
        Memory::IsReread
    }
}

impl CountsCutShort {
    /// The message whose delivery ends because its run is released.
    fn released(&self, decided: &Decided<'_>) -> Option<MessageId> {
        let is_release = |effect: &Effect| matches!(effect, Effect::StopWrapper(_));
        if !decided.effects.iter().any(is_release) {
            return None;
        }
        let mut in_flight = lock(&self.in_flight);
        let mut of_session = decided.session.messages().map(|message| &message.id);
        let cut_short = of_session.find(|id| in_flight.contains(*id)).cloned()?;
        in_flight.remove(&cut_short);
        Some(cut_short)
    }
}

/// The messages and events that a commit left for the next one.
type Owed = (Vec<Message>, Vec<EventRow>);

/// Stores an exhausted delivery in two commits: first that no attempt is left, later that the message has ended. A
/// crash between them strands the message at the head of the queue; violates R4.10.
#[derive(Default)]
pub struct ExhaustsInTwoCommits {
    /// What the next commit of a session has to add.
    owed: Mutex<BTreeMap<SessionId, Owed>>,
    /// Messages that a crash left between the two commits.
    stranded: Mutex<BTreeSet<MessageId>>,
}

impl Interceptor for ExhaustsInTwoCommits {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        self.strand(decided);
        let mut owed = lock(&self.owed);
        let session = id_of(decided.session).clone();
        if let Some((messages, events)) = owed.remove(&session) {
            decided.commit.core.get_or_insert_with(|| decided.session.core());
            for message in messages {
                if decided.commit.messages.iter().all(|row| row.id != message.id) {
                    decided.commit.messages.push(Cow::Owned(message));
                }
            }
            decided.commit.events.to_mut().splice(0..0, events);
            return Memory::Stays;
        }
        let is_exhausted = |message: &&Cow<'_, Message>| {
            let outcome = message.outcome();
            outcome.is_some_and(|outcome| outcome.source == Source::DeliveryFailure)
                && moment.before.message(&message.id).is_some_and(Message::is_queued)
        };
        let Some(row) = decided.commit.messages.iter().find(is_exhausted) else {
            return Memory::Stays;
        };
        let mut counted = row.clone().into_owned();
        (counted.state, counted.callback) = (State::Queued, None);
        let rows = decided.commit.messages.drain(..).map(Cow::into_owned).collect();
        let events = std::mem::take(decided.commit.events.to_mut());
        owed.insert(session, (rows, events));
        decided.commit.messages.push(Cow::Owned(counted));
        let mut core = CoreRow::of(moment.before);
        core.0["lastEvent"] = json!(decided.session.last_event());
        core.remove_deadlines(&["drain"]);
        decided.commit.core = Some(core.into_core());
        decided.commit.needs_resuming = true;
        Memory::Stays
    }

    fn read(&self, stored: &mut Stored) {
        let mut stranded = lock(&self.stranded);
        let has_no_drain = CoreRow::from(&stored.core).deadline("drain").is_null();
        let head = stored.messages.iter().filter(|message| message.is_queued());
        if let Some(head) = head.min_by_key(|message| message.created_at)
            && head.failed_deliveries > 0
            && has_no_drain
        {
            stranded.insert(head.id.clone());
        }
    }
}

impl ExhaustsInTwoCommits {
    /// Leaves a stranded message undelivered, and everything behind it.
    fn strand(&self, decided: &mut Decided<'_>) {
        let stranded = lock(&self.stranded);
        let is_stranded = |effect: &Effect| matches!(effect, Effect::Deliver(delivery) if stranded.contains(&delivery.message.id));
        decided.effects.retain(|effect| !is_stranded(effect));
    }
}
