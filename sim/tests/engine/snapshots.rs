//! `turnstile snapshots` in a git repository: output and exit status.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::browser::opened;
use crate::folders::empty_folder;
use crate::tool::{command, scratch};

/// Path of the snapshots in the repositories of these tests.
const FOLDER: &str = "snapshots";

/// A git repository with the given snapshots in its only commit.
struct Repository(PathBuf);

impl Repository {
    fn new(name: &str, snapshots: &[(&str, &str)]) -> Self {
        let repository = Self(fresh_folder(name));
        repository.git(&["init", "--quiet"]);
        fs::create_dir_all(repository.0.join(FOLDER)).expect("the folder for tests can be written to");
        for (name, payload) in snapshots {
            repository.write(name, payload);
        }
        repository.git(&["add", "."]);
        let author = ["-c", "user.name=t", "-c", "user.email=t@t"];
        let commit = [
            "commit",
            "--quiet",
            "--allow-empty",
            "--no-gpg-sign",
            "--message",
            "m",
        ];
        repository.git(&[&author[..], &commit[..]].concat());
        repository
    }

    fn git(&self, words: &[&str]) {
        let git = Command::new("git").args(words).current_dir(&self.0).status();
        assert!(git.expect("there is git").success(), "git {words:?}");
    }

    /// Writes a file below the snapshot folder. Adds a header to snapshots.
    fn write(&self, name: &str, content: &str) {
        let path = self.0.join(FOLDER).join(name);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("folders can be made");
        let is_snapshot = name.ends_with(".snap") && !content.starts_with("---");
        let content = if is_snapshot {
            format!("---\nsource: t\n---\n{content}")
        } else {
            content.to_owned()
        };
        fs::write(path, content).expect("files can be written");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.0.join(FOLDER).join(name)).expect("the file was there");
    }

    fn diff(&self, revision: &str) -> Output {
        diff(&self.0, revision)
    }
}

/// An empty folder outside of any repository for git.
fn fresh_folder(name: &str) -> PathBuf {
    empty_folder(Path::new("snapshots").join(name))
}

fn diff(folder: &Path, revision: &str) -> Output {
    command(&["snapshots", "--diff", revision])
        .current_dir(folder)
        .env("GIT_CEILING_DIRECTORIES", scratch(""))
        .output()
        .expect("the tool can be run")
}

/// Returns the output with the commit's name masked, and the exit status.
fn output_of(output: &Output) -> (String, Option<i32>) {
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = match (text.find("HEAD ("), text.rfind(')')) {
        (Some(start), Some(end)) => format!("{}HEAD{}", &text[..start], &text[end + 1..]),
        _ => text,
    };
    (text, output.status.code())
}

fn error_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A page with a V2 payload and optionally a unified one.
fn page(v2: &str, unified: Option<&str>) -> String {
    let unified = unified.map(|unified| {
        format!("\n# Unified\n\n{unified}\n\n# From the unified payload to the V2 payload\n\n(none)\n")
    });
    format!("# V2\n\n{v2}\n{}", unified.unwrap_or_default())
}

/// A page without a unified payload.
fn alone(v2: &str) -> String {
    page(v2, None)
}

const ACK: &str =
    r#"{"reply": {"messageId": "msg_1", "executionId": "msg_1", "delivery": "queued", "runs": 2}}"#;

