//! The faults of the server's callback queue.

use std::time::Duration;

use turnstile_fault::QueueBehaviour;

use super::Faults;

impl Faults {
    /// Whether the queue may not have worked at some time in that span.
    pub fn queue_may_have_failed(&self, from: Duration, until: Duration) -> bool {
        self.of_queue(from, until).next().is_some()
    }

    /// Whether the queue may have left jobs without an answer at some time in that span.
    pub fn queue_may_have_hung(&self, from: Duration, until: Duration) -> bool {
        self.of_queue(from, until)
            .any(|behaviour| behaviour == QueueBehaviour::Away)
    }

    fn of_queue(&self, from: Duration, until: Duration) -> impl Iterator<Item = QueueBehaviour> {
        let is_then = move |(began, ended, _): &&(Duration, Option<Duration>, QueueBehaviour)| {
            *began <= until && ended.is_none_or(|ended| ended >= from)
        };
        self.queue_faults
            .iter()
            .filter(is_then)
            .map(|(.., behaviour)| *behaviour)
    }

    /// The queue has this behaviour from now on; `None` if it works again.
    pub(super) fn queue_behaves(&mut self, at: Duration, behaviour: Option<QueueBehaviour>) {
        for (_, until, _) in &mut self.queue_faults {
            until.get_or_insert(at);
        }
        let fault = behaviour.filter(|behaviour| *behaviour != QueueBehaviour::Works);
        self.queue_faults
            .extend(fault.map(|behaviour| (at, None, behaviour)));
    }
}
