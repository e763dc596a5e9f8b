//! The content of a frame or event as a key: its name and its data.
//!
//! Two contents are equal if a receiver cannot distinguish them. JSON numbers are equal if JavaScript reads the same
//! number from them, and missing data may become null or an empty object (R5.53). Nothing is copied: a run has
//! thousands of events, each of which is looked up. Frames with the same text share their value, so two contents are
//! often the same one.

use std::cmp::Ordering;

use serde_json::Value;

/// The content of a frame or event.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    name: &'a str,
    data: &'a Value,
}

impl<'a> Content<'a> {
    /// The content with that name and data.
    pub fn of(name: &'a str, data: &'a Value) -> Self {
        let is_empty = data.as_object().is_some_and(serde_json::Map::is_empty);
        Self {
            name,
            data: if is_empty { &Value::Null } else { data },
        }
    }
}

impl Ord for Content<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_name = self.name.cmp(other.name);
        by_name.then_with(|| compare(self.data, other.data))
    }
}

impl PartialOrd for Content<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Content<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Content<'_> {}

/// A total order of JSON values.
fn compare(one: &Value, other: &Value) -> Ordering {
    if std::ptr::eq(one, other) {
        return Ordering::Equal;
    }
    match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => one.total_cmp(&other),
            (one, other) => one.is_some().cmp(&other.is_some()),
        },
        (Value::String(one), Value::String(other)) => one.cmp(other),
        (Value::Array(one), Value::Array(other)) => {
            let mut pairs = one.iter().zip(other).map(|(one, other)| compare(one, other));
            let first = pairs.find(|order| order.is_ne());
            first.unwrap_or_else(|| one.len().cmp(&other.len()))
        }
        (Value::Object(one), Value::Object(other)) => {
            let mut pairs = one.iter().zip(other).map(|((one, its), (other, others))| {
                let by_name = one.cmp(other);
                by_name.then_with(|| compare(its, others))
            });
            let first = pairs.find(|order| order.is_ne());
            first.unwrap_or_else(|| one.len().cmp(&other.len()))
        }
        _ => rank(one).cmp(&rank(other)),
    }
}

/// The place of a kind of value among the kinds.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn contents_are_equal_if_a_receiver_cannot_distinguish_them() {
        for (one, other, is_equal) in [
            (
                json!({"a": 1, "b": [true, null]}),
                json!({"b": [true, null], "a": 1.0}),
                true,
            ),
            (json!(null), json!({}), true),
            (json!({"a": "1"}), json!({"a": 1}), false),
            (json!({"a": null}), json!({}), false),
            (json!({"a": {}}), json!({"a": null}), false),
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false),
            (json!(["a,b"]), json!(["a", "b"]), false),
            (json!(["a"]), json!(["a", "b"]), false),
            (json!(true), json!(false), false),
        ] {
            let (one, other) = (Content::of("name", &one), Content::of("name", &other));
            assert_eq!(one == other, is_equal, "{one:?} {other:?}");
            assert_eq!(one.cmp(&other), other.cmp(&one).reverse(), "{one:?} {other:?}");
        }
        assert_ne!(
            Content::of("pong", &json!({})),
            Content::of("heartbeat", &json!({}))
        );
    }
}
