//! Recordings: a play that is written, read and judged again; recordings that lack records; scripts that are cut from
//! recordings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use turnstile::recordings::{cut, header_of, judge};
use turnstile::script::{self, Options, Verdict};
use turnstile::suite::Play;
use turnstile_events::observation::Observation;
use turnstile_judge::parties::{GATEWAY, RECEIVER, SERVER};
use turnstile_judge::recording::{Kind, Recording, needs};
use turnstile_judge::trace::{Record, Trace, What};
use turnstile_scenarios::{Entry, Scenario};

use crate::library::library;
use crate::tool::{scratch, stderr, stdout, turnstile};

/// Every so many scenarios of the suite, one is recorded without some of its records.
const STRIDE: usize = 50;

/// Plays a scenario, and returns the verdict with the recording as it is read from a file.
fn recorded(scenario: &Scenario, options: Options) -> (Verdict, Recording) {
    let entry = Entry {
        id: "some".to_owned(),
        path: "some.yaml".into(),
        scenario: scenario.clone(),
        text: None,
    };
    let verdict = script::play(scenario, options).expect("the harness works");
    let play = Play {
        entry: &entry,
        options,
    };
    let recording = Recording {
        header: header_of(&play, &verdict),
        trace: verdict.trace.clone(),
    };
    let mut file = Vec::new();
    recording.write(&mut file).expect("memory can be written to");
    let read = Recording::read(&*file).expect("it is a recording");
    assert_eq!(read.header, recording.header);
    assert_eq!(read.trace.digest(), recording.trace.digest());
    (verdict, read)
}

/// The kind of each record, if it is of one.
fn kinds(trace: &Trace) -> Vec<Option<Kind>> {
    let mut sockets: BTreeMap<(&str, u64), Kind> = BTreeMap::new();
    let mut exchanges: BTreeMap<(&str, u64), Kind> = BTreeMap::new();
    let records = trace.records().iter();
    records
        .map(|record| match &record.what {
            What::World(_) => Some(Kind::Faults),
            What::Queue(_) => Some(Kind::Queue),
            What::Step { .. } => None,
            What::Observation(observation) => match observation {
                Observation::RequestSent { exchange, to, .. } => {
                    let kind = match to.as_str() {
                        SERVER => Kind::Calls,
                        _ => Kind::Gateway,
                    };
                    exchanges.insert((&record.party, *exchange), kind);
                    Some(kind)
                }
                Observation::RequestReceived { exchange, .. } => {
                    let kind = match &*record.party {
                        RECEIVER => Kind::Callbacks,
                        GATEWAY => Kind::Gateway,
                        _ => Kind::Deliveries,
                    };
                    exchanges.insert((&record.party, *exchange), kind);
                    Some(kind)
                }
                Observation::ReplyReceived { exchange, .. }
                | Observation::NoReply { exchange, .. }
                | Observation::ReplySent { exchange, .. }
                | Observation::ChunkSent { exchange, .. }
                | Observation::PeerGone { exchange } => exchanges.get(&(&*record.party, *exchange)).copied(),
                Observation::SocketOpened { socket, path, .. }
                | Observation::SocketRefused { socket, path, .. } => {
                    let kind = match path.starts_with("/stream") {
                        true => Kind::Streams,
                        false => Kind::Ingest,
                    };
                    sockets.insert((&record.party, *socket), kind);
                    Some(kind)
                }
                Observation::FrameSent { socket, .. }
                | Observation::FrameReceived { socket, .. }
                | Observation::SocketClosed { socket, .. } => {
                    sockets.get(&(&*record.party, *socket)).copied()
                }
            },
        })
        .collect()
}

