//! Collects the marks of one play.
//!
//! A collector is installed for the duration of one play on the thread of that play. It does not see plays on other
//! threads. Without a collector, marks cost nothing.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, subscriber};
use turnstile_seams::coverage::{LIST, MARK, TARGET};

use super::Mark;

/// The id of spans. It is never used, because a collector enables no spans.
const NO_SPAN: u64 = 1;

/// Runs `work` and returns the marks that it hit on this thread.
pub fn collect<T>(work: impl FnOnce() -> T) -> (T, BTreeSet<Mark>) {
    let collector = Collector::default();
    let hits = collector.hits.clone();
    let outcome = subscriber::with_default(collector, work);
    let hits = std::mem::take(&mut *hits.lock().unwrap_or_else(PoisonError::into_inner));
    (outcome, hits)
}

#[derive(Default)]
struct Collector {
    hits: Arc<Mutex<BTreeSet<Mark>>>,
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == TARGET
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // Ignores lists of other crates.
        if let Some(mark) = fields.mark() {
            self.hits
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(mark);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(NO_SPAN)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The fields of one event.
#[derive(Default)]
struct Fields {
    list: Option<String>,
    place: Option<u64>,
}

impl Fields {
    fn mark(&self) -> Option<Mark> {
        Mark::at(self.list.as_deref()?, self.place?)
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == LIST {
            self.list = Some(value.to_owned());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == MARK {
            self.place = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

#[cfg(test)]
mod tests {
    use std::thread;

    use fake_gateway::coverage::FakeEvent;
    use turnstile_reference::coverage::ServerMark;

    use super::*;

    turnstile_seams::marks! {
        /// Marks of an unknown list.
        enum Foreign in "foreign" {
            Hit: 1, "it is hit";
        }
    }

    #[test]
    fn a_collector_sees_only_the_work_of_its_own_thread() {
        let collected = |row: ServerMark, event: FakeEvent| {
            let work = || {
                row.hit();
                event.hit();
                Foreign::Hit.hit();
                tracing::trace!(list = "server", mark = 0_u64);
            };
            collect(work).1
        };
        // `tracing` caches whether a place has a subscriber. A place that is reached for the first time while a subscriber
        // is being set may stay cached without one.
        ServerMark::Drained.hit();
        FakeEvent::Idle.hit();
        let (mine, others) = thread::scope(|scope| {
            let other = scope.spawn(|| collected(ServerMark::Fed, FakeEvent::Echo));
            (collected(ServerMark::Admitted, FakeEvent::Slow), other.join())
        });
        let marks = |row, event| BTreeSet::from([Mark::of_server(row), Mark::of_fakes(event)]);
        assert_eq!(mine, marks(ServerMark::Admitted, FakeEvent::Slow));
        assert_eq!(others.unwrap(), marks(ServerMark::Fed, FakeEvent::Echo));
        assert!(collect(|| {}).1.is_empty());
    }
}
