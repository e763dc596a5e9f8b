//! Sending a message.

use serde_json::json;

use crate::client::model::SESSION;
use crate::client::rules::SEND;
use crate::client::server::{Answer, Called};
use crate::client::stage::{Stage, TOKEN};
use crate::role::case::Step;

const MESSAGE: &str = "msg_0123456789abAAAAAAAAAAAAAA";
const TEXT: &str = "Fix the \"test\" 🎉";

/// What is wrong with a call that sends the message.
fn mistake(call: &Called) -> Option<String> {
    let Called {
        procedure,
        authorization,
        body,
    } = call;
    if procedure != "send" {
        return Some(format!("the client called `{procedure}`, not `send`"));
    }
    if authorization.as_deref() != Some(&format!("Bearer {TOKEN}")) {
        return Some("the call has no `Authorization: Bearer` with the given token".to_owned());
    }
    if body["cloudAgentSessionId"] != SESSION {
        return Some(format!(
            "the call is about the session {}",
            body["cloudAgentSessionId"]
        ));
    }
    let message = json!({"id": MESSAGE, "prompt": TEXT});
    (body["message"] != message).then(|| format!("the message is {}, not {message}", body["message"]))
}

/// Waits for that many calls, checks each of them, and checks that no other one follows.
async fn sends(stage: &mut Stage, count: usize) -> Step {
    let Some(_) = stage.calls(count).await else {
        let made = stage.server.calls().len();
        return stage
            .record
            .violated(&SEND, format!("the client made {made} calls, not {count}"));
    };
    stage.calm().await;
    let calls = stage.server.calls();
    if let Some(text) = calls.iter().find_map(mistake) {
        return stage.record.violated(&SEND, text);
    }
    if calls.len() > count {
        let made = calls.len();
        return stage
            .record
            .violated(&SEND, format!("the client made {made} calls, not {count}"));
    }
    Ok(())
}

pub(super) async fn send(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    stage.send(MESSAGE, TEXT).await;
    sends(stage, 1).await?;
    stage.emit(|model| model.queue(MESSAGE));
    stage.shows_everything().await
}

pub(super) async fn lost(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    stage.server.answer(&[Answer::Lose, Answer::Lose, Answer::Accept]);
    stage.send(MESSAGE, TEXT).await;
    sends(stage, 3).await
}

pub(super) async fn refused(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    stage.server.answer(&[Answer::Refuse]);
    stage.send(MESSAGE, TEXT).await;
    sends(stage, 1).await
}
