mod behaviour;
mod shapes;

use std::time::Duration;

use serde_json::json;

use super::super::WrapperConfig;
use super::super::binding::{Binding, Places, SentBinding};
use super::super::reply::Kind;
use super::super::request::{Finalization, Ready};
use super::*;

const REQUEST: RequestId = RequestId(1);

/// The HTTP status of a stale fence.
const STALE: u16 = 409;

/// A lifecycle with its own clock, and the actions that a test has not inspected yet.
struct Stage {
    lifecycle: Lifecycle,
    now: Timestamp,
    actions: Vec<Action>,
}

impl Stage {
    fn new() -> Self {
        Self {
            lifecycle: Lifecycle::new(
                Identifiers::new(turnstile_seams::real::seams().randomness),
                "1.0.0".to_owned(),
                Duration::ZERO,
                WrapperConfig::RECONNECT_PAUSES.to_vec(),
                WrapperConfig::BUFFER,
            ),
            now: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            actions: Vec::new(),
        }
    }

    /// A wrapper that is ready, connected and has these prompts.
    fn at_work(messages: &[&str]) -> Self {
        Self::new().put_to_work(messages)
    }

    fn put_to_work(mut self, messages: &[&str]) -> Self {
        let stage = &mut self;
        stage.ready(1);
        for message in messages {
            stage.prompt(message, 1);
        }
        stage.input(Input::LinkOpened(LinkId(1)));
        self
    }

    fn input(&mut self, input: Input) {
        self.actions.extend(self.lifecycle.handle(self.now, input));
    }

    fn request(&mut self, request: Request) {
        self.input(Input::Request(REQUEST, Box::new(request)));
    }

    fn ready(&mut self, generation: u64) {
        self.request_ready(generation);
        self.actions.clear();
    }

    fn request_ready(&mut self, generation: u64) {
        let ready = Ready {
            session_id: "agent_1".to_owned(),
            kilo_session_id: Some("ses_1".to_owned()),
            places: Places {
                sandbox_id: "sandbox-1".to_owned(),
                workspace_path: "/w".to_owned(),
                session_home: "/h".to_owned(),
                branch_name: "topic".to_owned(),
            },
            binding: binding(generation),
        };
        self.request(Request::Ready(ready));
    }

    fn prompt(&mut self, message: &str, generation: u64) {
        let prompt = Prompt {
            kind: Kind::Prompt,
            message_id: message.to_owned(),
            text: "gate-result=fail".to_owned(),
            model: Some("some".to_owned()),
            finalization: Finalization {
                auto_commit: Some(true),
                condense_on_complete: None,
                gate_threshold: Some("all".to_owned()),
            },
        };
        self.request(Request::Prompt(prompt, binding(generation)));
    }

    /// Reports progress of the running turn, then writes all frames.
    fn progress(&mut self, progress: Progress) {
        let turn = self.lifecycle.turns.running_id().expect("a turn runs");
        self.input(Input::Progress(turn, progress));
    }

    fn write_all(&mut self) {
        while let (Link::Open(link), false) = (&self.lifecycle.link, self.lifecycle.buffer.is_empty()) {
            let written = Input::FrameWritten(*link);
            self.input(written);
        }
    }

    /// Advances to the next deadline and returns how long that took.
    fn wait(&mut self) -> Duration {
        let deadline = self.lifecycle.next_deadline().expect("a deadline is set");
        let waited = Duration::try_from(deadline.duration_since(self.now)).unwrap();
        self.now = deadline;
        self.input(Input::Due);
        waited
    }

    /// The actions since the last call, abbreviated.
    fn take_actions(&mut self) -> Vec<String> {
        self.actions.drain(..).map(|action| name(&action)).collect()
    }

    fn take_frames(&mut self) -> Vec<Value> {
        let frames = self.actions.drain(..).filter_map(|action| match action {
            Action::Send(_, frame) => Some(Arc::unwrap_or_clone(frame)),
            _ => None,
        });
        frames.collect()
    }
}

fn binding(generation: u64) -> Binding {
    let sent: SentBinding = serde_json::from_value(json!({
        "ingestUrl": "ws://server/ingest",
        "workerAuthToken": "token",
        "wrapperRunId": "wr_1",
        "wrapperGeneration": generation,
        "wrapperConnectionId": "connection",
        "upstreamBranch": "topic",
    }))
    .unwrap();
    sent.complete().unwrap()
}

