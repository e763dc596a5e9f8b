//! Selecting plays with `turnstile run`, what it plays again, its settings file, and reports on standard output.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::folders::empty_folder;
use crate::tool::{command, stderr, stdout, turnstile};

/// A script that passes, and one with an expectation that fails.
const GOOD: &str = "scenario: it holds\nabout: a\nseam: turn\nsteps:\n  - start: { as: a, say: echo:x }\n";
const BAD: &str = "scenario: it fails\nabout: a\nseam: queue\nsteps:\n  - start: { as: a, say: echo:x }\n\
                   expect:\n  - message: { of: a, is: failed }\n";

/// An empty folder for one test, as a text.
fn folder(name: &str) -> (PathBuf, String) {
    let folder = empty_folder(Path::new("runner").join(name));
    let name = folder.display().to_string();
    (folder, name)
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).expect("the folder for tests can be written to");
}

/// The tool in a folder, which remembers in that folder what failed.
fn in_folder(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = command(arguments);
    command
        .current_dir(folder)
        .env("TURNSTILE_CACHE_DIR", folder.join("cache"));
    command
}

fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    in_folder(folder, arguments)
        .output()
        .expect("the tool can be run")
}

#[test]
fn several_filters_a_file_and_exclusions_select_plays() {
    let (folder, name) = folder("selection");
    write(&folder.join("one.yaml"), GOOD);
    write(&folder.join("two.yaml"), GOOD);
    write(&folder.join("three.yaml"), GOOD);
    let listed = |arguments: &[&str]| {
        let output = turnstile(&[&["list", "--json", "--scenarios", &name], arguments].concat());
        let listed: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let ids: Vec<String> = listed
            .iter()
            .filter_map(|entry| entry["id"].as_str().map(str::to_owned))
            .collect();
        ids.join(" ")
    };
    assert_eq!(listed(&[]), "one three two");
    assert_eq!(listed(&["T*", "!THREE"]), "two");
    assert_eq!(listed(&["one", "two"]), "one two");
    let file = folder.join("two.yaml").display().to_string();
    assert_eq!(listed(&[&file]), "two");
    let output = turnstile(&["run", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = turnstile(&["run", "--scenarios", &name, "one", "no-such"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("no scenario matches \"no-such\""),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_failure_shows_its_cause_and_all_failures_are_listed_at_the_end() {
    let (folder, _) = folder("failures");
    for (name, script) in [("a-bad.yaml", BAD), ("b-good.yaml", GOOD), ("c-bad.yaml", BAD)] {
        write(&folder.join(name), script);
    }
    let output = run_in(&folder, &["run", "--scenarios", ".", "--quiet"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", stderr(&output));
    assert!(
        !text.contains("b-good"),
        "a quiet report is only about failures: {text}"
    );
    assert!(text.contains("client → server"), "{text}");
    let (_, end) = text.split_once("failures:\n").expect("they are listed");
    assert_eq!(end.matches("replay: turnstile replay ./").count(), 2, "{end}");
    assert!(
        end.trim_end()
            .lines()
            .rev()
            .nth(1)
            .is_some_and(|line| line.starts_with("1 passed, 2 failed")),
        "{end}"
    );

    let verbose = stdout(&run_in(&folder, &["run", "--scenarios", ".", "-v", "a-bad"]));
    assert!(verbose.contains("    it fails\n"), "{verbose}");
    assert!(verbose.contains("last lines of the trace"), "{verbose}");
    assert!(
        !verbose.contains("failures:"),
        "a single failure is shown once: {verbose}"
    );

    let fast = stdout(&run_in(&folder, &["run", "--scenarios", ".", "--fail-fast"]));
    assert!(fast.contains("0 passed, 1 failed"), "{fast}");
    let sharded = stdout(&run_in(&folder, &["run", "--scenarios", ".", "--shard", "1/2"]));
    assert!(sharded.contains("1 passed, 0 failed"), "{sharded}");
}

#[test]
fn what_failed_is_played_again_until_it_passes() {
    let (folder, _) = folder("again");
    write(&folder.join("bad.yaml"), BAD);
    write(&folder.join("good.yaml"), GOOD);
    let again = || run_in(&folder, &["run", "--scenarios", ".", "--last-failed"]);
    let first = run_in(&folder, &["run", "--scenarios", "."]);
    assert_eq!(first.status.code(), Some(1));
    assert!(stdout(&again()).contains("0 passed, 1 failed"));
    write(&folder.join("bad.yaml"), GOOD);
    let corrected = again();
    assert_eq!(corrected.status.code(), Some(0));
    assert!(stdout(&corrected).contains("1 passed, 0 failed"));
    let nothing = again();
    assert_eq!((nothing.status.code(), stdout(&nothing).as_str()), (Some(0), ""));
}

#[test]
fn a_settings_file_has_defaults_and_a_report_may_go_to_standard_output() {
    let (folder, _) = folder("settings");
    write(
        &folder.join("seeded.yaml"),
        &GOOD.replace("steps:", "seed: 17\nsteps:"),
    );
    write(&folder.join("other.yaml"), BAD);
    write(
        &folder.join("turnstile.toml"),
        "[run]\nscenarios = '.'\nfilters = ['!other']\n",
    );
    let output = run_in(&folder, &["run", "--json", "-"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 passed, 0 failed"));
    let report: Value = serde_json::from_slice(&output.stdout).expect("only the report is there");
    assert_eq!(report["plays"][0]["seed"], 17, "the script pins its seed");
    let replay = stdout(&run_in(&folder, &["replay", "seeded.yaml"]));
    assert!(replay.contains("seed 17"), "{replay}");
    let other = run_in(&folder, &["run", "--json", "-", "--seed", "3", "*"]);
    let report: Value = serde_json::from_slice(&other.stdout).expect("only the report is there");
    assert_eq!(
        (&report["counts"]["failed"], &report["plays"][1]["seed"]),
        (&1.into(), &3.into())
    );

    write(&folder.join("turnstile.toml"), "[run]\njob = 3\n");
    let output = run_in(&folder, &["list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("turnstile.toml: `turnstile run` has no option `job`"));
    let without = in_folder(&folder, &["list", "--scenarios", "."])
        .env("TURNSTILE_CONFIG", "")
        .output();
    assert_eq!(without.expect("the tool can be run").status.code(), Some(0));
}

#[cfg(feature = "selftest")]
#[test]
fn scenarios_are_played_against_several_mutants_which_are_listed_and_completed() {
    let breaking = "terminal-once,last-of-batch-is-representative";
    let output = turnstile(&[
        "run",
        "suite/turn/tool-loop",
        "--breaking",
        breaking,
        "-q",
        "--json",
        "-",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).expect("only the report is there");
    let plays = report["plays"].as_array().expect("there are plays");
    let failed = plays
        .iter()
        .find(|play| play["mutant"] == "terminal-once")
        .expect("it is played");
    let replay = failed["replay"].as_str().unwrap_or_default();
    assert!(replay.ends_with("--breaking terminal-once"), "{replay}");
    let listed = stdout(&turnstile(&["mutants"]));
    let completions = stdout(&turnstile(&["completions", "bash"]));
    for name in ["terminal-once", "endless-loop"] {
        assert!(listed.lines().any(|line| line.starts_with(name)), "{listed}");
        assert!(completions.contains(name));
    }
    let unknown = turnstile(&["run", "cold", "--breaking", "terminal-twice"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        stderr(&unknown).contains("did you mean terminal-once"),
        "{}",
        stderr(&unknown)
    );
}

#[test]
fn a_changed_script_is_played_again() {
    use std::io::{BufRead as _, BufReader};
    let (folder, _) = folder("watch");
    write(&folder.join("one.yaml"), GOOD);
    write(&folder.join("two.yaml"), GOOD);
    let mut tool = in_folder(&folder, &["run", "--scenarios", ".", "--watch"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the tool can be run");
    let out = BufReader::new(tool.stdout.take().expect("it is piped"));
    let mut summaries = Vec::new();
    for line in out.lines() {
        let line = line.expect("it is UTF-8");
        if line.contains(" passed, ") {
            summaries.push(line);
            match summaries.len() {
                1 => write(&folder.join("two.yaml"), BAD),
                _ => break,
            }
        }
    }
    tool.kill().expect("it runs until then");
    tool.wait().expect("it ends");
    assert!(summaries[0].starts_with("2 passed, 0 failed"), "{summaries:?}");
    assert!(summaries[1].starts_with("0 passed, 1 failed"), "{summaries:?}");
}
