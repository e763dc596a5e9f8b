//! `turnstile wrapper`: the fake wrapper passes as a process, and its mutants are found.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use fake_gateway::wrapper::mutants::Mutant;
use turnstile::wrapper::{CASES, RULES, Target, WHOLE_TURNS, Wrapper, whole_turns};

use crate::library::{library, top};
use crate::live::reference_server;
use crate::tool::{command, stderr, stdout, turnstile};

/// Pauses that are short, and still longer than the steps of a wrapper on a busy machine.
const PAUSES: &str = "100ms,150ms,200ms";
const PAUSES_MS: [u64; 3] = [100, 150, 200];
/// Long enough for a step on a busy machine. A mutant that does nothing is noticed only after it.
const PATIENCE: Duration = Duration::from_secs(4);
/// Mutants that are tried at a time. Most of the time each of them waits.
const AT_ONCE: usize = 16;

/// The case that finds each mutant, and the rule that it violates.
fn expected(mutant: Mutant) -> (&'static str, &'static str) {
    match mutant {
        Mutant::HealthIsIdle | Mutant::HealthCountsNothing => ("health", "health"),
        Mutant::StatusNamesNothing => ("health", "job-status"),
        Mutant::ReadyElsewhere => ("turn", "ready-answer"),
        Mutant::SentWithoutId => ("turn", "job-answer"),
        Mutant::NoSessionAs500 => ("not-ready", "job-answer"),
        Mutant::TakesRepeatedIds => ("repeated-id", "message-is-taken-once"),
        Mutant::NewestFirst => ("turns-in-order", "one-turn-at-a-time"),
        Mutant::AbortsNothing => ("abort", "stops-on-order"),
        Mutant::NoToken | Mutant::NoGeneration => ("ingest", "opens-the-ingest"),
        Mutant::OldFence => ("other-binding", "opens-the-ingest"),
        Mutant::NoTimestamp => ("turn", "frame-form"),
        Mutant::ReservedName => ("turn", "names-of-the-server"),
        Mutant::IgnoresPing => ("ping", "answers-ping"),
        Mutant::IgnoresSnapshot => ("snapshot", "sends-its-state"),
        Mutant::NoUserMessage
        | Mutant::NoParent
        | Mutant::NoFinish
        | Mutant::TextCutShort
        | Mutant::DeltasTwice => ("turn", "turn-is-reported"),
        Mutant::IdleTooEarly | Mutant::NoIdle | Mutant::CompletesFirst => {
            ("turn", "idle-when-nothing-is-left")
        }
        Mutant::IdleAfterEachTurn => ("turns-in-order", "idle-when-nothing-is-left"),
        Mutant::NoAnswerError => ("refused-turn", "refused-turn-has-an-error"),
        Mutant::NotFatal => ("unknown-model", "unknown-model-is-fatal"),
        Mutant::NeverCompletes
        | Mutant::CompletesTwice
        | Mutant::ExitCodeAsText
        | Mutant::AlwaysGateResult => ("turn", "complete-after-idle"),
        Mutant::NoGateResult => ("gate-result", "complete-after-idle"),
        Mutant::StaysConnected => ("turn", "leaves-after-complete"),
        Mutant::NoResumed | Mutant::ResumedTooLate => ("ended-ingest", "resumes"),
        Mutant::ForgetsBuffer | Mutant::RepeatsBuffer | Mutant::ReversesBuffer => {
            ("ended-ingest", "buffer-is-complete")
        }
        Mutant::CountsNoLoss => ("full-buffer", "resumes"),
        Mutant::ReconnectsOnce => ("retries", "reconnects"),
        Mutant::NeverReconnects => ("ended-ingest", "reconnects"),
        Mutant::NeverGivesUp => ("gives-up", "gives-up"),
        Mutant::IgnoresStaleClose => ("stale-close", "stale-fence-is-dropped"),
        Mutant::IgnoresStaleRefusal => ("stale-refusal", "stale-fence-is-dropped"),
        Mutant::IgnoresKill | Mutant::NoInterrupted | Mutant::CompletesWhenKilled | Mutant::KeepsCalling => {
            ("kill", "stops-on-order")
        }
        Mutant::StaysAborted => ("binding-after-abort", "binding-is-replaced"),
        Mutant::IgnoresRebinding => ("other-binding", "binding-is-replaced"),
    }
}

/// The command of a fake wrapper.
fn fake(further: &str) -> String {
    let program = env!("CARGO_BIN_EXE_turnstile");
    format!(
        "'{program}' fake-wrapper --listen 127.0.0.1:$PORT --gateway $GATEWAY_URL --reconnect-pauses {PAUSES} {further}"
    )
}

#[test]
fn the_fake_wrapper_passes_as_a_process() {
    let output = turnstile(&[
        "wrapper",
        "wrapper/",
        "--command",
        &fake(""),
        "--reconnect-pauses",
        PAUSES,
        "--jobs",
        "6",
    ]);
    let text = stdout(&output) + &stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains(&format!("{} passed, 0 failed", CASES.len())),
        "{text}"
    );
}

/// A fake wrapper with further arguments.
fn judged(further: &str) -> Wrapper {
    Wrapper {
        target: Target::Command(fake(further)),
        patience: PATIENCE,
        reconnect_pauses: PAUSES_MS.map(Duration::from_millis).to_vec(),
    }
}

