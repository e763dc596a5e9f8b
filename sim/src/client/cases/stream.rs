//! The stream: the cursor, ends of connections, and events that a client does not know.

use serde_json::json;

use crate::client::comparison::difference;
use crate::client::model::{Model, kilo};
use crate::client::rules::UNKNOWN;
use crate::client::stage::{GOING_AWAY, Stage};
use crate::role::case::Step;
use crate::role::socket::Cut;

const MESSAGE: &str = "msg_0123456789abAAAAAAAAAAAAAA";
const ANSWER: &str = "msg_0123456789abZZZZZZZZZZZZZZ";
const PART: &str = "prt_1";
/// The number of events of the burst.
const BURST: usize = 1500;

/// A turn of the assistant with a text.
fn answer(stage: &mut Stage, text: &str) {
    stage.emit(|model| model.message(MESSAGE, "user", json!({})));
    stage.emit(|model| model.message(ANSWER, "assistant", json!({"parentID": MESSAGE})));
    stage.emit(|model| model.part(ANSWER, PART, text));
}

pub(super) async fn cursor(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    stage.shows_everything().await?;
    answer(stage, "Done.");
    stage.emit(|model| model.kept("complete", &json!({"exitCode": 0})));
    stage.shows_everything().await?;
    // A later version of the first row, and events that are not kept.
    stage.emit(|model| model.message(MESSAGE, "user", json!({})));
    stage.write(vec![Model::volatile(
        "cloud.status",
        &json!({"cloudStatus": {"type": "ready"}}),
    )]);
    stage.calm().await;
    stage.shows_everything().await
}

pub(super) async fn resumes(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    answer(stage, "one");
    stage.shows_everything().await?;
    for cut in [Cut::Lost, Cut::Reset] {
        stage.cut(cut).await;
        stage
            .model
            .kept("autocommit_started", &json!({"messageId": MESSAGE}));
        stage.reconnected().await?;
        stage.shows_everything().await?;
    }
    Ok(())
}

pub(super) async fn closed(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    answer(stage, "one");
    stage.shows_everything().await?;
    stage.cut(Cut::Close(GOING_AWAY)).await;
    stage.model.queue(MESSAGE);
    stage.reconnected().await?;
    stage.shows_everything().await
}

pub(super) async fn refused(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    answer(stage, "one");
    stage.shows_everything().await?;
    stage.server.refuse(2);
    stage.cut(Cut::Lost).await;
    stage.model.part(ANSWER, "prt_2", " two");
    stage.reconnected().await?;
    stage.shows_everything().await
}

pub(super) async fn mid_frame(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    answer(stage, "one");
    stage.shows_everything().await?;
    stage.cut(Cut::MidFrame).await;
    stage.model.part(ANSWER, "prt_2", " two");
    stage.model.queue(MESSAGE);
    stage.reconnected().await?;
    stage.shows_everything().await
}

pub(super) async fn twice(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    answer(stage, "one");
    stage.shows_everything().await?;
    stage.cut(Cut::Lost).await;
    for number in 2..6 {
        stage
            .model
            .part(ANSWER, &format!("prt_{number}"), &format!(" {number}"));
    }
    stage.reconnected().await?;
    stage.cut(Cut::Reset).await;
    stage.model.part(ANSWER, "prt_6", " 6");
    stage.reconnected().await?;
    stage.shows_everything().await
}

pub(super) async fn unknown(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    stage.emit(|model| model.queue(MESSAGE));
    answer(stage, "one");
    let strange = json!({"messageId": MESSAGE, "parts": [1, null, {"deep": [[]]}]});
    stage.emit(|model| model.kept("cloud.message.reordered", &strange));
    stage.emit(|model| model.kept("kilocode", &kilo("message.part.blinked", &strange)));
    stage.emit(|model| model.kept("kilocode", &json!({"event": 7})));
    let mut further = stage.model.part(ANSWER, PART, "two");
    further["colour"] = json!("green");
    further["data"]["properties"]["part"]["weight"] = json!(3);
    stage.write(vec![further, Model::volatile("heartbeat", &json!({}))]);
    // A part that has no text.
    let tool = json!({"part": {"id": "prt_0", "messageID": ANSWER, "type": "tool", "tool": "bash", "state": {"status": "running"}}});
    stage.emit(|model| model.kept("kilocode", &kilo("message.part.updated", &tool)));
    // The last kept event is unknown, so the cursor depends on it.
    stage.emit(|model| model.kept("session.of.tomorrow", &json!(null)));
    let unknown = |(_, text)| (&UNKNOWN, text);
    stage
        .shows(|view, model, session| difference(view, model, session).map(unknown))
        .await
}

pub(super) async fn session(stage: &mut Stage) -> Step {
    let fetched = json!({
        "sessionId": crate::client::model::SESSION, "title": "Fix the test", "kiloSessionId": "ses_1",
        "associatedPr": {"number": 7, "url": "https://example.com/pull/7", "state": "open"},
        "labels": ["a", "b"], "archivedAt": null, "cost": 0.25,
    });
    stage.connect(fetched).await?;
    stage.shows_everything().await?;
    let info = json!({"info": {"id": "ses_1", "time": {"updated": 2}}});
    stage.emit(|model| model.kept("kilocode", &kilo("session.updated", &info)));
    stage.emit(|model| model.queue(MESSAGE));
    stage.shows_everything().await?;
    stage.cut(Cut::Lost).await;
    stage.reconnected().await?;
    stage.shows_everything().await
}

pub(super) async fn burst(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    answer(stage, "");
    let mut frames = Vec::new();
    for number in 0..BURST {
        frames.push(stage.model.delta(ANSWER, PART, &format!("{number} ")));
        if number % 100 == 0 {
            frames.push(
                stage
                    .model
                    .kept("autocommit_started", &json!({"messageId": MESSAGE})),
            );
        }
    }
    stage.write(frames);
    stage.shows_everything().await
}