fn name(action: &Action) -> String {
    match action {
        Action::Answer(_, reply) => match &reply.body["error"] {
            Value::Null => format!("answer {}", reply.status),
            error => format!("answer {} {}", reply.status, error.as_str().unwrap()),
        },
        Action::HangUp(_) => "hang up".to_owned(),
        Action::Open { .. } => "open".to_owned(),
        Action::Send(_, frame) if frame["streamEventType"] == "kilocode" => {
            let data = &frame["data"];
            let info = &data["info"];
            [&data["event"], &data["status"]["type"], &info["role"]]
                .into_iter()
                .chain([&info["parentID"], &info["error"]["data"]["message"]])
                .filter_map(Value::as_str)
                .chain(info["time"]["completed"].is_number().then_some("done"))
                .collect::<Vec<_>>()
                .join(" ")
        }
        Action::Send(_, frame) => frame["streamEventType"].as_str().unwrap().to_owned(),
        Action::DropComplete(_) => "drop complete".to_owned(),
        Action::Close(_) => "close".to_owned(),
        Action::Abandon(_) => "abandon".to_owned(),
        Action::StartTurn(_, prompt) => format!("start {}", prompt.message_id),
        Action::StopTurn(_) => "stop".to_owned(),
    }
}

const BEGINNING: [&str; 3] = ["session.status busy", "message.updated user", "start a"];

#[test]
fn a_prompt_needs_a_ready_wrapper() {
    let mut stage = Stage::new();
    stage.prompt("a", 1);
    assert_eq!(stage.take_actions(), ["answer 400 NO_SESSION"]);
}

#[test]
fn a_prompt_is_answered_once_the_ingest_is_open() {
    let mut stage = Stage::new();
    stage.ready(1);
    stage.prompt("a", 1);
    assert_eq!(stage.take_actions(), ["open"]);
    stage.input(Input::LinkOpened(LinkId(1)));
    assert_eq!(stage.take_actions(), [&["answer 200"], &BEGINNING[..]].concat());
}

#[test]
fn a_prompt_whose_ingest_cannot_be_opened_is_refused_and_the_next_one_tries_again() {
    let mut stage = Stage::new();
    stage.ready(1);
    stage.prompt("a", 1);
    let failure = LinkFailure {
        status: Some(STALE),
        error: "refused".to_owned(),
    };
    stage.input(Input::LinkFailed(LinkId(1), failure));
    stage.prompt("a", 1);
    assert_eq!(
        stage.take_actions(),
        ["open", "answer 500 CONNECTION_ERROR", "open"]
    );
}

#[test]
fn a_repeated_message_id_is_accepted_once() {
    let mut stage = Stage::at_work(&["a", "a"]);
    assert_eq!(
        stage.take_actions(),
        [&["open", "answer 200", "answer 200"], &BEGINNING[..]].concat()
    );
    stage.progress(Progress::Finished);
    stage.take_actions();
    stage.prompt("a", 1);
    assert_eq!(stage.take_actions(), ["answer 200"]);
}

#[test]
fn turns_run_one_by_one_and_idle_is_reported_when_all_are_done() {
    let mut stage = Stage::at_work(&["a", "b"]);
    stage.take_actions();
    stage.progress(Progress::Begun);
    stage.progress(Progress::Text("he".to_owned()));
    stage.progress(Progress::Text("llo".to_owned()));
    let frames = stage.take_frames();
    assert_eq!(frames[4]["data"]["part"]["text"], "hello");
    assert_eq!(frames[4]["timestamp"], "2026-01-02T03:04:05.678Z");
    stage.progress(Progress::Finished);
    assert_eq!(
        stage.take_actions(),
        [
            "message.updated assistant a done",
            "session.status idle",
            "session.status busy",
            "message.updated user",
            "start b",
        ]
    );
    stage.progress(Progress::Finished);
    assert_eq!(
        stage.take_actions(),
        [
            "message.updated assistant b",
            "message.updated assistant b done",
            "session.status idle",
            "session.idle",
            "autocommit_started",
            "autocommit_completed",
            "complete",
        ]
    );
}

