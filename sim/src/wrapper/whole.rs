//! Whole turns: scenarios of the suite with the reference server, the gateway of the harness and faults of links, and the
//! wrapper under test in the place of the fake one.
//!
//! The rules of every run judge what the wrapper sent and received, and so does the script, as far as its expectations hold
//! for every right wrapper.

use std::time::Duration;

use turnstile_events::observation::Observation;
use turnstile_judge::oracle::Finding;
use turnstile_judge::parties::{Secrets, WRAPPER};
use turnstile_judge::trace::{Trace, What};
use turnstile_scenarios::{Condition, DEFAULT_WITHIN, Entry, Expectation, Library, Scenario, Step};
use turnstile_seams::{Randomness, real};
use turnstile_world::live::{ServerUnderTest, StartedServer};

use super::launch::{Running, StartError};
use super::port::free_port;
use super::rules::{OPENS, RUNS};
use super::stage::malformed;
use super::{Target, Wrapper};
use crate::live::{Live, Outcome};
use crate::role::STARTING;
use crate::role::record::Record;
use crate::script::{HarnessError, Verdict};
use crate::stage::StandIn;

/// The beginning of ids in the suite.
const SUITE: &str = "suite/";
/// The beginning of the ids of whole turns.
const WHOLE: &str = "turns/";
/// The longest scenario, in true time.
const LONGEST: Duration = Duration::from_secs(60);

/// Scenarios that need nothing of a wrapper but its duties: none sets its behaviour, its latency or its version, crashes
/// it, or depends on how fast it is. The longest come first, because plays run side by side.
pub const WHOLE_TURNS: [&str; 27] = [
    "reconnect/server-closes",
    "reconnect/wrapper-closes",
    "turn/tool-loop-interrupted",
    "reconnect/grace-runs-out",
    "reconnect/queue-outlives-the-run",
    "reconnect/inside-the-grace",
    "interrupt/wrapper-out-of-reach",
    "interrupt/mid-stream",
    "interrupt/one-run-after-another",
    "interrupt/what-runs-and-what-waits",
    "turn/cold",
    "turn/hot",
    "turn/cold-then-three-hot",
    "turn/committed-afterwards",
    "turn/crosses-the-end-of-the-run",
    "turn/empty-answer",
    "turn/rapid-fire",
    "turn/streamed-in-chunks",
    "turn/tool-loop",
    "queue/one-message-a-second",
    "queue/overflow-then-interrupt",
    "queue/repeated-after-sent",
    "queue/three-while-busy",
    "gateway/refused",
    "gateway/two-wait-for-one-release",
    "gateway/unknown-model",
    "gateway/unknown-model-behind-another",
];

/// The whole turns as entries of reports, in the order of [`WHOLE_TURNS`], as far as the library has them.
pub fn whole_turns(library: &Library) -> Vec<Entry> {
    let entry = |id: &&str| {
        let of_suite = format!("{SUITE}{id}");
        let entry = library.entries().iter().find(|entry| entry.id == of_suite)?;
        Some(Entry {
            id: format!("{WHOLE}{id}"),
            scenario: for_every_wrapper(&entry.scenario),
            ..entry.clone()
        })
    };
    WHOLE_TURNS.iter().filter_map(entry).collect()
}

impl Wrapper {
    /// Plays a whole turn with a new process of the server, and of the wrapper if it does not run already.
    ///
    /// # Errors
    ///
    /// A process cannot be started or the harness fails. Everything else is a finding.
    pub fn play_whole(&self, scenario: &Scenario, server: &StartedServer) -> Result<Verdict, HarnessError> {
        let failed = |error| HarnessError::NoServer(format!("cannot start the wrapper: {error}"));
        let gateway = match &self.target {
            Target::Running { gateway, .. } => gateway.clone(),
            Target::Command(_) => format!("127.0.0.1:{}", free_port().map_err(failed)?),
        };
        let within = self.patience * STARTING;
        let running = match Running::start(&self.target, &gateway, &self.reconnect_pauses, within) {
            Ok(running) => running,
            Err(StartError::Harness(error)) => return Err(failed(error)),
            Err(StartError::Wrapper(text)) => {
                let mut record = Record::begin();
                record.find(&RUNS, text);
                return Ok(record.into_verdict());
            }
        };
        let mut live = Live::new(
            ServerUnderTest::Started(server.clone()),
            Secrets::default(),
            1,
            LONGEST,
        );
        live.profile
            .wrapper_reconnect_pauses
            .clone_from(&self.reconnect_pauses);
        live.stand_in = Some(StandIn {
            wrapper: running.authority.clone(),
            gateway,
        });
        let outcome = live.play(scenario, seed(&real::seams().randomness));
        let ended = running.end();
        let mut verdict = match outcome {
            Outcome::Played(verdict) => *verdict?,
            Outcome::Skipped(reason) => return Err(HarnessError::NoServer(reason)),
            Outcome::Postponed => return Err(HarnessError::NoServer("it was postponed".to_owned())),
        };
        let ended = ended.map(|how| RUNS.finding(verdict.elapsed, format!("the process: {how}")));
        let wrong = first_wrong(&verdict.trace);
        verdict.findings.extend(ended.into_iter().chain(wrong));
        verdict.findings.sort_by_key(|finding| finding.at);
        Ok(verdict)
    }
}

