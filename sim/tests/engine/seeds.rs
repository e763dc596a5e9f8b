//! Exploring, replaying, shrinking and merging seeds with the command line.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use turnstile::explore::{self, Exploration};
use turnstile_scenarios::Scenario;

use crate::tool::{command, scratch, stderr, stdout, turnstile};

/// Number of compared seeds.
const SEEDS: u64 = 30;

fn digests(jobs: &str) -> Vec<String> {
    let seeds = format!("0..{SEEDS}");
    let output = turnstile(&[
        "explore",
        "--seeds",
        &seeds,
        "--digest",
        "--keep-going",
        "--jobs",
        jobs,
    ]);
    let text = stdout(&output);
    let digests = text.lines().filter(|line| line.starts_with("seed "));
    digests.map(str::to_owned).collect()
}

#[test]
fn a_seed_gives_the_same_run_in_every_process_and_with_any_number_of_jobs() {
    let alone = digests("1");
    assert_eq!(alone.len() as u64, SEEDS);
    assert_eq!(alone, digests("3"));
    for seed in [0, 17, SEEDS - 1] {
        let text = stdout(&turnstile(&["replay", &seed.to_string()]));
        let digest = text.lines().find_map(|line| line.strip_prefix("digest "));
        let expected = format!("seed {seed} {}", digest.expect("a replay ends with the digest"));
        assert_eq!(alone[seed as usize], expected);
    }
}

#[test]
fn a_replay_of_a_seed_prints_its_scenario_as_a_valid_script() {
    for seed in 0..SEEDS {
        let scenario = explore::scenario(seed);
        let text = scenario.to_yaml();
        let read = Scenario::parse(&text, Path::new("seed.yaml"));
        let read = read.unwrap_or_else(|errors| panic!("seed {seed}: {errors}\n{text}"));
        assert_eq!(read, scenario, "seed {seed}");
    }
    let text = stdout(&turnstile(&["replay", "17"]));
    let scenario = explore::scenario(17).to_yaml();
    assert!(
        text.starts_with(&format!("seed 17\noptions: --world events\n\n{scenario}")),
        "{text}"
    );
}

#[cfg(feature = "selftest")]
#[test]
fn merged_shards_equal_the_whole_run() {
    let explore = |name: &str, shard: &str| {
        let file = scratch(name);
        let arguments = ["explore", "--seeds", "0..24", "--keep-going", "--shard", shard];
        let breaking = ["--breaking", "last-of-batch-is-representative", "--json"];
        let output = command(&[&arguments[..], &breaking].concat())
            .arg(&file)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
        file
    };
    let read =
        |file: &Path| -> Exploration { serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap() };
    let whole = read(&explore("whole.json", "0/1"));
    let shards = [
        explore("one.json", "0/3"),
        explore("two.json", "1/3"),
        explore("three.json", "2/3"),
    ];
    let merged = scratch("merged.json");
    let output = command(&["merge", "--output"])
        .arg(&merged)
        .args(&shards)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let merged = read(&merged);
    assert_eq!((merged.played, merged.passed), (whole.played, whole.passed));
    assert_eq!(merged.clusters, whole.clusters);
    let twice = command(&["merge"])
        .arg(&shards[0])
        .arg(&shards[0])
        .output()
        .unwrap();
    assert_eq!(twice.status.code(), Some(2));
    assert!(stderr(&twice).contains("counted twice"));
}

