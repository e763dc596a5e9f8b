//! Hearing of a panic inside a host, whichever task it is in, and whoever would have caught it.
//!
//! tokio keeps a task's panic for whoever joins the task. The only place that hears of all of them is the
//! process's panic hook, so one is put before the hook that was there: it speaks up on a thread that is
//! running a host just then, and passes every other panic on.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// The first panic since recording began on this thread; `None` while nothing is recorded.
    static RECORD: RefCell<Option<Option<String>>> = const { RefCell::new(None) };
}

/// Runs `code`, and returns the first panic that happened in it as a message with its place in the
/// source. The panic is not printed: reporting it is the caller's.
pub(super) fn recorded(code: impl FnOnce()) -> Option<String> {
    install();
    RECORD.set(Some(None));
    let outcome = panic::catch_unwind(AssertUnwindSafe(code));
    let heard = RECORD.take().flatten();
    match outcome {
        Ok(()) => heard,
        Err(_) => Some(heard.unwrap_or_else(|| "a panic that raised no message".to_owned())),
    }
}

fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let is_recorded = RECORD.try_with(|record| match &mut *record.borrow_mut() {
                Some(first) => {
                    first.get_or_insert_with(|| describe(panic));
                    true
                }
                None => false,
            });
            // A thread that is about to end has no record any more, and runs no host.
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
