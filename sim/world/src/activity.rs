//! What a world does at this moment, for an observer on another thread.
//!
//! A host that loops inside one poll never returns to the world, so the world itself cannot report it.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// The current activity of a world, shared with its observer. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    turns: u64,
    turn: Option<Turn>,
}

/// A host that is running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Its number in this world, from 1.
    pub number: u64,
    /// The host.
    pub host: Arc<str>,
    /// The time of the world, which stands still during a turn.
    pub at: Timestamp,
}

impl Activity {
    /// The turn that is under way; `None` between turns, and in worlds that do not report theirs.
    pub fn turn(&self) -> Option<Turn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).turn.clone()
    }

    pub(super) fn begin(&self, host: &Arc<str>, at: Timestamp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.turns += 1;
        state.turn = Some(Turn {
            number: state.turns,
            host: Arc::clone(host),
            at,
        });
    }

    pub(super) fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).turn = None;
    }
}
