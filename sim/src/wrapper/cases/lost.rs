//! Ingests that are lost, opened again, or given up.

use std::time::Duration;

use serde_json::{Value, json};

use crate::role::STARTING;
use crate::role::case::Step;
use crate::role::rule::RoleRule;
use crate::role::socket::Cut;
use crate::wrapper::ingest::{Admission, Event, Happened};
use crate::wrapper::rules::{BUFFER, GIVES_UP, JOB, LEAVES, OPENS, RECONNECTS, RESUMES, STALE};
use crate::wrapper::stage::{Stage, frames};
use crate::wrapper::steps::{RELEASED, RESTART, STALE_CODE, UNAVAILABLE};
use crate::wrapper::turns::{Turn, is_root_idle, name};

/// The status of a server for which the fence is stale.
const CONFLICT: u16 = 409;
/// Chunks of an answer that makes more events than a buffer keeps (R11.29).
const MANY: usize = 700;

pub(super) async fn closed(stage: &mut Stage) -> Step {
    loses(stage, Cut::Close(RESTART)).await
}

pub(super) async fn ended(stage: &mut Stage) -> Step {
    loses(stage, Cut::Lost).await
}

pub(super) async fn reset(stage: &mut Stage) -> Step {
    loses(stage, Cut::Reset).await
}

pub(super) async fn mid_frame(stage: &mut Stage) -> Step {
    loses(stage, Cut::MidFrame).await
}

/// The ingest is lost while a turn waits, and the turn ends before it is open again.
async fn loses(stage: &mut Stage, cut: Cut) -> Step {
    let (id, socket) = stage.at_gate(1).await?;
    let from = stage.lose_while_it_works(socket, cut).await?;
    let socket = stage.opened(&RECONNECTS).await?;
    resumed(stage, from, &id).await?;
    stage.leaves(&LEAVES, socket).await
}

/// Checks what comes on an ingest that is open again: the announcement, then the rest of a turn that was at the gate.
async fn resumed(stage: &mut Stage, from: usize, id: &str) -> Step {
    let announcement = announced(stage, from).await?;
    if announcement["eventsLost"] != 0 {
        let text = format!("the data of `wrapper_resumed` are {announcement}, and no event was lost");
        return stage.record.violated(&RESUMES, text);
    }
    stage.until(&BUFFER, from, "complete", &[]).await?;
    stage.calm().await;
    let kilo = stage.session.kilo.clone();
    let frames = stage.frames(from);
    // What came before the loss belongs to the same turn.
    let all = stage.frames(0);
    let turn = Turn::of(&all, id);
    if let Some(difference) = turn.difference(&[RELEASED]) {
        let text = format!("after the loss, the turn of {id} is not as the gateway answered: {difference}");
        return stage.record.violated(&BUFFER, text);
    }
    let place = |is_it: &dyn Fn(&Value) -> bool| {
        let mut places = frames.iter().enumerate().filter(|(_, frame)| is_it(frame));
        let first = places.next().map(|(place, _)| place);
        (first, places.count())
    };
    let end = |frame: &Value| {
        let info = &frame["data"]["properties"]["info"];
        name(frame) == "message.updated" && info["parentID"] == id && info["time"]["completed"].is_number()
    };
    let places = [
        ("the end of the answer", place(&end)),
        ("`session.idle`", place(&|frame| is_root_idle(frame, &kilo))),
        ("`complete`", place(&|frame| name(frame) == "complete")),
    ];
    for (what, (first, more)) in &places {
        if first.is_none() || *more > 0 {
            let text = format!(
                "{what} came {} times after the loss, not once",
                usize::from(first.is_some()) + more
            );
            return stage.record.violated(&BUFFER, text);
        }
    }
    match places.windows(2).find(|pair| pair[0].1.0 > pair[1].1.0) {
        None => Ok(()),
        Some(pair) => {
            let text = format!("{} came before {} after the loss", pair[1].0, pair[0].0);
            stage.record.violated(&BUFFER, text)
        }
    }
}

