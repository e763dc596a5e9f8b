//! Turns: their events, their order, and what follows the last one.

use serde_json::json;

use crate::role::case::Step;
use crate::wrapper::rules::{COMMIT, COMPLETE, IDLE, LEAVES, MODEL, ONCE, OPENS, ORDER, REFUSED, TURN};
use crate::wrapper::stage::Stage;
use crate::wrapper::steps::RELEASED;
use crate::wrapper::turns::Turn;

/// Makes the wrapper ready and sends a prompt. Returns its id and the ingest.
async fn prompted(stage: &mut Stage, text: &str, further: serde_json::Value) -> Step<(String, usize)> {
    stage.ready().await?;
    let id = stage.session.message(1);
    stage.prompt_with(&id, text, further).await?;
    let socket = stage.opened(&OPENS).await?;
    Ok((id, socket))
}

pub(super) async fn one(stage: &mut Stage) -> Step {
    let (id, socket) = prompted(stage, "Hello. __fake__:echo:hello", json!({})).await?;
    let after = stage.turn_ends(0, &id, &["hello"]).await?;
    let complete = stage.completes(after).await?;
    if !complete["gateResult"].is_null() {
        let text = format!("the data of `complete` are {complete}, and no gate was asked for");
        return stage.record.violated(&COMPLETE, text);
    }
    stage.leaves(&LEAVES, socket).await
}

pub(super) async fn slow(stage: &mut Stage) -> Step {
    let (id, socket) = prompted(stage, "__fake__:slow:30:2", json!({})).await?;
    let text: String = (1..=30).map(|number| format!("chunk-{number} ")).collect();
    stage.turn_and_end(0, &id, &[&text], socket).await
}

pub(super) async fn tools(stage: &mut Stage) -> Step {
    let (id, socket) = prompted(stage, "__fake__:tools:3:done", json!({})).await?;
    let texts = ["step-1 ", "step-2 ", "step-3 ", "done"];
    stage.turn_and_end(0, &id, &texts, socket).await
}

pub(super) async fn several(stage: &mut Stage) -> Step {
    let (first, socket) = stage.at_gate(1).await?;
    let ids = [stage.session.message(2), stage.session.message(3)];
    for (id, text) in ids.iter().zip(["second", "third"]) {
        stage.prompt(id, &format!("__fake__:echo:{text}")).await?;
    }
    stage.release().await;
    let all = [&first, &ids[0], &ids[1]];
    for (id, text) in all.iter().zip([RELEASED, "second", "third"]) {
        stage.turn_ends(0, id, &[text]).await?;
    }
    let frames = stage.frames(0);
    let turns = all.map(|id| Turn::of(&frames, id));
    for (turns, ids) in turns.windows(2).zip(all.windows(2)) {
        if turns[1].begin < turns[0].end(1) {
            let text = format!(
                "the turn of {} began before the end of the turn of {}",
                ids[1], ids[0]
            );
            return stage.record.violated(&ORDER, text);
        }
    }
    stage.completes(0).await?;
    stage.leaves(&LEAVES, socket).await
}

pub(super) async fn repeated(stage: &mut Stage) -> Step {
    let (id, socket) = stage.at_gate(1).await?;
    let waiting = stage.session.message(2);
    stage.prompt(&waiting, "__fake__:echo:second").await?;
    for (id, text) in [(&id, "__fake__:echo:again"), (&waiting, "__fake__:echo:again")] {
        stage.prompt(id, text).await?;
    }
    stage.release().await;
    stage.ended(&waiting, 1).await?;
    stage.at_rest(&TURN).await?;
    stage.calm().await;
    for id in [&id, &waiting] {
        let count = Turn::of(&stage.frames(0), id).answers.len();
        if count > 1 {
            let text =
                format!("{count} answers to {id} are reported, although it was sent twice with one id");
            return stage.record.violated(&ONCE, text);
        }
    }
    stage.turn_ends(0, &id, &[RELEASED]).await?;
    let after = stage.turn_ends(0, &waiting, &["second"]).await?;
    stage.completes(after).await?;
    stage.leaves(&LEAVES, socket).await
}

