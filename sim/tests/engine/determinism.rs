//! The same build, seed and script give the same trace, byte for byte, within a process and across processes.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use turnstile::script::{self, Options};
use turnstile_judge::trace::Trace;

use crate::library::library;
use crate::suite_plays::{self, FIRST, SECOND};
use crate::tool::{command, scratch, stderr, stdout};

fn play(id: &str) -> Trace {
    let library = library();
    let entry = library.entries().iter().find(|entry| entry.id == id);
    let entry = entry.expect("the scenario exists");
    let verdict = script::play(&entry.scenario, Options::default());
    verdict.unwrap_or_else(|error| panic!("{id}: {error}")).trace
}

#[test]
fn equal_seeds_give_equal_traces_and_other_seeds_others() {
    let again = suite_plays::play(0..1);
    assert_eq!(again.len(), FIRST.len());
    for ((one, same), other) in FIRST.iter().zip(&again).zip(&*SECOND) {
        let id = &one.id;
        assert_eq!((id, id), (&same.id, &other.id));
        let digest = one
            .digest
            .as_ref()
            .unwrap_or_else(|error| panic!("{id}: {error}"));
        if same.digest.as_ref() != Ok(digest) {
            match play(id).first_difference(&play(id)) {
                Some(difference) => panic!("{id}: {difference}"),
                None => panic!("{id}: the traces differ in some plays"),
            }
        }
        assert_ne!(other.digest.as_ref(), Ok(digest), "{id}: the seed has no effect");
    }
}

#[test]
fn another_process_plays_the_same_traces() {
    let file = scratch("digests.json");
    let output = command(&["run", "--json"])
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
    assert_eq!(digests.len(), FIRST.len(), "{}", stdout(&output));
    for one in &*FIRST {
        let id = &one.id;
        let digest = one
            .digest
            .as_ref()
            .unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(
            digests.get(id.as_str()),
            Some(&digest.to_string().as_str()),
            "{id}: compare the traces of two processes: `turnstile replay --json`"
        );
    }
}
