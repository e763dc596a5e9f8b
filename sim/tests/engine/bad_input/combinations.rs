//! Fields that are valid alone but invalid together or invalid in the session's state.

use std::time::Duration;

use serde_json::{Value, json};

use super::inputs::{INITIATE, INTERRUPT, Input, MESSAGE, PREPARE, SEND, SEND_V2, UPDATE, all};
use super::sweep::{BAD_REQUEST, Sweep, TOO_MANY_REQUESTS, prepared};
use crate::test_bed::LeftBehind;
use crate::wire::USER;

/// An imported session without a prompt and a model.
const WITHOUT_PROMPT: &str = "agent_6f1b2c3d-0000-4000-8000-00000000aaaa";

fn without_prompt() -> Vec<LeftBehind> {
    vec![LeftBehind {
        user: USER,
        record: json!({
            "version": 1_767_225_600_000_i64, "timestamp": 1_767_225_600_000_i64,
            "sessionId": WITHOUT_PROMPT, "userId": USER, "githubRepo": "o/r",
        }),
        executions: Vec::new(),
    }]
}

fn form(procedure: &str, form: &str) -> Input {
    let inputs = all().into_iter();
    let mut found = inputs.filter(|input| input.procedure.name == procedure && input.form == form);
    found.next().expect("the table has it")
}

