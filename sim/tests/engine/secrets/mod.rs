//! Secrets reach their recipients and no other party: no reply, stream, callback body, log line or `Debug` output
//! contains one (R9.68).
//!
//! `record` plants secrets, `hunt` collects what the server sends, `planted` searches it.

mod hunt;
mod mistakes;
mod planted;
mod printed;
mod record;

use http::Method;
use serde_json::{Value, json};
use turnstile_fault::{DiskBehaviour, Fault, Place};

use self::hunt::Hunt;
use self::planted::{Audience, Planted};
use self::record::{OLD, flat, git_url, profile, target};
use crate::log;
use crate::test_bed::{LeftBehind, RECEIVER_AUTHORITY, SERVER, WRAPPER_AUTHORITY};
use crate::wire::{RequestSpec, USER};

/// An imported session with a running execution.
const RUNNING: &str = "agent_6f1b2c3d-0000-4000-8000-00000000beef";
/// An imported session with a GitLab URL without a scheme.
const AT_GITLAB: &str = "agent_6f1b2c3d-0000-4000-8000-00000000cafe";

/// Runs a hunt and keeps everything that is logged.
fn hunt(play: impl FnOnce(Planted) -> Hunt) {
    let (mut hunt, lines) = log::kept(|| play(Planted::default()));
    hunt.log = lines;
    hunt.end();
}

/// Sets the receiver's next answers.
fn answers(hunt: &mut Hunt, answers: &Value) {
    post_to_fake(hunt, RECEIVER_AUTHORITY, "/test/answers", answers);
}

/// Sets the wrapper's behaviour.
fn behave(hunt: &mut Hunt, behaviour: &Value) {
    post_to_fake(hunt, WRAPPER_AUTHORITY, "/test/behaviour", behaviour);
}

fn post_to_fake(hunt: &mut Hunt, authority: &str, path: &str, body: &Value) {
    let asked = RequestSpec {
        method: Method::POST,
        target: format!("{authority}{path}"),
        headers: vec![("content-type", b"application/json".to_vec())],
        body: body.to_string().into_bytes(),
        is_upgrade: false,
    };
    let answer = hunt.test_bed.ask(&asked).expect("the test endpoint answers");
    assert!(answer.status < 300, "{path}: {answer:?}");
}

fn start(hunt: &mut Hunt, tag: &str, callback: &str) -> String {
    let input = start_input(&mut hunt.planted, tag, callback);
    hunt.begin_session("start", &input)
}

fn start_input(planted: &mut Planted, tag: &str, callback: &str) -> Value {
    json!({
        "message": {"prompt": "__fake__:echo:hello"},
        "agent": {"mode": "code", "model": "fake-deterministic"},
        "repository": {
            "type": "git", "url": git_url(planted, tag),
            "token": planted.text(&format!("{tag}: git token"), Audience::Wrapper),
        },
        "profile": profile(planted, tag),
        "options": {"callbackTarget": target(planted, tag, callback)},
    })
}

fn prepare(hunt: &mut Hunt, tag: &str, callback: &str) -> String {
    let input = flat(&mut hunt.planted, tag, callback);
    hunt.begin_session("prepareSession", &input)
}

fn initiate(hunt: &mut Hunt, session: &str) {
    hunt.call(
        "initiateFromKilocodeSessionV2",
        &json!({"cloudAgentSessionId": session}),
    );
}

#[test]
fn a_completed_turn_leaks_no_secret() {
    hunt(|planted| {
        let mut hunt = Hunt::begin(planted, Vec::new());
        let session = start(&mut hunt, "start", "http://receiver:9200/a");
        hunt.follow(&session);
        hunt.wait(30);
        hunt.look(&session);
        assert_eq!(hunt.callbacks().len(), 1, "the receiver was called back");
        hunt.expect_received("start: git token", Audience::Wrapper);
        hunt.expect_received("start: value of the environment", Audience::Wrapper);
        hunt.expect_received("start: setup command", Audience::Wrapper);
        hunt.expect_received("start: query of the callback's URL", Audience::Receiver);
        hunt.expect_received("start: header of the callback", Audience::Receiver);

        let message = json!({
            "cloudAgentSessionId": session, "prompt": "__fake__:echo:again", "mode": "code",
            "model": "fake-deterministic",
            "gitToken": hunt.planted.text("git token of a V2 message", Audience::None),
            "githubToken": hunt.planted.text("GitHub token of a V2 message", Audience::None),
        });
        hunt.call("sendMessageV2", &message);
        hunt.wait(1);
        hunt.look(&session);
        hunt.wait(400);
        hunt.look(&session);
        hunt.call("interruptSession", &json!({"sessionId": session}));
        hunt.call("deleteSession", &json!({"sessionId": session}));
        hunt.look(&session);
        hunt
    });
}

