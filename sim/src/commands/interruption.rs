//! Ctrl-C, and other signals that ask for the end: the first one asks for the end, the second one does not wait for it.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::exit::complain;

/// The exit status of a program that was ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Whether somebody has asked for the end. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Interruption(Arc<AtomicBool>);

impl Interruption {
    /// Listens from now on.
    pub fn listen() -> Self {
        let asked = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&asked);
        let listening = ctrlc::set_handler(move || {
            if heard.swap(true, Ordering::Relaxed) {
                process::exit(INTERRUPTED);
            }
        });
        if let Err(error) = listening {
            complain(&format!(
                "Ctrl-C will end this at once and without a summary: {error}"
            ));
        }
        Self(asked)
    }

    /// Tells whoever cannot ask here.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }

    /// Prints that what follows is a part of the whole.
    pub fn note() {
        anstream::eprintln!("interrupted: this is what came of it so far");
    }

    /// Whether it was asked for.
    pub fn is_asked_for(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
