//! Tests of configured misbehaviour.

use super::*;

impl Stage {
    pub(super) fn behaving(behaviour: &Value) -> Self {
        let mut stage = Self::new();
        stage.set_behaviour(behaviour);
        stage
    }

    fn set_behaviour(&mut self, behaviour: &Value) {
        let behaviour = Behaviour::parse(behaviour.to_string().as_bytes()).unwrap();
        self.request(Request::SetBehaviour(behaviour));
        assert_eq!(self.actions.pop(), Some(Action::Answer(REQUEST, Reply::done())));
    }

    /// Loses the ingest and reopens it.
    pub(super) fn lose_and_regain(&mut self, link: u64) {
        self.input(Input::LinkLost(LinkId(link), None));
        self.wait();
        self.input(Input::LinkOpened(LinkId(link + 1)));
    }

    /// The frames sent on this socket since the last call.
    fn take_frames_on(&mut self, link: u64) -> Vec<String> {
        let is_sent = |action: &Action| matches!(action, Action::Send(on, _) if *on == LinkId(link));
        self.actions
            .extract_if(.., |action| is_sent(action))
            .map(|action| name(&action))
            .collect()
    }
}

/// The events of a whole turn without text.
fn whole_turn(behaviour: &Value) -> Vec<String> {
    let mut stage = Stage::behaving(behaviour).put_to_work(&["a"]);
    stage.take_actions();
    stage.progress(Progress::Begun);
    stage.progress(Progress::Finished);
    stage.take_actions()
}

const ENDING: [&str; 3] = ["autocommit_started", "autocommit_completed", "complete"];

#[test]
fn misbehaviour_changes_how_the_end_of_a_turn_is_reported() {
    let begun = "message.updated assistant a";
    let done = "message.updated assistant a done";
    let late = "message.updated assistant a late done";
    let (status, idle) = ("session.status idle", "session.idle");
    for (behaviour, expected) in [
        (json!({}), vec![begun, done, status, idle]),
        (json!({ "late": 2 }), vec![begun, done, status, idle, late, late]),
        (
            json!({ "ends-out-of-order": true }),
            vec![begun, status, idle, done],
        ),
        (json!({ "no-reply": true }), vec![status, idle]),
        (
            json!({ "unfinished-reply": true }),
            vec![begun, begun, status, idle],
        ),
    ] {
        let expected = [&expected[..], &ENDING[..]].concat();
        assert_eq!(whole_turn(&behaviour), expected, "{behaviour}");
    }
}

#[test]
fn a_failed_workspace_setup_is_reported_late_and_binds_nothing() {
    let fail = json!({ "code": "WORKSPACE_SETUP_FAILED", "times": 1 });
    let mut stage = Stage::behaving(&json!({ "ready": { "delay": "500ms", "fail": fail } }));
    stage.request_ready(1);
    assert_eq!(stage.take_actions(), [""; 0]);
    assert_eq!(stage.wait(), Duration::from_millis(500));
    assert_eq!(stage.take_actions(), ["answer 503 WORKSPACE_SETUP_FAILED"]);
    stage.prompt("a", 1);
    assert_eq!(stage.take_actions(), ["answer 400 NO_SESSION"]);

    stage.request_ready(1);
    stage.wait();
    assert_eq!(stage.take_actions(), ["answer 200"]);
}

#[test]
fn a_job_is_refused_the_configured_number_of_times_without_side_effects() {
    for (code, answer) in [
        ("INVALID_REQUEST", "answer 400 INVALID_REQUEST"),
        ("NO_SESSION", "answer 400 NO_SESSION"),
        ("CONNECTION_ERROR", "answer 500 CONNECTION_ERROR"),
        ("SEND_ERROR", "answer 500 SEND_ERROR"),
    ] {
        let mut stage = Stage::behaving(&json!({ "job": { "fail": { "code": code, "times": 2 } } }));
        stage.ready(1);
        for _ in 0..3 {
            stage.prompt("a", 1);
        }
        assert_eq!(stage.take_actions(), [answer, answer, "open"]);
    }
}

#[test]
fn a_turn_can_end_before_its_delivery_is_answered() {
    let mut stage = Stage::behaving(&json!({ "job": { "delay": "1s" } })).put_to_work(&["a"]);
    assert_eq!(stage.take_actions(), [&["open"], &BEGINNING[..]].concat());
    stage.progress(Progress::Finished);
    stage.write_all();
    stage.take_actions();
    assert_eq!(stage.wait(), Duration::from_millis(250));
    assert_eq!(stage.take_actions(), ["close"]);
    assert_eq!(stage.wait(), Duration::from_millis(750));
    assert_eq!(stage.take_actions(), ["answer 200"]);
}

