//! The shape of what the server writes: which fields an object has, and what may be in them.
//!
//! | file | content |
//! |---|---|
//! | `replies` | the oracle about the replies of procedures (protocol §2, §9) |
//! | `events` | the oracle about the server's own events (protocol §9) |
//! | `requests` | the oracle about requests to wrappers (protocol §5) |
//!
//! A shape says nothing about fields that it does not name: a server may add some. Whether a value is the right one
//! for the state of the session is judged by other oracles.

pub(super) mod events;
pub(super) mod replies;
pub(super) mod requests;

use serde_json::Value;

use crate::rules::RuleId;

/// What a value may be.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Any text.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// The id of a session in any case (R1.2).
    SessionId,
    /// The id of a message (R1.3).
    MessageId,
    /// The id of a wrapper run (R1.4).
    RunId,
    /// `true` or `false`.
    Boolean,
    /// `true`.
    True,
    /// An integer from 0.
    Whole,
    /// A number.
    Number,
    /// `null`.
    Null,
    /// A list of values of this shape.
    List(&'static Shape),
    /// An object with any fields.
    AnyObject,
    /// Anything.
    Anything,
    /// An object with these fields and perhaps more.
    Object(&'static [Field]),
    /// `null`, or a value of this shape.
    Nullable(&'static Shape),
}

/// A field of an object.
#[derive(Debug, Clone, Copy)]
struct Field {
    name: &'static str,
    shape: Shape,
    /// Whether it may be absent.
    is_optional: bool,
    /// The rule that names it; the rule of the whole object if it has none of its own.
    rule: Option<RuleId>,
}

/// A field that is always present.
const fn field(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        is_optional: false,
        rule: None,
    }
}

impl Field {
    /// The same field, which may be absent.
    const fn or_absent(mut self) -> Self {
        self.is_optional = true;
        self
    }

    /// The same field, with the rule that names it.
    const fn by(mut self, rule: &str) -> Self {
        self.rule = Some(RuleId::named(rule));
        self
    }
}

/// Why a value does not have a shape.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mismatch {
    rule: RuleId,
    /// The place of the value below the whole, such as `execution.status`; empty for the whole.
    place: String,
    text: String,
}

impl Mismatch {
    /// The sentence about the whole, such as `the reply of send`.
    fn about(&self, whole: &str) -> String {
        match self.place.as_str() {
            "" => format!("{whole} {}", self.text),
            place => format!("`{place}` of {whole} {}", self.text),
        }
    }

    fn below(mut self, place: &str) -> Self {
        self.place = match self.place.as_str() {
            "" => place.to_owned(),
            inner => format!("{place}.{inner}"),
        };
        self
    }
}

impl Shape {
    /// The first mismatch of a value, whose shape is a matter of `rule`.
    fn mismatch(self, value: &Value, rule: RuleId) -> Option<Mismatch> {
        let found = |text: String| {
            Some(Mismatch {
                rule,
                place: String::new(),
                text,
            })
        };
        match self {
            Self::Object(fields) => {
                let Some(object) = value.as_object() else {
                    return found(format!("is {}, not an object", kind(value)));
                };
                fields.iter().find_map(|field| {
                    let rule = field.rule.unwrap_or(rule);
                    let mismatch = match object.get(field.name) {
                        Some(value) => field.shape.mismatch(value, rule)?,
                        None if field.is_optional => return None,
                        None => Mismatch {
                            rule,
                            place: String::new(),
                            text: "is absent".to_owned(),
                        },
                    };
                    Some(mismatch.below(field.name))
                })
            }
            Self::List(shape) => {
                let Some(list) = value.as_array() else {
                    return found(format!("is {}, not a list", kind(value)));
                };
                let places = list.iter().enumerate();
                places
                    .filter_map(|(place, value)| Some(shape.mismatch(value, rule)?.below(&place.to_string())))
                    .next()
            }
            Self::Nullable(shape) if !value.is_null() => shape.mismatch(value, rule),
            _ if self.admits(value) => None,
            _ => found(format!("is {}, not {}", kind(value), self.expected())),
        }
    }

