//! What happened in a session as a recording and as a script.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use turnstile_judge::oracle::history::RunContext;
use turnstile_judge::recording::{Header, Kind, Recording};

use super::Playground;
use crate::recordings::cut::{self, Cut, CutError};

/// The records of a playground. The server's own queue is not seen, and the log has no inspection at an end.
const RECORDED: [Kind; 6] = [
    Kind::Calls,
    Kind::Streams,
    Kind::Deliveries,
    Kind::Ingest,
    Kind::Callbacks,
    Kind::Faults,
];
/// How late a party may be on a busy machine.
const LATENESS: Duration = Duration::from_secs(1);

/// The recording of a session.
pub(super) fn recording(playground: &Playground, session: &str) -> Recording {
    let trace = playground.log.trace_of(session);
    let settings = &playground.settings;
    let context = RunContext {
        time_error: LATENESS,
        timing_tolerance: LATENESS,
        in_real_time: true,
        secrets: vec![settings.api_secret.clone(), settings.ticket_secret.clone()],
        receiver: playground.receiver_authority.clone(),
        ..RunContext::default()
    };
    let mut records = BTreeSet::from(RECORDED);
    if playground.log.is_complete() {
        records.insert(Kind::Beginning);
    }
    Recording {
        header: Header::of(&context, trace.epoch(), records),
        trace,
    }
}

/// The script that repeats what was done in a session. Comments at its beginning say what it cannot repeat.
pub(super) fn scenario(playground: &Playground, session: &str) -> Result<String, CutError> {
    let name = format!("the session {session}");
    let Cut { scenario, left_out } = cut::scenario_from(&recording(playground, session), &name)?;
    let mut script = String::new();
    for (what, times) in left_out {
        // Writing to a string does not fail.
        let _ = writeln!(script, "# left out: {what} ({times} times)");
    }
    script += &scenario.to_yaml();
    Ok(script)
}
