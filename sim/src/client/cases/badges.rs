//! Badges of messages.

use serde_json::json;

use crate::client::stage::Stage;
use crate::role::case::Step;
use crate::role::socket::Cut;

const FIRST: &str = "msg_0123456789abAAAAAAAAAAAAAA";
const SECOND: &str = "msg_0123456789abBBBBBBBBBBBBBB";
const THIRD: &str = "msg_0123456789abCCCCCCCCCCCCCC";

pub(super) async fn turn(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    stage.emit(|model| model.queue(FIRST));
    stage.emit(|model| model.queue(SECOND));
    stage.shows_everything().await?;
    stage.emit(|model| model.send(FIRST));
    stage.shows_everything().await?;
    stage.emit(|model| model.end(FIRST, true));
    stage.emit(|model| model.send(SECOND));
    stage.emit(|model| model.end(SECOND, true));
    stage.shows_everything().await
}

pub(super) async fn undelivered(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    stage.emit(|model| model.queue(FIRST));
    stage.emit(|model| model.fail(FIRST));
    stage.emit(|model| model.queue(SECOND));
    stage.shows_everything().await
}

pub(super) async fn failed_later(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    for message in [FIRST, SECOND, THIRD] {
        stage.emit(|model| model.queue(message));
        stage.emit(|model| model.send(message));
    }
    stage.emit(|model| model.end(FIRST, false));
    // Either field says that it was delivered.
    stage.emit(|model| model.break_off(SECOND, &json!({"delivery": "sent"})));
    stage.emit(|model| model.break_off(THIRD, &json!({"accepted": true})));
    stage.shows_everything().await
}

pub(super) async fn after_cut(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    for message in [FIRST, SECOND] {
        stage.emit(|model| model.queue(message));
    }
    stage.shows_everything().await?;
    stage.cut(Cut::Lost).await;
    stage.model.send(FIRST);
    stage.model.fail(SECOND);
    stage.model.queue(THIRD);
    stage.reconnected().await?;
    stage.shows_everything().await
}

pub(super) async fn superseded(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    stage.emit(|model| model.queue(FIRST));
    stage.emit(|model| model.fail(FIRST));
    stage.shows_everything().await?;
    stage.cut(Cut::Reset).await;
    stage.model.queue(SECOND);
    stage.model.send(SECOND);
    stage.model.failed.clear();
    stage.reconnected().await?;
    stage.shows_everything().await
}