/// The recording without the records of some kinds, and from one record to another.
fn without(
    whole: &Recording,
    kinds: &[Option<Kind>],
    dropped: &BTreeSet<Kind>,
    span: [usize; 2],
) -> Recording {
    let mut header = whole.header.clone();
    header.records.retain(|kind| !dropped.contains(kind));
    let mut trace = Trace::new(whole.trace.epoch());
    let [from, until] = span;
    for (record, kind) in whole.trace.records()[from..until].iter().zip(&kinds[from..until]) {
        if kind.is_none_or(|kind| !dropped.contains(&kind)) {
            trace.push(Record::clone(record));
        }
    }
    Recording { header, trace }
}

/// A right server is never accused, whatever its recording lacks.
#[test]
fn a_rule_whose_records_are_missing_is_never_violated() {
    let library = library();
    let mut sets: BTreeSet<BTreeSet<Kind>> = Kind::ALL.iter().map(|kind| BTreeSet::from([*kind])).collect();
    for oracle in &turnstile_judge::oracle::ORACLES {
        let needed: BTreeSet<Kind> = needs(oracle.name).iter().copied().collect();
        sets.insert(
            Kind::ALL
                .into_iter()
                .filter(|kind| !needed.contains(kind))
                .collect(),
        );
    }
    let mut accusations = BTreeSet::new();
    let stride = STRIDE;
    for entry in library.entries().iter().step_by(stride) {
        let (verdict, recording) = recorded(&entry.scenario, Options::default());
        assert_eq!(verdict.findings, []);
        let kinds = kinds(&recording.trace);
        let length = recording.trace.records().len();
        for dropped in &sets {
            let mut spans = vec![[0, length]];
            let parts = (1..8).map(|part| length * part / 8);
            if dropped.contains(&Kind::Beginning) {
                spans.extend(parts.clone().map(|from| [from, length]));
            }
            if dropped.contains(&Kind::End) {
                spans.extend(parts.map(|until| [0, until]));
            }
            for span in spans {
                let verdict = judge(without(&recording, &kinds, dropped, span));
                for finding in verdict.findings {
                    accusations.insert(format!(
                        "{} without {dropped:?}: {}: {}",
                        finding.rule, entry.id, finding.text
                    ));
                }
            }
        }
    }
    assert!(accusations.is_empty(), "{accusations:#?}");
}