#[cfg(feature = "selftest")]
#[test]
fn a_finding_of_a_guided_exploration_is_a_script_that_replays_and_shrinks() {
    let breaking = ["--breaking", "last-of-batch-is-representative"];
    let folder = scratch("guided");
    let explore = ["explore", "--guided", "--trace-lines", "0", "--scripts"];
    let found = command(&explore).arg(&folder).args(breaking).output().unwrap();
    assert_eq!(found.status.code(), Some(1), "{}", stderr(&found));
    let found = stdout(&found);
    let play = found
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("FAIL play "));
    let file = folder.join(format!("play-{}.yaml", play.expect("it is found")));
    let file = file.to_str().expect("a path of this test is UTF-8");
    let replay = format!("replay: turnstile replay {file} --breaking last-of-batch-is-representative");
    let printed = found
        .replace("cargo run -- ", "turnstile ")
        .replace("cargo run --release -- ", "turnstile ");
    assert!(printed.contains(&replay), "{found}");
    for (command, status) in [("replay", 1), ("run", 1), ("shrink", 0)] {
        let output = turnstile(&[&[command, file], &breaking[..]].concat());
        assert_eq!(
            output.status.code(),
            Some(status),
            "{command}: {}",
            stdout(&output)
        );
        let text = stdout(&output) + &stderr(&output);
        assert!(text.contains("one-callback-per-batch"), "{command}: {text}");
    }
    assert_eq!(turnstile(&["run", file]).status.code(), Some(0));
}

#[test]
fn shards_of_a_guided_exploration_can_be_merged() {
    let shard = |name: &str, shard: &str| {
        let file = scratch(name);
        let arguments = [
            "explore", "--guided", "--seeds", "0..8", "--shard", shard, "--json",
        ];
        let output = command(&arguments).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
        file
    };
    let files = [shard("guided-0.json", "0/2"), shard("guided-1.json", "1/2")];
    let merged = command(&["merge"]).args(&files).output().unwrap();
    assert_eq!(merged.status.code(), Some(0), "{}", stderr(&merged));
    let merged = stdout(&merged);
    assert!(merged.starts_with("8 plays: 8 passed"), "{merged}");
}

#[cfg(feature = "selftest")]
#[test]
fn a_failing_seed_is_shrunk_to_a_short_failing_script() {
    let breaking = ["--breaking", "last-of-batch-is-representative"];
    let found = turnstile(&[&["explore", "--trace-lines", "0"], &breaking[..]].concat());
    assert_eq!(found.status.code(), Some(1));
    let found = stdout(&found);
    let seed = found
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("FAIL seed "))
        .expect("it is found");
    let file = scratch("shrunk.yaml");
    let output = command(&[&["shrink", seed], &breaking[..], &["--output"]].concat())
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = std::fs::read_to_string(&file).unwrap();
    let script = Scenario::parse(&text, &file).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(script.steps.len() <= 10, "{text}");
    assert!(script.about.contains("one-callback-per-batch"), "{text}");
    // The script expects the violated rule only.
    let file = file.to_str().unwrap();
    assert_eq!(
        turnstile(&["replay", file, "--seed", seed]).status.code(),
        Some(0)
    );
    let nothing = turnstile(&["shrink", file, "--seed", seed]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("nothing to shrink"));
}

