//! The request of an ingest, and orders of the server on it.

use serde_json::json;

use crate::role::case::Step;
use crate::wrapper::ingest::{Event, Happened};
use crate::wrapper::rules::{OPENS, SNAPSHOT, UNKNOWN};
use crate::wrapper::stage::Stage;
use crate::wrapper::steps::RELEASED;
use crate::wrapper::turns::is_user_message;

pub(super) async fn opens(stage: &mut Stage) -> Step {
    stage.ready().await?;
    let id = stage.session.message(1);
    stage.prompt(&id, "__fake__:echo:hi").await?;
    stage.opened(&OPENS).await.map(|_| ())
}

pub(super) async fn ping(stage: &mut Stage) -> Step {
    let (id, socket) = stage.at_gate(1).await?;
    stage.flush(socket).await?;
    stage.flush(socket).await?;
    stage.release().await;
    stage.turn_and_end(0, &id, &[RELEASED], socket).await
}

pub(super) async fn snapshot(stage: &mut Stage) -> Step {
    let (id, socket) = stage.at_gate(1).await?;
    stage.flush(socket).await?;
    let from = stage.mark();
    stage.ingest.write(socket, json!({"type": "request_snapshot"}));
    let what = format!("the message {id} was not reported again");
    stage
        .wait(&SNAPSHOT, from, &what, |events| {
            let is_again =
                |event: &Event| matches!(&event.what, Happened::Frame(frame) if is_user_message(frame, &id));
            events.iter().any(is_again).then_some(())
        })
        .await?;
    stage.release().await;
    stage.turn_and_end(0, &id, &[RELEASED], socket).await
}

pub(super) async fn unknown(stage: &mut Stage) -> Step {
    let (id, socket) = stage.at_gate(1).await?;
    for frame in [
        json!({"type": "order_of_tomorrow", "signal": [1, {"a": null}]}),
        json!({"type": "error", "code": "WS_PROTOCOL_ERROR", "message": "The frame is not JSON"}),
        json!({"type": "error", "code": "WS_INTERNAL_ERROR", "message": "A frame was not processed"}),
        json!({"type": 7}),
        json!("no object"),
    ] {
        stage.ingest.write(socket, frame);
    }
    stage.flush(socket).await?;
    let is_closed = |event: &Event| matches!(event.what, Happened::Closed(_));
    if stage.since(0).iter().any(is_closed) {
        let text = "the wrapper closed its ingest after an unknown frame".to_owned();
        return stage.record.violated(&UNKNOWN, text);
    }
    stage.release().await;
    stage.turn_and_end(0, &id, &[RELEASED], socket).await
}