pub(super) async fn refused(stage: &mut Stage) -> Step {
    let (id, socket) = stage.at_gate(1).await?;
    let ids = [stage.session.message(2), stage.session.message(3)];
    stage.prompt(&ids[0], "__fake__:error:no money left").await?;
    stage.prompt(&ids[1], "__fake__:echo:third").await?;
    stage.release().await;
    stage.turn_ends(0, &id, &[RELEASED]).await?;
    stage.turn_ends(0, &ids[1], &["third"]).await?;
    let frames = stage.frames(0);
    let turn = Turn::of(&frames, &ids[0]);
    if !turn.answers.iter().any(|(_, answer)| answer.has_error) {
        let text = format!(
            "no answer with an `error` is reported for {}, which the gateway refused",
            ids[0]
        );
        return stage.record.violated(&REFUSED, text);
    }
    stage.completes(0).await?;
    stage.leaves(&LEAVES, socket).await
}

pub(super) async fn unknown_model(stage: &mut Stage) -> Step {
    let agent = json!({"mode": "code", "model": {"providerID": "kilo", "modelID": "model-of-tomorrow"}});
    prompted(stage, "__fake__:echo:hi", json!({"agent": agent})).await?;
    let rule = &MODEL;
    stage
        .until(rule, 0, "session.error", &["error", "complete"])
        .await?;
    let (fatal, _) = stage.until(rule, 0, "error", &["complete"]).await?;
    let data = &fatal["data"];
    let has_text = data["error"].is_string() || data["error"].is_object() || data["message"].is_string();
    if data["fatal"] != true || !has_text {
        let text = format!("the data of `error` are {data}, not `fatal` with a text");
        return stage.record.violated(rule, text);
    }
    stage.until(&IDLE, 0, "session.idle", &["complete"]).await?;
    stage.at_rest(rule).await
}

pub(super) async fn commit(stage: &mut Stage) -> Step {
    let wanted = json!({"finalization": {"autoCommit": true, "condenseOnComplete": true}});
    let (id, socket) = prompted(stage, "__fake__:echo:hi", wanted).await?;
    let after = stage.turn_ends(0, &id, &["hi"]).await?;
    let (_, after) = stage.until(&IDLE, after, "session.idle", &["complete"]).await?;
    let mut next = after;
    for event in ["autocommit_started", "autocommit_completed"] {
        let (frame, after) = stage.until(&COMMIT, next, event, &["complete"]).await?;
        if frame["data"]["messageId"] != id {
            let text = format!(
                "the data of `{event}` are {}, and the turn is that of {id}",
                frame["data"]
            );
            return stage.record.violated(&COMMIT, text);
        }
        next = after;
    }
    stage.until(&COMPLETE, next, "complete", &[]).await?;
    stage.leaves(&LEAVES, socket).await
}

pub(super) async fn gate(stage: &mut Stage) -> Step {
    let wanted = json!({"finalization": {"gateThreshold": "all"}});
    let (id, socket) = prompted(stage, "__fake__:echo:hi", wanted).await?;
    let after = stage.turn_ends(0, &id, &["hi"]).await?;
    let complete = stage.completes(after).await?;
    if complete["gateResult"].is_null() {
        let text = format!("the data of `complete` are {complete}, and a gate was asked for");
        return stage.record.violated(&COMPLETE, text);
    }
    stage.leaves(&LEAVES, socket).await
}

/// The number of prompts of which each arrives when the turn before ends.
const LATE_PROMPTS: u32 = 8;

pub(super) async fn late_prompt(stage: &mut Stage) -> Step {
    prompted(stage, "__fake__:echo:a", json!({})).await?;
    for number in 1..LATE_PROMPTS {
        let before = stage.session.message(number);
        stage.ended(&before, 1).await?;
        let id = stage.session.message(number + 1);
        stage.prompt(&id, "__fake__:echo:a").await?;
    }
    let last = stage.session.message(LATE_PROMPTS);
    let after = stage.ended(&last, 1).await?;
    for number in 1..=LATE_PROMPTS {
        let id = stage.session.message(number);
        let turn = Turn::of(&stage.frames(0), &id);
        if let Some(difference) = turn.difference(&["a"]) {
            let text = format!("turn of {id}: {difference}");
            return stage.record.violated(&TURN, text);
        }
    }
    stage.completes(after).await.map(|_| ())
}
