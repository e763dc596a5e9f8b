//! `turnstile client`: the example clients pass, and mutants of one of them are found.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use turnstile::client::{CASES, Client};

use crate::library::top;
use crate::tool::{scratch, stderr, stdout, turnstile};

/// Long enough for an interpreter to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(4);
/// Mutants that are tried at a time. Most of the time each of them waits.
const AT_ONCE: usize = 9;

/// A mutant of the client in Python: what is replaced in its text by what, the case that finds it, and the rule that it
/// violates.
type Mutant = (&'static str, &'static str, &'static str, &'static str);

const MUTANTS: [Mutant; 20] = [
    (
        "\"Queued\", \"tone\": \"info\"",
        "\"Queued\", \"tone\": \"error\"",
        "badges-of-a-turn",
        "badge-is-whole",
    ),
    (
        " and not delivered",
        "",
        "failed-after-acceptance",
        "badges-converge",
    ),
    (
        " or data.get(\"accepted\") is True",
        "",
        "failed-after-acceptance",
        "badges-converge",
    ),
    (
        "data.get(\"delivery\") == \"sent\" or ",
        "",
        "failed-after-acceptance",
        "badges-converge",
    ),
    (
        "self.badges.clear()",
        "pass",
        "superseded-failure",
        "badges-converge",
    ),
    (
        "\"cloud.message.sent\", ",
        "",
        "badges-of-a-turn",
        "badges-converge",
    ),
    (
        "max(self.cursor, event.get(\"eventId\", 0))",
        "event.get(\"eventId\", 0)",
        "cursor",
        "cursor-advances",
    ),
    (
        "self.cursor = max(",
        "self.cursor = self.cursor if name.startswith(\"session\") else max(",
        "unknown-events",
        "unknown-is-ignored",
    ),
    (
        "elif name in (\"cloud.message.sent\", \"cloud.message.completed\", \"cloud.message.failed\"):",
        "else:",
        "unknown-events",
        "unknown-is-ignored",
    ),
    (
        "&fromId={self.view.cursor}",
        "&fromId=0",
        "resumes-after-its-cursor",
        "resumes-after-its-cursor",
    ),
    (
        "while True:\n            try:\n                stream",
        "for _ in range(1):\n            try:\n                stream",
        "closed-by-the-server",
        "resumes-after-its-cursor",
    ),
    (
        "raise ConnectionError(f",
        "os._exit(f",
        "refused-twice",
        "resumes-after-its-cursor",
    ),
    (
        "        name, data =",
        "        if 0 < event[\"eventId\"] <= self.cursor:\n            return\n        name, data =",
        "later-version",
        "no-gap",
    ),
    (
        "[part[\"id\"]] = part[\"text\"]",
        "[part[\"id\"]] = self.parts(part[\"messageID\"]).get(part[\"id\"], \"\") + part[\"text\"]",
        "text-grows",
        "no-double",
    ),
    (
        "parts.get(properties[\"partID\"], \"\") + ",
        "",
        "text-grows",
        "no-gap",
    ),
    (
        "sorted(shown[\"parts\"].items())",
        "shown[\"parts\"].items()",
        "order-of-parts",
        "order",
    ),
    (
        ".pop(properties[\"partID\"], None)",
        ".get(properties[\"partID\"], None)",
        "order-of-parts",
        "no-double",
    ),
    (
        "self.messages.setdefault(info[\"id\"], {",
        "self.messages[info[\"id\"]] = self.messages.pop(info[\"id\"], {",
        "order-of-messages",
        "order",
    ),
    (
        "self.session = dict(session)",
        "self.session = {key: session.get(key) for key in (\"sessionId\", \"title\")}",
        "session-view",
        "session-keeps-what-it-was-given",
    ),
    (
        "file=sys.stderr)\n                return",
        "file=sys.stderr)\n                time.sleep(RETRY_PAUSE)",
        "send-refused",
        "send-is-repeatable",
    ),
];