#[test]
fn a_turn_whose_reply_is_lost_is_accepted() {
    let mut stage = Stage::behaving(&json!({ "job": { "lose-reply": 1 } })).put_to_work(&["a"]);
    stage.prompt("a", 1);
    let expected = [&["open", "hang up"], &BEGINNING[..], &["answer 200"]].concat();
    assert_eq!(stage.take_actions(), expected);
}

#[test]
fn a_deaf_wrapper_sends_no_pong() {
    let mut stage = Stage::behaving(&json!({ "deaf": true })).put_to_work(&["a"]);
    stage.take_actions();
    stage.input(Input::Command(LinkId(1), Command::Ping));
    assert_eq!(stage.take_actions(), [""; 0]);
    stage.set_behaviour(&json!({}));
    stage.input(Input::Command(LinkId(1), Command::Ping));
    assert_eq!(stage.take_actions(), ["pong"]);
}

#[test]
fn a_silent_wrapper_runs_turns_answers_pings_and_keeps_its_ingest() {
    let mut stage = Stage::behaving(&json!({ "silent": true })).put_to_work(&["a", "b"]);
    stage.progress(Progress::Text("hi".to_owned()));
    stage.input(Input::Command(LinkId(1), Command::RequestSnapshot));
    stage.lose_and_regain(1);
    stage.progress(Progress::Finished);
    stage.progress(Progress::Finished);
    stage.input(Input::Command(LinkId(2), Command::Ping));
    stage.write_all();
    let expected = [
        "open",
        "answer 200",
        "answer 200",
        "start a",
        "open",
        "start b",
        "pong",
    ];
    assert_eq!(stage.take_actions(), expected);
    assert_eq!(stage.lifecycle.next_deadline(), None);
}

#[test]
fn a_babbling_wrapper_sends_the_configured_number_of_kilobytes() {
    let mut stage = Stage::behaving(&json!({ "babble": 3 })).put_to_work(&["a"]);
    stage.take_actions();
    stage.progress(Progress::Begun);
    let frames = stage.take_frames();
    assert_eq!(frames.len(), 1 + 3);
    for frame in &frames[1..] {
        assert_eq!(frame["data"]["event"], "message.part.delta");
        assert_eq!(frame["data"]["messageID"], frames[0]["data"]["info"]["id"]);
        assert_eq!(frame["data"]["delta"].as_str().unwrap().len(), 1024);
    }
}

#[test]
fn a_child_session_can_report_idle_during_a_turn() {
    let mut stage = Stage::behaving(&json!({ "child-idle": true })).put_to_work(&["a"]);
    stage.take_actions();
    stage.progress(Progress::Begun);
    let idle = stage.take_frames().pop().unwrap();
    assert_eq!(idle["data"]["event"], "session.idle");
    assert_ne!(idle["data"]["sessionID"], "ses_1");
}

#[test]
fn every_event_can_be_sent_twice() {
    let mut stage = Stage::behaving(&json!({ "duplicate": true })).put_to_work(&["a"]);
    stage.write_all();
    stage.lose_and_regain(1);
    stage.input(Input::Command(LinkId(2), Command::Ping));
    stage.progress(Progress::Finished);
    let sent: Vec<_> = stage.take_frames();
    assert_eq!(sent.len(), 2 * (2 + 1 + 1 + 4 + 3));
    assert!(sent.chunks(2).all(|pair| pair[0] == pair[1]), "{sent:?}");
    stage.write_all();
    assert_eq!(stage.wait(), Duration::from_millis(250));
}

#[test]
fn a_lost_buffer_is_reported_as_lost() {
    let mut stage = Stage::behaving(&json!({ "loses-buffer": true })).put_to_work(&["a"]);
    stage.write_all();
    stage.input(Input::LinkLost(LinkId(1), None));
    stage.progress(Progress::Text("hi".to_owned()));
    stage.wait();
    stage.take_actions();
    stage.input(Input::LinkOpened(LinkId(2)));
    stage.progress(Progress::Finished);
    let sent = stage.take_frames();
    assert_eq!(sent[0]["data"], json!({ "bufferedEvents": 0, "eventsLost": 3 }));
    assert_eq!(sent[1]["data"]["event"], "message.updated");
}

