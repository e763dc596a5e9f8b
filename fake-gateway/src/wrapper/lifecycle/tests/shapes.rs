//! Tests of the shapes of real agents: tool loops, latency, heartbeats, parts that change, work after the last turn.

use super::*;

fn call(id: &str) -> Progress {
    Progress::ToolCalled(ToolCall {
        id: id.to_owned(),
        tool: "bash".to_owned(),
        arguments: "{}".to_owned(),
    })
}

/// The frames of one turn with a text.
fn frames_of_turn(behaviour: &Value) -> Vec<Value> {
    let mut stage = Stage::behaving(behaviour).put_to_work(&["a"]);
    stage.take_actions();
    stage.progress(Progress::Begun);
    stage.progress(Progress::Text("hi".to_owned()));
    stage.progress(Progress::Finished);
    stage.take_frames()
}

/// Ids and texts of the updates and removals of parts.
fn parts(frames: &[Value]) -> Vec<(String, String)> {
    let of = |frame: &Value| match frame["data"]["event"].as_str()? {
        "message.part.updated" => {
            let part = &frame["data"]["part"];
            Some((part["id"].as_str()?.to_owned(), part["text"].as_str()?.to_owned()))
        }
        "message.part.removed" => Some((
            frame["data"]["partID"].as_str()?.to_owned(),
            "(removed)".to_owned(),
        )),
        _ => None,
    };
    frames.iter().filter_map(of).collect()
}

#[test]
fn each_answer_of_a_tool_loop_is_a_message_and_idle_comes_once() {
    let mut stage = Stage::at_work(&["a"]);
    stage.take_actions();
    stage.progress(Progress::Begun);
    stage.progress(Progress::Text("step-1 ".to_owned()));
    stage.progress(call("call_1"));
    stage.progress(Progress::Answered);
    stage.progress(Progress::Text("done".to_owned()));
    stage.progress(Progress::Finished);
    assert_eq!(
        stage.actions.iter().map(name).collect::<Vec<_>>(),
        [
            "message.updated assistant a",
            "message.part.delta",
            "message.part.updated",
            "message.part.updated",
            "message.updated assistant a done",
            "message.updated assistant a",
            "message.part.delta",
            "message.part.updated",
            "message.updated assistant a done",
            "session.status idle",
            "session.idle",
            "autocommit_started",
            "autocommit_completed",
            "complete",
        ]
    );
    let frames = stage.take_frames();
    let tool = &frames[3]["data"]["part"];
    assert_eq!(
        (&tool["type"], &tool["callID"]),
        (&json!("tool"), &json!("call_1"))
    );
    assert_eq!(tool["state"], json!({ "status": "completed" }));
    assert_ne!(frames[0]["data"]["info"]["id"], frames[5]["data"]["info"]["id"]);

    stage.input(Input::Command(LinkId(1), Command::RequestSnapshot));
    assert_eq!(
        stage.take_actions(),
        [
            "message.updated user",
            "message.updated assistant a done",
            "message.part.updated",
            "message.part.updated",
            "message.updated assistant a done",
            "message.part.updated",
            "session.status idle",
        ]
    );
}

#[test]
fn a_turn_begins_after_the_latency_since_its_acceptance() {
    let mut stage = Stage::behaving(&json!({ "latency": "300ms" })).put_to_work(&["a"]);
    assert_eq!(stage.take_actions(), ["open", "answer 200"]);
    assert_eq!(stage.wait(), Duration::from_millis(300));
    assert_eq!(stage.take_actions(), BEGINNING);
    stage.prompt("b", 1);
    stage.now += Duration::from_millis(500);
    stage.progress(Progress::Finished);
    assert_eq!(stage.take_actions().last().unwrap(), "start b");
}

#[test]
fn a_prompt_within_the_latency_keeps_the_ingest_open() {
    let mut stage = Stage::behaving(&json!({ "latency": "400ms" })).put_to_work(&["a"]);
    stage.wait();
    stage.progress(Progress::Finished);
    stage.write_all();
    stage.prompt("b", 1);
    stage.take_actions();
    assert_eq!(stage.wait(), Duration::from_millis(400));
    assert_eq!(stage.take_actions().last().unwrap(), "start b");
}

#[test]
fn heartbeats_come_at_their_interval_while_a_turn_runs() {
    let mut stage = Stage::behaving(&json!({ "heartbeat": "20s" })).put_to_work(&["a"]);
    stage.take_actions();
    for _ in 0..2 {
        assert_eq!(stage.wait(), Duration::from_secs(20));
        assert_eq!(stage.take_actions(), ["heartbeat"]);
    }
    stage.progress(Progress::Finished);
    stage.write_all();
    assert_eq!(stage.wait(), Duration::from_millis(250));
    assert_eq!(stage.lifecycle.next_deadline(), None);
}

#[test]
fn a_prompt_during_the_work_after_a_turn_runs_before_complete() {
    let mut stage = Stage::behaving(&json!({ "finalize": { "takes": "3s" } })).put_to_work(&["a"]);
    stage.progress(Progress::Finished);
    assert_eq!(stage.take_actions().last().unwrap(), "autocommit_started");
    stage.prompt("b", 1);
    assert_eq!(stage.take_actions(), ["answer 200"]);
    assert_eq!(stage.wait(), Duration::from_secs(3));
    assert_eq!(
        stage.take_actions(),
        [
            "autocommit_completed",
            "session.status busy",
            "message.updated user",
            "start b"
        ]
    );
    stage.progress(Progress::Finished);
    stage.take_actions();
    stage.wait();
    assert_eq!(stage.take_actions(), ["autocommit_completed", "complete"]);
}

