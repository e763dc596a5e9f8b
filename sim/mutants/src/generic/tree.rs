//! The fields of JSON values, by paths such as `body.items[].id`.
//!
//! `[]` is each element of a list. Lists of pairs whose first element is a name are maps: `deadlines{drain}` is the second
//! element of the pair that `drain` begins. Fields whose names contain one of `.[{` have no path.

use serde_json::Value;

/// What happens to a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It is removed: an entry of a map, or the last element of a list.
    Removed,
    /// It gets this value.
    To(Value),
    /// It stays.
    None,
}

/// Calls `visit` with the path and value of each field below `value`.
pub fn visit_fields<'a>(value: &'a Value, visit: &mut dyn FnMut(&str, &'a Value)) {
    visit_below(value, "", visit);
}

fn visit_below<'a>(value: &'a Value, path: &str, visit: &mut dyn FnMut(&str, &'a Value)) {
    let mut visit_at = |path: &str, field: &'a Value| {
        visit(path, field);
        visit_below(field, path, visit);
    };
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                if let Some(path) = keyed(path, key) {
                    visit_at(&path, field);
                }
            }
        }
        Value::Array(elements) => {
            for element in elements {
                match named(element) {
                    Some((name, field)) => visit_at(&format!("{path}{{{name}}}"), field),
                    None => visit_at(&format!("{path}[]"), element),
                }
            }
        }
        _ => {}
    }
}

/// The first value at `path`.
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut found = None;
    visit_fields(value, &mut |place, field| {
        if place == path && found.is_none() {
            found = Some(field);
        }
    });
    found
}

/// Changes all fields at `path` by `change`. Returns whether `value` is different afterwards.
pub fn change_at(value: &mut Value, path: &str, change: &dyn Fn(&Value) -> Change) -> bool {
    change_below(value, "", path, change)
}

fn change_below(value: &mut Value, here: &str, path: &str, change: &dyn Fn(&Value) -> Change) -> bool {
    let mut changed = false;
    let mut descend = |field: &mut Value, at: &str| {
        if at == path {
            match change(field) {
                Change::Removed => return false,
                Change::To(other) => {
                    changed |= *field != other;
                    *field = other;
                }
                Change::None => {}
            }
        } else if path.starts_with(at) {
            changed |= change_below(field, at, path, change);
        }
        true
    };
    match value {
        Value::Object(fields) => {
            let count = fields.len();
            fields.retain(|key, field| keyed(here, key).is_none_or(|at| descend(field, &at)));
            changed |= fields.len() < count;
        }
        Value::Array(elements) => {
            let count = elements.len();
            let mut index = 0;
            elements.retain_mut(|element| {
                index += 1;
                match named(element).map(|(name, _)| format!("{here}{{{name}}}")) {
                    Some(at) => descend(&mut element[1], &at),
                    None => descend(element, &format!("{here}[]")) || index < count,
                }
            });
            changed |= elements.len() < count;
        }
        _ => {}
    }
    changed
}

/// The path of the entry `key` of the object at `path`.
fn keyed(path: &str, key: &str) -> Option<String> {
    if key.is_empty() || key.contains(['.', '[', '{']) {
        return None;
    }
    Some(match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    })
}

/// Name and value of an element of a map that is written as a list of pairs. A name with a value of its own is an object
/// with one field.
fn named(element: &Value) -> Option<(&str, &Value)> {
    let [name, field] = element.as_array()?.as_slice() else {
        return None;
    };
    match name {
        Value::String(name) => Some((name, field)),
        Value::Object(name) => name.keys().next().map(|name| (name.as_str(), field)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value() -> Value {
        json!({
            "id": 1,
            "parts": [{"text": "a"}, {"text": "b"}],
            "deadlines": [["drain", 5], [{"callback": "msg"}, 7]],
            "a.b": 3,
        })
    }

    #[test]
    fn each_field_has_a_path() {
        let value = value();
        let mut paths = Vec::new();
        visit_fields(&value, &mut |path, _| paths.push(path.to_owned()));
        let expected = [
            "deadlines",
            "deadlines{drain}",
            "deadlines{callback}",
            "id",
            "parts",
            "parts[]",
            "parts[].text",
            "parts[]",
            "parts[].text",
        ];
        assert_eq!(paths, expected);
        assert_eq!(at(&value, "parts[].text"), Some(&json!("a")));
        assert_eq!(at(&value, "deadlines{callback}"), Some(&json!(7)));
        assert_eq!(at(&value, "parts.text"), None);
    }

    #[test]
    fn all_fields_of_a_path_are_changed() {
        let changed = |path: &str, change: Change| {
            let mut changed = value();
            change_at(&mut changed, path, &|_| change.clone()).then_some(changed)
        };
        let to = |value: Value| Change::To(value);
        assert_eq!(
            changed("parts[].text", to(json!("c"))).map(|value| value["parts"].clone()),
            Some(json!([{"text": "c"}, {"text": "c"}]))
        );
        assert_eq!(
            changed("deadlines{drain}", Change::Removed).map(|value| value["deadlines"].clone()),
            Some(json!([[{"callback": "msg"}, 7]]))
        );
        assert_eq!(
            changed("parts[]", Change::Removed).map(|value| value["parts"].clone()),
            Some(json!([{"text": "a"}]))
        );
        assert_eq!(changed("id", to(json!(1))), None);
        assert_eq!(changed("missing", Change::Removed), None);
    }
}