#[cfg(feature = "selftest")]
#[test]
fn a_failing_seed_is_judged_alike_from_its_recording_and_fails_alike_as_a_script() {
    use turnstile_mutants::Rule;

    for rule in [
        Rule::LastOfBatchIsRepresentative,
        Rule::FramesAreUnchanged,
        Rule::TurnHasItsAgent,
        Rule::QueueOutlivesRun,
    ] {
        let of_seed = |seed| Options {
            seed,
            subject: rule.into(),
            ..Options::default()
        };
        let failing = (0..60).find_map(|seed| {
            let (verdict, recording) = recorded(&turnstile::explore::scenario(seed), of_seed(seed));
            (!verdict.findings.is_empty()).then_some((seed, verdict, recording))
        });
        let (seed, verdict, recording) = failing.unwrap_or_else(|| panic!("no seed fails with {rule:?}"));
        let cut = cut::scenario_from(&recording, "seed").expect("it has a session");
        let again = judge(recording);
        assert_eq!(again.findings, verdict.findings, "{rule:?}, seed {seed}");
        assert_eq!(again.unknown, []);
        let text = cut.scenario.to_yaml();
        let read = Scenario::parse(&text, Path::new("cut.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(read, cut.scenario);
        let replayed = script::play(&read, of_seed(seed)).expect("the harness works");
        let rules = |verdict: &Verdict| -> BTreeSet<String> {
            verdict
                .findings
                .iter()
                .map(|finding| finding.rule.clone())
                .collect()
        };
        let (recorded, replayed) = (rules(&verdict), rules(&replayed));
        assert!(
            !recorded.is_disjoint(&replayed),
            "{rule:?}, seed {seed}: recorded {recorded:?}, replayed {replayed:?}\n{text}"
        );
        let right = Options {
            seed,
            ..Options::default()
        };
        let right = script::play(&read, right).expect("the harness works");
        assert_eq!(right.findings, [], "{rule:?}, seed {seed}\n{text}");
    }
}

#[test]
fn every_line_of_a_recording_fits_the_schema() {
    let schema = turnstile(&["schema", "recording"]);
    let schema: Value = serde_json::from_str(&stdout(&schema)).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is valid");
    for entry in library().entries().iter().step_by(STRIDE * 2) {
        let (_, recording) = recorded(&entry.scenario, Options::default());
        let mut lines = Vec::new();
        recording.write(&mut lines).expect("memory can be written to");
        for line in String::from_utf8(lines).expect("JSON is UTF-8").lines() {
            let line: Value = serde_json::from_str(line).expect("a line is JSON");
            assert!(validator.is_valid(&line), "{line}");
        }
    }
    for wrong in [
        r#"{"at_us":1,"party":"a"}"#,
        r#"{"at_us":1,"party":"a","saw":"smoke"}"#,
        "{}",
    ] {
        let wrong: Value = serde_json::from_str(wrong).expect("it is JSON");
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

#[test]
fn a_recording_is_written_judged_and_cut_on_the_command_line() {
    let [file, script, report] = ["turn.jsonl", "turn.yaml", "turn.json"].map(scratch);
    let [file, script, report] = [&file, &script, &report].map(|path| path.to_str().expect("it is UTF-8"));
    let output = turnstile(&["replay", "0", "--trace-file", file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = turnstile(&["judge", file, "--json", report]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    let text = stdout(&output);
    assert!(text.starts_with("        PASS ["), "{text}");
    assert!(text.contains("1 passed, 0 failed, 0 skipped in "), "{text}");
    assert!(text.contains(" s recorded"), "{text}");
    let output = turnstile(&["scenario-from", file, "-o", script]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for command in ["check", "replay"] {
        let output = turnstile(&[command, script]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }

    let recording = std::fs::read_to_string(file).expect("it was written");
    let some = recording
        .replacen("\"calls\",", "", 1)
        .replacen("\"faults\",", "", 1);
    std::fs::write(file, some).expect("it can be written");
    let output = turnstile(&["judge", file, "--json", report]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(
        text.contains("    unknown (not recorded: calls, faults): "),
        "{text}"
    );
    let read = std::fs::read_to_string(report).expect("it was written");
    let read: Value = serde_json::from_str(&read).expect("it is JSON");
    let unknown = read["plays"][0]["unknown"]
        .as_array()
        .expect("some rules are unknown");
    let has_reason = |unknown: &Value| unknown["reason"] == "not recorded: calls, faults";
    assert!(unknown.iter().any(has_reason), "{unknown:?}");

    let cut_off: String = recording.chars().take(recording.len() / 2).collect();
    let number = cut_off.lines().count();
    std::fs::write(file, cut_off).expect("it can be written");
    for command in ["judge", "scenario-from"] {
        let output = turnstile(&[command, file]);
        assert_eq!(output.status.code(), Some(2));
        let text = stderr(&output);
        assert!(
            text.contains(&format!("turn.jsonl: line {number}: EOF while parsing")),
            "{text}"
        );
    }
    std::fs::write(file, recording.lines().next().unwrap_or_default()).expect("it can be written");
    let output = turnstile(&["scenario-from", file]);
    assert!(
        stderr(&output).contains("no client creates a session"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_empty_recording_is_judged() {
    let library = library();
    let (_, recording) = recorded(&library.entries()[0].scenario, Options::default());
    let mut header = recording.header;
    header.records.remove(&Kind::End);
    let verdict = judge(Recording {
        header,
        trace: Trace::new(recording.trace.epoch()),
    });
    assert_eq!(verdict.findings, []);
    assert_eq!(verdict.elapsed, Duration::ZERO);
}
