//! Changes in words.

use serde_json::Value;

use super::classify::{Change, What};

/// The maximum number of characters shown of an object or a list. Other values are shown in full.
const VALUE_WIDTH: usize = 72;

/// A change in one line: its kind, its path, the old and the new value.
pub fn line(change: &Change) -> String {
    let name = change.what.name();
    let place = place_of(change);
    let rest = match &change.what {
        What::Added(value) | What::Removed(value) | What::OneMore { value, .. } | What::OneLess(value) => {
            short(value)
        }
        What::Renamed { value, .. } => short(value),
        What::Retyped { from, to } | What::Changed { from, to } | What::Moved { from, to } => {
            from_to(from, to)
        }
        What::NewlyNull(from) => from_to(from, &Value::Null),
        What::NoLongerNull(to) => from_to(&Value::Null, to),
    };
    format!("{name:<10}  {place}: {rest}")
}

/// The path of a change in words.
pub(super) fn place_of(change: &Change) -> String {
    match (&change.what, change.place.as_str()) {
        (What::Renamed { to, .. }, place) => format!("{place} to {to}"),
        (_, "") => "(the whole payload)".to_owned(),
        (_, place) => place.to_owned(),
    }
}

fn from_to(from: &Value, to: &Value) -> String {
    format!("{} -> {}", short(from), short(to))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_WIDTH) {
        Some((end, _)) if value.is_object() || value.is_array() => format!("{}…", &text[..end]),
        _ => text,
    }
}
