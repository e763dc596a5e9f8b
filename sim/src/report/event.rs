//! Events of a run, and the traits of reporters.

use std::io;
use std::time::Duration;

use turnstile_scenarios::Entry;

use crate::suite::Played;

/// Something that happens while scenarios are played. [`Event::Finished`] is the last event.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A play is over.
    Played {
        /// The play.
        played: &'a Played<'a>,
        /// The command that replays it.
        replay: &'a str,
    },
    /// A scenario is not played.
    Skipped {
        /// The scenario.
        entry: &'a Entry,
        /// Why it is skipped.
        reason: &'a str,
    },
    /// An entry of a baseline that no play has met.
    Stale {
        /// Its file and line.
        place: &'a str,
        /// What it is about.
        subject: &'a str,
    },
    /// All plays are over.
    Finished {
        /// Wall time on this machine.
        wall: Duration,
    },
}

/// Reports events, in the order of the plays.
pub trait Reporter {
    /// Handles the next event.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    fn report(&mut self, event: &Event) -> io::Result<()>;
}

/// A reporter whose result is one document, complete after the last event.
pub trait Document: Reporter {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// Why no document is written; `None` if one is.
    fn absence(&self) -> Option<&'static str> {
        None
    }

    /// Writes the document.
    ///
    /// # Errors
    ///
    /// As the writer fails.
    fn write(self: Box<Self>, out: &mut dyn io::Write) -> io::Result<()>;
}
