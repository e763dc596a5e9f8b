//! Records of the messages under load. Each acknowledged message must end once and call back once.
//! calls back once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Limit of flaws that are kept as text; further flaws are only counted.
const MAX_FLAW_TEXTS: usize = 20;

/// Records of all messages. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Records>>);

#[derive(Default)]
struct Records {
    /// Messages that have not ended or not called back.
    open: BTreeMap<String, Entry>,
    /// Messages that ended and called back, with the idempotency key of the callback.
    settled: BTreeMap<String, String>,
    counts: Counts,
    flaws: Vec<String>,
}

/// Totals of a soak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Acknowledged messages.
    pub acked: u64,
    /// Messages that completed.
    pub completed: u64,
    /// Messages that ended with another status.
    pub not_completed: u64,
    /// Messages that called back.
    pub called_back: u64,
    /// Repeated callbacks with the same idempotency key.
    pub repeated_callbacks: u64,
    /// Detected flaws: lost or repeated ends and callbacks, failed requests, leaks.
    pub flaws: u64,
}

#[derive(Default)]
struct Entry {
    status: Option<String>,
    /// Idempotency key of the callback, once received.
    key: Option<String>,
    waiter: Option<oneshot::Sender<()>>,
}

impl Ledger {
    /// Registers a message before it is sent. The receiver resolves once the message has ended and called back.
    pub(super) fn open(&self, message: &str) -> oneshot::Receiver<()> {
        let (waiter, settled) = oneshot::channel();
        self.records().open.entry(message.to_owned()).or_default().waiter = Some(waiter);
        settled
    }

    /// Records an acknowledgement.
    pub(super) fn acked(&self) {
        self.records().counts.acked += 1;
    }

    /// Records a refused or unanswered message and stops tracking it.
    pub(super) fn refused(&self, message: &str, answer: &str) {
        let mut records = self.records();
        records.open.remove(message);
        records.flaw(format!("{message} was not acknowledged: {answer}"));
    }

    /// Records that a stream reported the end of a message.
    pub(super) fn ended(&self, message: &str, status: &str) {
        let mut records = self.records();
        if records.settled.contains_key(message) {
            return records.flaw(format!("{message} ended again ({status}) after it was settled"));
        }
        let entry = records.open.entry(message.to_owned()).or_default();
        if let Some(first) = entry.status.replace(status.to_owned()) {
            return records.flaw(format!("{message} ended twice: {first}, then {status}"));
        }
        match status {
            "completed" => records.counts.completed += 1,
            _ => {
                records.counts.not_completed += 1;
                records.flaw(format!("{message} ended with status {status}"));
            }
        }
        records.settle(message);
    }

    /// Records a callback for a message.
    pub(super) fn called_back(&self, message: &str, key: &str, status: &str) {
        let mut records = self.records();
        let known = records.settled.get(message);
        let known = known.or_else(|| records.open.get(message).and_then(|entry| entry.key.as_ref()));
        if let Some(known) = known.cloned() {
            if known == key {
                records.counts.repeated_callbacks += 1;
            } else {
                records.flaw(format!(
                    "{message} called back with two idempotency keys: {known} and {key}"
                ));
            }
            return;
        }
        if status != "completed" {
            records.flaw(format!("{message} called back with status {status}"));
        }
        records.counts.called_back += 1;
        records.open.entry(message.to_owned()).or_default().key = Some(key.to_owned());
        records.settle(message);
    }

    /// Records any other flaw.
    pub(super) fn flaw(&self, text: String) {
        self.records().flaw(text);
    }

    /// Records a flaw for every message that has not ended or not called back.
    pub(super) fn close(&self) {
        let mut records = self.records();
        for (message, entry) in std::mem::take(&mut records.open) {
            let missing = match (&entry.status, &entry.key) {
                (None, _) => "has not ended",
                (Some(_), None) => "has not called back",
                (Some(_), Some(_)) => continue,
            };
            records.flaw(format!("{message} {missing}"));
        }
    }

    pub(super) fn counts(&self) -> Counts {
        self.records().counts
    }

    /// Returns the texts of the flaws, up to `MAX_FLAW_TEXTS`.
    pub(super) fn flaws(&self) -> Vec<String> {
        self.records().flaws.clone()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    fn settle(&mut self, message: &str) {
        let is_settled = |entry: &Entry| entry.status.is_some() && entry.key.is_some();
        if !self.open.get(message).is_some_and(is_settled) {
            return;
        }
        if let Some(entry) = self.open.remove(message) {
            self.settled
                .insert(message.to_owned(), entry.key.unwrap_or_default());
            if let Some(waiter) = entry.waiter {
                // The client may have timed out.
                let _ = waiter.send(());
            }
        }
    }

    fn flaw(&mut self, text: String) {
        self.counts.flaws += 1;
        if self.flaws.len() < MAX_FLAW_TEXTS {
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
    fn a_second_end_a_second_key_and_a_missing_end_are_flaws() {
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