#[test]
fn breaking_changes_are_listed_by_field_and_exit_with_1() {
    let repository = Repository::new(
        "breaking",
        &[("send/ack.snap", &alone(ACK)), ("send/gone.snap", &alone(ACK))],
    );
    let changed = r#"{"reply": {"messageId": null, "runId": "msg_1", "runs": "2", "more": true}}"#;
    repository.write("send/ack.snap", &alone(changed));
    repository.remove("send/gone.snap");
    let (text, code) = output_of(&repository.diff("HEAD"));
    insta::assert_snapshot!(text, @r#"
    send/ack.snap (V2)
      BREAKING    newly null  reply.messageId: "msg_1" -> null
      BREAKING    retyped     reply.runs: 2 -> "2"
      BREAKING    removed     reply.delivery: "queued"
      BREAKING    renamed     reply.executionId to reply.runId: "msg_1"
      compatible  added       reply.more: true

    send/gone.snap
      BREAKING    deleted

    5 breaking, 1 compatible in 2 files since HEAD
    "#);
    assert_eq!(code, Some(1));
}

#[test]
fn compatible_changes_are_listed_and_exit_with_0() {
    let repository = Repository::new(
        "compatible",
        &[("ack.snap", &page(ACK, Some(ACK))), ("stop.snap", &alone(ACK))],
    );
    let more = ACK.replace("2}}", r#"2, "more": 1}, "asked": "otherwise"}"#);
    repository.write("ack.snap", &page(&more, Some(&more)));
    repository.write("new.snap", &alone(ACK));
    repository.write("stop.snap", &page(ACK, Some(ACK)));
    repository.write("README.md", "words");
    let (text, code) = output_of(&repository.diff("HEAD"));
    insta::assert_snapshot!(text, @r"
    ack.snap (V2)
      compatible  added       reply.more: 1

    ack.snap (unified)
      compatible  added       reply.more: 1

    new.snap
      compatible  new

    stop.snap (unified)
      compatible  new

       2 times  added       reply.more

    0 breaking, 4 compatible in 3 files since HEAD
    ");
    assert_eq!(code, Some(0));
}

#[test]
fn reformatting_a_snapshot_is_not_a_change_of_its_payload() {
    let contract = "contracts/callback.schema.json";
    let repository = Repository::new("words", &[("ack.snap", &alone(ACK)), (contract, "{}")]);
    let (text, code) = output_of(&repository.diff("HEAD"));
    assert_eq!(
        (text.as_str(), code),
        ("no snapshot changed since HEAD\n", Some(0))
    );
    repository.write(
        "ack.snap",
        &format!(
            "---\nsource: other\n---\n{}",
            alone(&ACK.replace("msg_1", "msg_7"))
        ),
    );
    repository.write(contract, r#"{"type": "object"}"#);
    let (text, code) = output_of(&repository.diff("HEAD"));
    insta::assert_snapshot!(text, @r"
    ack.snap
      compatible  the payload did not change

    contracts/callback.schema.json
      review      the contract changed

    0 breaking, 0 compatible in 2 files since HEAD
    ");
    assert_eq!(code, Some(0));
}

#[test]
fn committed_changes_since_a_revision_are_listed_too() {
    let repository = Repository::new("committed", &[("ack.snap", &alone(ACK))]);
    repository.write("ack.snap", &alone(&ACK.replace("queued", "sent")));
    let commit = ["commit", "--quiet", "--all", "--no-gpg-sign", "--message", "m"];
    repository.git(&[&["-c", "user.name=t", "-c", "user.email=t@t"], &commit[..]].concat());
    assert_eq!(repository.diff("HEAD").status.code(), Some(0));
    let output = repository.diff("HEAD~1");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains(r#"BREAKING    changed     reply.delivery: "queued" -> "sent""#),
        "{text}"
    );
}

#[test]
fn a_missing_repository_is_reported() {
    let folder = fresh_folder("no-repository");
    let missing = error_of(&diff(&folder, "HEAD"));
    assert!(
        missing.contains("no such folder: snapshots; run from the top of the project"),
        "{missing}"
    );
    fs::create_dir(folder.join(FOLDER)).expect("folders can be made");
    let outside = error_of(&diff(&folder, "HEAD"));
    assert!(
        outside.contains("snapshots is not in a git repository"),
        "{outside}"
    );
}

#[test]
fn an_unknown_revision_is_reported() {
    let repository = Repository::new("no-revision", &[("ack.snap", &alone(ACK))]);
    for revision in ["no-such-branch", "HEAD~1", "HEAD:snapshots"] {
        let error = error_of(&repository.diff(revision));
        assert!(
            error.contains(&format!("no such revision: {revision:?}")),
            "{error}"
        );
    }
}

#[test]
fn an_invalid_snapshot_is_reported_with_its_error_and_revision() {
    let repository = Repository::new("unreadable", &[("ack.snap", &alone(ACK))]);
    repository.write("ack.snap", "---\nsource: t\n---\n# V2\n\n<<<<<<< HEAD\n");
    let error = error_of(&repository.diff("HEAD"));
    assert!(
        error.contains("snapshots/ack.snap (now) is not a valid snapshot"),
        "{error}"
    );
    assert!(
        error.contains("its V2 payload is not JSON: expected value at line 1 column 1"),
        "{error}"
    );

    let repository = Repository::new("unreadable-then", &[("ack.snap", "---\nno head")]);
    repository.write("ack.snap", &alone(ACK));
    let error = error_of(&repository.diff("HEAD"));
    assert!(error.contains("ack.snap (at "), "{error}");
    assert!(error.contains("does not begin with a header"), "{error}");
}

#[test]
fn a_pending_page_is_judged_before_it_is_accepted() {
    let header = "---\nsource: t\ndescription: the reply to a message\n---\n";
    let reviewed = format!(
        "{header}{}",
        page(r#"{"status": 200, "messageId": "msg_1"}"#, None)
    );
    let repository = Repository::new("pending", &[("02/sent.snap", &reviewed)]);
    let contract = r#"{"title": "A reply", "properties": {"messageId": {}}}"#;
    repository.write("contracts/reply.schema.json", contract);
    let pending = page(r#"{"status": 200}"#, None);
    let pending =
        format!("---\nsource: t\nassertion_line: 7\ndescription: the reply to a message\n---\n{pending}");
    repository.write("02/sent.snap.new", &pending);
    let run = |arguments: &[&str]| {
        let mut command = command(&["snapshots"]);
        let output = command.args(arguments).current_dir(&repository.0).output();
        output.expect("the tool can be run")
    };
    let text = run(&["--diff", "HEAD"]);
    assert_eq!(text.status.code(), Some(1), "{text:?}");
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for line in [
        "02/sent.snap (V2), pending\n  BREAKING    removed     messageId: \"msg_1\"\n",
        "1 pending; decide on each: turnstile snapshots --accept 02/sent, or --reject 02/sent\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in:\n{text}");
    }
    let markdown = run(&["--diff", "HEAD", "--markdown"]);
    let markdown = String::from_utf8_lossy(&markdown.stdout).into_owned();
    for line in [
        "#### `02/sent.snap` (V2), not accepted yet\n\nShows the reply to a message.\n",
        "| **BREAKING** | `removed     messageId: \"msg_1\"` | A reply |\n",
        "-  \"messageId\": \"msg_1\",\n",
    ] {
        assert!(markdown.contains(line), "{line:?} is not in:\n{markdown}");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&run(&["--diff", "HEAD", "--json"]).stdout).expect("it is JSON");
    let page = json["pages"]
        .as_array()
        .and_then(|pages| pages.iter().find(|page| page["page"] == "02/sent.snap"));
    let page = page.expect("the page is listed");
    assert_eq!(page["pending"], true);
    assert_eq!(page["changes"][0]["relied_on_by"], serde_json::json!(["A reply"]));

    let unknown = run(&["--reject", "02/other"]);
    assert_eq!(
        String::from_utf8_lossy(&unknown.stderr),
        "error: no pending page \"02/other\"; pending: 02/sent\n"
    );
    assert_eq!(run(&["--accept", "02/sent"]).status.code(), Some(0));
    let accepted = fs::read_to_string(repository.0.join(FOLDER).join("02/sent.snap")).expect("it is there");
    assert_eq!(accepted, pending.replace("assertion_line: 7\n", ""));
    assert!(!repository.0.join(FOLDER).join("02/sent.snap.new").exists());
    repository.write("02/sent.snap.new", &reviewed);
    assert_eq!(run(&["--reject", "02/sent"]).status.code(), Some(0));
    assert!(!repository.0.join(FOLDER).join("02/sent.snap.new").exists());
}

#[test]
fn a_report_has_the_payloads_side_by_side() {
    let repository = Repository::new("report", &[("send/ack.snap", &alone(ACK))]);
    let changed = ACK
        .replace("\"executionId\": \"msg_1\", ", "")
        .replace("queued", "<b>sent</b>");
    repository.write(
        "send/ack.snap.new",
        &format!("---\nsource: t\n---\n{}", alone(&changed)),
    );
    let report = repository.0.join("report.html");
    let output = command(&["snapshots", "--diff", "HEAD", "--report", "report.html"])
        .current_dir(&repository.0)
        .output()
        .expect("the tool can be run");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let page = fs::read_to_string(&report).expect("the report was written");
    for part in [
        "<b class=\"breaking\">2 breaking</b>",
        "<code>removed     reply.executionId: &quot;msg_1&quot;</code>",
        "<pre>    &quot;delivery&quot;: &quot;queued&quot;,</pre>",
        "<pre>    &quot;delivery&quot;: &quot;&lt;b&gt;sent&lt;&#x2f;b&gt;&quot;,</pre>",
        "turnstile snapshots --accept send&#x2f;ack",
    ] {
        assert!(page.contains(part), "no {part} in\n{page}");
    }
    // A browser on this machine finds no error in it.
    opened(&report, "");
}
