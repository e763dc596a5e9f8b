//! Ctrl-C and other termination signals: the first one requests a clean end, the second one exits immediately.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::exit::print_error;

/// The exit status after a second Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Whether a signal has requested the end. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Interruption(Arc<AtomicBool>);

impl Interruption {
    /// Installs the signal handler.
    pub fn listen() -> Self {
        let asked = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&asked);
        let listening = ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::Relaxed) {
                process::exit(INTERRUPTED);
            }
        });
        if let Err(error) = listening {
            print_error(&format!(
                "cannot handle Ctrl-C, which will exit without a summary: {error}"
            ));
        }
        Self(asked)
    }

    /// The flag itself, for code that does not know this type.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Prints that the following result is partial.
    pub fn note() {
        anstream::eprintln!("interrupted: the result is partial");
    }

    /// Whether the end was requested.
    pub fn is_asked_for(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
