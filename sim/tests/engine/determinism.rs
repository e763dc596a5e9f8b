//! The same build, seed and script give the same trace, byte for byte, within a process and across processes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use tokio::runtime::Builder;
use turnstile::script::{self, Options};
use turnstile_judge::trace::Trace;
use turnstile_scenarios::Scenario;

use crate::library::library;
use crate::suite_plays::{self, FIRST, SECOND};
use crate::tool::{command, scratch, stderr, stdout};

/// The part of the suite that another process plays again, with other addresses and in another order of threads. Whatever
/// makes runs differ (time, randomness, the order of maps and threads) is in every scenario.
const SHARD: &str = "0/4";
/// Every how many scenarios one is played again in this process: earlier plays of a process have no effect.
const STRIDE: usize = 16;

/// A crash ends several requests, connections and tasks at the same instant.
const CRASH: &str = "
scenario: a party crashes at work
about: Three sessions wait for the gateway, and three callbacks for the receiver.
seam: crash
session: { callback: true }
steps:
  - receiver: { answers: [stall, stall, stall] }
  - start: { as: a, say: gate:a }
  - start: { as: b, say: gate:b, session: s2 }
  - start: { as: c, say: gate:c, session: s3 }
  - start: { as: d, say: echo:d, session: s4 }
  - start: { as: e, say: echo:e, session: s5 }
  - start: { as: f, say: echo:f, session: s6 }
  - await: { gate: a }
  - await: { gate: b }
  - await: { gate: c }
  - await: { callback: d }
  - await: { callback: e }
  - await: { callback: f }
  - crash: { party: PARTY, power-loss: POWER, restart-after: 1s }
";

fn play(id: &str) -> Trace {
    let library = library();
    let entry = library.entries().iter().find(|entry| entry.id == id);
    let entry = entry.expect("the scenario exists");
    let verdict = script::play(&entry.scenario, Options::default());
    verdict.unwrap_or_else(|error| panic!("{id}: {error}")).trace
}

#[test]
fn equal_seeds_give_equal_traces_and_other_seeds_others() {
    let library = library();
    let first = &FIRST.summaries;
    let again = suite_plays::play(library.entries().iter().step_by(STRIDE), 0).summaries;
    assert_eq!(again.len(), first.len().div_ceil(STRIDE));
    for (one, same) in first.iter().step_by(STRIDE).zip(&again) {
        let id = &one.id;
        assert_eq!(id, &same.id);
        if one.digest != same.digest {
            match play(id).first_difference(&play(id)) {
                Some(difference) => panic!("{id}: {difference}"),
                None => panic!("{id}: the traces differ in some plays"),
            }
        }
    }
    for other in &SECOND.summaries {
        let id = &other.id;
        let digest = FIRST.of(id).digest.as_ref();
        let digest = digest.unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_ne!(other.digest.as_ref(), Ok(digest), "{id}: the seed has no effect");
    }
}

#[test]
fn another_process_plays_the_same_traces() {
    let file = scratch("digests.json");
    let output = command(&["run", "--shard", SHARD, "--json"])
        .arg(&file)
        .output()
        .expect("the tool can be run");
    let report = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    let report: Value = serde_json::from_str(&report).expect("the report is JSON");
    let plays = report["plays"].as_array().expect("the report lists plays");
    let digests: BTreeMap<_, _> = plays
        .iter()
        .filter_map(|play| Some((play["id"].as_str()?, play["digest"].as_str()?)))
        .collect();
    let text = stdout(&output);
    assert_eq!(digests.len(), FIRST.summaries.len().div_ceil(4), "{text}");
    for (id, of_the_tool) in digests {
        let digest = FIRST.of(id).digest.as_ref();
        let digest = digest.unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(
            of_the_tool,
            digest.to_string(),
            "{id}: compare the traces of two processes: `turnstile replay --json`"
        );
    }
}

/// A runtime drops its tasks in an order that depends on their numbers, which the whole process counts.
#[test]
fn the_tasks_of_earlier_plays_do_not_change_what_a_crash_shows() {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    for (party, power) in ["server", "wrapper", "gateway", "receiver"]
        .into_iter()
        .flat_map(|party| [(party, "false"), (party, "true")])
    {
        let source = CRASH.replace("PARTY", party).replace("POWER", power);
        let scenario = Scenario::parse(&source, Path::new("crash.yaml")).expect("the script is right");
        let plays = (0..3).map(|before| {
            // Shifts the numbers of tasks by another amount before each play.
            for _ in 0..before {
                let task = runtime.spawn(async {});
                runtime.block_on(task).expect("it does nothing");
            }
            let verdict = script::play(&scenario, Options::default()).expect("it can be played");
            verdict.trace.digest().to_string()
        });
        let digests: BTreeSet<String> = plays.collect();
        assert_eq!(digests.len(), 1, "{party} {power}: {digests:?}");
    }
}
