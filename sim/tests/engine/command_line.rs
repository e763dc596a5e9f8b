//! The command line of the tool: output and exit status.

use std::path::PathBuf;

use crate::tool::{scratch, stderr, stdout, turnstile};

/// Writes a script for this test.
fn script(name: &str, text: &str) -> PathBuf {
    let file = scratch(name);
    std::fs::write(&file, text).expect("the folder for tests can be written to");
    file
}

#[test]
fn passed_scenarios_are_lines_and_the_exit_status_is_0() {
    let output = turnstile(&["run", "suite/turn/cold"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("        PASS ["), "{text}");
    assert!(text.contains("s] suite/turn/cold "), "{text}");
    assert!(text.contains("2 passed, 0 failed, 0 skipped in "), "{text}");
    assert!(!text.contains('\u{1b}'), "colours in a pipe: {text:?}");
}

#[test]
fn a_filter_without_a_match_is_a_usage_error() {
    let output = turnstile(&["run", "no-such-scenario"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no scenario matches \"no-such-scenario\""));
}

#[test]
fn wrong_usage_exits_with_2() {
    let calls: [&[&str]; 7] = [
        &["frobnicate", "x"],
        &["run", "--seed", "x"],
        &["replay"],
        // Options without an effect in this mode.
        &["run", "--live", "--seed", "1"],
        &["run", "--live", "--target", "http://127.0.0.1:9", "--jobs", "2"],
        &["run", "--config", "target.toml"],
        &["run", "--speed", "2"],
    ];
    for arguments in calls {
        assert_eq!(turnstile(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn an_error_in_the_file_of_a_target_has_its_place() {
    let secrets = "[secrets]\napi = \"NOT_SET_FOR_THIS_TEST\"\n";
    let with_secrets = format!("url = \"http://127.0.0.1:9\"\n{secrets}");
    for (text, said) in [
        ("urls = 1\n", "target.toml:1:1: unknown field `urls`"),
        (
            "[secrets]\n",
            "target.toml has no `url`: add one, or set --target",
        ),
        ("url = \"127.0.0.1:9\"\n", "expected a URL without a path"),
        (
            "url = \"http://127.0.0.1:9\"\n",
            "target.toml names no variable for `secrets.api`",
        ),
        (
            &with_secrets,
            "target.toml:3:7: the environment variable `NOT_SET_FOR_THIS_TEST` is not set",
        ),
    ] {
        let file = script("target.toml", text);
        let name = file.to_str().expect("a path of this test is UTF-8");
        let output = turnstile(&["run", "--live", "--config", name]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(stderr(&output).contains(said), "{text}: {}", stderr(&output));
    }
}

#[test]
fn a_baseline_is_written_and_a_difference_from_it_fails_the_run() {
    let write = |script: &str| library("baseline", &[("one.yaml", script)]);
    let folder = write(WRONG);
    let known = folder.join("known.toml");
    // A run of an earlier test may have left it.
    let _ = std::fs::remove_file(&known);
    let path = |path: &PathBuf| path.to_str().expect("a path of this test is UTF-8").to_owned();
    let (folder, file) = (path(&folder), path(&known));
    let run = |more: &[&str]| {
        let output = turnstile(&[&["run", "--scenarios", &folder, "--baseline", &file], more].concat());
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let (code, _, errors) = run(&[]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("--update-baseline writes a new one"), "{errors}");
    let (code, out, errors) = run(&["--update-baseline"]);
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(errors.contains("updated "), "{errors}");
    let (code, out, errors) = run(&[]);
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(out.contains("XFAIL"), "{out}");
    assert!(
        out.contains("0 passed, 0 failed, 1 failed as expected, 0 skipped in "),
        "{out}"
    );
    write(&WRONG.replace("is: failed", "is: completed"));
    let (code, out, _) = run(&[]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("XPASS"), "{out}");
    assert_eq!(run(&["--update-baseline"]).0, Some(0));
    assert_eq!(run(&[]).0, Some(0));
}

#[test]
fn an_invalid_script_is_reported_with_file_line_and_column() {
    let file = script(
        "mistake.yaml",
        "scenario: t\nabout: a\nseam: turn\nsteps:\n  - start: { as: a, say: idle }\n  - frob: 1\n",
    );
    for command in ["check", "replay"] {
        let output = turnstile(&[command, file.to_str().expect("a path of this test is UTF-8")]);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr(&output).contains("mistake.yaml:6:5: unknown word `frob`"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn a_failure_has_place_message_and_replay_command_and_exits_with_1() {
    let file = script(
        "wrong.yaml",
        "scenario: t\nabout: a\nseam: turn\nsteps:\n  - start: { as: a, say: echo:x }\n\
         expect:\n  - message: { of: a, is: failed }\n",
    );
    let name = file.to_str().expect("a path of this test is UTF-8");
    let output = turnstile(&["replay", name, "--seed", "3"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("expectation at line 7 at "), "{text}");
    assert!(
        text.contains("`a` ended with status \"completed\", not \"failed\""),
        "{text}"
    );
    assert!(
        text.contains(&format!("replay: turnstile replay {name} --seed 3")),
        "{text}"
    );
}

#[cfg(feature = "witness")]
#[test]
fn a_replay_in_the_witness_has_the_same_finding_and_its_own_replay_command() {
    let file = script(
        "witnessed.yaml",
        "scenario: t\nabout: a\nseam: turn\nsteps:\n  - start: { as: a, say: echo:x }\n\
         expect:\n  - message: { of: a, is: failed }\n",
    );
    let name = file.to_str().expect("a path of this test is UTF-8");
    let [first, witnessed] = ["events", "witness"].map(|world| {
        // The witness needs seconds of CPU time, which may be half a minute on a busy machine.
        let output = turnstile(&["replay", name, "--world", world, "--play-timeout", "5m"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        stdout(&output)
    });
    let again = format!("replay: turnstile replay {name} --seed 0");
    for text in [&first, &witnessed] {
        assert!(
            text.contains("`a` ended with status \"completed\", not \"failed\""),
            "{text}"
        );
    }
    assert!(first.contains(&format!("{again}\n")), "{first}");
    assert!(
        witnessed.contains(&format!("{again} --world witness\n")),
        "{witnessed}"
    );
}

#[test]
fn a_replay_uses_the_requested_surface_if_the_script_supports_it() {
    let file = script(
        "both.yaml",
        "scenario: t\nabout: a\nseam: turn\napi: [unified, legacy]\nsteps:\n\
         \x20 - start: { as: a, say: idle }\nexpect:\n  - gateway: { waiters: 1 }\n",
    );
    let name = file.to_str().expect("a path of this test is UTF-8");
    let output = turnstile(&["replay", name, "--api", "legacy"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.starts_with("t (legacy)\n"), "{text}");
    assert!(text.contains("POST /trpc/prepareSession"), "{text}");
    assert!(
        text.contains(&format!("replay: turnstile replay {name} --seed 0 --api legacy")),
        "{text}"
    );
    assert!(!stdout(&turnstile(&["replay", name])).contains("prepareSession"));

    let unified = turnstile(&[
        "replay",
        "scenarios/suite/legacy/three-forms.yaml",
        "--api",
        "legacy",
    ]);
    let unknown = turnstile(&["replay", name, "--api", "newer"]);
    for (output, text) in [
        (unified, "does not support the legacy surface"),
        (unknown, "allowed: unified, legacy"),
    ] {
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(text), "{}", stderr(&output));
    }
}

#[test]
fn a_failed_step_is_reported_with_its_line() {
    let file = script(
        "impatient.yaml",
        "scenario: t\nabout: a\nseam: turn\nsteps:\n  - start: { as: a, say: hang }\n\
         \x20 - await: { message: a, is: completed, within: 5s }\n",
    );
    let output = turnstile(&["replay", file.to_str().expect("a path of this test is UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("step at line 6 at "), "{text}");
    assert!(
        text.contains("within 5s `a` was not seen completed; it was last seen sent"),
        "{text}"
    );
}

#[test]
fn a_trace_can_be_printed_as_json_lines() {
    let output = turnstile(&["replay", "--json", "scenarios/suite/turn/cold.yaml"]);
    assert_eq!(output.status.code(), Some(0));
    for line in stdout(&output).lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("every line is JSON");
        assert!(record["at_us"].is_u64() && record["party"].is_string(), "{line}");
    }
}

#[test]
fn scenarios_are_listed_with_their_titles_and_the_schema_is_json() {
    let listed = stdout(&turnstile(&["list", "turn"]));
    assert!(
        listed.lines().any(|line| line.starts_with("suite/turn/cold ")),
        "{listed}"
    );
    let schema = stdout(&turnstile(&["schema"]));
    assert!(serde_json::from_str::<serde_json::Value>(&schema).is_ok());
}

/// A script with an expectation that fails.
const WRONG: &str = "scenario: t\nabout: a\nseam: turn\nsteps:\n  - start: { as: a, say: echo:x }\n\
                     expect:\n  - message: { of: a, is: failed }\n";

/// Writes a library whose suite has these scripts.
fn library(name: &str, scripts: &[(&str, &str)]) -> PathBuf {
    let folder = scratch(name);
    let suite = folder.join("suite");
    std::fs::create_dir_all(&suite).expect("the folder for tests can be written to");
    for (script, text) in scripts {
        std::fs::write(suite.join(script), text).expect("the folder for tests can be written to");
    }
    folder
}

#[test]
fn reports_are_written_after_a_failure_too() {
    let good = WRONG.replace("is: failed", "is: completed");
    let folder = library("reports", &[("bad.yaml", WRONG), ("good.yaml", &good)]);
    let file = |name: &str| folder.join(name).display().to_string();
    let (junit, json, timeline) = (file("junit.xml"), file("report.json"), file("timeline.html"));
    let output = turnstile(&[
        "run",
        "--scenarios",
        &folder.display().to_string(),
        "--junit",
        &junit,
        "--json",
        &json,
        "--timeline",
        &timeline,
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");

    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let junit = quick_junit::Report::deserialize_from_str(&read(&junit)).expect("it is JUnit's XML");
    assert_eq!((junit.tests, junit.failures, junit.errors), (2, 1, 0));
    assert_eq!(junit.test_suites[0].name.as_str(), "turn");

    let report: serde_json::Value = serde_json::from_str(&read(&json)).expect("it is JSON");
    assert_eq!(report["counts"]["failed"], 1);
    assert_eq!(report["plays"][0]["outcome"], "failed");
    assert_eq!(report["plays"][0]["findings"][0]["message"]["label"], "a");
    let replay = report["plays"][0]["replay"].as_str().expect("there is a command");
    let arguments: Vec<&str> = replay.split(' ').skip(1).collect();
    assert_eq!(
        turnstile(&arguments).status.code(),
        Some(1),
        "{replay} plays it again"
    );

    let page = read(&timeline);
    assert!(
        page.contains("suite/bad") && !page.contains("suite/good"),
        "the failed one is drawn"
    );
}

/// Runs `explore` with a JUnit report; returns the report and the exit status.
fn junit_of_seeds(name: &str, more: &[&str]) -> (quick_junit::Report, Option<i32>) {
    let file = scratch(name);
    let _ = std::fs::remove_file(&file);
    let name = file.to_str().expect("a path of this test is UTF-8");
    let output = turnstile(&[&["explore", "--junit", name], more].concat());
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    let report = quick_junit::Report::deserialize_from_str(&text).expect("it is JUnit's XML");
    (report, output.status.code())
}

#[test]
fn passed_seeds_are_one_junit_case_with_figures() {
    let (report, code) = junit_of_seeds("passed-seeds.xml", &["--seeds", "0..8", "--shard", "1/2"]);
    assert_eq!(code, Some(0));
    assert_eq!((report.tests, report.failures, report.errors), (1, 0, 0));
    let suite = &report.test_suites[0];
    assert_eq!(suite.name.as_str(), "seeds");
    assert_eq!(suite.test_cases[0].name.as_str(), "seeds 1..8 by 2");
    let passed = suite
        .properties
        .iter()
        .find(|property| property.name.as_str() == "seeds_passed");
    assert_eq!(passed.expect("it is reported").value.as_str(), "4");
}

#[cfg(feature = "selftest")]
#[test]
fn each_kind_of_finding_is_a_junit_case_with_replay_command_and_trace() {
    let arguments = "--seeds 0..40 --keep-going --sequence-lines 0 --trace-lines 3";
    let arguments = format!("{arguments} --breaking last-of-batch-is-representative");
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let (report, code) = junit_of_seeds("broken-seeds.xml", &arguments);
    assert_eq!(code, Some(1));
    let cases = &report.test_suites[0].test_cases;
    assert_eq!(report.failures, cases.len());
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(
        names.len(),
        cases.len(),
        "a finding of the same kind is the same case"
    );
    let case = &cases[0];
    let quick_junit::TestCaseStatus::NonSuccess {
        ty,
        message,
        description,
        ..
    } = &case.status
    else {
        panic!("{case:?}");
    };
    let rule = ty.as_ref().expect("it has the rule that was broken").as_str();
    assert!(case.name.as_str().starts_with(&format!("{rule}: ")));
    assert!(message.as_ref().is_some_and(|message| message.starts_with(rule)));
    let description = description.as_ref().expect("the case has a description").as_str();
    assert!(description.contains(" of 40 seeds: "), "{description}");
    assert!(description.contains("replay: turnstile replay "), "{description}");
    let tail = case.system_out.as_ref().expect("the end of the trace is there");
    assert_eq!(tail.lines().count(), 3);
}

#[test]
fn a_timeline_shows_the_only_play_and_none_of_several_passed_plays() {
    let file = scratch("passed.html");
    let _ = std::fs::remove_file(&file);
    let name = file.to_str().expect("a path of this test is UTF-8");
    let several = turnstile(&["run", "suite/turn/cold", "--timeline", name]);
    assert_eq!(several.status.code(), Some(0));
    assert!(
        stderr(&several).contains("no timeline written to "),
        "{}",
        stderr(&several)
    );
    assert!(!file.exists());
    let one = turnstile(&["run", "suite/turn/cold (legacy)", "--timeline", name]);
    assert_eq!((one.status.code(), stderr(&one).as_str()), (Some(0), ""));
    let page = std::fs::read_to_string(&file).expect("it was written");
    assert!(page.contains("suite/turn/cold (legacy)"));
    let again = turnstile(&["replay", "scenarios/suite/turn/cold.yaml", "--timeline", name]);
    assert_eq!(again.status.code(), Some(0));
    let page = std::fs::read_to_string(&file).expect("it was written");
    assert!(page.contains("scenarios/suite/turn/cold.yaml"));
}

#[test]
fn an_unwritable_report_path_is_refused_before_any_play() {
    let commands: [&[&str]; 4] = [
        &["run", "suite/turn/cold", "--junit"],
        &["explore", "--seeds", "0..1", "--json"],
        &["replay", "1", "--timeline"],
        &["shrink", "1", "--output"],
    ];
    for command in commands {
        let output = turnstile(&[command, &["no/such/folder/report"]].concat());
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let expected = "invalid value 'no/such/folder/report'";
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert!(stdout(&output).is_empty(), "{command:?}");
    }
}

/// A device without free space.
#[cfg(target_os = "linux")]
const FULL: &str = "/dev/full";

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_fails_to_be_written_exits_with_3_and_others_are_written() {
    let json = library("unwritten", &[]).join("report.json");
    let _ = std::fs::remove_file(&json);
    let json_name = json.display().to_string();
    let output = turnstile(&["run", "suite/turn/cold", "--junit", FULL, "--json", &json_name]);
    assert_eq!(output.status.code(), Some(3));
    let expected = format!("error: cannot write the JUnit report to {FULL}: ");
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("2 passed, 0 failed, 0 skipped in "),
        "the result is printed nevertheless"
    );
    assert!(json.exists());
    let output = turnstile(&["replay", "scenarios/suite/turn/cold.yaml", "--timeline", FULL]);
    assert_eq!(output.status.code(), Some(3));
    let expected = format!("cannot write the timeline to {FULL}: ");
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
}

#[test]
fn a_diagram_goes_to_standard_output_and_the_verdict_to_standard_error() {
    let file = script("diagram.yaml", WRONG);
    let name = file.to_str().expect("a path of this test is UTF-8");
    let output = turnstile(&["replay", name, "--mermaid"]);
    assert_eq!(output.status.code(), Some(1));
    let diagram = stdout(&output);
    assert!(diagram.starts_with("sequenceDiagram\n"), "{diagram}");
    assert!(
        diagram.contains("client->>server: 0.000 s start a\n"),
        "{diagram}"
    );
    assert!(diagram.contains("✖ expectation at line 7"), "{diagram}");
    assert!(!diagram.contains("FAIL") && stderr(&output).contains("FAIL"));
    let both = turnstile(&["replay", name, "--mermaid", "--json"]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn the_server_of_the_tool_is_the_program_with_its_settings_and_exit_status() {
    let help = stdout(&turnstile(&["server", "--help"]));
    for expected in [
        "--listen <HOST:PORT>",
        "TURNSTILE_WRAPPER_URL",
        "--speed-since <TIMESTAMP>",
        "listening on http://HOST:PORT",
        "Exit status: 0 ended by a signal, 1 failed to start",
    ] {
        assert!(help.contains(expected), "{expected} is not in:\n{help}");
    }
    let output = turnstile(&["server", "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("error: --data (TURNSTILE_DATA) is missing"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_help_lists_what_runs_on_real_sockets() {
    let help = stdout(&turnstile(&["--help"]));
    for command in ["server", "stream", "ticket", "token", "up"] {
        let is_listed = help.lines().any(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(command) && words.next().is_some()
        });
        assert!(is_listed, "{command} is not in:\n{help}");
    }
}
