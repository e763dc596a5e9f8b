//! A wrapper that was told to misbehave.

use super::*;

impl Stage {
    fn behaving(behaviour: &Value) -> Self {
        let mut stage = Self::new();
        stage.behave(behaviour);
        stage
    }

    fn behave(&mut self, behaviour: &Value) {
        let behaviour = Behaviour::parse(behaviour.to_string().as_bytes()).unwrap();
        self.input(Input::Asked(REQUEST, Ask::Behave(behaviour)));
        assert_eq!(self.actions.pop(), Some(Action::Answer(REQUEST, Reply::done())));
    }

    /// Loses the ingest and has it back.
    fn lose_and_regain(&mut self, link: u64) {
        self.input(Input::LinkLost(LinkId(link), None));
        self.wait();
        self.input(Input::LinkOpened(LinkId(link + 1)));
    }

    /// What was decided since the last call, as far as it is said on this socket.
    fn said_on(&mut self, link: u64) -> Vec<String> {
        let is_said = |action: &Action| matches!(action, Action::Send(on, _) if *on == LinkId(link));
        self.actions
            .extract_if(.., |action| is_said(action))
            .map(|action| name(&action))
            .collect()
    }
}

/// A turn from its beginning to its end, without text.
fn whole_turn(behaviour: &Value) -> Vec<String> {
    let mut stage = Stage::behaving(behaviour).put_to_work(&["a"]);
    stage.decided();
    stage.progress(Progress::Begun);
    stage.progress(Progress::Finished);
    stage.decided()
}

const ENDING: [&str; 3] = ["autocommit_started", "autocommit_completed", "complete"];

#[test]
fn the_end_of_a_turn_is_reported_as_asked_for() {
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
fn an_unmade_workspace_is_told_late_and_binds_nothing() {
    let fail = json!({ "code": "WORKSPACE_SETUP_FAILED", "times": 1 });
    let mut stage = Stage::behaving(&json!({ "ready": { "delay": "500ms", "fail": fail } }));
    stage.ask_ready(1);
    assert_eq!(stage.decided(), [""; 0]);
    assert_eq!(stage.wait(), Duration::from_millis(500));
    assert_eq!(stage.decided(), ["answer 200 WORKSPACE_SETUP_FAILED"]);
    stage.prompt("a", 1);
    assert_eq!(stage.decided(), ["answer 400 NO_SESSION"]);

    stage.ask_ready(1);
    stage.wait();
    assert_eq!(stage.decided(), ["answer 200"]);
}

#[test]
fn a_job_is_refused_as_often_as_asked_for_and_leaves_no_trace() {
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
        assert_eq!(stage.decided(), [answer, answer, "open"]);
    }
}

#[test]
fn a_turn_can_be_over_before_its_delivery_is_answered() {
    let mut stage = Stage::behaving(&json!({ "job": { "delay": "1s" } })).put_to_work(&["a"]);
    assert_eq!(stage.decided(), [&["open"], &BEGINNING[..]].concat());
    stage.progress(Progress::Finished);
    stage.write_all();
    stage.decided();
    assert_eq!(stage.wait(), Duration::from_millis(250));
    assert_eq!(stage.decided(), ["close"]);
    assert_eq!(stage.wait(), Duration::from_millis(750));
    assert_eq!(stage.decided(), ["answer 200"]);
}

#[test]
fn a_turn_whose_reply_is_lost_is_taken_all_the_same() {
    let mut stage = Stage::behaving(&json!({ "job": { "lose-reply": 1 } })).put_to_work(&["a"]);
    stage.prompt("a", 1);
    let expected = [&["open", "hang up"], &BEGINNING[..], &["answer 200"]].concat();
    assert_eq!(stage.decided(), expected);
}

