//! Masks the values of a payload that differ from run to run, and no others.
//!
//! An id or a time is masked only if it has the format that the protocol requires (§1, §9). Other values stay unmasked, so
//! that a review notices them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::mask::{self, IDENTITIES, LENGTH, LITERALLY, Offset};

/// The range around the start of a run in which a number is taken for a time.
const REACH_MS: i64 = 366 * 24 * 60 * 60 * 1000;
/// The format of times (protocol §9).
const TIME_FORM: &str = "0000-00-00T00:00:00.000Z";
/// The field with the headers of an HTTP message.
const HEADERS: &str = "headers";
/// The field with the body of an HTTP message.
const BODY: &str = "body";
/// The header with the length of the body.
const CONTENT_LENGTH: &str = "content-length";

/// Numbers ids by first appearance, and makes times relative to the start of the run. Use one redactor for related
/// payloads, so that an id has the same number in all of them.
pub struct Redactor {
    beginning: Timestamp,
    names: BTreeMap<String, String>,
}

impl Redactor {
    /// A redactor for payloads of a run with the given start.
    pub fn new(beginning: Timestamp) -> Self {
        Self {
            beginning,
            names: BTreeMap::new(),
        }
    }

    /// Masks a payload. A content length is masked if it is correct for the body beside it.
    pub fn payload(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Number(number) => match number.as_i64().and_then(|number| self.moment(number)) {
                Some(offset) => mask::unix_milliseconds(&offset).into(),
                None => value.clone(),
            },
            Value::Array(values) => values.iter().map(|value| self.payload(value)).collect(),
            Value::Object(fields) => {
                let says_its_length = says_its_length(fields);
                let mask = |(name, value): (&String, &Value)| {
                    let mut masked = self.payload(value);
                    if name == HEADERS && says_its_length {
                        masked[CONTENT_LENGTH] = LENGTH.into();
                    }
                    (self.text(name), masked)
                };
                Value::Object(fields.iter().map(mask).collect())
            }
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }

    fn text(&mut self, text: &str) -> String {
        if let Some(offset) = self.written_moment(text) {
            return mask::time(&offset);
        }
        if mask::looks_masked(text) {
            return format!("{LITERALLY}{text}");
        }
        mask::words(text).map(|word| self.word(word)).collect()
    }

    fn word(&mut self, word: &str) -> String {
        let identity = IDENTITIES.iter().find(|identity| {
            let rest = word.strip_prefix(identity.prefix);
            rest.is_some_and(identity.is_valid)
        });
        let Some(identity) = identity else {
            return match mask::masked_identity(word) {
                Some(_) => format!("{LITERALLY}{word}"),
                None => word.to_owned(),
            };
        };
        let prefix = identity.prefix;
        let count = self
            .names
            .values()
            .filter(|name| name.starts_with(prefix))
            .count();
        let name = self.names.entry(word.to_owned());
        name.or_insert_with(|| format!("{prefix}{}", count + 1)).clone()
    }

    fn written_moment(&self, text: &str) -> Option<Offset> {
        let is_of_form = text.len() == TIME_FORM.len()
            && text
                .bytes()
                .zip(TIME_FORM.bytes())
                .all(|(byte, form)| match form {
                    b'0' => byte.is_ascii_digit(),
                    _ => byte == form,
                });
        let time: Timestamp = is_of_form.then(|| text.parse().ok())??;
        Some(self.offset(time.as_millisecond()))
    }

    fn moment(&self, number: i64) -> Option<Offset> {
        let offset = self.offset(number);
        (offset.milliseconds.abs() <= REACH_MS).then_some(offset)
    }

    fn offset(&self, milliseconds: i64) -> Offset {
        let beginning = self.beginning.as_millisecond();
        Offset {
            milliseconds: milliseconds.saturating_sub(beginning),
        }
    }
}

/// Whether these are the fields of an HTTP message with a correct content length.
fn says_its_length(fields: &Map<String, Value>) -> bool {
    let (Some(headers), Some(body)) = (fields.get(HEADERS), fields.get(BODY)) else {
        return false;
    };
    headers[CONTENT_LENGTH] == *body.to_string().len().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MESSAGE: &str = "msg_9b76a2c00000AAAAAAAAAAAAAA";
    const OTHER_MESSAGE: &str = "msg_9b76a2c00000BBBBBBBBBBBBBB";
    const SESSION: &str = "agent_6f1b2c3d-0000-4000-8000-00000000abcd";

    fn redactor() -> Redactor {
        Redactor::new("2026-01-01T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn ids_are_numbered_by_first_appearance_wherever_they_stand() {
        let payload = json!([
            {"messageId": OTHER_MESSAGE, "executionId": OTHER_MESSAGE},
            {"url": format!("/stream?cloudAgentSessionId={SESSION}"), MESSAGE: 1},
            format!("Message {MESSAGE} is already terminal"),
        ]);
        let masked = json!([
            {"messageId": "msg_1", "executionId": "msg_1"},
            {"url": "/stream?cloudAgentSessionId=agent_1", "msg_2": 1},
            "Message msg_2 is already terminal",
        ]);
        assert_eq!(redactor().payload(&payload), masked);
    }

    #[test]
    fn an_id_of_another_form_than_the_protocols_is_seen_as_it_is() {
        for id in [
            "msg_9B76A2C00000AAAAAAAAAAAAAA",
            "msg_9b76a2c00000AAAAAAAAAAAAA",
            "msg_9b76a2c00001AAAAAAAAAAAAAA",
            "agent_6f1b2c3d00004000800000000000abcd",
            "wr_0123456789abcdef0123456789abcde",
            "exc_",
        ] {
            assert_eq!(redactor().payload(&json!(id)), json!(id));
        }
    }

    #[test]
    fn times_become_distances_from_the_beginning_and_still_say_what_they_are() {
        let payload = json!([
            "2026-01-01T00:00:02.061Z",
            1_767_225_602_061_i64,
            "2025-12-31T23:00:00.000Z"
        ]);
        let masked = json!(["(time +2.1s)", "(Unix ms +2.1s)", "(time -3600.0s)"]);
        assert_eq!(redactor().payload(&payload), masked);
        for time in [
            "2026-01-01T00:00:02Z",
            "2026-01-01T00:00:02.061+00:00",
            "2026-13-01T00:00:02.061Z",
        ] {
            assert_eq!(redactor().payload(&json!(time)), json!(time));
        }
        assert_eq!(redactor().payload(&json!([0, 429, 2.5])), json!([0, 429, 2.5]));
    }

    #[test]
    fn what_looks_like_a_mask_and_is_none_says_so() {
        let payload = json!(["msg_1", "(time +2.1s)", "(length of the body)"]);
        let masked = json!([
            "(literally) msg_1",
            "(literally) (time +2.1s)",
            "(literally) (length of the body)"
        ]);
        assert_eq!(redactor().payload(&payload), masked);
    }

    #[test]
    fn the_length_of_a_body_is_masked_if_it_is_right() {
        let told = |length: &str| {
            let request = json!({"headers": {"content-length": length}, "body": {"a": 1}});
            redactor().payload(&request)["headers"]["content-length"].clone()
        };
        assert_eq!(told("7"), json!("(length of the body)"));
        assert_eq!(told("8"), json!("8"));
    }
}
