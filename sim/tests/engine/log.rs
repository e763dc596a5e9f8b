//! Captures everything that the server's crates log, at every level, as text.
//!
//! A world runs on one thread, so lines are kept per thread. All threads share one subscriber: `tracing` caches whether
//! a callsite is enabled for the whole process when a thread first reaches it. A subscriber of one thread only could
//! disable the callsite for all others.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    /// The lines of this thread while capturing.
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Installs the subscriber of the process. Tests that depend on `tracing` call it first.
pub fn subscribe() {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        tracing::subscriber::set_global_default(Log).expect("these tests have no other subscriber");
    });
}

/// Runs `play` and returns its result with the lines that this thread logged.
pub fn kept<T>(play: impl FnOnce() -> T) -> (T, Vec<String>) {
    subscribe();
    LINES.set(Some(Vec::new()));
    let played = play();
    (played, LINES.take().unwrap_or_default())
}

/// The subscriber of all threads.
struct Log;

/// One line under construction.
struct Line(String);

impl Line {
    fn of(metadata: &Metadata<'_>) -> Self {
        Self(format!("{} {}:", metadata.level(), metadata.target()))
    }

    fn keep(self) {
        LINES.with_borrow_mut(|lines| lines.as_mut().map(|lines| lines.push(self.0)));
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        // Error types differ in what `Display` and `Debug` show, so keep both.
        let _ = write!(self.0, " {field}={value} ({value:?})");
        let mut source = value.source();
        while let Some(error) = source {
            let _ = write!(self.0, ": {error}");
            source = error.source();
        }
    }
}

impl Subscriber for Log {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target().starts_with("turnstile") {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("turnstile") && LINES.with_borrow(Option::is_some)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut line = Line::of(attributes.metadata());
        attributes.record(&mut line);
        line.keep();
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line("span:".to_owned());
        values.record(&mut line);
        line.keep();
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::of(event.metadata());
        event.record(&mut line);
        line.keep();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
