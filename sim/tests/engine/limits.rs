//! Limits of the tool: input that it refuses, plays that do not end, and signals.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use turnstile::explore::{self, Exploration};
use turnstile::script::{self, Options, Verdict};
use turnstile_judge::oracle::history::History;
use turnstile_judge::oracle::judge_unfinished;
use turnstile_judge::trace::Trace;

use crate::tool::{command, scratch, stderr, stdout, turnstile};

const HEAD: &str = "scenario: t\nabout: a\nseam: turn\nsteps:\n  - start: { as: a, say: idle }\n";

/// A file of this test that does not exist yet.
fn fresh(name: &str) -> PathBuf {
    let file = scratch(name);
    let _ = fs::remove_file(&file);
    file
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of this test is UTF-8")
}

fn written(name: &str, content: &str) -> PathBuf {
    let file = scratch(name);
    fs::write(&file, content).expect("the folder for tests can be written to");
    file
}

fn refusal(arguments: &[&str]) -> String {
    let output = turnstile(arguments);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{arguments:?}: {}",
        stdout(&output)
    );
    stderr(&output)
}

#[test]
fn numbers_beyond_their_limits_are_usage_errors() {
    let script = "scenarios/suite/turn/cold.yaml";
    for (arguments, expected) in [
        (
            &["explore", "--jobs", "99999999"][..],
            "it is not a number from 1 to 1024",
        ),
        (&["run", "--jobs", "0"], "it is not a number from 1 to 1024"),
        (
            &["explore", "--shard", "0/1000001"],
            "there are at most 1000000 shards",
        ),
        (
            &["sweep", script, "--fault", "cut", "--at", "8761h"],
            "the longest duration is 8760h",
        ),
        (&["run", "--play-timeout", "0s"], "it must be longer than zero"),
        (
            &["selftest", "--seeds", "1000000001"],
            "1000000001 is not in 1..=1000000000",
        ),
    ] {
        let found = refusal(arguments);
        assert!(found.contains(expected), "{arguments:?}: {found}");
    }
}

#[test]
fn two_reports_in_one_file_are_a_usage_error() {
    let file = fresh("one-report");
    for command in [&["run", "suite/turn/cold"][..], &["explore", "--seeds", "0..1"]] {
        let reports = ["--json", text(&file), "--junit", text(&file)];
        let found = refusal(&[command, &reports].concat());
        assert!(
            found.contains("--json and") || found.contains("and --json"),
            "{found}"
        );
        assert!(found.contains("name two files"), "{found}");
        assert!(!file.exists());
    }
}

