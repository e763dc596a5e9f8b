//! Everything that the server's crates log, at every level, as text.
//!
//! A world runs on one thread, so each thread keeps its own lines. One subscriber serves all threads: `tracing` asks
//! whether a statement is of interest once for the process, on the thread that first reaches it. While the only
//! subscriber is another thread's, the answer "no" would hold there too.

use std::cell::RefCell;
use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    /// The lines logged on this thread, while they are kept.
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Installs the subscriber of the process. A test that depends on `tracing` calls it first.
pub fn subscribe() {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        tracing::subscriber::set_global_default(Log).expect("these tests have no other subscriber");
    });
}

/// Runs `play` and returns its result with the lines that this thread logged meanwhile.
pub fn kept<T>(play: impl FnOnce() -> T) -> (T, Vec<String>) {
    subscribe();
    LINES.set(Some(Vec::new()));
    let played = play();
    (played, LINES.take().unwrap_or_default())
}

/// The subscriber of all threads.
struct Log;

/// One line, field by field.
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
        // Subscribers differ in how much of an error they print.
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