#[test]
fn a_failing_callback_leaks_no_secret() {
    hunt(|planted| {
        let mut hunt = Hunt::begin(planted, Vec::new());
        answers(
            &mut hunt,
            &json!([{"status": 500}, {"status": 429}, {"stall": true}, {"drop": true}, {"status": 503}]),
        );
        let session = prepare(&mut hunt, "prepareSession", "http://receiver:9200/b");
        hunt.follow(&session);
        hunt.look(&session);
        initiate(&mut hunt, &session);
        hunt.wait(2000);
        hunt.look(&session);
        assert_eq!(hunt.callbacks().len(), 5, "every attempt was made");
        for (tag, callback, answer) in [
            ("refused", "http://receiver:9200/c", json!([{"status": 404}])),
            ("unreachable", "http://nowhere:1/d", json!([])),
            ("port closed", "http://receiver:1/e", json!([])),
            ("not spoken", "https://receiver:9200/f", json!([])),
            ("with userinfo", "http://user@receiver:9200/g", json!([])),
        ] {
            answers(&mut hunt, &answer);
            let session = prepare(&mut hunt, tag, callback);
            initiate(&mut hunt, &session);
            hunt.wait(2000);
            hunt.look(&session);
        }
        hunt.expect_logged("callback given up");
        hunt.expect_logged("retry scheduled");
        hunt
    });
}

#[test]
fn an_undelivered_message_leaks_no_secret() {
    hunt(|planted| {
        let mut hunt = Hunt::begin(planted, Vec::new());
        for (tag, code) in [
            ("setup fails", "WORKSPACE_SETUP_FAILED"),
            ("refused", "INVALID_REQUEST"),
        ] {
            behave(&mut hunt, &json!({"ready": {"fail": {"code": code}}}));
            let session = start(&mut hunt, tag, "http://receiver:9200/h");
            hunt.follow(&session);
            hunt.wait(1);
            hunt.look(&session);
            hunt.wait(700);
            hunt.look(&session);
        }
        behave(
            &mut hunt,
            &json!({"job": {"fail": {"code": "SEND_ERROR", "times": 2}}}),
        );
        let session = start(&mut hunt, "send fails", "http://receiver:9200/i");
        hunt.follow(&session);
        hunt.wait(60);
        hunt.look(&session);
        behave(&mut hunt, &json!({"fatal": "the sandbox is gone"}));
        hunt.call(
            "send",
            &json!({"cloudAgentSessionId": session, "message": {"prompt": "__fake__:echo:x"}}),
        );
        hunt.wait(60);
        hunt.look(&session);
        assert_eq!(hunt.callbacks().len(), 4, "every end was called back");
        hunt.test_bed
            .world
            .apply(&Fault::crash("wrapper"))
            .expect("it is up");
        let session = start(&mut hunt, "wrapper is down", "http://receiver:9200/j");
        hunt.wait(700);
        hunt.look(&session);
        assert_eq!(hunt.callbacks().len(), 5, "every end was called back");
        hunt
    });
}