/// `base` with other values for some top-level fields.
fn with(mut base: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().expect("fields") {
        base[key] = value.clone();
    }
    base
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn incompatible_fields_are_refused() {
    let mut sweep = Sweep::begin(without_prompt());
    let session = sweep.session.clone();
    let start = form("start", "github").minimal(&session);
    let prepare = form("prepareSession", "github").minimal(&session);
    let flat = form("sendMessageV2", "flat").minimal(&session);
    let command = form("sendMessageV2", "command as payload").minimal(&session);
    let prompt = form("sendMessageV2", "prompt as payload").minimal(&session);
    let send = form("send", "").minimal(&session);

    let mut no_repository = prepare.clone();
    no_repository
        .as_object_mut()
        .expect("fields")
        .remove("githubRepo");
    let mut illustrated = command.clone();
    illustrated["payload"]["images"] = json!([{"path": "a.png"}]);
    let images = json!({"images": [{"path": "a.png"}]});
    let custom = json!({"mode": "custom", "model": "fake-deterministic"});
    let payload_of = |input: &Value| json!({"payload": input["payload"]});
    let without_form = json!({"cloudAgentSessionId": session});
    let start_type = form("start", "github").procedure;

    let cases: Vec<(_, &str, Value, &[&str])> = vec![
        (
            start_type,
            "the mode `custom` without a system prompt",
            with(start.clone(), &json!({"agent": custom})),
            &["appendSystemPrompt"],
        ),
        (
            start_type,
            "a GitHub repository that is known by its URL",
            with(
                start.clone(),
                &json!({"repository": {"type": "github", "url": "https://github.com/o/r"}}),
            ),
            &["repo"],
        ),
        (
            start_type,
            "a GitLab repository that is known by its name",
            with(start, &json!({"repository": {"type": "gitlab", "repo": "o/r"}})),
            &["url"],
        ),
        (
            PREPARE,
            "the mode `custom` without a system prompt",
            with(prepare.clone(), &custom),
            &["appendSystemPrompt"],
        ),
        (
            PREPARE,
            "neither repository",
            no_repository,
            &["githubRepo", "gitUrl"],
        ),
        (
            PREPARE,
            "both repositories",
            with(prepare.clone(), &json!({"gitUrl": "https://git.example/a.git"})),
            &["githubRepo", "gitUrl"],
        ),
        (
            PREPARE,
            "a command with images",
            with(prepare, &payload_of_illustrated(&illustrated)),
            &["images"],
        ),
        (
            SEND,
            "the mode `custom` in a session without a system prompt",
            with(send.clone(), &json!({"agent": custom})),
            &["appendSystemPrompt"],
        ),
        (
            SEND,
            "no model, neither here nor in the session",
            with(send, &json!({"cloudAgentSessionId": WITHOUT_PROMPT})),
            &["model"],
        ),
        (
            SEND_V2,
            "the mode `custom` in a session without a system prompt",
            with(flat.clone(), &custom),
            &["appendSystemPrompt"],
        ),
        (
            SEND_V2,
            "neither a prompt nor a payload",
            without_form,
            &["prompt", "payload"],
        ),
        (
            SEND_V2,
            "a prompt and a prompt as payload",
            with(flat.clone(), &payload_of(&prompt)),
            &["prompt", "payload"],
        ),
        (
            SEND_V2,
            "a prompt and a command as payload",
            with(flat, &payload_of(&command)),
            &["prompt", "payload"],
        ),
        (
            SEND_V2,
            "a command with images beside it",
            with(command, &images),
            &["images"],
        ),
        (SEND_V2, "a command with images in it", illustrated, &["images"]),
        (
            SEND_V2,
            "no model, neither here nor in the session",
            with(prompt, &json!({"cloudAgentSessionId": WITHOUT_PROMPT})),
            &["model"],
        ),
        (
            INITIATE,
            "a session without a prompt",
            json!({"cloudAgentSessionId": WITHOUT_PROMPT}),
            &["message"],
        ),
        (
            UPDATE,
            "a target without its URL",
            json!({"cloudAgentSessionId": session, "callbackTarget": {"headers": {"x-key": "value"}}}),
            &["url"],
        ),
    ];
    for (procedure, what, input, names) in cases {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let request = sweep.call(procedure, &input);
        sweep.refused(procedure.name, what, &request, BAD_REQUEST, &names);
    }
    sweep.end_unchanged();
}

fn payload_of_illustrated(illustrated: &Value) -> Value {
    json!({"initialPayload": illustrated["payload"]})
}

#[test]
fn a_known_message_id_with_another_intent_is_refused() {
    let mut sweep = Sweep::begin(Vec::new());
    let session = prepared(&mut sweep.test_bed, USER);
    let input = form("send", "").maximal(&session);
    let request = sweep.call(SEND, &input);
    sweep.accepted("send", "a message", &request);
    let other = |path: &str, value: Value| {
        let mut other = input.clone();
        *other.pointer_mut(path).expect("the input has every field") = value;
        other
    };
    for (what, other) in [
        ("another prompt", other("/message/prompt", json!("x"))),
        ("other images", other("/message/images", json!([]))),
        ("another mode", other("/agent/mode", json!("ask"))),
        ("another model", other("/agent/model", json!("other"))),
        ("another variant", other("/agent/variant", json!("other"))),
        (
            "another autoCommit",
            other("/finalization/autoCommit", json!(true)),
        ),
        (
            "another condenseOnComplete",
            other("/finalization/condenseOnComplete", json!(true)),
        ),
    ] {
        let request = sweep.call(SEND, &other);
        sweep.refused(
            "send",
            &format!("the id of a queued message with {what}"),
            &request,
            BAD_REQUEST,
            &[],
        );
    }
    let command = json!({
        "cloudAgentSessionId": session, "messageId": MESSAGE,
        "payload": {"type": "command", "command": "review"},
    });
    let request = sweep.call(SEND_V2, &command);
    sweep.refused(
        "sendMessageV2",
        "the id of a queued prompt for a command",
        &request,
        BAD_REQUEST,
        &[],
    );

    let request = sweep.call(INTERRUPT, &json!({"sessionId": session}));
    sweep.accepted("interruptSession", "a queued message", &request);
    sweep.test_bed.wait(Duration::from_secs(3));
    let request = sweep.call(SEND, &input);
    let terminal = ["terminal".to_owned()];
    sweep.refused(
        "send",
        "the id of an ended message",
        &request,
        BAD_REQUEST,
        &terminal,
    );
    sweep.end();
}

#[test]
fn the_eleventh_pending_message_is_refused() {
    let mut sweep = Sweep::begin(Vec::new());
    let session = prepared(&mut sweep.test_bed, USER);
    let call = |sweep: &Sweep, number: u32| {
        let message = json!({"prompt": "__fake__:echo:hello", "id": format!("msg_0123456789ab{number:014}")});
        sweep.call(SEND, &json!({"cloudAgentSessionId": session, "message": message}))
    };
    for number in 0..10 {
        let request = call(&sweep, number);
        sweep.accepted("send", "a message of the first ten", &request);
    }
    let request = call(&sweep, 10);
    let full = ["PENDING_QUEUE_FULL".to_owned()];
    sweep.refused("send", "an eleventh message", &request, TOO_MANY_REQUESTS, &full);
    sweep.end();
}
