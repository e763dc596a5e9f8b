//! The suite in real time, against the reference server in its own process.
//!
//! Covers scenarios that take little time; `turnstile run --live --slow` plays all of them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use turnstile::live::{Live, Outcome};
use turnstile::workers;
use turnstile_fault::Capability;
use turnstile_judge::oracle::Finding;
use turnstile_judge::parties::Secrets;
use turnstile_scenarios::Scenario;
use turnstile_world::live::{ServerUnderTest, StartedServer};

use crate::library::library;
use crate::tool::{command, stderr, stdout};

/// Speed of time: fast enough for a short test, slow enough to tolerate delays on a loaded machine.
const SPEED: u32 = 5;
/// Time limit of a scenario.
const TIME_LIMIT: Duration = Duration::from_secs(3);
/// Concurrent plays; most of the time each one waits.
const JOBS: NonZeroUsize = NonZeroUsize::new(16).expect("it is not zero");

/// The reference server as a process.
pub(crate) fn reference_server() -> StartedServer {
    let secrets = Secrets::default();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    StartedServer {
        program: env!("CARGO_BIN_EXE_turnstile").into(),
        arguments: vec!["server".to_owned()],
        environment: vec![
            variable("TURNSTILE_API_SECRET", &secrets.api),
            variable("TURNSTILE_TICKET_SECRET", &secrets.ticket),
            variable("TURNSTILE_INTERNAL_API_KEY", &secrets.internal_api_key),
        ],
    }
}

/// The reference server, restarted for each scenario.
fn live() -> Live {
    let server = ServerUnderTest::Started(reference_server());
    Live::new(server, Secrets::default(), SPEED, TIME_LIMIT)
}