    /// Whether a value that has no parts has this shape.
    fn admits(self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Text => text.is_some(),
            Self::OneOf(texts) => text.is_some_and(|text| texts.contains(&text)),
            Self::SessionId => text.is_some_and(is_session_id),
            Self::MessageId => text.is_some_and(is_message_id),
            Self::RunId => text.is_some_and(is_run_id),
            Self::Boolean => value.is_boolean(),
            Self::True => *value == Value::Bool(true),
            Self::Whole => value.is_u64(),
            Self::Number => value.is_number(),
            Self::Null | Self::Nullable(_) => value.is_null(),
            Self::AnyObject | Self::Object(_) => value.is_object(),
            Self::List(_) => value.is_array(),
            Self::Anything => true,
        }
    }

    fn expected(self) -> String {
        let expected = match self {
            Self::Text => "a text",
            Self::OneOf(texts) => return format!("one of {}", texts.join(", ")),
            Self::SessionId => "the id of a session",
            Self::MessageId => "the id of a message",
            Self::RunId => "the id of a run",
            Self::Boolean => "true or false",
            Self::True => "true",
            Self::Whole => "an integer from 0",
            Self::Number => "a number",
            Self::Null => "null",
            Self::List(_) => "a list",
            Self::AnyObject | Self::Object(_) => "an object",
            Self::Anything => "anything",
            Self::Nullable(shape) => return format!("null or {}", shape.expected()),
        };
        expected.to_owned()
    }
}

/// The longest text that a finding repeats, in characters.
const LONGEST_SHOWN: usize = 40;

/// A value in words; a long text only by its kind, because a finding is one line.
fn kind(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if text.chars().count() <= LONGEST_SHOWN => value.to_string(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// R1.2: `agent_` and a hyphenated UUID, in any case.
fn is_session_id(id: &str) -> bool {
    let Some((prefix, uuid)) = id.split_once('_') else {
        return false;
    };
    let groups: Vec<&str> = uuid.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    prefix.eq_ignore_ascii_case("agent")
        && lengths.eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| is_hex(group))
}

/// R1.3.
pub(super) fn is_message_id(id: &str) -> bool {
    let Some(rest) = id.strip_prefix("msg_") else {
        return false;
    };
    rest.len() == 26
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && rest
            .bytes()
            .take(12)
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// R1.4.
fn is_run_id(id: &str) -> bool {
    id.strip_prefix("wr_")
        .is_some_and(|digits| digits.len() == 32 && is_hex(digits))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RULE: RuleId = RuleId::named("R2.53");
    const OWN: &str = "R2.54";
    const SHAPE: Shape = Shape::Object(&[
        field("id", Shape::MessageId),
        field("run", Shape::RunId).or_absent().by(OWN),
        field(
            "parts",
            Shape::List(&Shape::Object(&[field("kind", Shape::OneOf(&["a", "b"]))])),
        ),
    ]);

    fn mismatch(value: &Value) -> Option<(RuleId, String)> {
        let mismatch = SHAPE.mismatch(value, RULE)?;
        Some((mismatch.rule, mismatch.about("it")))
    }

    #[test]
    fn the_first_mismatch_names_its_place_and_rule() {
        let id = "msg_0123456789abABCDEFGHIJKLMN";
        let right = json!({"id": id, "parts": [{"kind": "a", "more": 1}], "more": null});
        assert_eq!(mismatch(&right), None);
        let cases = [
            (json!(null), RULE, "it is null, not an object"),
            (json!({"parts": []}), RULE, "`id` of it is absent"),
            (
                json!({"id": "msg_1", "parts": []}),
                RULE,
                "`id` of it is \"msg_1\", not the id of a message",
            ),
            (
                json!({"id": id, "run": null, "parts": []}),
                RuleId::named(OWN),
                "`run` of it is null, not the id of a run",
            ),
            (
                json!({"id": id, "parts": [{"kind": "a"}, {"kind": "c"}]}),
                RULE,
                "`parts.1.kind` of it is \"c\", not one of a, b",
            ),
        ];
        for (value, rule, text) in cases {
            assert_eq!(mismatch(&value), Some((rule, text.to_owned())), "{value}");
        }
    }

    #[test]
    fn ids_have_the_forms_of_the_protocol() {
        assert!(is_session_id("agent_6f1b2c3d-0000-4000-8000-00000000abcd"));
        assert!(is_session_id("AGENT_6F1B2C3D-0000-4000-8000-00000000ABCD"));
        assert!(!is_session_id("agent_6f1b2c3d-0000-4000-8000-00000000abc"));
        assert!(!is_message_id("msg_0123456789ABABCDEFGHIJKLMN"));
        assert!(is_run_id("wr_0123456789abcdef0123456789abcdef"));
        assert!(!is_run_id("wr_0123"));
    }
}
