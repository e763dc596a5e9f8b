//! The messages of a session, and the order of pending messages (protocol §3, §4, §6).
//!
//! A message is pending exactly while its state is `queued`; there is no second list. No message overtakes the head
//! of the queue (R4.4). Deliveries and ends of messages are decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::deadline::after;
use super::step::Step;
use crate::coverage::ServerMark;
use crate::identity::{MessageId, WrapperRunId};
use crate::model::message::{Message, Outcome};

/// The least distance of two times of creation, if the clock does not show one.
const CREATION_STEP: Duration = Duration::from_millis(1);

/// The messages of a session.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    messages: BTreeMap<MessageId, Message>,
    /// The ids of unfinished messages.
    unfinished: BTreeSet<MessageId>,
    /// The latest time of creation.
    latest_creation: Option<Timestamp>,
}

impl Queue {
    /// The messages as stored.
    pub fn restore(messages: Vec<Message>) -> Self {
        let unfinished = messages.iter().filter(|message| !message.is_terminal());
        Self {
            unfinished: unfinished.map(|message| message.id.clone()).collect(),
            latest_creation: messages.iter().map(|message| message.created_at).max(),
            messages: messages
                .into_iter()
                .map(|message| (message.id.clone(), message))
                .collect(),
        }
    }

    /// The message of that id, if any.
    pub fn find(&self, id: &MessageId) -> Option<&Message> {
        self.messages.get(id)
    }

    /// The message of that id, which must exist.
    ///
    /// # Panics
    ///
    /// If there is no such message.
    pub fn message(&self, id: &MessageId) -> &Message {
        &self.messages[id]
    }

    /// All messages, by id.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    /// Whether the session has no messages.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether a message is unfinished.
    pub fn has_unfinished(&self) -> bool {
        !self.unfinished.is_empty()
    }

    /// The unfinished messages, oldest first.
    pub fn unfinished(&self) -> impl Iterator<Item = &Message> {
        let mut unfinished: Vec<&Message> = self.unfinished.iter().map(|id| &self.messages[id]).collect();
        unfinished.sort_by_key(|message| (message.created_at, &message.id));
        unfinished.into_iter()
    }

    /// The pending messages, in the order of delivery (R4.1).
    pub fn queued(&self) -> impl Iterator<Item = &Message> {
        self.unfinished().filter(|message| message.is_queued())
    }

    /// The next message to deliver.
    pub fn head(&self) -> Option<&Message> {
        self.queued().next()
    }

    /// The accepted messages, oldest first.
    pub fn accepted(&self) -> impl Iterator<Item = &Message> {
        self.unfinished().filter(|message| message.is_accepted())
    }

    /// Whether a message is accepted and unfinished.
    pub fn has_accepted(&self) -> bool {
        self.accepted().next().is_some()
    }

    /// The accepted messages of `run`, oldest first.
    pub fn accepted_by<'a>(&'a self, run: &'a WrapperRunId) -> impl Iterator<Item = &'a Message> {
        self.accepted()
            .filter(move |message| message.accepted_by.as_ref() == Some(run))
    }

    /// The time of creation of a message that is admitted now: after all others, whatever the clock shows (R4.25).
    pub fn next_creation(&self, now: Timestamp) -> Timestamp {
        match self.latest_creation {
            Some(latest) if latest > now => after(latest, CREATION_STEP),
            _ => now,
        }
    }

    /// Adds a new message.
    pub fn admit(&mut self, message: Message, step: &mut Step) {
        step.write_message(&message.id);
        self.unfinished.insert(message.id.clone());
        self.latest_creation = self.latest_creation.max(Some(message.created_at));
        self.messages.insert(message.id.clone(), message);
    }

    /// Changes a message, which must exist.
    ///
    /// # Panics
    ///
    /// If there is no such message.
    pub fn change<T>(
        &mut self,
        id: &MessageId,
        step: &mut Step,
        change: impl FnOnce(&mut Message) -> T,
    ) -> T {
        step.write_message(id);
        let message = self.messages.get_mut(id);
        change(message.expect("the message exists"))
    }

    /// Ends a message. Returns false, and changes nothing, if it has ended already (R6.1).
    pub fn end(&mut self, id: &MessageId, outcome: Outcome, step: &mut Step) -> bool {
        let message = &self.messages[id];
        if message.is_terminal() {
            ServerMark::TerminalAgain.hit();
            return false;
        }
        self.change(id, step, |message| message.end(outcome));
        self.unfinished.remove(id);
        true
    }
}