/// A simplified step can make later steps invalid, which are then removed.
#[cfg(feature = "selftest")]
#[test]
fn simplifying_a_step_may_remove_others() {
    let file = scratch("gate.yaml");
    // No step can be left out as it is: the second turn begins when the first one is released.
    let script = "\
scenario: a tool loop behind a gate
about: The turns run one at a time.
seam: turn
steps:
  - start: { as: m1, say: gate:hold }
  - await: { gate: hold }
  - send: { as: m2, say: tools:1:done }
  - release: hold
";
    std::fs::write(&file, script).unwrap();
    let file = file.to_str().unwrap();
    let output = turnstile(&["shrink", file, "--breaking", "terminal-once"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stdout(&output);
    assert!(
        text.starts_with("scenario: terminal-once is violated by"),
        "{text}"
    );
    let script = Scenario::parse(&text, Path::new(file)).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(script.steps.len(), 2, "{text}");
}

#[cfg(feature = "selftest")]
#[test]
fn a_closed_pipe_changes_neither_files_nor_exit_status() {
    let file = scratch("unheard.json");
    let _ = std::fs::remove_file(&file);
    let name = file.to_str().expect("a path of this test is UTF-8");
    let breaking = ["--breaking", "last-of-batch-is-representative"];
    let arguments = ["explore", "--seeds", "0..40", "--keep-going", "--json", name];
    let mut explore = command(&[&arguments[..], &breaking].concat())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tool can be run");
    drop(explore.stdout.take());
    let status = explore.wait().expect("it ends");
    assert_eq!(status.code(), Some(1));
    let written = std::fs::read(&file).expect("it is written all the same");
    let read: Exploration = serde_json::from_slice(&written).expect("it is a result");
    assert!(read.is_stopped_early() && !read.clusters.is_empty(), "{read:?}");
}

#[test]
fn an_interrupted_exploration_prints_its_summary() {
    let mut child = command(&["explore", "--minutes", "30", "--digest"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tool can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.starts_with("seed 0 "), "{line}");
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains(" seeds: "), "{rest}");
}

#[test]
fn a_script_is_swept_with_a_fault_at_each_of_its_moments() {
    let script = "scenarios/suite/turn/cold.yaml";
    let output = turnstile(&["sweep", script, "--fault", "server-crash"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let text = stdout(&output);
    assert!(text.starts_with("server-crash"), "{text}");
    let strip = text.lines().nth(1).expect("there is a strip");
    assert!(
        strip.trim().len() > 10 && strip.trim().chars().all(|mark| mark == '.'),
        "{text}"
    );
    let one = turnstile(&["sweep", script, "--fault", "server-crash", "--at", "1s 13ms"]);
    assert!(
        stdout(&one).contains(r#""event":"began","fault":{"affects":"host","host":"server""#),
        "{}",
        stdout(&one)
    );
    let unknown = turnstile(&["sweep", script, "--fault", "meteor"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("wrapper-crash"));
}

#[cfg(feature = "selftest")]
#[test]
fn a_sweep_with_pairs_finds_what_needs_two_faults_and_repeats_it() {
    let script = "scenarios/suite/turn/cold.yaml";
    let sweep = [
        "sweep",
        script,
        "--fault",
        "server-crash",
        "--breaking",
        "reconnect-cancels-grace",
    ];
    let output = turnstile(&[&sweep[..], &["--pairs"]].concat());
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", stderr(&output));
    assert!(
        text.contains("18 of 18 moments passed"),
        "one fault finds nothing: {text}"
    );
    let replay = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("replay: turnstile "));
    let replay: Vec<&str> = replay.expect("a failure has its command").split(' ').collect();
    assert!(replay.contains(&"--then-at"), "{text}");
    let again = turnstile(&replay);
    assert_eq!(again.status.code(), Some(1), "{}", stdout(&again));
}

#[test]
fn a_sweep_accuses_no_server_whose_socket_opened_late_or_whose_turn_was_reported_early() {
    for (script, fault) in [
        ("scenarios/suite/interrupt/error-text.yaml", "stall"),
        ("scenarios/suite/wrapper/contradictory-evidence.yaml", "stall"),
        ("scenarios/suite/wrapper/unfinished-reply.yaml", "server-crash"),
    ] {
        let output = turnstile(&["sweep", script, "--fault", fault]);
        assert_eq!(output.status.code(), Some(0), "{script}: {}", stdout(&output));
    }
}

#[test]
fn moments_that_are_alike_are_left_out_of_a_sweep() {
    let script = "scenarios/suite/wrapper/warm-start-fails-for-good.yaml";
    let sweep = ["sweep", script, "--fault", "reset"];
    let played = |output: &Output| -> usize {
        let text = stdout(output);
        let summary = text.lines().last().expect("there is a summary");
        let count = summary.split(' ').next().expect("it begins with a number");
        count
            .parse()
            .unwrap_or_else(|_| panic!("{text}{}", stderr(output)))
    };
    let some = turnstile(&sweep);
    let all = turnstile(&[&sweep[..], &["--all-moments"]].concat());
    assert!(stdout(&some).contains("are like others"), "{}", stdout(&some));
    assert!(played(&some) < played(&all), "{}{}", stdout(&some), stdout(&all));
}