#[test]
fn the_ingest_is_closed_250_ms_after_complete_once_all_frames_are_written() {
    let mut stage = Stage::at_work(&["a"]);
    stage.progress(Progress::Finished);
    let complete = stage.take_frames().pop().unwrap();
    assert_eq!(
        complete["data"],
        json!({ "exitCode": 0, "currentBranch": "topic", "gateResult": "fail" })
    );
    assert_eq!(stage.lifecycle.next_deadline(), None);
    stage.write_all();
    assert_eq!(stage.wait(), Duration::from_millis(250));
    assert_eq!(stage.take_actions(), ["close"]);
}

#[test]
fn a_prompt_in_the_last_250_ms_keeps_the_ingest_open() {
    let mut stage = Stage::at_work(&["a"]);
    stage.progress(Progress::Finished);
    stage.write_all();
    stage.prompt("b", 1);
    stage.write_all();
    assert_eq!(stage.lifecycle.next_deadline(), None);
}

#[test]
fn a_complete_that_waits_behind_another_frame_is_dropped_when_a_prompt_is_accepted() {
    let mut stage = Stage::at_work(&["a"]);
    stage.progress(Progress::Finished);
    stage.take_actions();
    stage.prompt("b", 1);
    assert_eq!(
        stage.take_actions()[..3],
        ["drop complete", "answer 200", "session.status busy"]
    );
    assert!(!stage.lifecycle.buffer.discard_complete());
}

#[test]
fn a_prompt_is_accepted_after_the_complete_that_is_being_written() {
    for is_lost in [false, true] {
        let mut stage = Stage::at_work(&["a"]);
        stage.progress(Progress::Finished);
        while !stage.lifecycle.buffer.is_writing_complete() {
            stage.input(Input::FrameWritten(LinkId(1)));
        }
        stage.take_actions();
        stage.prompt("b", 1);
        assert_eq!(stage.take_actions(), [""; 0]);
        if is_lost {
            stage.input(Input::LinkLost(LinkId(1), None));
            stage.input(Input::LinkOpened(LinkId(2)));
            assert_eq!(
                stage.take_actions()[..4],
                ["open", "wrapper_resumed", "answer 200", "session.status busy"]
            );
        } else {
            stage.input(Input::FrameWritten(LinkId(1)));
            assert_eq!(stage.take_actions()[..2], ["answer 200", "session.status busy"]);
        }
        assert!(!stage.lifecycle.buffer.discard_complete());
    }
}

#[test]
fn a_changed_binding_ends_the_work_of_the_old_one() {
    let mut stage = Stage::at_work(&["a", "b"]);
    stage.take_actions();
    stage.ready(1);
    assert!(stage.lifecycle.turns.running_id().is_some());
    stage.prompt("a", 2);
    stage.input(Input::LinkOpened(LinkId(2)));
    let expected = [&["close", "stop", "open", "answer 200"], &BEGINNING[..]].concat();
    assert_eq!(stage.take_actions(), expected);
}

#[test]
fn a_lost_ingest_is_retried_after_1_2_and_4_seconds_and_then_abandoned() {
    let mut stage = Stage::at_work(&["a"]);
    stage.input(Input::LinkLost(LinkId(1), None));
    stage.take_actions();
    for (link, pause) in [(2, 1), (3, 2), (4, 4)] {
        assert_eq!(stage.wait(), Duration::from_secs(pause));
        assert_eq!(stage.take_actions(), ["open"]);
        let failure = LinkFailure {
            status: None,
            error: "unreachable".to_owned(),
        };
        stage.input(Input::LinkFailed(LinkId(link), failure));
    }
    stage.prompt("b", 1);
    assert_eq!(stage.take_actions(), ["stop", "answer 400 NO_SESSION"]);
}

#[test]
fn a_stale_fence_is_abandoned_at_once() {
    let mut closed = Stage::at_work(&["a"]);
    closed.take_actions();
    closed.input(Input::LinkLost(LinkId(1), Some(4401)));
    assert_eq!(closed.take_actions(), ["stop"]);

    let mut refused = Stage::at_work(&["a"]);
    refused.input(Input::LinkLost(LinkId(1), Some(1000)));
    refused.wait();
    refused.take_actions();
    let failure = LinkFailure {
        status: Some(STALE),
        error: "refused".to_owned(),
    };
    refused.input(Input::LinkFailed(LinkId(2), failure));
    assert_eq!(refused.take_actions(), ["stop"]);
    assert_eq!(refused.lifecycle.next_deadline(), None);
}

