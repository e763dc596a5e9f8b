//! The content of a frame or event: its name and its data. Equal contents have the same number.
//!
//! Two contents are equal if a receiver cannot distinguish them. JSON numbers are equal if JavaScript reads the same
//! number from them, and missing data may become null or an empty object (R5.53). Nothing is copied: a run has
//! thousands of events. Frames with the same text share their value, so most contents are known by its address.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// The contents of a trace's frames, numbered in the order of their first frames.
#[derive(Default)]
pub(super) struct Contents<'a> {
    numbers: BTreeMap<Content<'a>, usize>,
    /// The numbers again, by the address of a frame. The trace keeps all frames, so no address is used twice.
    by_address: BTreeMap<usize, usize>,
}

impl<'a> Contents<'a> {
    /// The number of a frame's content.
    pub(super) fn number(&mut self, frame: &'a Arc<Value>) -> usize {
        let address = Arc::as_ptr(frame).addr();
        *self.by_address.entry(address).or_insert_with(|| {
            let content = Content::of(name_of(frame), &frame["data"]);
            let next = self.numbers.len();
            *self.numbers.entry(content).or_insert(next)
        })
    }
}

/// The `streamEventType` of a frame; empty if it has none.
pub(super) fn name_of(frame: &Value) -> &str {
    frame["streamEventType"].as_str().unwrap_or_default()
}

/// The content of a frame or event.
#[derive(Debug, Clone, Copy)]
struct Content<'a> {
    name: &'a str,
    data: &'a Value,
}

impl<'a> Content<'a> {
    /// The content with that name and data.
    fn of(name: &'a str, data: &'a Value) -> Self {
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

/// A total order of JSON values. Lengths come first: most values differ in theirs, and then nothing else is compared.
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
        (Value::String(one), Value::String(other)) => {
            let by_length = one.len().cmp(&other.len());
            by_length.then_with(|| one.cmp(other))
        }
        (Value::Array(one), Value::Array(other)) => {
            let pairs = one.iter().zip(other).map(|(one, other)| compare(one, other));
            let by_length = one.len().cmp(&other.len());
            by_length.then_with(|| first_difference(pairs))
        }
        (Value::Object(one), Value::Object(other)) => {
            let pairs = one.iter().zip(other).map(|((one, its), (other, others))| {
                let by_name = one.cmp(other);
                by_name.then_with(|| compare(its, others))
            });
            let by_length = one.len().cmp(&other.len());
            by_length.then_with(|| first_difference(pairs))
        }
        _ => rank(one).cmp(&rank(other)),
    }
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
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
    fn frames_with_equal_contents_have_the_same_number() {
        let frame = |id: u64, name: &str, data: Value| {
            Arc::new(json!({"eventId": id, "streamEventType": name, "data": data}))
        };
        let frames = [
            frame(1, "kilocode", json!({"a": 1})),
            frame(2, "pong", json!({})),
            frame(3, "kilocode", json!({"a": 1.0})),
            Arc::new(json!({"streamEventType": "pong"})),
            Arc::new(json!("no frame")),
        ];
        let mut contents = Contents::default();
        let again = frames.iter().chain(&frames);
        let numbers: Vec<usize> = again.map(|frame| contents.number(frame)).collect();
        assert_eq!(numbers, [0, 1, 0, 1, 2, 0, 1, 0, 1, 2]);
    }

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
