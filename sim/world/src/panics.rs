//! Detects panics inside of a host, in whatever task they happen and whether or not they are caught.
//!
//! tokio passes a task's panic only to the task that joins it. The process's panic hook sees all panics, so
//! this file installs one in front of the existing hook. It records panics on threads that are running a
//! host, and passes all others on.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Arc, Once};

use super::death::Rest;

/// A record of panics on one thread.
#[derive(Default)]
struct Record {
    /// The first panic since recording began.
    first: Option<String>,
    /// Pauses the host that is running.
    rest: Option<Arc<Rest>>,
}

thread_local! {
    /// `None` while not recording.
    static RECORD: RefCell<Option<Record>> = const { RefCell::new(None) };
}

/// Runs `code` and returns its first panic as a message with its source location. The panic is not printed;
/// the caller reports it.
pub(super) fn recorded(code: impl FnOnce()) -> Option<String> {
    record(Record::default(), code)
}

/// As [`recorded`]. A panic also pauses the host whose tasks `code` runs, before another task runs.
pub(super) fn recorded_pausing(rest: &Arc<Rest>, code: impl FnOnce()) -> Option<String> {
    let record_of_host = Record {
        first: None,
        rest: Some(Arc::clone(rest)),
    };
    record(record_of_host, code)
}

fn record(begun: Record, code: impl FnOnce()) -> Option<String> {
    install();
    RECORD.set(Some(begun));
    let outcome = panic::catch_unwind(AssertUnwindSafe(code));
    let message = RECORD.take().and_then(|record| record.first);
    match outcome {
        Ok(()) => message,
        Err(_) => Some(message.unwrap_or_else(|| "a panic that raised no message".to_owned())),
    }
}

fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let is_recorded = RECORD.try_with(|record| match &mut *record.borrow_mut() {
                Some(Record { first, rest }) => {
                    first.get_or_insert_with(|| describe(panic));
                    if let Some(rest) = rest {
                        rest.begin();
                    }
                    true
                }
                None => false,
            });
            // A thread that is about to end no longer has this record, and runs no host.
            if !is_recorded.unwrap_or(false) {
                previous(panic);
            }
        }));
    });
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("a panic without a text");
    match panic.location() {
        Some(location) => format!("{message} (at {location})"),
        None => message.to_owned(),
    }
}
