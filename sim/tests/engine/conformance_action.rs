//! The shell steps of the composite action in `.github/actions/conformance`, run as GitHub would.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::folders::empty_folder;
use crate::library::top;
use crate::tool::{stdout, turnstile};

/// A program in place of turnstile: it records its arguments, writes the reports, and fails if `FAILS` is set.
const PROGRAM: &str = r#"#!/bin/sh
echo "$@" >> arguments.txt
while [ $# -gt 0 ]; do
  case $1 in
    --markdown) echo '### Turnstile: FAIL' > "$2" ;;
    --annotations) echo "::error title=suite/a::text" > "$2" ;;
    --output) echo 'url = "http://127.0.0.1:1"' > "$2" ;;
  esac
  shift
done
exit "${FAILS:-0}"
"#;

/// The scripts of the action by the names of their steps.
fn scripts() -> Vec<(String, String)> {
    let file = top().join(".github/actions/conformance/action.yml");
    let text = fs::read_to_string(file).expect("the action exists");
    let steps = text.split("    - name: ").skip(1);
    let script = |step: &str| {
        let (name, rest) = step.split_once('\n')?;
        let (_, script) = rest.split_once("      run: |\n")?;
        let lines = script.lines().take_while(|line| line.starts_with("        "));
        let lines: Vec<&str> = lines.map(|line| &line[8..]).collect();
        Some((name.to_owned(), lines.join("\n")))
    };
    steps.filter_map(script).collect()
}

struct Job(PathBuf);

impl Job {
    fn new(name: &str) -> Self {
        let folder = empty_folder(name);
        let program = folder.join("turnstile");
        fs::write(&program, PROGRAM).expect("a file can be written");
        let executable = Command::new("chmod").arg("+x").arg(&program).status();
        assert!(executable.expect("there is chmod").success());
        Self(folder)
    }

    /// Runs a step with the shell options that GitHub uses.
    fn run(&self, step: &str, env: &[(&str, &str)]) -> Output {
        let (_, script) = scripts()
            .into_iter()
            .find(|(name, _)| name == step)
            .unwrap_or_else(|| panic!("the action has no step {step:?}"));
        let file = |name: &str| self.0.join(name);
        Command::new("bash")
            .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", &script])
            .current_dir(&self.0)
            .env("TURNSTILE", file("turnstile"))
            .env("GITHUB_ENV", file("env"))
            .env("GITHUB_OUTPUT", file("output"))
            .env("GITHUB_STEP_SUMMARY", file("summary"))
            .env("RUNNER_TEMP", &self.0)
            .envs(env.iter().copied())
            .output()
            .expect("there is bash")
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }
}

const PLAY: &str = "Play the scenarios";
const INPUTS: [(&str, &str); 5] = [
    ("CONFIG", "target.toml"),
    ("BASELINE", "known.toml"),
    ("FILTER", ""),
    ("MAX_SKIPPED", "60%"),
    ("OUTPUT", "conformance"),
];

#[test]
fn a_failed_run_fails_the_step_and_leaves_summary_annotations_and_reports() {
    let job = Job::new("action-play");
    let played = job.run(PLAY, &[&INPUTS[..], &[("FAILS", "1")]].concat());
    assert_eq!(played.status.code(), Some(1), "{played:?}");
    assert_eq!(
        job.text("arguments.txt"),
        "run --live --config target.toml --junit conformance/junit.xml --json conformance/report.json \
         --markdown conformance/summary.md --annotations conformance/annotations.txt --baseline known.toml \
         --max-skipped 60%\n"
    );
    assert_eq!(job.text("summary"), "### Turnstile: FAIL\n");
    let printed = String::from_utf8_lossy(&played.stdout);
    assert_eq!(printed, "::error title=suite/a::text\n");
}

#[test]
fn a_filter_lifts_the_limit_of_skips_and_empty_inputs_are_left_out() {
    let job = Job::new("action-filter");
    let mut inputs = INPUTS;
    (inputs[1].1, inputs[2].1) = ("", "suite/turn");
    let played = job.run(PLAY, &inputs);
    assert_eq!(played.status.code(), Some(0), "{played:?}");
    assert!(
        job.text("arguments.txt")
            .ends_with("--annotations conformance/annotations.txt suite/turn\n"),
        "{}",
        job.text("arguments.txt")
    );
}

#[test]
fn the_cache_holds_the_program_of_the_same_sources() {
    let job = Job::new("action-cache");
    for folder in [".github/actions/conformance", "target"] {
        fs::create_dir_all(job.0.join("checkout").join(folder)).expect("a folder can be created");
    }
    for (source, built) in [("one", "a"), ("one", "b"), ("two", "b")] {
        for (file, text) in [("main.rs", source), ("target/built", built)] {
            fs::write(job.0.join("checkout").join(file), text).expect("a file can be written");
        }
        let inputs = [("ACTION_PATH", "checkout/.github/actions/conformance")];
        let identified = job.run("Identify the program", &inputs);
        assert_eq!(identified.status.code(), Some(0), "{identified:?}");
    }
    let output = job.text("output");
    let sources: Vec<&str> = output.lines().collect();
    assert_eq!(sources.len(), 3, "{output}");
    assert!(sources[0].len() == "sources=".len() + 64, "{output}");
    assert!(sources[0] == sources[1] && sources[1] != sources[2], "{output}");
    let action = fs::read_to_string(top().join(".github/actions/conformance/action.yml"));
    let action = action.expect("the action exists");
    assert!(
        action.contains(
            "key: turnstile-${{ runner.os }}-${{ runner.arch }}-${{ steps.program.outputs.sources }}"
        )
    );
}

#[test]
fn a_given_program_is_used_and_the_target_is_probed_only_without_a_config_file() {
    let job = Job::new("action-probe");
    let program = job.0.join("turnstile").display().to_string();
    let found = job.run(
        "Build the program",
        &[("GIVEN", &program), ("ACTION_PATH", "none")],
    );
    assert_eq!(found.status.code(), Some(0), "{found:?}");
    assert_eq!(job.text("env"), format!("TURNSTILE={program}\n"));
    let inputs = [("TARGET", "http://127.0.0.1:1"), ("CONFIG", "target.toml")];
    for _ in 0..2 {
        let probed = job.run("Find out what the target can do", &inputs);
        assert_eq!(probed.status.code(), Some(0), "{probed:?}");
    }
    assert_eq!(
        job.text("arguments.txt"),
        "probe --target http://127.0.0.1:1 --output target.toml\n"
    );
}

#[test]
fn the_options_of_the_action_exist() {
    let action = top().join(".github/actions/conformance/action.yml");
    let action = fs::read_to_string(action).expect("the action exists");
    let help = |command: &str| stdout(&turnstile(&[command, "--help"]));
    let (run, probe) = (help("run"), help("probe"));
    for option in [
        "--live",
        "--config",
        "--junit",
        "--json",
        "--markdown",
        "--annotations",
        "--baseline",
        "--max-skipped",
    ] {
        assert!(action.contains(option) && run.contains(option), "{option}");
    }
    for option in ["--target", "--output"] {
        assert!(probe.contains(option), "{option}");
    }
}