#[test]
fn unwritten_frames_are_sent_after_reconnecting() {
    let mut stage = Stage::at_work(&["a"]);
    stage.input(Input::FrameWritten(LinkId(1)));
    stage.input(Input::LinkLost(LinkId(1), None));
    stage.progress(Progress::Begun);
    stage.wait();
    stage.take_actions();
    stage.input(Input::LinkOpened(LinkId(2)));
    assert_eq!(
        stage.actions.iter().map(name).collect::<Vec<_>>(),
        [
            "wrapper_resumed",
            "message.updated user",
            "message.updated assistant a"
        ]
    );
    let announcement = &stage.take_frames()[0];
    assert_eq!(
        announcement["data"],
        json!({ "bufferedEvents": 2, "eventsLost": 0 })
    );
}

#[test]
fn a_prompt_does_not_wait_for_the_pause_between_two_attempts() {
    let mut stage = Stage::at_work(&["a"]);
    stage.input(Input::LinkLost(LinkId(1), None));
    stage.take_actions();
    stage.prompt("b", 1);
    assert_eq!(stage.take_actions(), ["open"]);
}

#[test]
fn a_kill_aborts_all_turns_without_complete_and_keeps_the_binding() {
    let mut stage = Stage::at_work(&["a", "b"]);
    stage.take_actions();
    stage.input(Input::Command(LinkId(1), Command::Kill));
    assert_eq!(
        stage.take_actions(),
        ["stop", "interrupted", "session.status idle", "session.idle"]
    );
    stage.input(Input::Command(LinkId(1), Command::Kill));
    assert_eq!(stage.take_actions(), [""; 0]);
    stage.prompt("c", 1);
    stage.progress(Progress::Finished);
    assert_eq!(stage.take_actions().last().unwrap(), "complete");
}

#[test]
fn an_abort_of_another_run_is_refused() {
    let mut stage = Stage::at_work(&["a"]);
    stage.take_actions();
    stage.request(Request::Abort(Some("wr_0".to_owned())));
    assert_eq!(stage.take_actions(), ["answer 400 NO_SESSION"]);
    stage.request(Request::Abort(Some("wr_1".to_owned())));
    assert_eq!(stage.take_actions()[..2], ["stop", "interrupted"]);
}

#[test]
fn an_unknown_model_is_fatal_and_drops_the_waiting_prompts() {
    let mut stage = Stage::at_work(&["a", "b"]);
    stage.take_actions();
    stage.progress(Progress::UnknownModel("Model not found: some".to_owned()));
    assert_eq!(
        stage.take_actions(),
        ["session.error", "error", "session.status idle", "session.idle"]
    );
    assert!(stage.lifecycle.turns.is_idle());
}

#[test]
fn a_refused_turn_fails_its_message_and_is_not_committed() {
    let mut stage = Stage::at_work(&["a"]);
    stage.take_actions();
    stage.progress(Progress::Refused("no money".to_owned()));
    let complete = Value::clone(match stage.actions.last() {
        Some(Action::Send(_, frame)) => frame,
        other => panic!("{other:?}"),
    });
    assert_eq!(complete["data"]["gateResult"], Value::Null);
    assert_eq!(
        stage.take_actions(),
        [
            "message.updated assistant a",
            "message.updated assistant a no money done",
            "session.status idle",
            "session.idle",
            "complete",
        ]
    );
}

#[test]
fn progress_of_an_ended_turn_is_ignored() {
    let mut stage = Stage::at_work(&["a"]);
    let turn = stage.lifecycle.turns.running_id().unwrap();
    stage.input(Input::Command(LinkId(1), Command::Kill));
    stage.prompt("b", 1);
    stage.take_actions();
    stage.input(Input::Progress(turn, Progress::Text("late".to_owned())));
    assert_eq!(stage.take_actions(), [""; 0]);
}