/// A seed for ids that no other play has: a wrapper that runs already may know those.
fn seed(randomness: &Randomness) -> u64 {
    randomness.below(u64::MAX)
}

/// The first frame without the right form, or the first ingest that the server refused for its form or its token.
fn first_wrong(trace: &Trace) -> Option<Finding> {
    let records = trace.records().iter().filter(|record| *record.party == *WRAPPER);
    records
        .map(|record| (record.at, &record.what))
        .find_map(|(at, what)| {
            let (rule, text) = match what {
                What::Observation(Observation::FrameSent { frame, .. }) => malformed(frame)?,
                What::Observation(Observation::SocketRefused {
                    path,
                    status: Some(status @ (400 | 401 | 403)),
                    ..
                }) => (
                    &OPENS,
                    format!("the server refused an ingest with {status}: {path}"),
                ),
                _ => return None,
            };
            Some(rule.finding(at, text))
        })
}

/// A scenario with what every right wrapper satisfies: without counts of the agent's events, times that follow from the
/// wrapper's speed, and short time limits.
fn for_every_wrapper(scenario: &Scenario) -> Scenario {
    let mut scenario = scenario.clone();
    for step in &mut scenario.steps {
        if let Step::Await(awaited) = &mut step.value
            && !matches!(awaited.condition, Condition::Quiet(_))
        {
            awaited.within = awaited.within.max(DEFAULT_WITHIN);
        }
    }
    scenario
        .expect
        .retain_mut(|expectation| match &mut expectation.value {
            Expectation::Order(_)
            | Expectation::Message(_)
            | Expectation::Callbacks(_)
            | Expectation::Gateway(_) => true,
            Expectation::Callback(callback) => {
                (callback.at, callback.after, callback.before) = (None, None, None);
                true
            }
            Expectation::Stream(count) => count.event.starts_with("cloud."),
            Expectation::Deliveries(_)
            | Expectation::Badge(_)
            | Expectation::Snapshot(_)
            | Expectation::Ingest(_) => false,
        });
    scenario
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use turnstile_fault::Fault;

    use super::*;

    fn library() -> Library {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios"));
        Library::load(folder).expect("the suite can be loaded")
    }

    #[test]
    fn whole_turns_need_an_ordinary_wrapper() {
        let entries = whole_turns(&library());
        let ids: Vec<&str> = entries.iter().map(|entry| &entry.id[WHOLE.len()..]).collect();
        assert_eq!(ids, WHOLE_TURNS);
        for Entry { id, scenario, .. } in &entries {
            assert!(scenario.latency.is_none() && scenario.needs().is_empty(), "{id}");
            for step in &scenario.steps {
                let is_ordinary = match &step.value {
                    Step::Ingest(_) | Step::Restart(_) => false,
                    Step::Fault(injection) => {
                        matches!(injection.fault, Fault::Link { .. } | Fault::Connections { .. })
                    }
                    _ => true,
                };
                assert!(is_ordinary, "{id}: {step:?}");
            }
        }
    }

    #[test]
    fn times_and_counts_of_a_wrapper_are_not_expected() {
        let text = "scenario: a\nabout: a\nseam: turn\nsteps:\n  - start: { as: first, say: idle }\n  \
            - await: { message: first, is: completed, within: 1s }\nexpect:\n  \
            - stream: { event: message.part.delta, exactly: 1 }\n  \
            - stream: { event: cloud.message.failed, exactly: 0 }\n  - callback: { for: first, before: 2s }\n";
        let scenario = Scenario::parse(text, Path::new("a.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
        let kept = for_every_wrapper(&scenario);
        assert_eq!(kept.expect.len(), 2);
        assert!(
            matches!(&kept.expect[1].value, Expectation::Callback(callback) if callback.before.is_none())
        );
        assert!(matches!(&kept.steps[1].value, Step::Await(awaited) if awaited.within == DEFAULT_WITHIN));
    }
}
