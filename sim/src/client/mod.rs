//! Judges a client in a separate process: the harness is its server and its network.
//!
//! A client is a program that reads orders as JSON lines and prints its view. Each case starts a new process, plays a
//! server over real sockets, ends connections in different ways, and compares the view with what follows from the frames.
//! The form of the lines is described for other programs in `sim/docs/clients.md`.
//!
//! | file | content |
//! |---|---|
//! | `rules` | the rules of clients: names and texts |
//! | `cases` | the cases, and what each of them does |
//! | `stage` | what a case can do and expect |
//! | `model` | the events of the server, and the view that follows from them |
//! | `comparison` | differences of two views, by the rule that they violate |
//! | `server` | sockets and requests |
//! | `process` | the lines that a client reads and prints |

mod cases;
mod comparison;
mod model;
mod process;
mod rules;
mod server;
mod stage;

use std::time::Duration;

use turnstile_scenarios::Seam;

pub use self::cases::CASES;
pub use self::rules::RULES;
use self::stage::Stage;
use crate::role;
use crate::role::case::Case;
use crate::script::{HarnessError, Verdict};

/// The seam of the cases, for reports.
pub const SEAM: Seam = Seam::Stream;

/// A case of clients.
pub type ClientCase = Case<Stage>;

/// A client under test.
#[derive(Debug, Clone)]
pub struct Client {
    /// The command that starts it, for a shell.
    pub command: String,
    /// How long it has to show what it should show.
    pub patience: Duration,
}

impl Client {
    /// Plays a case with a new process.
    ///
    /// # Errors
    ///
    /// The process cannot be started or the harness fails. Everything else is a finding.
    pub fn play(&self, case: &'static ClientCase) -> Result<Verdict, HarnessError> {
        role::play(async {
            let mut stage = Stage::start(self).await.map_err(|error| {
                HarnessError::NoServer(format!("cannot start the client `{}`: {error}", self.command))
            })?;
            // A violation is among the findings.
            let _ = (case.play)(&mut stage).await;
            Ok(stage.finish().await)
        })
    }
}