#[test]
fn a_kill_ends_the_work_after_a_turn() {
    let mut stage = Stage::behaving(&json!({ "finalize": { "takes": "3s" } })).put_to_work(&["a"]);
    stage.progress(Progress::Finished);
    stage.take_actions();
    stage.input(Input::Command(LinkId(1), Command::Kill));
    assert_eq!(
        stage.take_actions(),
        ["interrupted", "session.status idle", "session.idle"]
    );
    assert_eq!(stage.lifecycle.next_deadline(), None);
}

#[test]
fn an_unsent_complete_is_dropped_when_a_prompt_is_accepted() {
    let mut stage = Stage::at_work(&["a"]);
    stage.write_all();
    stage.input(Input::LinkLost(LinkId(1), None));
    stage.progress(Progress::Finished);
    stage.prompt("b", 1);
    stage.take_actions();
    stage.input(Input::LinkOpened(LinkId(2)));
    let actions = stage.take_actions();
    assert!(!actions.contains(&"complete".to_owned()), "{actions:?}");
    assert_eq!(actions.last().unwrap(), "start b");
}

#[test]
fn complete_can_keep_the_ingest_open() {
    let mut stage = Stage::behaving(&json!({ "complete": { "stays": true } })).put_to_work(&["a"]);
    stage.progress(Progress::Finished);
    stage.write_all();
    assert_eq!(stage.take_actions().last().unwrap(), "complete");
    assert_eq!(stage.lifecycle.next_deadline(), None);
}

#[test]
fn the_parts_of_an_answer_change_before_its_end() {
    let texts = |behaviour: Value| parts(&frames_of_turn(&behaviour));

    let reordered = texts(json!({ "parts": "reordered" }));
    assert_eq!([&*reordered[0].1, &*reordered[1].1], ["hi", "earlier "]);
    assert!(reordered[1].0 < reordered[0].0, "{reordered:?}");

    let updated = texts(json!({ "parts": "updated" }));
    assert_eq!([&*updated[0].1, &*updated[1].1], ["hi", "hi and more"]);
    assert_eq!(updated[0].0, updated[1].0);

    let removed = texts(json!({ "parts": "removed" }));
    assert_eq!(
        [&*removed[0].1, &*removed[1].1, &*removed[2].1],
        ["hi", "removed", "(removed)"]
    );
    assert_eq!(removed[1].0, removed[2].0);
}

#[test]
fn a_text_can_be_long_and_end_with_half_of_a_surrogate_pair() {
    let frames = frames_of_turn(&json!({ "long-text": 1000 }));
    assert_eq!(parts(&frames).last().unwrap().1.chars().count(), 1000);

    let frames = frames_of_turn(&json!({ "lone-surrogate": true }));
    let last = frames
        .iter()
        .rfind(|frame| frame["data"]["event"] == "message.part.updated")
        .unwrap();
    let (written, read) = events::on_the_wire(last.clone().into());
    assert!(written.contains(r#"hicut \ud83d"#), "{written}");
    assert_eq!(read["data"]["part"]["text"], "hicut \u{fffd}");
}

#[test]
fn commands_and_preparation_are_announced_once_for_a_run() {
    let behaviour = json!({
        "commands": ["review"], "preparing": { "step": "clone", "message": "Cloning" }, "complete": { "never": true },
    });
    let mut stage = Stage::behaving(&behaviour).put_to_work(&["a"]);
    let expected = [
        &["open", "preparing", "commands.available", "answer 200"],
        &BEGINNING[..],
    ]
    .concat();
    assert_eq!(stage.take_actions(), expected);
    stage.write_all();
    stage.lose_and_regain(1);
    let actions = stage.take_actions();
    assert!(!actions.contains(&"preparing".to_owned()), "{actions:?}");
}

#[test]
fn an_opening_that_is_given_up_is_followed_by_another_one() {
    let mut stage = Stage::behaving(&json!({ "abandons-opening": 1 }));
    stage.ready(1);
    stage.prompt("a", 1);
    let is_given_up =
        |stage: &Stage| matches!(stage.actions.last(), Some(Action::Open { gives_up: true, .. }));
    assert!(is_given_up(&stage));
    let failure = LinkFailure {
        status: None,
        error: "given up".to_owned(),
    };
    stage.input(Input::LinkFailed(LinkId(1), failure));
    assert!(!is_given_up(&stage));
    stage.input(Input::LinkOpened(LinkId(2)));
    assert_eq!(
        stage.take_actions(),
        [&["open", "open", "answer 200"], &BEGINNING[..]].concat()
    );
}

#[test]
fn an_odd_answer_replaces_the_wrappers_own() {
    for (kind, is_taken) in [
        ("html-502", false),
        ("truncated", true),
        ("empty", true),
        ("endless", true),
    ] {
        let answer = json!({ "is": kind, "times": 1 });
        let stage = Stage::behaving(&json!({ "job": { "answer": answer } })).put_to_work(&["a"]);
        let is_odd = |action: &Action| matches!(action, Action::Answer(_, reply) if reply.odd.is_some());
        assert_eq!(
            stage.actions.iter().filter(|action| is_odd(action)).count(),
            1,
            "{kind}"
        );
        assert_eq!(stage.lifecycle.turns.is_running(), is_taken, "{kind}");
    }
}
