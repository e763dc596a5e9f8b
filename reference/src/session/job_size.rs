//! The size of a callback job, and what is left out of a job that is too large (R8.35–R8.38).
//!
//! Pure: nothing here knows the session or the queue.

use serde::Serialize;
use serde_json::{Value, json};

use crate::coverage::ServerMark;
use crate::model::metadata::CallbackTarget;

/// The text of the assistant in the body.
const TEXT: &str = "lastAssistantMessageText";
/// The text of the error in the body.
const ERROR: &str = "errorMessage";

/// A job that is larger than the queue takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the callback queue takes at most {limit} bytes, and the job has {size}")]
pub struct TooLarge {
    /// The size of the job in bytes.
    pub size: usize,
    /// The size that the queue takes, in bytes.
    pub limit: usize,
}

/// Checks the size of a job.
///
/// # Errors
///
/// If it has more than `limit` bytes.
pub fn check(body: &Value, target: &CallbackTarget, limit: usize) -> Result<(), TooLarge> {
    match size(body, target) {
        size if size > limit => Err(TooLarge { size, limit }),
        _ => Ok(()),
    }
}

/// A job as far as its size counts.
#[derive(Serialize)]
struct Job<'a> {
    target: &'a CallbackTarget,
    body: &'a Value,
}

/// The size of a job in bytes: of the JSON of body and target.
fn size(body: &Value, target: &CallbackTarget) -> usize {
    let job = Job { target, body };
    serde_json::to_vec(&job).expect("a job is JSON").len()
}

/// Makes a body smaller until its job fits into `limit` bytes.
///
/// The assistant's text is left out first; then the error's text is cut.
///
/// # Errors
///
/// If the job does not fit even so.
pub(super) fn fit(body: &Value, target: &CallbackTarget, limit: usize) -> Result<Value, TooLarge> {
    let mut body = body.clone();
    if check(&body, target, limit).is_err() {
        leave_text_out(&mut body);
    }
    if check(&body, target, limit).is_err() {
        cut_error(&mut body, target, limit);
    }
    check(&body, target, limit).map(|()| body)
}

/// Leaves the assistant's text out (R8.36). An empty text is as short as its absence.
fn leave_text_out(body: &mut Value) {
    let Some(text) = body[TEXT].as_str().filter(|text| !text.is_empty()) else {
        return;
    };
    ServerMark::CallbackWithoutText.hit();
    let truncation = truncation(text, 0);
    if let Some(fields) = body.as_object_mut() {
        fields.remove(TEXT);
    }
    body[format!("{TEXT}Truncation")] = truncation;
}

/// Cuts the error's text at a character boundary, to the longest beginning that fits (R8.37).
fn cut_error(body: &mut Value, target: &CallbackTarget, limit: usize) {
    let Some(error) = body[ERROR].as_str().map(str::to_owned) else {
        return;
    };
    ServerMark::CallbackErrorCut.hit();
    let mut cut_at = |end: usize| {
        body[ERROR] = json!(error[..end]);
        body[format!("{ERROR}Truncation")] = truncation(&error, end);
        size(body, target)
    };
    // The sizes of the others follow from the smallest, which is much faster than to write each of them.
    let smallest = cut_at(0) - digits(0);
    let mut text_size = 0;
    let sizes = error.char_indices().map(|(start, character)| {
        text_size += size_in_json(character);
        let end = start + character.len_utf8();
        (end, smallest + text_size + digits(end))
    });
    let fitting = sizes.take_while(|(_, size)| *size <= limit);
    let longest = fitting.last().map_or(0, |(end, _)| end);
    cut_at(longest);
}

/// The number of bytes of a character in a JSON string.
fn size_in_json(character: char) -> usize {
    match character {
        '"' | '\\' | '\u{8}' | '\t' | '\n' | '\u{c}' | '\r' => 2,
        '\0'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

/// The number of digits of a number.
fn digits(number: usize) -> usize {
    number
        .checked_ilog10()
        .map_or(1, |exponent| exponent as usize + 1)
}

fn truncation(text: &str, retained: usize) -> Value {
    json!({"originalUtf8ByteLength": text.len(), "retainedUtf8ByteLength": retained})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn target() -> CallbackTarget {
        CallbackTarget {
            url: "http://receiver/".to_owned(),
            headers: BTreeMap::new(),
        }
    }

    #[test]
    fn a_job_of_exactly_the_limit_is_unchanged() {
        let body = json!({"messageId": "m", TEXT: "é\"".repeat(100)});
        let limit = size(&body, &target());
        assert_eq!(fit(&body, &target(), limit), Ok(body.clone()));
        let smaller = fit(&body, &target(), limit - 1).unwrap();
        assert_eq!(smaller[TEXT], Value::Null);
        assert_eq!(
            smaller["lastAssistantMessageTextTruncation"],
            json!({"originalUtf8ByteLength": 300, "retainedUtf8ByteLength": 0})
        );
        assert_eq!(smaller["errorMessageTruncation"], Value::Null);
    }

    #[test]
    fn an_error_is_cut_at_a_character_so_that_the_job_just_fits() {
        // All characters that JSON escapes, and one for each length in UTF-8.
        let characters = ('\0'..='\u{7f}').chain(['é', '€', '😀']);
        let error = String::from_iter(characters).repeat(20);
        let body = json!({ERROR: error});
        let with = |retained: &str| {
            let mut body = json!({ERROR: retained});
            body["errorMessageTruncation"] = truncation(&error, retained.len());
            body
        };
        for limit in 200..1200 {
            let cut = fit(&body, &target(), limit).unwrap();
            let kept = cut[ERROR].as_str().unwrap();
            assert!(error.starts_with(kept));
            assert_eq!(cut, with(kept));
            let next = error[kept.len()..].chars().next().unwrap();
            let longer = size(&with(&format!("{kept}{next}")), &target());
            assert!(longer > limit, "{longer} fits into {limit}");
        }
    }

    #[test]
    fn a_job_that_does_not_fit_without_its_texts_is_given_up() {
        let body = json!({"messageId": "m".repeat(300), ERROR: "why", TEXT: "text"});
        let too_large = fit(&body, &target(), 300).unwrap_err();
        assert!(too_large.size > 300 && too_large.limit == 300, "{too_large}");
        let mut large = target();
        large.url = format!("http://receiver/{}", "x".repeat(300));
        assert!(fit(&json!({"messageId": "m"}), &large, 300).is_err());
    }

    #[test]
    fn an_error_may_be_cut_to_nothing() {
        let body = json!({ERROR: "why".repeat(100)});
        let truncated = json!({ERROR: "", "errorMessageTruncation":
            {"originalUtf8ByteLength": 300, "retainedUtf8ByteLength": 0}});
        let limit = size(&truncated, &target());
        assert_eq!(fit(&body, &target(), limit), Ok(truncated));
    }
}
