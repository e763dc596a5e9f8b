//! The messages of a session, and the order of those that wait (protocol §3, §4, §6).
//!
//! A message is pending exactly while its state is `queued`: there is no second list that could differ. The head blocks
//! the queue: no message overtakes it. When a message is delivered, and why it ends, is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::step::Step;
use crate::coverage::Row;
use crate::identity::{MessageId, WrapperRunId};
use crate::model::message::{Message, Outcome};
use crate::sabotage::Sabotage;

/// The messages of a session.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    messages: BTreeMap<MessageId, Message>,
    /// Those of them that have not ended.
    unfinished: BTreeSet<MessageId>,
    sabotage: Sabotage,
}

impl Queue {
    /// The messages as the store has them.
    pub fn restore(messages: Vec<Message>, sabotage: Sabotage) -> Self {
        let unfinished = messages.iter().filter(|message| {
            !message.is_terminal() && !(message.is_queued() && sabotage.loses_pending_entries())
        });
        Self {
            unfinished: unfinished.map(|message| message.id.clone()).collect(),
            messages: messages
                .into_iter()
                .map(|message| (message.id.clone(), message))
                .collect(),
            sabotage,
        }
    }

    /// A message, if there is one of that id.
    pub fn find(&self, id: &MessageId) -> Option<&Message> {
        self.messages.get(id)
    }

    /// A message that is known to be there.
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

    /// Whether the session never had a message.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether there is a message that has not ended.
    pub fn has_unfinished(&self) -> bool {
        !self.unfinished.is_empty()
    }

    /// Messages that have not ended, oldest first.
    pub fn unfinished(&self) -> impl Iterator<Item = &Message> {
        let mut unfinished: Vec<&Message> = self.unfinished.iter().map(|id| &self.messages[id]).collect();
        unfinished.sort_by_key(|message| (message.created_at, &message.id));
        unfinished.into_iter()
    }

    /// Messages that wait, in the order in which they will be delivered.
    pub fn queued(&self) -> impl Iterator<Item = &Message> {
        let kept = self.sabotage.keeps_ended_pending();
        self.unfinished()
            .filter(move |message| message.is_queued() || kept && message.is_terminal())
    }

    /// The message that is delivered next.
    pub fn head(&self) -> Option<&Message> {
        self.queued().next()
    }

    /// Messages that a wrapper took and that have not ended, oldest first.
    pub fn accepted(&self) -> impl Iterator<Item = &Message> {
        self.unfinished().filter(|message| message.is_accepted())
    }

    /// Whether there is a message that a wrapper took and that has not ended.
    pub fn has_accepted(&self) -> bool {
        self.accepted().next().is_some()
    }

    /// Messages that `run` took and that have not ended, oldest first.
    pub fn accepted_by<'a>(&'a self, run: &'a WrapperRunId) -> impl Iterator<Item = &'a Message> {
        self.accepted()
            .filter(move |message| message.accepted_by.as_ref() == Some(run))
    }

    /// Takes in a new message.
    pub fn admit(&mut self, message: Message, step: &mut Step) {
        step.write_message(&message.id);
        self.unfinished.insert(message.id.clone());
        self.messages.insert(message.id.clone(), message);
    }

    /// Changes a message that is known to be there.
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
        change(message.expect("a message that is changed exists"))
    }

    /// Ends a message. False, and nothing changes, if it has ended already: an end is final (protocol §6).
    pub fn end(&mut self, id: &MessageId, outcome: Outcome, step: &mut Step) -> bool {
        let message = &self.messages[id];
        if message.is_terminal() {
            Row::TerminalAgain.reach();
            if !step.sabotage.overwrites_terminal() {
                return false;
            }
        }
        let stays_pending = message.is_queued() && step.sabotage.keeps_ended_pending();
        self.change(id, step, |message| message.end(outcome));
        if !stays_pending {
            self.unfinished.remove(id);
        }
        true
    }

    /// Drops a message from the queue without an end.
    pub fn drop_unended(&mut self, id: &MessageId) {
        self.unfinished.remove(id);
    }
}
