//! The suite in real time, against the reference server as a process of its own.
//!
//! What is played here is what takes little time; everything is `turnstile run --live --slow`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use turnstile::live::{Live, Outcome};
use turnstile::stage::{SERVER_AUTHORITY, wrapper_authority};
use turnstile::workers;
use turnstile_fault::Capability;
use turnstile_judge::parties::{SERVER, Secrets, WRAPPER};
use turnstile_scenarios::Scenario;
use turnstile_world::live::{LiveSetup, ServerUnderTest, StartedServer};

use crate::library::library;
use crate::tool::{command, stderr, stdout};

/// How fast time passes: fast enough to be done soon, and slow beside what a machine is late by that builds something
/// else meanwhile.
const SPEED: u32 = 5;
/// How long a scenario may take here.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most of the time all wait.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(12).expect("it is not zero");

/// The reference server, started anew for each scenario.
fn live() -> Live {
    let secrets = Secrets::default();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let server = StartedServer {
        program: env!("CARGO_BIN_EXE_turnstile").into(),
        arguments: vec!["server".to_owned()],
        environment: vec![
            variable("TURNSTILE_API_SECRET", &secrets.api),
            variable("TURNSTILE_TICKET_SECRET", &secrets.ticket),
            variable("TURNSTILE_INTERNAL_API_KEY", &secrets.internal_api_key),
        ],
    };
    Live {
        setup: LiveSetup {
            server: ServerUnderTest::Started(server),
            party: SERVER.to_owned(),
            authority: SERVER_AUTHORITY.to_owned(),
            alias: None,
            wrapper: wrapper_authority(WRAPPER),
            front: None,
            listening: BTreeMap::new(),
            reached_at: BTreeMap::new(),
            interruption: Arc::default(),
            speed: SPEED,
        },
        secrets,
        offers: BTreeSet::from([
            Capability::Crash,
            Capability::Downtime,
            Capability::Sandboxes,
            Capability::StoredSession,
        ]),
        patience: PATIENCE,
    }
}