#[test]
fn what_is_not_a_script_is_refused_at_once_and_without_control_characters() {
    let pipe = fresh("pipe.yaml");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    for file in [text(&pipe), "/dev/zero"] {
        for command in ["check", "replay", "shrink", "sweep"] {
            let found = refusal(&[command, file]);
            assert!(
                found.contains("it is not a regular file"),
                "{command} {file}: {found}"
            );
        }
        let found = refusal(&["merge", file]);
        assert!(found.contains("it is not a regular file"), "{found}");
    }
    let large = written("large.yaml", &"#".repeat((4 << 20) + 1));
    assert!(refusal(&["check", text(&large)]).contains("it is larger than 4 MiB"));
    let titled = written(
        "titled.yaml",
        &HEAD.replace("scenario: t", r#"scenario: "a\e[31mb""#),
    );
    let found = refusal(&["check", text(&titled)]);
    assert!(
        found.contains("titled.yaml:1:11: `scenario` contains the control character U+001B"),
        "{found}"
    );
    let named = scratch("\u{1b}[31m.yaml");
    let found = refusal(&["check", text(&named)]);
    assert!(
        found.contains(r"\u{1b}[31m.yaml") && !found.contains('\u{1b}'),
        "{found}"
    );
}

#[test]
fn a_merged_result_with_impossible_numbers_is_a_usage_error() {
    let file = fresh("exploration.json");
    turnstile(&["explore", "--seeds", "0..1", "--json", text(&file)]);
    let whole = fs::read_to_string(&file).expect("it is written");
    for (field, value) in [("every", "0"), ("from", "18446744073709551615"), ("passed", "7")] {
        let mut changed: serde_json::Value = serde_json::from_str(&whole).expect("it is JSON");
        let value: serde_json::Value = serde_json::from_str(value).expect("it is JSON");
        if field == "passed" {
            changed[field] = value;
        } else {
            changed["parts"][0][field] = value;
        }
        let changed = written("changed.json", &changed.to_string());
        let found = refusal(&["merge", text(&changed)]);
        assert!(
            found.contains("its seeds or counts are not those of a run"),
            "{field}: {found}"
        );
    }
}

/// The flags for a server that loops in its first turn, with a limit for plays.
fn looping(limit: &str) -> [&str; 4] {
    ["--breaking", "endless-loop", "--play-timeout", limit]
}

#[test]
fn a_server_that_loops_inside_one_poll_is_a_finding() {
    let script = written("looped.yaml", HEAD);
    let json = fresh("looped.json");
    let calls: [(&[&str], i32); 3] = [
        (&["replay", text(&script)], 1),
        (&["explore", "--seeds", "0..1", "--json", text(&json)], 1),
        // It made a script.
        (&["shrink", text(&script)], 0),
    ];
    for (arguments, code) in calls {
        let output = turnstile(&[arguments, &looping("400ms")].concat());
        let all = stdout(&output) + &stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
        assert!(all.contains("server-livelock"), "{arguments:?}: {all}");
    }
    let written = fs::read(&json).expect("the report is written");
    let read: Exploration = serde_json::from_slice(&written).expect("it is a result");
    assert_eq!(read.clusters[0].rule, "server-livelock");
}

/// Where a play stops, what explains its last events may still be on its way, or in an observer's broken connection.
#[test]
fn a_correct_play_that_stops_at_any_time_is_not_accused() {
    const PARTS: usize = 16;
    for seed in 0..12 {
        let played = script::play(
            &explore::scenario(seed),
            Options {
                seed,
                ..Options::default()
            },
        );
        let Verdict { trace, context, .. } = played.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let records = trace.records();
        for part in 1..=PARTS {
            let mut beginning = Trace::new(trace.epoch());
            let count = records.len() * part / PARTS;
            for record in &records[..count] {
                beginning.push(record.clone());
            }
            let history = History::read_under(&beginning, context.clone());
            assert_eq!(judge_unfinished(&history), [], "seed {seed}, {count} records");
        }
    }
}

#[test]
fn a_play_that_takes_too_long_is_abandoned_in_silence() {
    // The second play gives the thread of the first one time to go on.
    let output = turnstile(&[
        "run",
        "stream/falls-behind",
        "--play-timeout",
        "200ms",
        "--jobs",
        "1",
    ]);
    let (out, err) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(3), "{out}{err}");
    assert!(out.contains("did not end within 0.2 s"), "{out}");
    assert!(!err.contains("panicked"), "{err}");
}

