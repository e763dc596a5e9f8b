//! Whole turns: scenarios of the suite with the reference server, the gateway of the harness and faults of links, and the
//! wrapper under test in the place of the fake one.
//!
//! The rules of every run judge what the wrapper sent and received, and so does the script, as far as its expectations hold
//! for every right wrapper.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use turnstile_events::observation::Observation;
use turnstile_fault::{Fault, Lapse};
use turnstile_judge::oracle::Finding;
use turnstile_judge::parties::{Secrets, WRAPPER};
use turnstile_judge::trace::{Trace, What};
use turnstile_scenarios::{
    At, Await, Condition, DEFAULT_WITHIN, Entry, Expectation, Label, Library, Moment, Scenario, Step,
};
use turnstile_seams::{Randomness, real};
use turnstile_world::live::{ServerUnderTest, StartedServer};

use super::launch::{Running, StartError};
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
/// The time after which a wrapper has noticed the end of a connection, also on a busy machine.
const NOTICED: Lapse = Lapse::from_secs(1);
/// The tolerated delay of the machine. The times of the reference server are known to be right, and are not judged here.
const LATENESS: Duration = Duration::from_secs(1);
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
        let listening = match &self.target {
            Target::Running { gateway, .. } => TcpListener::bind(gateway),
            Target::Command(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)),
        };
        let listener = listening.map_err(failed)?;
        let gateway = listener.local_addr().map_err(failed)?.to_string();
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
        live.setup.lateness = LATENESS;
        live.stand_in = Some(StandIn {
            wrapper: running.authority.clone(),
            gateway: Arc::new(listener),
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
/// wrapper's speed, and short time limits. A wrapper without latency calls the gateway before the server has its answer, so
/// a wait for a gate is also one for the acceptance of the turn. What a wrapper sends before it notices a loss is lost, so a turn
/// goes on only some time after its connection has ended.
fn for_every_wrapper(scenario: &Scenario) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.steps = with_pauses(with_acceptances(scenario.steps));
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

/// The steps, with a wait for the acceptance of a turn after each wait for its gate.
fn with_acceptances(steps: Vec<At<Step>>) -> Vec<At<Step>> {
    let mut at_gates: BTreeMap<String, At<Label>> = BTreeMap::new();
    let mut all = Vec::new();
    for step in steps {
        let sent = match &step.value {
            Step::Start(start) => Some((&start.label, &start.prompt)),
            Step::Send(send) => Some((&send.label, &send.prompt)),
            _ => None,
        };
        if let Some((label, prompt)) = sent
            && let Some(tag) = prompt.gate()
        {
            at_gates.insert(tag.to_string(), label.clone());
        }
        let gate = match &step.value {
            Step::Await(Await {
                condition: Condition::Gate(tag),
                ..
            }) => at_gates.get(&tag.value.to_string()).cloned(),
            _ => None,
        };
        let spot = step.spot;
        all.push(step);
        all.extend(gate.map(|of| At {
            value: Step::Await(Await {
                condition: Condition::Message { of, is: Moment::Sent },
                within: DEFAULT_WITHIN,
            }),
            spot,
        }));
    }
    all
}

/// The steps, with a pause before each release that follows the end of a connection at once. A wait after the release is
/// shorter by that pause, so that later times are the same.
fn with_pauses(steps: Vec<At<Step>>) -> Vec<At<Step>> {
    let mut all: Vec<At<Step>> = Vec::new();
    let (mut has_ended, mut is_paused) = (false, false);
    for mut step in steps {
        match &mut step.value {
            Step::Release(_) if has_ended => {
                let value = Step::Wait(NOTICED);
                all.push(At {
                    value,
                    spot: step.spot,
                });
                (has_ended, is_paused) = (false, true);
            }
            Step::Wait(wait) if is_paused => {
                *wait = Lapse::from(wait.saturating_sub(*NOTICED));
                (has_ended, is_paused) = (false, false);
            }
            Step::Fault(injection) => {
                has_ended |= matches!(injection.fault, Fault::Connections { .. });
                is_paused = false;
            }
            Step::Wait(_) | Step::Await(_) => (has_ended, is_paused) = (false, false),
            _ => is_paused = false,
        }
        all.push(step);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use turnstile_profile::Profile;

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
            // Every wrapper has its own pauses, and the reference server has the defaults of all else.
            let profile = Profile {
                wrapper_reconnect_pauses: vec![Duration::from_millis(1)],
                ..Profile::default()
            };
            assert_eq!(scenario.profile.first_missing_in(&profile), None, "{id}");
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
    fn a_turn_at_a_gate_is_accepted_before_the_script_goes_on() {
        let text = "scenario: a\nabout: a\nseam: turn\nsteps:\n  - start: { as: first, say: gate:hold }\n  \
            - await: { gate: hold }\n  - release: hold\n";
        let scenario = Scenario::parse(text, Path::new("a.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
        let steps = for_every_wrapper(&scenario).steps;
        assert_eq!(steps.len(), 4);
        let is_accepted = |step: &Step| match step {
            Step::Await(awaited) => {
                matches!(&awaited.condition, Condition::Message { of, is: Moment::Sent } if of.value.to_string() == "first")
            }
            _ => false,
        };
        assert!(is_accepted(&steps[2].value), "{:?}", steps[2]);
    }

    #[test]
    fn a_turn_goes_on_after_the_loss_was_noticed() {
        let text = "scenario: a\nabout: a\nseam: turn\nsteps:\n  - start: { as: first, say: gate:hold }\n  \
            - reset: { between: [wrapper, server] }\n  - release: hold\n  - wait: 9500ms\n  - wait: 2s\n";
        let scenario = Scenario::parse(text, Path::new("a.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
        let steps = with_pauses(scenario.steps);
        let waits = steps.iter().map(|step| match &step.value {
            Step::Wait(wait) => Some(wait.as_millis()),
            _ => None,
        });
        assert_eq!(
            waits.collect::<Vec<_>>(),
            [None, None, Some(1000), None, Some(8500), Some(2000)]
        );
    }

    #[test]
    fn times_and_counts_of_a_wrapper_are_not_expected() {
        let text = "scenario: a\nabout: a\nseam: turn\nsession: { callback: true }\nsteps:\n  - start: { as: first, say: idle }\n  \
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