#[test]
fn a_deaf_wrapper_gives_no_pong_until_it_behaves() {
    let mut stage = Stage::behaving(&json!({ "deaf": true })).put_to_work(&["a"]);
    stage.decided();
    stage.input(Input::Ordered(LinkId(1), Order::Ping));
    assert_eq!(stage.decided(), [""; 0]);
    stage.behave(&json!({}));
    stage.input(Input::Ordered(LinkId(1), Order::Ping));
    assert_eq!(stage.decided(), ["pong"]);
}

#[test]
fn a_silent_wrapper_works_on_gives_pongs_and_stays() {
    let mut stage = Stage::behaving(&json!({ "silent": true })).put_to_work(&["a", "b"]);
    stage.progress(Progress::Text("hi".to_owned()));
    stage.input(Input::Ordered(LinkId(1), Order::RequestSnapshot));
    stage.lose_and_regain(1);
    stage.progress(Progress::Finished);
    stage.progress(Progress::Finished);
    stage.input(Input::Ordered(LinkId(2), Order::Ping));
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
    assert_eq!(stage.decided(), expected);
    assert_eq!(stage.lifecycle.next_deadline(), None);
}

#[test]
fn a_babbling_wrapper_sends_a_kilobyte_more_as_often_as_asked_for() {
    let mut stage = Stage::behaving(&json!({ "babble": 3 })).put_to_work(&["a"]);
    stage.decided();
    stage.progress(Progress::Begun);
    let frames = stage.decided_frames();
    assert_eq!(frames.len(), 1 + 3);
    for frame in &frames[1..] {
        assert_eq!(frame["data"]["event"], "message.part.delta");
        assert_eq!(frame["data"]["messageID"], frames[0]["data"]["info"]["id"]);
        assert_eq!(frame["data"]["delta"].as_str().unwrap().len(), 1024);
    }
}

#[test]
fn a_child_falls_idle_while_its_parent_works() {
    let mut stage = Stage::behaving(&json!({ "child-idle": true })).put_to_work(&["a"]);
    stage.decided();
    stage.progress(Progress::Begun);
    let idle = stage.decided_frames().pop().unwrap();
    assert_eq!(idle["data"]["event"], "session.idle");
    assert_ne!(idle["data"]["sessionID"], "ses_1");
}

#[test]
fn every_event_is_doubled_if_asked_for() {
    let mut stage = Stage::behaving(&json!({ "duplicate": true })).put_to_work(&["a"]);
    stage.write_all();
    stage.lose_and_regain(1);
    stage.input(Input::Ordered(LinkId(2), Order::Ping));
    stage.progress(Progress::Finished);
    let said: Vec<_> = stage.decided_frames();
    assert_eq!(said.len(), 2 * (2 + 1 + 1 + 4 + 3));
    assert!(said.chunks(2).all(|pair| pair[0] == pair[1]), "{said:?}");
    stage.write_all();
    assert_eq!(stage.wait(), Duration::from_millis(250));
}

#[test]
fn a_lost_buffer_is_told_as_lost() {
    let mut stage = Stage::behaving(&json!({ "loses-buffer": true })).put_to_work(&["a"]);
    stage.write_all();
    stage.input(Input::LinkLost(LinkId(1), None));
    stage.progress(Progress::Text("hi".to_owned()));
    stage.wait();
    stage.decided();
    stage.input(Input::LinkOpened(LinkId(2)));
    stage.progress(Progress::Finished);
    let said = stage.decided_frames();
    assert_eq!(said[0]["data"], json!({ "bufferedEvents": 0, "eventsLost": 3 }));
    assert_eq!(said[1]["data"]["event"], "message.updated");
}