/// Whether a program of this machine can be run with these arguments.
fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    let command = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    command
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn example(name: &str) -> String {
    let path = top().join("sim/examples/clients").join(name);
    let path = path.canonicalize().expect("the example exists");
    path.to_str().expect("its path is UTF-8").to_owned()
}

fn passes(command: &str) {
    let output = turnstile(&["client", "--command", command, "--jobs", "4"]);
    let text = stdout(&output) + &stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains(&format!("{} passed, 0 failed", CASES.len())),
        "{text}"
    );
}

#[test]
fn the_example_clients_pass_and_mutants_are_found() {
    let has_node = runs(
        "node",
        &[
            "--experimental-strip-types",
            "-e",
            "if (!globalThis.WebSocket) process.exit(1)",
        ],
    );
    let has_python = runs("python3", &["--version"]);
    let file = example("client.py");
    // They wait most of the time.
    thread::scope(|scope| {
        if has_node {
            let command = "node --experimental-strip-types --no-warnings";
            scope.spawn(move || passes(&format!("{command} {}", example("client.ts"))));
        }
        if has_python {
            scope.spawn(|| passes(&format!("python3 {file}")));
        }
    });
    if !has_node {
        println!("this machine has no Node 22 or later: client.ts is not run");
    }
    if !has_python {
        println!("this machine has no Python: client.py is not run");
        return;
    }
    let source = fs::read_to_string(&file).expect("the example can be read");
    let missed = Mutex::new(Vec::new());
    let numbers: Vec<usize> = (0..MUTANTS.len()).collect();
    for numbers in numbers.chunks(AT_ONCE) {
        thread::scope(|scope| {
            for number in numbers {
                let (source, missed) = (&source, &missed);
                scope.spawn(move || {
                    if let Some(text) = try_mutant(source, *number) {
                        missed.lock().expect("no other thread panics").push(text);
                    }
                });
            }
        });
    }
    let missed = missed.into_inner().expect("no other thread panics");
    assert!(missed.is_empty(), "{missed:#?}");
}

/// Why a mutant is not found by its case and rule; `None` if it is.
fn try_mutant(source: &str, number: usize) -> Option<String> {
    let (from, to, case, rule) = MUTANTS[number];
    assert!(source.contains(from), "the client has no {from:?}");
    let file = scratch(format!("client-mutant-{number}.py"));
    fs::write(&file, source.replace(from, to)).expect("the folder for tests can be written to");
    let client = Client {
        command: format!("python3 {}", file.display()),
        patience: PATIENCE,
    };
    let id = format!("client/{case}");
    let case = CASES.iter().find(|case| case.id == id).expect("the case exists");
    let verdict = client.play(case).expect("the harness works");
    let found: Vec<&str> = verdict
        .findings
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect();
    (found != [rule]).then(|| format!("{from:?} → {to:?}: {id} found {:?}, not {rule}", verdict.findings))
}

#[test]
fn a_client_that_ends_or_prints_nonsense_is_shown_with_its_standard_error() {
    let script = "read line; echo 'it is broken' >&2; exit 3";
    for (command, expected) in [
        (
            format!("sh -c \"{script}\""),
            "standard error ends with: it is broken",
        ),
        (
            "sh -c 'while read line; do echo nonsense; done'".to_owned(),
            "the client opened no stream within",
        ),
        ("./no-such-program".to_owned(), "standard error ends with: "),
    ] {
        let output = turnstile(&[
            "client",
            "client/unicode",
            "--command",
            &command,
            "--patience",
            "700ms",
        ]);
        let text = stdout(&output) + &stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("resumes-after-its-cursor"), "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("client client/unicode --command"), "{text}");
    }
    assert_eq!(
        turnstile(&["client", "--command", "true", "no-such-case"])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(turnstile(&["client"]).status.code(), Some(2));
    let listed = stdout(&turnstile(&["client", "--list"]));
    assert_eq!(listed.lines().count(), CASES.len(), "{listed}");
    let page = fs::read_to_string(top().join("sim/docs/clients.md")).expect("the page can be read");
    for rule in turnstile::client::RULES {
        assert!(page.contains(&format!("`{}`", rule.name)), "{}", rule.name);
    }
}
