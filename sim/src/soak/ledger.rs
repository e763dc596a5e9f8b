//! What was promised to clients under load, and what came of it: each message that was acknowledged ends once and
//! calls back once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// How many flaws are told in words; of more only the number is.
const TOLD_FLAWS: usize = 20;

/// The book of all messages. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    /// Messages of which something is still to come.
    open: BTreeMap<String, Entry>,
    /// Messages that have ended and called back, with the key of their callback.
    settled: BTreeMap<String, String>,
    counts: Counts,
    flaws: Vec<String>,
}

/// How much there was of what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Messages that the server has acknowledged.
    pub acked: u64,
    /// Messages that ended as they should.
    pub completed: u64,
    /// Messages that ended otherwise.
    pub not_completed: u64,
    /// Messages that called back.
    pub called_back: u64,
    /// Callbacks that came once more, with the same key.
    pub repeated_callbacks: u64,
    /// What was not right.
    pub flaws: u64,
}

#[derive(Default)]
struct Entry {
    status: Option<String>,
    /// The key of its callback.
    key: Option<String>,
    waiter: Option<oneshot::Sender<()>>,
}

impl Ledger {
    /// Notes a message that is about to be sent. What is waited for is that it has ended and called back.
    pub(super) fn open(&self, message: &str) -> oneshot::Receiver<()> {
        let (waiter, settled) = oneshot::channel();
        self.book().open.entry(message.to_owned()).or_default().waiter = Some(waiter);
        settled
    }

    /// The server has acknowledged a message.
    pub(super) fn acked(&self) {
        self.book().counts.acked += 1;
    }

    /// The server has refused a message, or has not answered: nothing is waited for.
    pub(super) fn refused(&self, message: &str, answer: &str) {
        let mut book = self.book();
        book.open.remove(message);
        book.flaw(format!("{message} was not taken: {answer}"));
    }

    /// A stream says that a message has ended.
    pub(super) fn ended(&self, message: &str, status: &str) {
        let mut book = self.book();
        if book.settled.contains_key(message) {
            return book.flaw(format!(
                "{message} was said to have ended ({status}) when that was long over"
            ));
        }
        let entry = book.open.entry(message.to_owned()).or_default();
        if let Some(first) = entry.status.replace(status.to_owned()) {
            return book.flaw(format!("{message} has ended twice: {first}, then {status}"));
        }
        match status {
            "completed" => book.counts.completed += 1,
            _ => {
                book.counts.not_completed += 1;
                book.flaw(format!("{message} has ended as {status}"));
            }
        }
        book.settle(message);
    }

    /// The receiver was called about a message.
    pub(super) fn called_back(&self, message: &str, key: &str, status: &str) {
        let mut book = self.book();
        let known = book.settled.get(message);
        let known = known.or_else(|| book.open.get(message).and_then(|entry| entry.key.as_ref()));
        if let Some(known) = known.cloned() {
            if known == key {
                book.counts.repeated_callbacks += 1;
            } else {
                book.flaw(format!(
                    "{message} has called back under two keys, {known} and {key}"
                ));
            }
            return;
        }
        if status != "completed" {
            book.flaw(format!("{message} called back with status {status}"));
        }
        book.counts.called_back += 1;
        book.open.entry(message.to_owned()).or_default().key = Some(key.to_owned());
        book.settle(message);
    }

    /// Something else was not right.
    pub(super) fn flaw(&self, text: String) {
        self.book().flaw(text);
    }

    /// Everything that has not ended or has not called back is a flaw now.
    pub(super) fn close(&self) {
        let mut book = self.book();
        for (message, entry) in std::mem::take(&mut book.open) {
            let missing = match (&entry.status, &entry.key) {
                (None, _) => "has not ended",
                (Some(_), None) => "has not called back",
                (Some(_), Some(_)) => continue,
            };
            book.flaw(format!("{message} {missing}"));
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.book().counts
    }

    /// What was not right, in words, as far as it is told.
    pub(super) fn flaws(&self) -> Vec<String> {
        self.book().flaws.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn settle(&mut self, message: &str) {
        let is_settled = |entry: &Entry| entry.status.is_some() && entry.key.is_some();
        if !self.open.get(message).is_some_and(is_settled) {
            return;
        }
        if let Some(entry) = self.open.remove(message) {
            self.settled
                .insert(message.to_owned(), entry.key.unwrap_or_default());
            if let Some(waiter) = entry.waiter {
                // Whoever waited may have given up.
                let _ = waiter.send(());
            }
        }
    }

    fn flaw(&mut self, text: String) {
        self.counts.flaws += 1;
        if self.flaws.len() < TOLD_FLAWS {
            self.flaws.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(ledger: &Ledger) -> bool {
        let mut waiting = ledger.open("m");
        ledger.acked();
        ledger.ended("m", "completed");
        assert!(waiting.try_recv().is_err(), "it has not called back");
        ledger.called_back("m", "k", "completed");
        waiting.try_recv().is_ok()
    }

    #[test]
    fn a_message_is_settled_when_it_has_ended_and_called_back() {
        let ledger = Ledger::default();
        assert!(settled(&ledger));
        ledger.called_back("m", "k", "completed");
        ledger.close();
        let counts = ledger.counts();
        assert_eq!(
            (counts.flaws, counts.repeated_callbacks, counts.called_back),
            (0, 1, 1)
        );
    }

    #[test]
    fn a_second_end_another_key_and_what_never_came_are_flaws() {
        let ledger = Ledger::default();
        assert!(settled(&ledger));
        ledger.ended("m", "failed");
        ledger.called_back("m", "other", "completed");
        drop(ledger.open("lost"));
        ledger.acked();
        ledger.close();
        let flaws = ledger.flaws();
        assert_eq!(ledger.counts().flaws, 3, "{flaws:?}");
        assert_eq!(flaws[2], "lost has not ended");
    }
}