#[test]
fn a_replaced_binding_is_dialed_once_more_and_hears_every_later_turn() {
    let mut stage = Stage::behaving(&json!({ "keeps-old-socket": true })).put_to_work(&["a"]);
    stage.decided();
    stage.ask_ready(2);
    let Action::Open { link, url, .. } = &stage.actions[0] else {
        panic!("{:?}", stage.actions);
    };
    assert_eq!(*link, LinkId(2));
    assert!(url.contains("&wrapperGeneration=1&"), "{url}");
    assert_eq!(stage.decided(), ["open", "stop", "answer 200"]);

    stage.prompt("a", 2);
    stage.input(Input::LinkOpened(LinkId(3)));
    let turn = ["session.status busy", "message.updated user"];
    assert_eq!(stage.said_on(1), turn);
    assert_eq!(stage.said_on(3), turn);
    assert_eq!(stage.decided(), ["open", "answer 200", "start a"]);

    // The server lets the one go and the other in.
    stage.input(Input::LinkLost(LinkId(1), Some(4401)));
    stage.input(Input::LinkOpened(LinkId(2)));
    stage.progress(Progress::Begun);
    assert_eq!(stage.said_on(2), ["message.updated assistant a"]);
    assert_eq!(stage.decided(), ["message.updated assistant a"]);

    stage.behave(&json!({}));
    stage.progress(Progress::Text("hi".to_owned()));
    let expected = ["close", "message.part.delta", "message.part.updated"];
    assert_eq!(stage.decided(), expected);
}

#[test]
fn an_old_binding_that_is_refused_changes_nothing() {
    let mut stage = Stage::behaving(&json!({ "keeps-old-socket": true })).put_to_work(&["a"]);
    stage.ready(2);
    stage.prompt("b", 2);
    stage.input(Input::LinkOpened(LinkId(3)));
    stage.decided();
    let failure = LinkFailure {
        status: Some(STALE),
        error: "refused".to_owned(),
    };
    stage.input(Input::LinkFailed(LinkId(2), failure));
    assert_eq!(stage.decided(), [""; 0]);
    stage.progress(Progress::Begun);
    assert_eq!(stage.said_on(2), [""; 0]);
}

#[test]
fn complete_says_what_it_was_told_to() {
    let told = json!({ "gate": "pass", "branch": "other", "exit-code": 3 });
    let mut stage = Stage::behaving(&json!({ "complete": told })).put_to_work(&["a"]);
    stage.progress(Progress::Finished);
    let complete = stage.decided_frames().pop().unwrap();
    assert_eq!(
        complete["data"],
        json!({ "exitCode": 3, "currentBranch": "other", "gateResult": "pass" })
    );
}

#[test]
fn a_wrapper_that_never_completes_stays() {
    let mut stage = Stage::behaving(&json!({ "complete": { "never": true } })).put_to_work(&["a"]);
    stage.progress(Progress::Finished);
    stage.write_all();
    assert_eq!(stage.decided().last().unwrap(), "autocommit_completed");
    assert_eq!(stage.lifecycle.next_deadline(), None);
}

#[test]
fn one_turn_is_fatal_instead_of_running() {
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
    assert_eq!(stage.decided(), expected);
    stage.prompt("c", 1);
    assert_eq!(stage.decided().last().unwrap(), "start c");
}

#[test]
fn a_snapshot_tells_the_latest_turn_as_it_stands() {
    let mut stage = Stage::at_work(&["a"]);
    stage.progress(Progress::Text("hel".to_owned()));
    stage.progress(Progress::Text("lo".to_owned()));
    stage.decided();
    stage.input(Input::Ordered(LinkId(1), Order::RequestSnapshot));
    let frames = stage.decided_frames();
    assert_eq!(frames[2]["data"]["part"]["text"], "hello");

    stage.input(Input::Ordered(LinkId(1), Order::RequestSnapshot));
    let running = [
        "message.updated user",
        "message.updated assistant a",
        "message.part.updated",
        "session.status busy",
    ];
    assert_eq!(stage.decided(), running);

    stage.progress(Progress::Refused("no money".to_owned()));
    stage.decided();
    stage.input(Input::Ordered(LinkId(1), Order::RequestSnapshot));
    let ended = [
        "message.updated user",
        "message.updated assistant a no money done",
        "message.part.updated",
        "session.status idle",
    ];
    assert_eq!(stage.decided(), ended);
}