#[test]
fn the_trace_of_a_play_that_did_not_end_is_printed_up_to_its_end() {
    let script = written("looped-trace.yaml", HEAD);
    let output = turnstile(&[&["replay", text(&script)][..], &looping("400ms")].concat());
    let out = stdout(&output);
    assert!(out.contains(r#"-- line 5: {"start":"#), "{out}");
}

#[test]
fn plays_that_do_not_end_are_few() {
    let output = turnstile(
        &[
            &["explore", "--seeds", "0..100", "--keep-going", "--jobs", "2"][..],
            &looping("200ms"),
        ]
        .concat(),
    );
    let (out, err) = (stdout(&output), stderr(&output));
    assert!(
        err.contains("too many plays did not end within --play-timeout"),
        "{err}"
    );
    assert!(out.contains("stopped early"), "{out}");
}

/// A running tool, killed on drop.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let child = command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(child.expect("the tool can be run"))
    }

    /// Waits until a play is under way, which has a thread of this name.
    fn wait_for_play(&self) {
        let tasks = format!("/proc/{}/task", self.0.id());
        let is_playing = || {
            let tasks = fs::read_dir(&tasks).into_iter().flatten().flatten();
            let mut names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
            names.any(|name| name.trim() == "play")
        };
        let start = now();
        while !is_playing() {
            assert!(start.elapsed() < Duration::from_secs(60), "no play began");
            thread::yield_now();
        }
    }

    /// Sends a signal, and returns the output and the time until the end.
    fn end_with(mut self, signal: &str) -> (Output, Duration) {
        let sent = Command::new("kill")
            .args([signal, &self.0.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
        let start = now();
        let status = self.0.wait().expect("it ends");
        let took = start.elapsed();
        let mut output = Output {
            status,
            stdout: Vec::new(),
            stderr: Vec::new(),
        };
        let (out, err) = (self.0.stdout.take(), self.0.stderr.take());
        std::io::copy(&mut out.expect("it is piped"), &mut output.stdout).expect("it can be read");
        std::io::copy(&mut err.expect("it is piped"), &mut output.stderr).expect("it can be read");
        (output, took)
    }
}

/// The time in which a signal must end the tool: one second, and some for a busy machine.
const SOON: Duration = Duration::from_secs(4);

#[test]
fn one_signal_ends_an_exploration_whose_server_loops_with_its_reports() {
    for (signal, status) in [("-TERM", 143), ("-INT", 130), ("-HUP", 129)] {
        let (json, junit) = (fresh("ended.json"), fresh("ended.xml"));
        let arguments = ["explore", "--json", text(&json), "--junit", text(&junit)];
        let running = Running::start(&[&arguments[..], &looping("1h")].concat());
        running.wait_for_play();
        let (output, took) = running.end_with(signal);
        let err = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{err}");
        assert!(took < SOON, "{took:?}");
        assert!(err.contains("interrupted: the result is partial"), "{err}");
        assert!(stdout(&output).contains("0 seeds: "), "{}", stdout(&output));
        let read: Exploration =
            serde_json::from_slice(&fs::read(&json).expect("it is written")).expect("a result");
        assert!(read.is_stopped_early());
        assert!(junit.exists());
    }
}

#[test]
fn one_signal_ends_a_run_of_more_plays_than_fit_into_memory_with_its_reports() {
    let (json, junit) = (fresh("run.json"), fresh("run.xml"));
    let seeds = [
        "--seed",
        "0..18446744073709551615",
        "--json",
        text(&json),
        "--junit",
        text(&junit),
        "--jobs",
        "1024",
    ];
    let running = Running::start(&[&["run", "suite/turn/cold"][..], &seeds].concat());
    running.wait_for_play();
    let (output, took) = running.end_with("-TERM");
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert!(took < SOON, "{took:?}");
    assert!(
        stdout(&output).contains(" passed, 0 failed"),
        "{}",
        stdout(&output)
    );
    assert!(json.exists() && junit.exists());
}

#[test]
fn one_signal_ends_every_command_that_plays() {
    let script = written("ended.yaml", HEAD);
    let calls: [&[&str]; 2] = [&["replay", text(&script)], &["shrink", text(&script)]];
    for arguments in calls {
        let running = Running::start(&[arguments, &looping("1h")].concat());
        running.wait_for_play();
        let (output, took) = running.end_with("-INT");
        assert_eq!(
            output.status.code(),
            Some(130),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(took < SOON, "{arguments:?}: {took:?}");
    }
    let calls: [&[&str]; 3] = [
        &["sweep", "scenarios/suite/turn/cold.yaml"],
        &["selftest"],
        &["coverage", "--seed", "0..1000"],
    ];
    for arguments in calls {
        let running = Running::start(arguments);
        running.wait_for_play();
        let (output, took) = running.end_with("-TERM");
        assert_eq!(
            output.status.code(),
            Some(143),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(took < SOON, "{arguments:?}: {took:?}");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the tool is a process, which runs in real time"
)]
fn now() -> Instant {
    Instant::now()
}