/// The data of `wrapper_resumed`, which must be the first frame.
async fn announced(stage: &mut Stage, from: usize) -> Step<Value> {
    let first = stage
        .wait(
            &RESUMES,
            from,
            "no frame came on the ingest that is open again",
            |events| frames(events).next().cloned(),
        )
        .await?;
    let data = &first["data"];
    if name(&first) != "wrapper_resumed" || !data["bufferedEvents"].is_u64() || !data["eventsLost"].is_u64() {
        let text = format!(
            "the first frame is {first}, not `wrapper_resumed` with the numbers `bufferedEvents` and `eventsLost`"
        );
        return stage.record.violated(&RESUMES, text);
    }
    Ok(data.clone())
}

pub(super) async fn twice(stage: &mut Stage) -> Step {
    let (id, socket) = stage.at_gate(1).await?;
    stage.flush(socket).await?;
    stage.cut(socket, Cut::Reset);
    let socket = stage.opened(&RECONNECTS).await?;
    // Its announcement has arrived, and nothing else.
    stage.flush(socket).await?;
    let from = stage.lose_while_it_works(socket, Cut::Lost).await?;
    let socket = stage.opened(&RECONNECTS).await?;
    resumed(stage, from, &id).await?;
    stage.leaves(&LEAVES, socket).await
}

pub(super) async fn overflow(stage: &mut Stage) -> Step {
    let (id, socket) = stage.at_gate(1).await?;
    // A busy machine needs its time for so many events.
    stage.patience *= STARTING;
    let long = stage.session.message(2);
    stage.prompt(&long, &format!("__fake__:slow:{MANY}:0")).await?;
    let from = stage.lose_while_it_works(socket, Cut::Lost).await?;
    let socket = stage.opened(&RECONNECTS).await?;
    let announcement = announced(stage, from).await?;
    stage.until(&BUFFER, from, "complete", &[]).await?;
    let frames = stage.frames(from);
    let has_begin = Turn::of(&frames, &id).end(1).is_some();
    let lost = announcement["eventsLost"].as_u64().unwrap_or_default();
    if has_begin != (lost == 0) {
        let whether = if has_begin { "is there" } else { "is missing" };
        let text = format!(
            "the data of `wrapper_resumed` are {announcement}, and the first event after the loss {whether}"
        );
        return stage.record.violated(&RESUMES, text);
    }
    let numbers: Vec<usize> = frames.iter().filter_map(chunk).collect();
    let is_gapless = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
    if !is_gapless || numbers.last() != Some(&MANY) {
        let text = format!(
            "of the chunks 1 to {MANY}, those from {:?} to {:?} came, {} in all; the newest must all come, in order",
            numbers.first(),
            numbers.last(),
            numbers.len()
        );
        return stage.record.violated(&BUFFER, text);
    }
    let idles = frames.iter().filter(|frame| name(frame) == "session.idle");
    if idles.count() != 1 {
        let text = "`session.idle` is not among the newest events, once".to_owned();
        return stage.record.violated(&BUFFER, text);
    }
    stage.leaves(&LEAVES, socket).await
}

/// The number of the chunk with which a version of a text ends.
fn chunk(frame: &Value) -> Option<usize> {
    let text = frame["data"]["properties"]["part"]["text"].as_str()?;
    text.trim_end().rsplit_once("chunk-")?.1.parse().ok()
}

pub(super) async fn retries(stage: &mut Stage) -> Step {
    let (id, socket) = stage.at_gate(1).await?;
    stage.flush(socket).await?;
    let times = stage.pauses.len() - 1;
    if times > 0 {
        stage.ingest.admit(Admission::Refuse {
            status: UNAVAILABLE,
            times,
        });
    }
    let from = stage.mark();
    stage.cut(socket, Cut::Lost);
    refused(stage, &RECONNECTS, from, times).await?;
    // The last pause is the longest one.
    let patience = stage.patience;
    stage.patience += stage.pauses.last().copied().unwrap_or_default();
    let socket = stage.opened(&RECONNECTS).await?;
    stage.patience = patience;
    announced(stage, from).await?;
    stage.release().await;
    stage.turn_and_end(0, &id, &[RELEASED], socket).await
}

