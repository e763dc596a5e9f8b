//! `turnstile why`: where the cause of a failure is, of a seed and of a script; and the same in a report, with `--why`.

use std::fs;

use serde_json::Value;

use crate::tool::{scratch, stderr, stdout, turnstile};

/// Keeps the tests cheap. The curve is coarse.
const COARSE: [&str; 4] = ["--variations", "3", "--moments", "4"];
/// A mutant that seed 0 detects, and the oracle.
const BREAKING: [&str; 2] = ["--breaking", "last-of-batch-is-representative"];
const ORACLE: &str = "one-callback-per-batch";

#[test]
fn the_curve_of_a_seed_is_printed_and_written_and_its_moment_is_marked() {
    let [curve, timeline] = ["why-curve.json", "why-timeline.html"].map(scratch);
    let [curve, timeline] =
        [&curve, &timeline].map(|file| file.to_str().expect("a path of this test is UTF-8"));
    let files = ["--json", curve, "--timeline", timeline];
    let output = turnstile(&[&["why", "0", "--oracle", ORACLE], &COARSE[..], &BREAKING, &files].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let printed = stdout(&output);
    assert!(printed.starts_with(ORACLE), "{printed}");
    let written: Value = serde_json::from_str(&fs::read_to_string(curve).unwrap()).unwrap();
    assert_eq!(written["rule"], ORACLE);
    let moments = written["moments"].as_array().expect("it has moments");
    let last = moments.last().expect("it has moments");
    assert_eq!(last["failed"], last["of"]);
    assert_eq!(last["of"], 6, "the probes are played in any case");
    let jump = &written["jump"];
    assert!(jump["isNarrow"].is_boolean() && jump["afterUs"].as_u64() < jump["atUs"].as_u64());
    let page = fs::read_to_string(timeline).unwrap();
    let is_marked = page.contains("inevitable from here");
    assert_eq!(is_marked, jump["isClear"] == true, "{jump}");
}

#[test]
fn a_script_is_explained_and_its_curve_goes_to_standard_output() {
    let file = scratch("why.yaml");
    let file = file.to_str().expect("a path of this test is UTF-8");
    let shrunk = turnstile(&[&["shrink", "0", "--output", file], &BREAKING[..]].concat());
    assert_eq!(shrunk.status.code(), Some(0), "{}", stderr(&shrunk));
    let output = turnstile(&[&["why", file, "--json", "-"], &COARSE[..], &BREAKING].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let written: Value = serde_json::from_slice(&output.stdout).expect("only the curve is there");
    assert_eq!(written["rule"], ORACLE);
    assert!(stderr(&output).contains(ORACLE));
}

#[test]
fn what_cannot_be_explained_is_a_usage_error() {
    let refused = [
        (vec!["why", "0"], "there is no failure to explain"),
        (vec!["why", "no-such.yaml"], "no-such.yaml"),
        (vec!["why", "0", "--seed", "1"], "apply only to scripts"),
        (
            [&["why", "0", "--oracle", "terminal-once"], &BREAKING[..]].concat(),
            "terminal-once is not violated, but one-callback-per-batch",
        ),
    ];
    for (arguments, said) in refused {
        let output = turnstile(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            stderr(&output).contains(said),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_report_shows_the_moment_of_the_first_failure_of_each_kind() {
    let folder = scratch("why-report");
    let path = folder.to_str().expect("a path of this test is UTF-8");
    let file = scratch("why-report.html");
    let file = file.to_str().expect("a path of this test is UTF-8");
    let script = "suite/callback/two-batches";
    let plays = ["run", script, "--seed", "0..2", "-q", "--report", path, "--why=1"];
    let seeds = ["explore", "--seeds", "0..1", "-q", "--report", file, "--why=1"];
    for (arguments, pages) in [(&plays[..], folder.join("plays")), (&seeds, file.into())] {
        let output = turnstile(&[arguments, &BREAKING].concat());
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let files = match pages.is_dir() {
            true => fs::read_dir(pages)
                .unwrap()
                .map(|page| page.unwrap().path())
                .collect(),
            false => vec![pages],
        };
        let pages = files.iter().map(|file| fs::read_to_string(file).unwrap());
        let with_moment = pages.filter(|page| page.contains("Moment of the failure"));
        assert_eq!(with_moment.count(), 1, "{arguments:?}");
    }
    let report = fs::read_to_string(folder.join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["plays"][0]["why"]["rule"], ORACLE);
    assert!(report["plays"][1].get("why").is_none(), "it is of the same kind");

    for refused in [
        &["run", script, "--why"][..],
        &["run", script, "--report", path, "--why", "--live"],
    ] {
        let output = turnstile(refused);
        assert_eq!(output.status.code(), Some(2), "{refused:?}: {}", stderr(&output));
    }
}
