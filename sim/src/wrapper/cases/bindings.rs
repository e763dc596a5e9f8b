//! Bindings that are kept and replaced.

use serde_json::{Value, json};

use crate::role::case::Step;
use crate::role::socket::Cut;
use crate::wrapper::ingest::{Event, Happened};
use crate::wrapper::rules::{KEEPS, OPENS, REBINDS};
use crate::wrapper::stage::{Stage, frames};
use crate::wrapper::steps::{RELEASED, STALE_CODE};
use crate::wrapper::turns::{Turn, name};

pub(super) async fn kept(stage: &mut Stage) -> Step {
    let (first, socket) = stage.at_gate(1).await?;
    stage.ready().await?;
    let second = stage.session.message(2);
    stage.prompt(&second, "__fake__:echo:second").await?;
    stage.flush(socket).await?;
    let is_gone = |event: &Event| matches!(event.what, Happened::Closed(_));
    let opened = |event: &&Event| matches!(event.what, Happened::Opened(_));
    let events = stage.since(0);
    if events.iter().any(is_gone) || events.iter().filter(opened).count() > 1 {
        let text =
            "the ingest was closed or opened again by `/session/ready` with the same binding".to_owned();
        return stage.record.violated(&KEEPS, text);
    }
    if stage.live_calls().await != 1 {
        let text = "the turn was dropped by `/session/ready` with the same binding".to_owned();
        return stage.record.violated(&KEEPS, text);
    }
    stage.release().await;
    stage.turn_ends(0, &first, &[RELEASED]).await?;
    stage.turn_and_end(0, &second, &["second"], socket).await
}

pub(super) async fn replaced(stage: &mut Stage) -> Step {
    let (old, socket) = stage.at_gate(1).await?;
    let waiting = stage.session.message(2);
    stage.prompt(&waiting, "__fake__:echo:waiting").await?;
    stage.flush(socket).await?;
    begins_anew(stage, &[&old, &waiting], Some(socket)).await
}

pub(super) async fn after_abort(stage: &mut Stage) -> Step {
    let (old, socket) = stage.at_gate(1).await?;
    stage.flush(socket).await?;
    stage.abort().await?;
    begins_anew(stage, &[&old], None).await
}

pub(super) async fn after_kill(stage: &mut Stage) -> Step {
    let (old, socket) = stage.at_gate(1).await?;
    stage.flush(socket).await?;
    stage.ingest.write(socket, json!({"type": "kill"}));
    stage.cut(socket, Cut::Close(STALE_CODE));
    begins_anew(stage, &[&old], None).await
}

/// Binds the wrapper to another run, and checks that a turn under it has no traces of the messages before. The old socket
/// must be closed by the wrapper, if one is given.
async fn begins_anew(stage: &mut Stage, old: &[&str], socket: Option<usize>) -> Step {
    stage.session.next_run();
    stage.ready().await?;
    let from = stage.mark();
    let next = stage.session.message(9);
    stage.prompt(&next, "__fake__:echo:anew").await?;
    if let Some(socket) = socket {
        stage.leaves(&REBINDS, socket).await?;
    }
    let new = stage.opened(&OPENS).await?;
    let what = format!("the turn of {next}, the first one under another binding, did not end");
    stage
        .wait(&REBINDS, from, &what, |events| {
            Turn::of(on(events, new), &next).end(1)
        })
        .await?;
    let events = stage.since(from);
    if let Some(difference) = Turn::of(on(&events, new), &next).difference(&["anew"]) {
        let text = format!("turn of {next}, the first one under another binding: {difference}");
        return stage.record.violated(&REBINDS, text);
    }
    let traces = |frame: &Value| {
        let info = &frame["data"]["properties"]["info"];
        let names_old = old.iter().any(|id| info["id"] == *id || info["parentID"] == *id);
        names_old || matches!(name(frame), "wrapper_resumed" | "interrupted")
    };
    if let Some(trace) = on(&events, new).find(|frame| traces(frame)) {
        let text = format!("under another binding, the wrapper sent {trace}");
        return stage.record.violated(&REBINDS, text);
    }
    Ok(())
}

/// The frames on a socket.
fn on(events: &[Event], socket: usize) -> impl Iterator<Item = &Value> {
    frames(events.iter().filter(move |event| event.socket == socket))
}
