//! Requests of the server and their answers.

use serde_json::{Value, json};

use crate::role::case::Step;
use crate::wrapper::ingest::Admission;
use crate::wrapper::requests::Reply;
use crate::wrapper::rules::{HEALTH, JOB, LEAVES, OPENS, STATUS, TURN, UNKNOWN};
use crate::wrapper::stage::Stage;
use crate::wrapper::steps::UNAVAILABLE;

pub(super) async fn health(stage: &mut Stage) -> Step {
    let idle = stage.health().await?;
    if idle["state"] != "idle" || idle["pendingMessages"] != 0 {
        let text = format!("the health of a new wrapper is {idle}, not idle with 0 pending messages");
        return stage.record.violated(&HEALTH, text);
    }
    let (id, socket) = stage.at_gate(1).await?;
    let active = stage.health().await?;
    let session = stage.session.id().to_owned();
    if active["state"] != "active" || active["pendingMessages"] != 1 || active["sessionId"] != session {
        let text =
            format!("the health during a turn is {active}, not active with 1 pending message of {session}");
        return stage.record.violated(&HEALTH, text);
    }
    let status = stage.status().await?;
    let pending = &status["pendingMessages"];
    if status["state"] != "active" || *pending != json!([id]) || status["sessionId"] != session {
        let text = format!("the status during a turn is {status}, not active with the pending message {id}");
        return stage.record.violated(&STATUS, text);
    }
    let from = stage.mark();
    stage.release().await;
    stage.until(&TURN, from, "complete", &[]).await?;
    stage.leaves(&LEAVES, socket).await?;
    stage.at_rest(&STATUS).await
}

pub(super) async fn further_fields(stage: &mut Stage) -> Step {
    let further = json!({"colour": "green", "deep": [{"er": null}]});
    let mut ready = stage.session.ready();
    for place in ["", "/workspace", "/materialized", "/session"] {
        if let Some(Value::Object(fields)) = ready.pointer_mut(place) {
            fields.insert("furtherField".to_owned(), further.clone());
        }
    }
    let asked = ready.clone();
    let Reply { status, body } = stage.post("/session/ready", ready).await?;
    if status != 200 {
        let text = format!("`/session/ready` with unknown fields is answered {status} {body}");
        return stage.record.violated(&UNKNOWN, text);
    }
    stage.ready_with(asked).await?;
    let id = stage.session.message(1);
    let mut prompt = stage
        .session
        .prompt(&json!({"id": id, "prompt": "__fake__:echo:hi", "furtherField": further}));
    prompt["furtherField"] = further.clone();
    prompt["session"]["furtherField"] = further;
    let from = stage.mark();
    let Reply { status, body } = stage.post("/job/prompt", prompt).await?;
    if status != 200 {
        let text = format!("`/job/prompt` with unknown fields is answered {status} {body}");
        return stage.record.violated(&UNKNOWN, text);
    }
    let socket = stage.opened(&OPENS).await?;
    stage.turn_and_end(from, &id, &["hi"], socket).await
}

pub(super) async fn incomplete(stage: &mut Stage) -> Step {
    stage.ready().await?;
    let id = stage.session.message(1);
    let whole = stage
        .session
        .prompt(&json!({"id": id, "prompt": "__fake__:echo:hi"}));
    for missing in ["wrapperRunId", "wrapperGeneration", "wrapperConnectionId"] {
        let mut prompt = whole.clone();
        if let Some(binding) = prompt["session"].as_object_mut() {
            binding.remove(missing);
        }
        let reply = stage.post("/job/prompt", prompt).await?;
        stage.is_refused(&JOB, &reply, 400, "INVALID_REQUEST")?;
        if !reply.body["message"]
            .as_str()
            .unwrap_or_default()
            .contains(missing)
        {
            let text = format!(
                "the refusal of a binding without `{missing}` does not name it: {}",
                reply.body
            );
            return stage.record.violated(&JOB, text);
        }
    }
    let reply = stage.post("/job/prompt", json!("no object")).await?;
    stage.is_refused(&JOB, &reply, 400, "INVALID_REQUEST")?;
    // None of them was taken.
    let from = stage.mark();
    stage.prompt(&id, "__fake__:echo:hi").await?;
    let socket = stage.opened(&OPENS).await?;
    stage.turn_and_end(from, &id, &["hi"], socket).await
}

pub(super) async fn not_ready(stage: &mut Stage) -> Step {
    let id = stage.session.message(1);
    let prompt = stage
        .session
        .prompt(&json!({"id": id, "prompt": "__fake__:echo:hi"}));
    let reply = stage.post("/job/prompt", prompt).await?;
    stage.is_refused(&JOB, &reply, 400, "NO_SESSION")
}

pub(super) async fn unreachable(stage: &mut Stage) -> Step {
    stage.ingest.admit(Admission::refuse(UNAVAILABLE));
    let ready = stage.session.ready();
    // A wrapper that opens its ingest now is not ready.
    let Reply { status, body } = stage.post("/session/ready", ready).await?;
    let id = stage.session.message(1);
    if status == 200 {
        let prompt = stage
            .session
            .prompt(&json!({"id": id, "prompt": "__fake__:echo:hi"}));
        let reply = stage.post("/job/prompt", prompt).await?;
        stage.is_refused(&JOB, &reply, 500, "CONNECTION_ERROR")?;
    } else if status != UNAVAILABLE || body["error"] != "NOT_READY" {
        let text =
            format!("without an ingest, `/session/ready` answers {status} {body}, not 200 and not NOT_READY");
        return stage.record.violated(&JOB, text);
    }
    stage.ingest.admit(Admission::Accept);
    stage.ready().await?;
    let from = stage.mark();
    stage.prompt(&id, "__fake__:echo:hi").await?;
    let socket = stage.opened(&OPENS).await?;
    stage.turn_and_end(from, &id, &["hi"], socket).await
}

pub(super) async fn command(stage: &mut Stage) -> Step {
    stage.ready().await?;
    let id = stage.session.message(1);
    let from = stage.mark();
    let body = json!({
        "command": "review", "args": "__fake__:echo:reviewed", "messageId": id, "session": stage.session.binding(),
    });
    let Reply { status, body } = stage.post("/job/command", body).await?;
    if status != 200 || body["status"] != "sent" || body.get("result").is_none() {
        let text = format!("a command is answered {status} {body}, not 200 `sent` with `result`");
        return stage.record.violated(&JOB, text);
    }
    let socket = stage.opened(&OPENS).await?;
    stage.turn_and_end(from, &id, &["reviewed"], socket).await
}

pub(super) async fn parts(stage: &mut Stage) -> Step {
    stage.ready().await?;
    let id = stage.session.message(1);
    let parts = json!([{"type": "text", "text": "Hello."}, {"type": "text", "text": "__fake__:echo:parts"}]);
    let prompt = stage.session.prompt(&json!({"id": id, "parts": parts}));
    let from = stage.mark();
    let reply = stage.post("/job/prompt", prompt).await?;
    stage.is_sent(&reply, &id)?;
    let socket = stage.opened(&OPENS).await?;
    stage.turn_and_end(from, &id, &["parts"], socket).await
}
