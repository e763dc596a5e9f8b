//! Finds out step by step what a server under test is and can do.
//!
//! Each step plays a little of the protocol against the server, with the parties of the harness in real time, and says
//! what it saw and what to change. All waits are bounded. Nothing is judged here: that a server answers is what counts.
//!
//! | file | what is in it |
//! |---|---|
//! | `contact` | the parties, requests, and waits for records of the trace |
//! | `access` | steps about addresses and secrets |
//! | `work` | steps about wrappers, turns, callbacks and retries |
//! | `output` | the file that describes the target |

mod access;
mod contact;
mod output;
mod work;

use std::collections::BTreeMap;
use std::time::Duration;

use turnstile_profile::Profile;

use self::contact::Contact;
pub use self::output::{Declaration, SecretNames, write_target};
use crate::live::Live;
use crate::script::HarnessError;

/// What a step found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It works; what was seen.
    Pass(String),
    /// It does not work; what was seen, and what to change.
    Fail(String, String),
    /// It was not tried, for this reason.
    Skip(String),
}

/// A step with what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is about.
    pub name: &'static str,
    /// What it found.
    pub outcome: Outcome,
}

/// What is known of a server after a probe, beside what was declared.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// The authority of its ingest URL, where it is not that of its own URL.
    pub ingest_authority: Option<String>,
    /// Whether it reaches the wrapper of each session below a path of its own.
    pub sandboxes: bool,
    /// The profile, as far as it can be observed.
    pub profile: Profile,
    /// Names of the steps that failed.
    pub failed: Vec<&'static str>,
}

/// One step of the probe.
struct Plan {
    name: &'static str,
    /// Steps that must have passed before.
    needs: &'static [&'static str],
    run: fn(&mut Prober) -> Result<Outcome, HarnessError>,
}

/// All steps, in order.
const PLANS: [Plan; 12] = [
    Plan {
        name: REACHABLE,
        needs: &[],
        run: Prober::reach,
    },
    Plan {
        name: USER_TOKEN,
        needs: &[REACHABLE],
        run: Prober::try_user_token,
    },
    Plan {
        name: "internal key",
        needs: &[USER_TOKEN],
        run: Prober::try_internal_key,
    },
    Plan {
        name: START,
        needs: &[USER_TOKEN],
        run: Prober::start,
    },
    Plan {
        name: STREAM,
        needs: &[START],
        run: Prober::open_stream,
    },
    Plan {
        name: WRAPPER,
        needs: &[START],
        run: Prober::meet_wrapper,
    },
    Plan {
        name: INGEST,
        needs: &[WRAPPER],
        run: Prober::open_ingest,
    },
    Plan {
        name: TURN,
        needs: &[STREAM, INGEST],
        run: Prober::end_turn,
    },
    Plan {
        name: "callback",
        needs: &[TURN],
        run: Prober::call_back,
    },
    Plan {
        name: "session health",
        needs: &[START],
        run: Prober::ask_health,
    },
    Plan {
        name: "retries",
        needs: &[TURN],
        run: Prober::count_retries,
    },
    Plan {
        name: "restart",
        needs: &[START],
        run: Prober::restart,
    },
];

const REACHABLE: &str = "reachable";
const USER_TOKEN: &str = "user token";
const START: &str = "start";
const STREAM: &str = "stream ticket";
const WRAPPER: &str = "wrapper";
const INGEST: &str = "ingest";
const TURN: &str = "turn";

/// A session that a step has created.
#[derive(Debug, Clone)]
struct Session {
    id: String,
    /// Id of its first message.
    message: String,
    /// Whether it has a callback target.
    has_callback: bool,
}

/// The state of a probe.
struct Prober {
    live: Live,
    contact: Contact,
    /// All sessions, which are deleted at the end.
    sessions: Vec<Session>,
    findings: Findings,
}

/// Probes a server, and calls `report` with each step. `live` has what is declared of it.
///
/// # Errors
///
/// The harness failed, or was interrupted.
pub fn probe(live: &Live, mut report: impl FnMut(&Step)) -> Result<Findings, HarnessError> {
    let mut prober = Prober {
        live: live.clone(),
        contact: Contact::new(live)?,
        sessions: Vec::new(),
        findings: Findings {
            profile: live.profile.clone(),
            ..Findings::default()
        },
    };
    let mut passed: BTreeMap<&str, bool> = BTreeMap::new();
    for Plan { name, needs, run } in PLANS {
        let missing = needs.iter().find(|need| passed.get(*need) != Some(&true));
        let outcome = match missing {
            Some(need) => Outcome::Skip(format!("needs the step `{need}`")),
            None => run(&mut prober)?,
        };
        if let Outcome::Fail(..) = outcome {
            prober.findings.failed.push(name);
        }
        passed.insert(name, matches!(outcome, Outcome::Pass(_)));
        report(&Step { name, outcome });
    }
    prober.clean_up()?;
    Ok(prober.findings)
}

/// The steps for a server that accepts no connection, for the reason `why`.
pub fn unreachable(why: &str, mut report: impl FnMut(&Step)) {
    for Plan { name, .. } in PLANS {
        let outcome = match name {
            REACHABLE => Outcome::Fail(why.to_owned(), "start the server, or correct its URL".to_owned()),
            _ => Outcome::Skip(format!("needs the step `{REACHABLE}`")),
        };
        report(&Step { name, outcome });
    }
}

/// A duration for people, with one decimal below ten seconds.
fn shown(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{seconds:.0} s")
    }
}
