//! Judges a client in a separate process: the harness is its server and its network.
//!
//! A client is a program that reads orders as JSON lines and prints its view. Each case starts it anew, plays a server
//! over real sockets, ends connections in different ways, and compares the view with what follows from the frames. The form of
//! the lines is described for other programs in `sim/docs/clients.md`.
//!
//! | file | content |
//! |---|---|
//! | `rules` | the rules of clients: names and texts |
//! | `cases` | the cases, and what each of them does |
//! | `stage` | what a case can do and expect |
//! | `model` | the events of the server, and the view that follows from them |
//! | `comparison` | differences of two views, by the rule that they violate |
//! | `server` | sockets and requests |
//! | `process` | the process of the client |

mod cases;
mod comparison;
mod model;
mod process;
mod rules;
mod server;
mod stage;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use turnstile_judge::oracle::history::RunContext;
use turnstile_judge::trace::Labels;
use turnstile_scenarios::{Entry, Seam, Surface};

pub use self::cases::{CASES, Case};
pub use self::rules::{ClientRule, RULES};
use self::stage::Stage;
use crate::recordings::without_steps;
use crate::script::{HarnessError, Verdict};

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
    pub fn play(&self, case: &'static Case) -> Result<Verdict, HarnessError> {
        let failed = |error: std::io::Error| HarnessError::NoServer(error.to_string());
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let played = runtime.block_on(async {
            let mut stage = Stage::start(self).await.map_err(|error| {
                HarnessError::NoServer(format!("cannot start the client `{}`: {error}", self.command))
            })?;
            // A violation is among the findings.
            let _ = (case.play)(&mut stage).await;
            Ok::<_, HarnessError>(stage.finish().await)
        });
        runtime.shutdown_background();
        let (trace, findings) = played?;
        let elapsed = trace.end();
        Ok(Verdict {
            findings,
            warnings: Vec::new(),
            unknown: Vec::new(),
            context: RunContext {
                in_real_time: true,
                profile: Arc::default(),
                ..RunContext::default()
            },
            inspection_start: trace.records().len(),
            trace,
            labels: Labels::new(),
            played: elapsed,
            elapsed,
        })
    }
}

/// The cases as entries of reports, by their ids: all whose id contains `filter`, or the one that it names exactly.
pub fn entries(filter: Option<&str>) -> Vec<(&'static Case, Entry)> {
    let is_exact = CASES.iter().any(|case| Some(case.id) == filter);
    let matches = |case: &&Case| match filter {
        Some(filter) if is_exact => case.id == filter,
        Some(filter) => case.id.contains(filter),
        None => true,
    };
    CASES
        .iter()
        .filter(matches)
        .map(|case| (case, entry(case)))
        .collect()
}

fn entry(case: &Case) -> Entry {
    Entry {
        id: case.id.to_owned(),
        path: PathBuf::new(),
        scenario: without_steps(case.title, Seam::Stream, Surface::Unified),
        text: None,
    }
}
