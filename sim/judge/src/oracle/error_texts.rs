//! The error text of a message that its wrapper or its assistant failed is the one that they gave (protocol §6).
//!
//! A server has stock texts for errors without one; then nothing is judged.

use serde_json::Value;

use super::frames::RunEnd;
use super::history::{SessionHistory, StreamEvent, WrapperFrame, answer, kilo};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "errors-keep-their-text",
    rule: "A message that fails by a fatal error of its wrapper, or by an error of its assistant, has the text of that \
        error.",
    why: "The text is all that the user learns of the reason, in the client and in the callback.",
    moment: Moment::Always,
    protocol: &ids(["R6.11", "R6.13"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let findings = session.ends.iter().filter_map(|end| {
        let message = end.message()?;
        let (violated, texts) = possible(session, end, message)?;
        let error = end.data["error"].as_str();
        (!texts.is_empty() && !texts.contains(&error)).then(|| {
            let given: Vec<&str> = texts.iter().copied().flatten().collect();
            let text = format!(
                "event {} ends it with the error {}, but the error was {given:?}",
                end.id, end.data["error"]
            );
            ORACLE.finding_about(&[violated], session.run.first_seen(end), message, text)
        })
    });
    findings.collect()
}

/// The rule about an end, and the texts that it may have; `None` if the text is open.
fn possible<'a>(
    session: &SessionHistory<'a>,
    end: &StreamEvent,
    message: &str,
) -> Option<(RuleId, Vec<Option<&'a str>>)> {
    let reason = end.data["reason"].as_str()?;
    if !matches!(reason, "wrapper_error" | "assistant_error") {
        return None;
    }
    let by = end.at + session.run.time_error();
    let imported = session.imported_frames().map(|(_, frame)| frame);
    let frames = session.wrapper_frames().map(|(_, frame)| frame).chain(imported);
    let frames: Vec<&WrapperFrame> = frames.filter(|frame| frame.at <= by).collect();
    // A frame that the harness cannot read may be any error.
    if frames.iter().any(|frame| frame.name.is_empty()) {
        return None;
    }
    let frames = frames.into_iter();
    let (violated, texts): (_, Vec<Option<&str>>) = match reason {
        "wrapper_error" => {
            let fatal = frames.filter(|frame| RunEnd::of_frame(frame) == Some(RunEnd::FatalError));
            (RuleId::named("R6.13"), fatal.map(fatal_text).collect())
        }
        _ => {
            let errors = frames.filter_map(|frame| assistant_error(frame, message));
            (RuleId::named("R6.11"), errors.map(error_text).collect())
        }
    };
    texts.iter().all(Option::is_some).then_some((violated, texts))
}

/// The text of a fatal error; `None` if it has none.
fn fatal_text(frame: &WrapperFrame) -> Option<&str> {
    let text = match &frame.data["error"] {
        Value::String(text) => Some(text.as_str()),
        error @ Value::Object(_) => error_text(error),
        _ => frame.data["message"].as_str(),
    };
    text.filter(|text| !text.is_empty())
}

/// The text of an assistant's error; `None` if it has none.
fn error_text(error: &Value) -> Option<&str> {
    let text = error["data"]["message"].as_str().or(error["message"].as_str());
    text.filter(|text| !text.is_empty())
}

/// The error of an assistant's message that answers a message, if a frame reports one.
fn assistant_error<'a>(frame: &'a WrapperFrame, message: &str) -> Option<&'a Value> {
    let (answered, info) = answer(kilo(&frame.name, &frame.data)?)?;
    (answered == message && !info["error"].is_null()).then_some(&info["error"])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;

    const RULE: &str = "errors-keep-their-text";

    fn is_found(mut writer: Writer, reason: &str, error: &str) -> bool {
        let source = if reason == "wrapper_error" {
            "wrapper_failure"
        } else {
            "assistant_message_event"
        };
        writer.failed(
            "m1",
            json!({"reason": reason, "completionSource": source, "error": error}),
        );
        writer.judged().contains(&RULE.to_owned())
    }

    #[test]
    fn a_fatal_error_keeps_its_text() {
        for (data, error, found) in [
            (json!({"fatal": true, "error": "full"}), "full", false),
            (json!({"fatal": true, "error": "full"}), "Wrapper error", true),
            (
                json!({"fatal": true, "error": {"data": {"message": "full"}}}),
                "full",
                false,
            ),
            (
                json!({"fatal": true, "error": {"message": "full"}}),
                "other",
                true,
            ),
            (json!({"fatal": true, "message": "full"}), "full", false),
            (json!({"fatal": true, "error": {}}), "anything", false),
        ] {
            let mut writer = Writer::at_work();
            writer.wrapper_sends(1, "error", data.clone());
            assert_eq!(is_found(writer, "wrapper_error", error), found, "{data} {error}");
        }
    }

    #[test]
    fn an_error_of_the_assistant_keeps_its_text() {
        let reports = |error: Value| {
            let mut writer = Writer::at_work();
            let info = json!({"id": "a1", "role": "assistant", "parentID": "m1", "error": error});
            let properties = json!({"info": info});
            writer.wrapper_sends(
                1,
                "kilocode",
                json!({"event": "message.updated", "properties": properties}),
            );
            writer
        };
        let error = json!({"name": "APIError", "data": {"message": "no credit"}});
        assert!(!is_found(reports(error.clone()), "assistant_error", "no credit"));
        assert!(is_found(reports(error), "assistant_error", "APIError"));
        assert!(!is_found(
            reports(json!({"name": "APIError"})),
            "assistant_error",
            "APIError"
        ));
    }
}