#[test]
fn the_fast_part_of_the_suite_holds_live_with_servers_killed_and_started_again_on_their_data() {
    let library = library();
    let entries = library.matching(None);
    let live = live();
    let (mut played, mut with_kills, mut wrong) = (0, 0, Vec::new());
    workers::in_order(
        entries.iter(),
        AT_ONCE,
        |entry| (entry, live.play(&entry.scenario, 0)),
        |_| {},
        |(entry, outcome)| {
            match outcome {
                Outcome::Skipped(_) => {}
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
    assert!(played >= 150, "only {played} were fast enough");
    assert!(with_kills >= 5, "only {with_kills} of them kill the server");
}

#[test]
fn what_is_not_as_scripted_is_found_live_too() {
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
        panic!("it needs nothing, and takes no time");
    };
    let findings = verdict.expect("the harness does not fail").findings;
    let rules: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["expectation at line 10"]);
}

#[test]
fn a_scenario_is_skipped_for_what_its_server_does_not_offer_and_for_its_length() {
    let reason = |live: &Live, steps: &str| {
        let script = format!(
            "scenario: a\nabout: b\nseam: crash\nsteps:\n  - start: {{ as: first, say: echo:a }}\n{steps}"
        );
        let scenario =
            Scenario::parse(&script, Path::new("some.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
        match live.play(&scenario, 0) {
            Outcome::Skipped(reason) => reason,
            Outcome::Played(verdict) => panic!("it was played: {verdict:?}"),
        }
    };
    let mut live = live();
    let disk = "  - disk: { is: full, for: 1s }\n";
    assert_eq!(reason(&live, disk), "it needs control over the server's disk");
    let hour = "  - wait: 1h\n";
    assert_eq!(reason(&live, hour), "it takes 720 s here, and 3 s is the limit");
    live.offers.clear();
    let crash = "  - crash: { party: server }\n";
    assert_eq!(
        reason(&live, crash),
        "it needs a server that can be killed and restarted"
    );
}

#[test]
fn a_server_that_does_not_start_is_a_failure_of_the_harness_that_says_why() {
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
    assert!(text.starts_with("there is no server to test: "), "{text}");
    assert!(text.contains("TURNSTILE_API_SECRET"), "{text}");
}

/// The reference server, as somebody else would have started it; killed when it is dropped.
struct SomebodysServer {
    process: Child,
    url: String,
    data: tempfile::TempDir,
}

impl SomebodysServer {
    /// Starts it with its wrapper at that address.
    fn start(wrapper: &str) -> Self {
        let data = tempfile::tempdir().expect("there is room for a directory");
        let mut process = command(&["server", "--listen", "127.0.0.1:0", "--wrapper-url"])
            .arg(format!("http://{wrapper}"))
            .arg("--data")
            .arg(data.path())
            .envs(SECRETS.map(|(name, value)| (format!("TURNSTILE_{name}"), value)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the tool can be run");
        let mut line = String::new();
        let out = process.stdout.as_mut().expect("it was piped");
        BufReader::new(out)
            .read_line(&mut line)
            .expect("it says where it listens");
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .expect("it says where it listens");
        Self {
            process,
            url: url.to_owned(),
            data,
        }
    }
}

impl Drop for SomebodysServer {
    fn drop(&mut self) {
        // It may have ended already, which the test has noticed otherwise.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const SECRETS: [(&str, &str); 3] = [
    ("API_SECRET", "an-api-secret-of-somebody-else's"),
    ("TICKET_SECRET", "a-ticket-secret-of-somebody-else's"),
    ("INTERNAL_API_KEY", "an-internal-key-of-somebody-else's"),
];

/// An address of the loopback at which nobody listens just now.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    listener.local_addr().expect("it is bound").to_string()
}

/// Runs the tool from the top of the project.
fn run_live(arguments: &[&str], secrets: &[(&str, &str)]) -> (Option<i32>, String, String) {
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
fn a_server_that_somebody_else_has_started_is_judged_with_its_own_secrets() {
    let (wrapper, receiver) = (free_address(), free_address());
    let server = SomebodysServer::start(&wrapper);
    let target = [
        "--target",
        &server.url,
        "--wrapper",
        &wrapper,
        "--receiver",
        &receiver,
    ];
    let file = server.data.path().join("junit.xml");
    let junit = file.to_string_lossy().into_owned();
    let (code, out, complaints) = run_live(
        &[&target[..], &["--junit", &junit, "suite/turn/cold"]].concat(),
        &SECRETS,
    );
    assert_eq!(code, Some(0), "{out}{complaints}");
    assert!(out.contains("2 held in "), "{out}");
    assert!(out.contains("s at speed 1 "), "{out}");
    let report = std::fs::read_to_string(&file).expect("the report was written");
    assert!(report.contains("suite/turn/cold (legacy)"), "{report}");

    let (code, out, _) = run_live(
        &[&target[..], &["suite/crash/server-mid-turn"]].concat(),
        &SECRETS,
    );
    assert_eq!(code, Some(0), "{out}");
    assert!(
        out.contains("it needs a server that can be killed and restarted"),
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
fn a_target_that_cannot_be_played_against_is_told_what_is_wrong_with_it() {
    let nobody = format!("http://{}", free_address());
    let cases = [
        (
            vec!["--target", &nobody],
            &SECRETS[..],
            "no server accepts connections at 127.0.0.1:",
        ),
        (
            vec!["--target", &nobody],
            &SECRETS[..1],
            "or TURNSTILE_TARGET_TICKET_SECRET in the environment",
        ),
        (
            vec!["--target", "127.0.0.1:1"],
            &SECRETS[..],
            "it is a URL such as http://127.0.0.1:8787",
        ),
        (vec!["--restart-command", "true"], &[], "--target"),
        (vec!["--speed", "0"], &[], "0 is not in 1..=100"),
    ];
    for (arguments, secrets, expected) in cases {
        let (code, out, complaints) = run_live(&[&arguments[..], &["suite/turn/cold"]].concat(), secrets);
        assert_eq!(code, Some(2), "{arguments:?}: {out}{complaints}");
        assert!(complaints.contains(expected), "{arguments:?}: {complaints}");
    }
}

#[test]
fn a_restart_command_that_fails_is_a_failure_of_the_harness_and_not_of_the_server() {
    let (wrapper, receiver) = (free_address(), free_address());
    let server = SomebodysServer::start(&wrapper);
    let target = [
        "--target",
        &server.url,
        "--wrapper",
        &wrapper,
        "--receiver",
        &receiver,
    ];
    let crash = [
        "--restart-command",
        "echo no such service; false",
        "suite/crash/server-after-an-ack",
    ];
    let (code, out, _) = run_live(&[&target[..], &["--slow"], &crash].concat(), &SECRETS);
    assert_eq!(
        code,
        Some(0),
        "it is down for longer than such a command can say: {out}"
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
    std::fs::create_dir_all(&folder).expect("there is room for a folder");
    std::fs::write(folder.join("one.yaml"), script).expect("there is room for a script");
    let scenarios = folder.with_file_name("").to_string_lossy().into_owned();
    let crash = ["--scenarios", &scenarios, crash[0], crash[1]];
    let (code, out, complaints) = run_live(&[&target[..], &crash].concat(), &SECRETS);
    assert_eq!(code, Some(3), "{out}{complaints}");
    assert!(out.contains("last output: no such service"), "{out}");
}

#[test]
fn whoever_asks_for_the_end_gets_the_summary_and_nothing_is_left_over() {
    let folder = tempfile::tempdir().expect("there is room for a directory");
    let mut process = command(&["run", "--live", "--jobs", "4"])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the tool can be run");
    let mut out = BufReader::new(process.stdout.take().expect("it was piped"));
    let mut text = String::new();
    out.read_line(&mut text).expect("it tells of its first play");
    let asked = Command::new("kill")
        .args(["-TERM", &process.id().to_string()])
        .status();
    assert!(asked.is_ok_and(|status| status.success()));
    out.read_to_string(&mut text)
        .expect("it tells of what it has played");
    let status = process.wait().expect("it ends");
    assert_eq!(status.code(), Some(3), "{text}");
    assert!(text.contains(" held"), "{text}");
    let left = std::fs::read_dir(folder.path())
        .expect("it is still there")
        .count();
    assert_eq!(left, 0, "directories of servers are left over");
}
