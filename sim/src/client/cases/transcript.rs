//! Messages of the transcript and their texts.

use serde_json::json;

use crate::client::stage::Stage;
use crate::role::case::Step;
use crate::role::socket::Cut;

const QUESTION: &str = "msg_0123456789abMMMMMMMMMMMMMM";
const ANSWER: &str = "msg_0123456789abKKKKKKKKKKKKKK";
const SECOND_ANSWER: &str = "msg_0123456789abCCCCCCCCCCCCCC";
const PART: &str = "prt_5";

fn begin(stage: &mut Stage) {
    stage.emit(|model| model.message(QUESTION, "user", json!({})));
    stage.emit(|model| model.message(ANSWER, "assistant", json!({"parentID": QUESTION})));
}

/// A delta, and the version of the part that follows it.
fn chunk(stage: &mut Stage, delta: &str) {
    stage.emit(|model| model.delta(ANSWER, PART, delta));
    let shown = stage.model.messages.iter().find(|shown| shown.id == ANSWER);
    let text = shown
        .and_then(|shown| shown.parts.get(PART))
        .cloned()
        .unwrap_or_default();
    stage.emit(|model| model.part(ANSWER, PART, &text));
}

pub(super) async fn grows(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    begin(stage);
    for delta in ["I ", "have ", "fixed "] {
        chunk(stage, delta);
        stage.shows_everything().await?;
    }
    stage.emit(|model| model.delta(ANSWER, PART, "it."));
    stage.shows_everything().await?;
    // A version replaces the text, also with a shorter one.
    stage.emit(|model| model.part(ANSWER, PART, "Fixed."));
    stage.shows_everything().await
}

pub(super) async fn after_cut(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    begin(stage);
    chunk(stage, "one ");
    stage.shows_everything().await?;
    stage.cut(Cut::Lost).await;
    // What the client misses is in a row that it has already received, so the replay does not contain it.
    stage.model.delta(ANSWER, PART, "two ");
    stage
        .model
        .kept("autocommit_started", &json!({"messageId": QUESTION}));
    stage.reconnected().await?;
    let state = stage.model.state_of(ANSWER);
    stage.write(state);
    stage.shows_everything().await?;
    chunk(stage, "three");
    stage.shows_everything().await
}

pub(super) async fn lower_id(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    begin(stage);
    stage.emit(|model| model.part(ANSWER, PART, "draft"));
    stage.emit(|model| model.kept("complete", &json!({"exitCode": 0})));
    stage.shows_everything().await?;
    stage.emit(|model| model.part(ANSWER, PART, "final"));
    stage.shows_everything().await
}

pub(super) async fn parts(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    begin(stage);
    stage.emit(|model| model.part(ANSWER, PART, "world"));
    stage.emit(|model| model.part(ANSWER, "prt_1", "hello "));
    stage.emit(|model| model.part(ANSWER, "prt_9", "!"));
    stage.shows_everything().await?;
    stage.emit(|model| model.remove(ANSWER, "prt_9"));
    stage.shows_everything().await?;
    stage.emit(|model| model.part(ANSWER, "prt_9", "?"));
    stage.shows_everything().await
}

pub(super) async fn answers(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    begin(stage);
    chunk(stage, "first");
    // Its id is lower than the id of the first answer.
    stage.emit(|model| model.message(SECOND_ANSWER, "assistant", json!({"parentID": QUESTION})));
    stage.emit(|model| model.part(SECOND_ANSWER, "prt_7", "second"));
    stage.emit(|model| {
        model.message(
            ANSWER,
            "assistant",
            json!({"time": {"created": 1, "completed": 2}}),
        )
    });
    stage.shows_everything().await?;
    stage.cut(Cut::Reset).await;
    stage.model.kept("complete", &json!({"exitCode": 0}));
    stage.reconnected().await?;
    let state = stage.model.state_of(ANSWER);
    stage.write(state);
    stage.shows_everything().await
}

pub(super) async fn unicode(stage: &mut Stage) -> Step {
    stage.connect(json!({})).await?;
    begin(stage);
    for delta in [
        "Straße ",
        "🎉",
        "👩‍👩‍👧 ",
        "e\u{301} ",
        "\u{0}\u{7f} ",
        "\"\\</script> ",
        "日本語",
    ] {
        chunk(stage, delta);
    }
    stage.shows_everything().await
}