/// Waits until that many attempts have been refused.
async fn refused(stage: &mut Stage, rule: &RoleRule, from: usize, times: usize) -> Step {
    let patience = stage.patience;
    let what = format!("the wrapper did not try {times} times to open its ingest again");
    let pauses: Duration = stage.pauses.iter().sum();
    stage.patience += pauses;
    let waited = stage
        .wait(rule, from, &what, |events| {
            (attempts(events) >= times).then_some(())
        })
        .await;
    stage.patience = patience;
    waited
}

fn attempts(events: &[Event]) -> usize {
    let is_attempt = |event: &&Event| matches!(event.what, Happened::Refused(..));
    events.iter().filter(is_attempt).count()
}

pub(super) async fn gives_up(stage: &mut Stage) -> Step {
    let (_, socket) = stage.at_gate(1).await?;
    stage.flush(socket).await?;
    stage.ingest.admit(Admission::refuse(UNAVAILABLE));
    let from = stage.mark();
    stage.cut(socket, Cut::Lost);
    let times = stage.pauses.len();
    refused(stage, &GIVES_UP, from, times).await?;
    dropped(stage, &GIVES_UP, from, times).await
}

pub(super) async fn stale_close(stage: &mut Stage) -> Step {
    let (_, socket) = stage.at_gate(1).await?;
    stage.flush(socket).await?;
    stage.ingest.admit(Admission::refuse(UNAVAILABLE));
    let from = stage.mark();
    stage.cut(socket, Cut::Close(STALE_CODE));
    dropped(stage, &STALE, from, 0).await
}

pub(super) async fn stale_refusal(stage: &mut Stage) -> Step {
    let (_, socket) = stage.at_gate(1).await?;
    stage.flush(socket).await?;
    stage.ingest.admit(Admission::refuse(CONFLICT));
    let from = stage.mark();
    stage.cut(socket, Cut::Lost);
    refused(stage, &RECONNECTS, from, 1).await?;
    dropped(stage, &STALE, from, 1).await
}

/// Checks that the wrapper has dropped its turns and its binding after that many attempts, and works for another one.
async fn dropped(stage: &mut Stage, rule: &RoleRule, from: usize, times: usize) -> Step {
    stage.at_rest(rule).await?;
    let longest = stage.pauses.iter().max().copied().unwrap_or_default();
    stage.calm_after(longest).await;
    let seen = attempts(&stage.since(from));
    if seen > times {
        let text = format!("the wrapper tried {seen} times to open its ingest again, not {times} times");
        return stage.record.violated(rule, text);
    }
    if stage.live_calls().await > 0 {
        let text = "the call of the gateway goes on for a turn that was dropped".to_owned();
        return stage.record.violated(rule, text);
    }
    let late = stage.session.message(7);
    let prompt = stage
        .session
        .prompt(&json!({"id": late, "prompt": "__fake__:echo:late"}));
    let reply = stage.post("/job/prompt", prompt).await?;
    let is_known = reply.body["error"] == "NO_SESSION";
    stage.is_refused(if is_known { &JOB } else { rule }, &reply, 400, "NO_SESSION")?;
    stage.ingest.admit(Admission::Accept);
    stage.session.next_run();
    stage.ready().await?;
    let from = stage.mark();
    let next = stage.session.message(8);
    stage.prompt(&next, "__fake__:echo:next").await?;
    let socket = stage.opened(&OPENS).await?;
    stage.turn_and_end(from, &next, &["next"], socket).await?;
    match stage
        .frames(from)
        .iter()
        .find(|frame| name(frame) == "wrapper_resumed")
    {
        None => Ok(()),
        Some(_) => {
            let text = "the wrapper resumed although it had dropped its binding".to_owned();
            stage.record.violated(rule, text)
        }
    }
}