#[test]
fn short_scenarios_pass_live_including_server_restarts() {
    let library = library();
    let entries = library.matching(None);
    let live = live();
    let (mut played, mut with_kills, mut wrong) = (0, 0, Vec::new());
    workers::in_order(
        entries.iter(),
        JOBS,
        |entry| (entry, live.play(&entry.scenario, 0)),
        |_| {},
        |(entry, outcome)| {
            match outcome {
                Outcome::Skipped(_) | Outcome::Postponed => {}
                Outcome::Played(Ok(verdict)) => {
                    played += 1;
                    with_kills += usize::from(entry.scenario.needs().contains(&Capability::Crash));
                    for finding in &verdict.findings {
                        let tail = verdict.tail(40).join("\n");
                        wrong.push(format!(
                            "{}: {}: {}\n{tail}",
                            entry.id, finding.rule, finding.text
                        ));
                    }
                }
                Outcome::Played(Err(error)) => wrong.push(format!("{}: {error}", entry.id)),
            }
            ControlFlow::Continue(())
        },
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(played >= 150, "only {played} were short enough");
    assert!(with_kills >= 5, "only {with_kills} of them kill the server");
}

#[test]
fn failures_are_found_live_too() {
    let script = "
scenario: a turn ends
about: It does, and not as is expected here.
seam: turn
session: { callback: true }
steps:
  - start: { as: first, say: echo:one }
  - await: { callback: first }
expect:
  - message: { of: first, is: failed }
";
    let scenario =
        Scenario::parse(script, Path::new("wrong.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
    let Outcome::Played(verdict) = live().play(&scenario, 0) else {
        panic!("the scenario must not be skipped");
    };
    let findings = verdict.expect("the harness does not fail").findings;
    let rules: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["expectation at line 10"]);
}

#[test]
fn a_step_that_waits_a_little_too_long_is_a_warning() {
    let mut live = live();
    live.patience = Duration::from_secs(30);
    for (delay, is_warning) in [("10s", true), ("40s", false)] {
        let script = format!(
            "
scenario: a slow wrapper gets its message
about: It does, but later than the script waits for it.
seam: turn
steps:
  - wrapper: {{ ready: {{ delay: {delay} }} }}
  - start: {{ as: first, say: echo:one }}
  - await: {{ message: first, is: sent, within: 5s }}
"
        );
        let scenario =
            Scenario::parse(&script, Path::new("late.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
        let Outcome::Played(verdict) = live.play(&scenario, 0) else {
            panic!("the scenario must not be skipped");
        };
        let verdict = verdict.expect("the harness does not fail");
        let is_of_step = |finding: &&Finding| finding.rule == "step at line 8";
        let findings: Vec<_> = verdict.findings.iter().filter(is_of_step).collect();
        let warnings: Vec<_> = verdict.warnings.iter().filter(is_of_step).collect();
        assert_eq!(findings.is_empty(), is_warning, "{delay}: {findings:?}");
        assert_eq!(warnings.is_empty(), !is_warning, "{delay}: {warnings:?}");
    }
}

#[test]
fn scenarios_are_skipped_for_missing_capabilities_other_profiles_and_their_length() {
    let reason = |live: &Live, steps: &str| {
        let script = format!(
            "scenario: a\nabout: b\nseam: crash\nsteps:\n  - start: {{ as: first, say: echo:a }}\n{steps}"
        );
        let scenario =
            Scenario::parse(&script, Path::new("some.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
        match live.play(&scenario, 0) {
            Outcome::Skipped(reason) => reason.to_string(),
            played => panic!("it was played: {played:?}"),
        }
    };
    let mut live = live();
    let disk = "  - disk: { is: full, for: 1s }\n";
    assert_eq!(reason(&live, disk), "needs control over the server's disk");
    let hour = "  - wait: 1h\n";
    assert_eq!(reason(&live, hour), "takes 720 s, which exceeds the limit of 3 s");
    let patient = "profile: { delivery-retry-delays-cold: [2s, 4s] }\n";
    assert_eq!(
        reason(&live, patient),
        "needs a server whose profile has delivery-retry-delays-cold: [2s, 4s]"
    );
    live.offers.clear();
    let crash = "  - crash: { party: server }\n";
    assert_eq!(
        reason(&live, crash),
        "needs a server that can be killed and restarted"
    );
}

#[test]
fn a_server_that_does_not_start_is_a_harness_error_with_a_reason() {
    let mut live = live();
    if let ServerUnderTest::Started(server) = &mut live.setup.server {
        server.environment.clear();
    }
    let script = "scenario: a\nabout: b\nseam: turn\nsteps:\n  - start: { as: first, say: echo:a }\n";
    let scenario =
        Scenario::parse(script, Path::new("some.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
    let Outcome::Played(Err(error)) = live.play(&scenario, 0) else {
        panic!("a server without secrets cannot be played against");
    };
    let text = error.to_string();
    assert!(text.starts_with("no server to test: "), "{text}");
    assert!(text.contains("TURNSTILE_API_SECRET"), "{text}");
}

/// A reference server that the test started itself, as for `--target`; killed on drop.
pub(crate) struct TargetServer {
    process: Child,
    url: String,
    pub(crate) wrapper: String,
    receiver: String,
    pub(crate) data: tempfile::TempDir,
}

impl TargetServer {
    /// Starts the server with its wrapper at the address `wrapper`.
    pub(crate) fn start(wrapper: String, arguments: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a directory can be created");
        let mut process = command(&["server", "--listen", "127.0.0.1:0", "--wrapper-url"])
            .arg(format!("http://{wrapper}"))
            .args(arguments)
            .arg("--data")
            .arg(data.path())
            .envs(SECRETS.map(|(name, value)| (format!("TURNSTILE_{name}"), value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the tool can be run");
        let out = process.stdout.as_mut().expect("it was piped");
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        let url = lines.find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        let url = url.expect("it prints its address");
        Self {
            process,
            url,
            wrapper,
            receiver: free_address(),
            data,
        }
    }

    /// The options of `turnstile run --live` for this server.
    pub(crate) fn target(&self) -> [&str; 6] {
        let (url, wrapper, receiver) = (&self.url, &self.wrapper, &self.receiver);
        ["--target", url, "--wrapper", wrapper, "--receiver", receiver]
    }
}

impl Drop for TargetServer {
    fn drop(&mut self) {
        // It may have exited, which the test detects otherwise.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) const SECRETS: [(&str, &str); 3] = [
    ("API_SECRET", "an-api-secret-of-running-server"),
    ("TICKET_SECRET", "a-ticket-secret-of-running-server"),
    ("INTERNAL_API_KEY", "an-internal-key-of-running-server"),
];

/// A loopback address without a listener.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener
        .local_addr()
        .expect("the listener has an address")
        .to_string()
}

/// Runs the tool in the project root.
pub(crate) fn run_live(arguments: &[&str], secrets: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = command(&["run", "--live"])
        .args(arguments)
        .envs(
            secrets
                .iter()
                .map(|(name, value)| (format!("TURNSTILE_TARGET_{name}"), value)),
        )
        .output()
        .expect("the tool can be run");
    (output.status.code(), stdout(&output), stderr(&output))
}

#[test]
fn a_running_server_is_judged_with_its_own_secrets() {
    let server = TargetServer::start(free_address(), &[]);
    let target = server.target();
    let file = server.data.path().join("junit.xml");
    let junit = file.to_string_lossy().into_owned();
    let (code, out, errors) = run_live(
        &[&target[..], &["--junit", &junit, "suite/turn/cold"]].concat(),
        &SECRETS,
    );
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(out.contains("2 passed, 0 failed, 0 skipped in "), "{out}");
    assert!(out.contains("s at speed 1\n"), "{out}");
    let report = std::fs::read_to_string(&file).expect("the report was written");
    assert!(report.contains("suite/turn/cold (legacy)"), "{report}");

    let (code, out, _) = run_live(
        &[&target[..], &["suite/crash/server-mid-turn"]].concat(),
        &SECRETS,
    );
    assert_eq!(code, Some(0), "{out}");
    assert!(
        out.contains("needs a server that can be killed and restarted"),
        "{out}"
    );

    let wrong = [
        SECRETS[0],
        SECRETS[1],
        ("INTERNAL_API_KEY", "not the key of this server"),
    ];
    let (code, out, _) = run_live(&[&target[..], &["suite/turn/cold (legacy)"]].concat(), &wrong);
    assert_eq!(code, Some(1), "{out}");
}

#[test]
fn plays_against_a_running_server_with_sandboxes_run_side_by_side() {
    let wrapper = free_address();
    let mut server = TargetServer::start(format!("{wrapper}/{{session}}"), &[]);
    server.wrapper = wrapper;
    let target = server.target();
    // Without those that take long.
    let callbacks = ["suite/callback", "!receiver-", "!another-run"];
    let arguments = [&target[..], &["--sandboxes", "--jobs", "12"], &callbacks].concat();
    let (code, out, errors) = run_live(&arguments, &SECRETS);
    assert_eq!(code, Some(0), "{out}{errors}");
    let played = out.matches("        PASS [").count();
    assert!(played >= 10, "{out}");
    let (code, _, errors) = run_live(
        &[&target[..], &["--jobs", "8", "suite/turn/cold"]].concat(),
        &SECRETS,
    );
    assert_eq!(code, Some(2), "{errors}");
    assert!(
        errors.contains("--jobs requires a target with sandboxes"),
        "{errors}"
    );
}

#[test]
fn an_unusable_target_is_reported_with_the_reason() {
    let unreachable = format!("http://{}", free_address());
    let cases = [
        (
            vec!["--target", &unreachable],
            &SECRETS[..],
            "no server accepts connections at 127.0.0.1:",
        ),
        (
            vec!["--target", &unreachable],
            &SECRETS[..1],
            "or TURNSTILE_TARGET_TICKET_SECRET in the environment",
        ),
        (
            vec!["--target", "127.0.0.1:1"],
            &SECRETS[..],
            "expected a URL without a path, such as http://127.0.0.1:8787",
        ),
        (vec!["--restart-command", "true"], &[], "--target"),
        (vec!["--speed", "0"], &[], "0 is not in 1..=100"),
    ];
    for (arguments, secrets, expected) in cases {
        let (code, out, errors) = run_live(&[&arguments[..], &["suite/turn/cold"]].concat(), secrets);
        assert_eq!(code, Some(2), "{arguments:?}: {out}{errors}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_probe_finds_out_what_a_server_is_and_writes_it_down() {
    let wrapper = free_address();
    let mut server = TargetServer::start(
        format!("{wrapper}/{{session}}"),
        &["--ingest-url", "ws://elsewhere.test:99"],
    );
    server.wrapper = wrapper;
    let file = server.data.path().join("target.toml");
    let name = file.to_string_lossy().into_owned();
    let probe = |arguments: &[&str]| {
        let output = command(&["probe"])
            .args(arguments)
            .envs(SECRETS.map(|(name, value)| (format!("TURNSTILE_TARGET_{name}"), value)))
            .output()
            .expect("the tool can be run");
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let target = server.target();
    let (code, out, errors) = probe(&[&target[..], &["--output", &name]].concat());
    assert_eq!(code, Some(0), "{out}{errors}");
    for line in [
        "        PASS reachable        it answers `health`, version ",
        "        PASS callback         it arrives at http://127.0.0.1:",
        "        PASS retries          2 attempts, after pauses of 2.0 s\n",
        "        SKIP restart          no restart command",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let text = std::fs::read_to_string(&file).expect("it was written");
    for line in [
        "ingest-authority = \"elsewhere.test:99\"\n",
        "capabilities = [\"sandboxes\"]\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let (code, out, errors) = run_live(&["--config", &name, "suite/turn/cold"], &SECRETS);
    assert_eq!(code, Some(0), "{out}{errors}");
}

#[test]
fn a_probe_says_what_to_change_at_a_server_that_makes_no_sense() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it has an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>";
            // The probe may have gone.
            let _ = stream.and_then(|mut stream| {
                let _ = stream.read(&mut [0; 1024])?;
                stream.write_all(answer.as_bytes())
            });
        }
    });
    let nobody = format!("http://{}", free_address());
    let (wrapper, receiver) = (free_address(), free_address());
    let addresses = ["--wrapper", &wrapper, "--receiver", &receiver];
    for (url, said) in [
        (
            &url,
            "FAIL reachable        `GET /trpc/health` was answered 200 <html></html>\n",
        ),
        (
            &nobody,
            "FAIL reachable        no server accepts connections at 127.0.0.1:",
        ),
    ] {
        let output = command(&["probe", "--target", url])
            .args(addresses)
            .envs(SECRETS.map(|(name, value)| (format!("TURNSTILE_TARGET_{name}"), value)))
            .output()
            .expect("the tool can be run");
        let out = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{out}{}", stderr(&output));
        assert!(out.contains(said), "{out}");
        assert!(
            out.contains("SKIP user token       needs the step `reachable`"),
            "{out}"
        );
    }
}

#[test]
fn a_failing_restart_command_is_a_harness_error() {
    let server = TargetServer::start(free_address(), &[]);
    let target = server.target();
    let crash = [
        "--restart-command",
        "echo no such service; false",
        "suite/crash/server-after-an-ack",
    ];
    let (code, out, _) = run_live(&[&target[..], &["--slow"], &crash].concat(), &SECRETS);
    assert_eq!(
        code,
        Some(0),
        "a restart command does not control the length of the downtime: {out}"
    );
    let script = "
scenario: a turn ends
about: a
seam: crash
steps:
  - start: { as: first, say: gate:hold }
  - await: { gate: hold }
  - crash: { party: server, restart-after: 1s }
  - release: hold
";
    let folder = server.data.path().join("scripts/suite");
    std::fs::create_dir_all(&folder).expect("a folder can be created");
    std::fs::write(folder.join("one.yaml"), script).expect("a script can be written");
    let scenarios = folder.with_file_name("").to_string_lossy().into_owned();
    let crash = ["--scenarios", &scenarios, crash[0], crash[1]];
    let (code, out, errors) = run_live(&[&target[..], &crash].concat(), &SECRETS);
    assert_eq!(code, Some(3), "{out}{errors}");
    assert!(out.contains("last output: no such service"), "{out}");
}

#[test]
fn a_terminated_run_prints_the_summary_and_removes_its_files() {
    let folder = tempfile::tempdir().expect("a directory can be created");
    let mut process = command(&["run", "--live", "--jobs", "4"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the tool can be run");
    let mut out = BufReader::new(process.stdout.take().expect("it was piped"));
    let mut text = String::new();
    out.read_line(&mut text).expect("it prints its first play");
    let killed = Command::new("kill")
        .args(["-TERM", &process.id().to_string()])
        .status();
    assert!(killed.is_ok_and(|status| status.success()));
    out.read_to_string(&mut text).expect("it prints a summary");
    let status = process.wait().expect("it exits");
    assert_eq!(status.code(), Some(143), "{text}");
    assert!(text.contains(" passed"), "{text}");
    let left = std::fs::read_dir(folder.path())
        .expect("the folder exists")
        .count();
    assert_eq!(left, 0, "data directories of servers remain");
}