/// Why a mutant is not found by its case and rule; `None` if it is.
fn try_mutant(mutant: Mutant) -> Option<String> {
    let (case, rule) = expected(mutant);
    let wrapper = judged(&format!("--breaking {mutant}"));
    let id = format!("wrapper/{case}");
    let case = CASES.iter().find(|case| case.id == id).expect("the case exists");
    let verdict = wrapper.play(case).expect("the harness works");
    let found: Vec<&str> = verdict
        .findings
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect();
    (found != [rule]).then(|| format!("{mutant}: {id} found {:?}, not {rule}", verdict.findings))
}

#[test]
fn every_mutant_of_the_fake_wrapper_is_found_by_its_rule() {
    let missed = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(mutant) = Mutant::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(text) = try_mutant(*mutant) {
                        missed.lock().expect("no other thread panics").push(text);
                    }
                }
            });
        }
    });
    let missed = missed.into_inner().expect("no other thread panics");
    assert!(missed.is_empty(), "{missed:#?}");
}

/// Whole turns with the fake wrapper or a mutant of it, and a rule that it violates.
const WHOLE: [(&str, Option<Mutant>, Option<&str>); 7] = [
    ("turn/tool-loop", None, None),
    ("queue/overflow-then-interrupt", None, None),
    ("reconnect/inside-the-grace", None, None),
    ("turn/cold", Some(Mutant::NoTimestamp), Some("frame-form")),
    (
        "turn/cold",
        Some(Mutant::ReservedName),
        Some("names-of-the-server"),
    ),
    (
        "turn/cold",
        Some(Mutant::TextCutShort),
        Some("expectation at line 15"),
    ),
    (
        "interrupt/what-runs-and-what-waits",
        Some(Mutant::KeepsCalling),
        Some("gateway-is-empty"),
    ),
];

#[test]
fn whole_turns_are_judged_by_the_rules_of_every_run() {
    let entries = whole_turns(library());
    let server = reference_server();
    thread::scope(|scope| {
        for (id, mutant, expected) in WHOLE {
            let id = format!("turns/{id}");
            let entry = entries
                .iter()
                .find(|entry| entry.id == id)
                .expect("it is a whole turn");
            let server = &server;
            scope.spawn(move || {
                let further = mutant.map(|mutant| format!("--breaking {mutant}"));
                let wrapper = judged(&further.unwrap_or_default());
                let verdict = wrapper
                    .play_whole(&entry.scenario, server)
                    .expect("the harness works");
                let is_as_expected = match expected {
                    Some(rule) => verdict.violates(rule),
                    None => verdict.findings.is_empty(),
                };
                assert!(is_as_expected, "{id} {mutant:?}: {:#?}", verdict.findings);
            });
        }
    });
}

#[test]
fn a_wrapper_that_runs_already_is_judged_at_its_url() {
    let reserved = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let gateway = reserved.local_addr().expect("it is bound").to_string();
    drop(reserved);
    let mut wrapper = command(&["fake-wrapper", "--gateway", &format!("http://{gateway}")])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the fake wrapper starts");
    let mut line = String::new();
    let out = wrapper.stdout.take().expect("its output is piped");
    BufReader::new(out)
        .read_line(&mut line)
        .expect("it prints a line");
    let url = line.trim_end().strip_prefix("listening on ").expect("it listens");
    let output = turnstile(&[
        "wrapper",
        "--url",
        url,
        "--gateway",
        &gateway,
        "--times",
        "2",
        "wrapper/turn",
    ]);
    let whole = turnstile(&[
        "wrapper",
        "--url",
        url,
        "--gateway",
        &gateway,
        "--times",
        "2",
        "turns/turn/cold",
    ]);
    // The process may have ended.
    let _ = wrapper.kill();
    let _ = wrapper.wait();
    let text = stdout(&output) + &stderr(&output);
    assert!(text.contains("2 passed, 0 failed"), "{text}");
    let text = stdout(&whole) + &stderr(&whole);
    assert!(text.contains("2 passed, 0 failed"), "{text}");
}

#[test]
fn a_wrapper_that_does_not_answer_is_shown_with_its_output_and_a_page_names_the_rules() {
    let script = "sh -c 'echo it is broken >&2; exit 3'";
    let output = turnstile(&[
        "wrapper",
        "wrapper/ping",
        "--command",
        script,
        "--patience",
        "700ms",
    ]);
    let text = stdout(&output) + &stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for expected in ["keeps-running", "it is broken", "wrapper wrapper/ping --command"] {
        assert!(text.contains(expected), "{text}");
    }
    for arguments in [
        &["wrapper"][..],
        &["wrapper", "--command", "true", "no-such-case"],
        &["wrapper", "--url", "http://127.0.0.1:1"],
        &["wrapper", "--url", "127.0.0.1:1/path", "--gateway", "127.0.0.1:2"],
    ] {
        assert_eq!(turnstile(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let listed = stdout(&turnstile(&["wrapper", "--list"]));
    assert_eq!(
        listed.lines().count(),
        CASES.len() + WHOLE_TURNS.len(),
        "{listed}"
    );
    let page = fs::read_to_string(top().join("sim/docs/wrappers.md")).expect("the page can be read");
    for rule in RULES {
        assert!(page.contains(&format!("`{}`", rule.name)), "{}", rule.name);
    }
}
