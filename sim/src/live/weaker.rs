//! A weaker form of scenarios that crash the server at a named point of its work, for a server that can only be killed.
//!
//! The script's crash is replaced by one at a time that is drawn from the phase in which the simulated server passed the
//! point. The effects then differ from those that the script expects, so its expectations are left out: only the rules for
//! all runs are checked. A warning in the verdict says so.

use std::time::Duration;

use turnstile_fault::{CrashPoint, Fault};
use turnstile_judge::oracle::{Finding, Severity};
use turnstile_judge::parties::SERVER;
use turnstile_judge::trace::What;
use turnstile_scenarios::{Scenario, Step};
use turnstile_seams::Randomness;
use turnstile_world::Streams;

use crate::script::{SweepFault, TimedFault, Verdict};

/// The rule of the warning.
const RULE: &str = "weaker-form";
/// Label of the randomness stream for times of crashes.
const CRASH_TIME: &str = "crash-time";
/// The sweep's fault that kills the server.
const CRASH: &str = "server-crash";

/// The point of the server's work at which a step crashes it, for a crash that a kill can stand for.
fn point(step: &Step) -> Option<CrashPoint> {
    match step {
        Step::Fault(injection) => match &injection.fault {
            Fault::Host {
                host,
                at: Some(point),
                power_loss: false,
            } if host == SERVER => Some(*point).filter(|point| point.operation().is_none()),
            _ => None,
        },
        _ => None,
    }
}

/// The scenario without crashes at named points and without expectations; `None` if it has no such crash, or if a turn
/// ends only by a later step, which may come too early or too late after another crash.
pub(super) fn weakened(scenario: &Scenario) -> Option<Scenario> {
    let is_crash = |step: &Step| point(step).is_some();
    let ends_turns = |step: &Step| matches!(step, Step::Release(_) | Step::Ingest(_));
    let has = |is_meant: &dyn Fn(&Step) -> bool| scenario.steps.iter().any(|step| is_meant(&step.value));
    if !has(&is_crash) || has(&ends_turns) {
        return None;
    }
    let mut weaker = scenario.clone();
    weaker.steps.retain(|step| !is_crash(&step.value));
    weaker.expect.clear();
    weaker.tolerant = true;
    Some(weaker)
}

/// A crash at a time that is drawn from the phase between the first crash step of a scenario and its crash; `None` if the
/// server never passed the point when it was played as `rehearsed`.
pub(super) fn drawn_crash(scenario: &Scenario, rehearsed: &Verdict, seed: u64) -> Option<TimedFault> {
    let step = scenario.steps.iter().find(|step| point(&step.value).is_some())?;
    let mut records = rehearsed.trace.records().iter();
    let armed =
        records.find(|record| matches!(record.what, What::Step { line, .. } if line == step.spot.line))?;
    let crash = records.find(|record| match &record.what {
        What::World(event) => event.crashed() == Some(SERVER),
        _ => false,
    })?;
    let phase = crash.at.saturating_sub(armed.at);
    let randomness = Randomness::new(Streams::new(seed).stream(CRASH_TIME));
    let later = randomness.below(phase.as_micros() as u64 + 1);
    let kind = SweepFault::ALL.iter().find(|fault| fault.name == CRASH)?;
    Some(TimedFault {
        at: armed.at + Duration::from_micros(later),
        kind,
    })
}

/// The warning that a play had the weaker form.
pub(super) fn warning(scenario: &Scenario, crash: TimedFault) -> Finding {
    let at = crash.at.as_secs_f64();
    let point = scenario.steps.iter().find_map(|step| point(&step.value));
    let name = point.and_then(|point| serde_json::to_value(point).ok());
    let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or_default();
    Finding {
        rule: RULE.to_owned(),
        protocol: Vec::new(),
        at: crash.at,
        message: None,
        text: format!(
            "the server was killed at {at:.3} s, a time drawn from the phase in which it passes the point `{name}`; only \
             the rules for all runs were checked"
        ),
        severity: Severity::Warning,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::script::{self, Options};

    const SCRIPT: &str = "
scenario: a
about: b
seam: crash
steps:
  - start: { as: first, say: echo:a }
  - crash: { party: server, at: after-commit, restart-after: 1s }
  - await: { message: first, is: completed, within: 1m }
expect:
  - callbacks: 0
";

    fn scenario(text: &str) -> Scenario {
        Scenario::parse(text, Path::new("some.yaml")).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[test]
    fn the_crash_falls_into_the_phase_of_the_simulated_one() {
        let scenario = scenario(SCRIPT);
        let weaker = weakened(&scenario).expect("it has a crash point");
        assert_eq!(
            (weaker.steps.len(), weaker.expect.len(), weaker.tolerant),
            (2, 0, true)
        );
        assert!(weakened(&weaker).is_none());
        let rehearsed = script::play(&scenario, Options::default()).expect("the harness does not fail");
        let at = |seed| {
            drawn_crash(&scenario, &rehearsed, seed)
                .expect("the server crashes")
                .at
        };
        let drawn: Vec<Duration> = (0..20).map(at).collect();
        assert!(
            drawn.iter().all(|at| *at < Duration::from_millis(1_100)),
            "{drawn:?}"
        );
        assert!(
            drawn.iter().any(|at| *at > Duration::from_millis(100)),
            "{drawn:?}"
        );
        let crash = drawn_crash(&scenario, &rehearsed, 0).expect("the server crashes");
        let text = warning(&scenario, crash).text;
        assert!(text.contains("passes the point `after-commit`"), "{text}");
    }

    #[test]
    fn a_turn_that_ends_only_by_a_later_step_has_no_weaker_form() {
        let text = SCRIPT.replace(
            "  - await",
            "  - await: { gate: hold }\n  - release: hold\n  - await",
        );
        let text = text.replace("echo:a", "gate:hold");
        assert!(weakened(&scenario(&text)).is_none());
    }

    #[test]
    fn other_crashes_have_no_weaker_form() {
        for crash in [
            "crash: { party: server, restart-after: 1s }",
            "crash: { party: server, at: after-commit, power-loss: true, restart-after: 1s }",
        ] {
            let text = SCRIPT.replace(
                "crash: { party: server, at: after-commit, restart-after: 1s }",
                crash,
            );
            assert!(weakened(&scenario(&text)).is_none(), "{crash}");
        }
    }
}
