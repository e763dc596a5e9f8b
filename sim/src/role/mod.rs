//! What judges of a single party share: the party is a process, and the harness is the rest of its world.
//!
//! | file | content |
//! |---|---|
//! | `rule` | a rule of a party: its name and text |
//! | `case` | a case, and its entry in reports |
//! | `record` | the trace and the findings of a case |
//! | `process` | the process of the party |
//! | `socket` | the harness's end of a WebSocket, and the ways in which it ends |
//!
//! The parties are `client` and `wrapper`.

pub mod case;
pub(crate) mod process;
pub(crate) mod record;
pub mod rule;
pub(crate) mod socket;

use std::time::Duration;

use tokio::runtime::Builder;

use crate::script::{HarnessError, Verdict};

/// How many times as long as everything else the start and the end of a party may take.
pub(crate) const STARTING: u32 = 6;
/// The time after which something that should not happen counts as absent.
pub(crate) const CALM: Duration = Duration::from_millis(150);

/// Runs a case on a new runtime, which ends with it.
pub(crate) fn play(
    case: impl Future<Output = Result<Verdict, HarnessError>>,
) -> Result<Verdict, HarnessError> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| HarnessError::NoServer(error.to_string()))?;
    let verdict = runtime.block_on(case);
    runtime.shutdown_background();
    verdict
}
