//! Judges a wrapper in a separate process: the harness is its session server, its network and its gateway.
//!
//! Each case starts a new process, or uses one that runs already. It plays the server's side of the wrapper's HTTP routes
//! and of its ingest over real sockets, ends connections in different ways, and compares what the wrapper answers and sends
//! with the rules. What a wrapper must do is described for other programs in `sim/docs/wrappers.md`.
//!
//! | file | content |
//! |---|---|
//! | `rules` | the rules of wrappers: names and texts |
//! | `cases` | the cases, and what each of them does |
//! | `stage`, `requests`, `steps` | what a case can do and expect; `session` the session and its fence, `port` the port of the wrapper |
//! | `turns` | what the frames say about a turn |
//! | `ingest` | the server's end of the ingest |
//! | `launch` | the process of the wrapper |
//! | `whole` | scenarios of the suite, with the reference server |

mod cases;
mod ingest;
mod launch;
mod port;
mod requests;
mod rules;
mod session;
mod stage;
mod steps;
mod turns;
mod whole;

use std::time::Duration;

use turnstile_scenarios::Seam;

pub use self::cases::CASES;
pub use self::rules::RULES;
use self::stage::Stage;
pub use self::whole::{WHOLE_TURNS, whole_turns};
use crate::role;
use crate::role::case::Case;
use crate::script::{HarnessError, Verdict};

/// The seam of the cases, for reports.
pub const SEAM: Seam = Seam::Wrapper;

/// A case of wrappers.
pub type WrapperCase = Case<Stage>;

/// Where the wrapper under test is.
#[derive(Debug, Clone)]
pub enum Target {
    /// A command that starts it, for a shell.
    Command(String),
    /// A process that runs already, and serves one case at a time.
    Running {
        /// Its authority, `host:port`.
        authority: String,
        /// The authority at which the harness must listen as its gateway.
        gateway: String,
    },
}

/// A wrapper under test.
#[derive(Debug, Clone)]
pub struct Wrapper {
    /// Where it is.
    pub target: Target,
    /// How long it has for every step.
    pub patience: Duration,
    /// Its pause before each attempt to reconnect (R11.29). Not empty.
    pub reconnect_pauses: Vec<Duration>,
}

impl Wrapper {
    /// Plays a case.
    ///
    /// # Errors
    ///
    /// The process cannot be started or the harness fails. Everything else is a finding.
    pub fn play(&self, case: &'static WrapperCase) -> Result<Verdict, HarnessError> {
        role::play(async {
            let mut stage = Stage::start(self)
                .await
                .map_err(|error| HarnessError::NoServer(format!("cannot start the wrapper: {error}")))?;
            // A violation is among the findings.
            if stage.is_up().await.is_ok() {
                let _ = (case.play)(&mut stage).await;
            }
            Ok(stage.finish())
        })
    }
}
