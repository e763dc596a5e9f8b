//! Orders to stop.

use serde_json::json;

use crate::role::case::Step;
use crate::wrapper::rules::STOPS;
use crate::wrapper::stage::Stage;
use crate::wrapper::turns::{Turn, is_root_idle, name};

/// Starts a turn that waits at the gate, and sends a prompt that waits for it. Returns their ids, the ingest, and the
/// index after all of that.
async fn two_prompts(stage: &mut Stage) -> Step<([String; 2], usize, usize)> {
    let (running, socket) = stage.at_gate(1).await?;
    let waiting = stage.session.message(2);
    stage.prompt(&waiting, "__fake__:echo:second").await?;
    stage.flush(socket).await?;
    let from = stage.mark();
    Ok(([running, waiting], socket, from))
}

pub(super) async fn kill(stage: &mut Stage) -> Step {
    let (ids, socket, from) = two_prompts(stage).await?;
    stage
        .ingest
        .write(socket, json!({"type": "kill", "signal": "SIGTERM"}));
    stopped(stage, from, &ids).await
}

pub(super) async fn abort(stage: &mut Stage) -> Step {
    let (ids, _, from) = two_prompts(stage).await?;
    stage.abort().await?;
    stopped(stage, from, &ids).await
}

/// Checks what follows an order to stop.
async fn stopped(stage: &mut Stage, from: usize, ids: &[String]) -> Step {
    let unless = ["session.idle", "complete"];
    let (interrupted, after) = stage.until(&STOPS, from, "interrupted", &unless).await?;
    let data = &interrupted["data"];
    if !data.is_object() || !data.get("reason").is_none_or(serde_json::Value::is_string) {
        let text = format!("the data of `interrupted` are {data}, not an object with a text `reason`");
        return stage.record.violated(&STOPS, text);
    }
    let (idle, _) = stage.until(&STOPS, after, "session.idle", &["complete"]).await?;
    if !is_root_idle(&idle, &stage.session.kilo) {
        let text = format!("the `session.idle` after `interrupted` is {idle}");
        return stage.record.violated(&STOPS, text);
    }
    stage.at_rest(&STOPS).await?;
    let has_ended = async |stage: &mut Stage| Ok((stage.live_calls().await == 0).then_some(()));
    stage
        .poll(
            &STOPS,
            "the call of the gateway of a turn that was dropped does not end",
            has_ended,
        )
        .await?;
    stage.calm().await;
    let frames = stage.frames(from);
    if frames.iter().any(|frame| name(frame) == "complete") {
        let text = "`complete` came after `interrupted`".to_owned();
        return stage.record.violated(&STOPS, text);
    }
    for id in ids {
        if Turn::of(&frames, id).begin.is_some() {
            let text = format!("an answer to {id} is reported after the order to stop");
            return stage.record.violated(&STOPS, text);
        }
    }
    Ok(())
}

pub(super) async fn abort_of_nothing(stage: &mut Stage) -> Step {
    let reply = stage.post("/job/abort", json!({})).await?;
    stage.is_refused(&STOPS, &reply, 400, "NO_SESSION")
}