#[test]
fn imported_sessions_leak_no_secret() {
    hunt(|mut planted| {
        let prepared = flat(&mut planted, "imported", "http://receiver:9200/k");
        let mut running = flat(&mut planted, "imported and running", "http://receiver:9200/l");
        running["sessionId"] = json!(RUNNING);
        running["initiatedAt"] = json!(1_767_225_600_000_i64);
        let execution = json!({
            "executionId": "exc_1", "status": "running", "startedAt": "2026-01-01T00:00:00Z",
        });
        let mut at_gitlab = flat(&mut planted, "imported from a GitLab", "http://receiver:9200/m");
        let userinfo = planted.text("imported from a GitLab: userinfo of a place", Audience::Wrapper);
        at_gitlab["sessionId"] = json!(AT_GITLAB);
        at_gitlab["platform"] = json!("gitlab");
        at_gitlab["gitUrl"] = json!(format!("oauth2:{userinfo}@gitlab.example/a.git"));
        let left_behind = [
            (prepared, vec![]),
            (running, vec![execution]),
            (at_gitlab, vec![]),
        ];
        let left_behind = left_behind.map(|(record, executions)| LeftBehind {
            user: USER,
            record,
            executions,
        });
        let mut hunt = Hunt::begin(planted, left_behind.into());
        for session in [OLD, RUNNING, AT_GITLAB] {
            hunt.follow(session);
            hunt.look(session);
        }
        let worker = format!("/sessions/{USER}/{RUNNING}/ingest?executionId=exc_1");
        hunt.ask(
            "the ingest of an execution",
            &RequestSpec::bare(Method::GET, &worker)
                .by(&hunt.token())
                .upgrading(),
        );
        for session in [OLD, AT_GITLAB] {
            initiate(&mut hunt, session);
            hunt.wait(60);
        }
        hunt.wait(3700);
        for session in [OLD, RUNNING, AT_GITLAB] {
            hunt.look(session);
        }
        assert_eq!(hunt.callbacks().len(), 3, "every end was called back");
        hunt.expect_received("imported: git token", Audience::Wrapper);
        hunt.expect_received("imported: setup command", Audience::Wrapper);
        hunt
    });
}

#[test]
fn a_failing_disk_and_a_crash_leak_no_secret() {
    hunt(|planted| {
        let mut hunt = Hunt::begin(planted, Vec::new());
        let session = prepare(&mut hunt, "before the disk fails", "http://receiver:9200/n");
        hunt.follow(&session);
        for fault in [DiskBehaviour::Fails, DiskBehaviour::Full] {
            hunt.test_bed
                .world
                .apply(&Fault::disk(SERVER, fault))
                .expect("the server has a disk");
            let input = flat(
                &mut hunt.planted,
                "while the disk fails",
                "http://receiver:9200/o",
            );
            hunt.call("prepareSession", &input);
            let input = start_input(
                &mut hunt.planted,
                "while the disk fails",
                "http://receiver:9200/p",
            );
            hunt.call("start", &input);
            let target = target(
                &mut hunt.planted,
                "while the disk fails",
                "http://receiver:9200/q",
            );
            hunt.call(
                "updateSession",
                &json!({"cloudAgentSessionId": session, "callbackTarget": target}),
            );
            initiate(&mut hunt, &session);
            hunt.wait(3);
            hunt.look(&session);
            hunt.test_bed
                .world
                .heal(&Place::disk(SERVER))
                .expect("the server has a disk");
        }
        hunt.expect_logged("commit failed");
        // Pending changes from before may be applied now, so use another session.
        let session = prepare(&mut hunt, "after the disk failed", "http://receiver:9200/n");
        let target = target(&mut hunt.planted, "another target", "http://receiver:9200/r");
        hunt.call(
            "updateSession",
            &json!({"cloudAgentSessionId": session, "callbackTarget": target}),
        );
        initiate(&mut hunt, &session);
        hunt.wait(1);
        hunt.test_bed
            .world
            .apply(&Fault::crash(SERVER))
            .expect("it is up");
        hunt.wait(1);
        hunt.test_bed
            .world
            .heal(&Place::host(SERVER))
            .expect("it is down");
        hunt.wait(1);
        hunt.follow(&session);
        hunt.look(&session);
        hunt.wait(60);
        hunt.look(&session);
        hunt.expect_received("another target: header of the callback", Audience::Receiver);
        hunt
    });
}

#[test]
fn a_refusal_does_not_repeat_a_secret() {
    hunt(|planted| {
        let mut hunt = Hunt::begin(planted, Vec::new());
        let session = prepare(&mut hunt, "rightly prepared", "http://receiver:9200/s");
        hunt.follow(&session);
        mistakes::make_all(&mut hunt, &session);
        hunt.look(&session);
        hunt
    });
}