#[test]
fn a_replaced_binding_is_dialled_again_and_gets_every_later_event() {
    let mut stage = Stage::behaving(&json!({ "keeps-old-socket": true })).put_to_work(&["a"]);
    stage.take_actions();
    stage.request_ready(2);
    let Action::Open { link, url, .. } = &stage.actions[0] else {
        panic!("{:?}", stage.actions);
    };
    assert_eq!(*link, LinkId(2));
    assert!(url.contains("&wrapperGeneration=1&"), "{url}");
    assert_eq!(stage.take_actions(), ["open", "stop", "answer 200"]);

    stage.prompt("a", 2);
    stage.input(Input::LinkOpened(LinkId(3)));
    let turn = ["session.status busy", "message.updated user"];
    assert_eq!(stage.take_frames_on(1), turn);
    assert_eq!(stage.take_frames_on(3), turn);
    assert_eq!(stage.take_actions(), ["open", "answer 200", "start a"]);

    // The server closes the old socket and accepts the new one.
    stage.input(Input::LinkLost(LinkId(1), Some(4401)));
    stage.input(Input::LinkOpened(LinkId(2)));
    stage.progress(Progress::Begun);
    assert_eq!(stage.take_frames_on(2), ["message.updated assistant a"]);
    assert_eq!(stage.take_actions(), ["message.updated assistant a"]);

    stage.set_behaviour(&json!({}));
    stage.progress(Progress::Text("hi".to_owned()));
    let expected = ["close", "message.part.delta", "message.part.updated"];
    assert_eq!(stage.take_actions(), expected);
}

#[test]
fn the_refusal_of_an_old_binding_changes_nothing() {
    let mut stage = Stage::behaving(&json!({ "keeps-old-socket": true })).put_to_work(&["a"]);
    stage.ready(2);
    stage.prompt("b", 2);
    stage.input(Input::LinkOpened(LinkId(3)));
    stage.take_actions();
    let failure = LinkFailure {
        status: Some(STALE),
        error: "refused".to_owned(),
    };
    stage.input(Input::LinkFailed(LinkId(2), failure));
    assert_eq!(stage.take_actions(), [""; 0]);
    stage.progress(Progress::Begun);
    assert_eq!(stage.take_frames_on(2), [""; 0]);
}

#[test]
fn complete_has_the_configured_values() {
    let configured = json!({ "gate": "pass", "branch": "other", "exit-code": 3 });
    let mut stage = Stage::behaving(&json!({ "complete": configured })).put_to_work(&["a"]);
    stage.progress(Progress::Finished);
    let complete = stage.take_frames().pop().unwrap();
    assert_eq!(
        complete["data"],
        json!({ "exitCode": 3, "currentBranch": "other", "gateResult": "pass" })
    );
}

#[test]
fn a_wrapper_that_never_completes_keeps_its_ingest() {
    let mut stage = Stage::behaving(&json!({ "complete": { "never": true } })).put_to_work(&["a"]);
    stage.progress(Progress::Finished);
    stage.write_all();
    assert_eq!(stage.take_actions().last().unwrap(), "autocommit_completed");
    assert_eq!(stage.lifecycle.next_deadline(), None);
}

#[test]
fn a_configured_fatal_error_replaces_one_turn() {
    let mut stage = Stage::behaving(&json!({ "fatal": "no disk" })).put_to_work(&["a", "b"]);
    let frames = stage.actions.iter().filter_map(|action| match action {
        Action::Send(_, frame) if frame["streamEventType"] == "error" => Some(&frame["data"]),
        _ => None,
    });
    let error = json!({ "fatal": true, "error": "no disk", "message": "no disk" });
    assert_eq!(frames.collect::<Vec<_>>(), [&error]);
    let expected = [
        "open",
        "answer 200",
        "answer 200",
        "session.status busy",
        "message.updated user",
        "error",
        "session.status idle",
        "session.idle",
    ];
    assert_eq!(stage.take_actions(), expected);
    stage.prompt("c", 1);
    assert_eq!(stage.take_actions().last().unwrap(), "start c");
}

#[test]
fn a_snapshot_reports_the_latest_turn() {
    let mut stage = Stage::at_work(&["a"]);
    stage.progress(Progress::Text("hel".to_owned()));
    stage.progress(Progress::Text("lo".to_owned()));
    stage.take_actions();
    stage.input(Input::Command(LinkId(1), Command::RequestSnapshot));
    let frames = stage.take_frames();
    assert_eq!(frames[2]["data"]["part"]["text"], "hello");

    stage.input(Input::Command(LinkId(1), Command::RequestSnapshot));
    let running = [
        "message.updated user",
        "message.updated assistant a",
        "message.part.updated",
        "session.status busy",
    ];
    assert_eq!(stage.take_actions(), running);

    stage.progress(Progress::Refused("no money".to_owned()));
    stage.take_actions();
    stage.input(Input::Command(LinkId(1), Command::RequestSnapshot));
    let ended = [
        "message.updated user",
        "message.updated assistant a no money done",
        "message.part.updated",
        "session.status idle",
    ];
    assert_eq!(stage.take_actions(), ended);
}
