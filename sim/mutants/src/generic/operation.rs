//! The operations of generic mutants, and what each does to a value.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Number, Value};

/// Numbers from here on are times in milliseconds since the Unix epoch.
const TIMES_FROM: u64 = 100_000_000_000;
/// By how much times are moved.
const MOVED_BY: SignedDuration = SignedDuration::from_secs(7);
/// Numbers from here on are doubled or halved, others, such as statuses, are changed by one.
const LARGE: u64 = 10_000;
/// The end that a changed text gets.
const CHANGED: &str = "x";

/// What a mutant does to its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// A unit does not happen.
    Drop,
    /// A unit happens twice.
    Double,
    /// A unit happens late: an effect or row with the next decision, something on the wire after two seconds.
    Delay,
    /// A unit happens after the next one of its kind.
    Swap,
    /// A field is missing, or the last element of a list.
    Remove,
    /// A field is null.
    Null,
    /// A text has a letter more, a flag is inverted, a list is empty.
    Change,
    /// A number, time or duration is larger.
    Raise,
    /// A number, time or duration is smaller.
    Lower,
    /// A field has the value that it had in the unit before.
    Repeat,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 10] = [
        Self::Drop,
        Self::Double,
        Self::Delay,
        Self::Swap,
        Self::Remove,
        Self::Null,
        Self::Change,
        Self::Raise,
        Self::Lower,
        Self::Repeat,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Double => "double",
            Self::Delay => "delay",
            Self::Swap => "swap",
            Self::Remove => "remove",
            Self::Null => "null",
            Self::Change => "change",
            Self::Raise => "raise",
            Self::Lower => "lower",
            Self::Repeat => "repeat",
        }
    }

    /// The operations that give a value another value, independent of earlier units.
    pub(super) const OF_VALUES: [Self; 4] = [Self::Null, Self::Change, Self::Raise, Self::Lower];

    /// The value after the operation; `None` if it does not fit the value. Operations on whole units and
    /// [`Self::Remove`] fit no value.
    pub(super) fn applied_to(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::Null, value) => (!value.is_null()).then_some(Value::Null),
            (Self::Change, Value::Bool(flag)) => Some(Value::Bool(!flag)),
            (Self::Change, Value::String(text)) if time(text).is_none() && duration(text).is_none() => {
                Some(Value::String(format!("{text}{CHANGED}")))
            }
            (Self::Change, Value::Array(list)) => (!list.is_empty()).then(|| Value::Array(Vec::new())),
            (Self::Raise | Self::Lower, Value::Number(number)) => {
                moved_number(number, self == Self::Raise).map(Value::Number)
            }
            (Self::Raise | Self::Lower, Value::String(text)) => {
                moved_text(text, self == Self::Raise).map(Value::String)
            }
            _ => None,
        }
    }
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// The duration that a profile's text means, such as `1h 30m`.
fn duration(text: &str) -> Option<SignedDuration> {
    text.parse().ok()
}

fn moved_number(number: &Number, up: bool) -> Option<Number> {
    let number = number.as_u64()?;
    let moved = match number {
        TIMES_FROM.. => {
            let by = MOVED_BY.as_millis() as u64;
            if up { number + by } else { number - by }
        }
        LARGE.. if up => number * 2,
        LARGE.. => number / 2,
        _ if up => number + 1,
        _ => number.checked_sub(1)?,
    };
    Some(moved.into())
}

fn moved_text(text: &str, up: bool) -> Option<String> {
    if let Some(time) = time(text) {
        let moved = if up {
            time.checked_add(MOVED_BY)
        } else {
            time.checked_sub(MOVED_BY)
        };
        return moved.ok().map(|moved| moved.to_string());
    }
    let duration = duration(text)?;
    let moved = match (up, duration.is_zero()) {
        (true, true) => MOVED_BY,
        (true, false) => duration.checked_mul(2)?,
        (false, true) => return None,
        (false, false) => duration / 2,
    };
    Some(format!("{moved:#}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_fits_some_kinds_of_values() {
        let cases = [
            (Operation::Null, json!(3), Some(json!(null))),
            (Operation::Null, json!(null), None),
            (Operation::Change, json!(true), Some(json!(false))),
            (Operation::Change, json!("msg"), Some(json!("msgx"))),
            (Operation::Change, json!([1]), Some(json!([]))),
            (Operation::Change, json!([]), None),
            (Operation::Change, json!(3), None),
            (Operation::Raise, json!(3), Some(json!(4))),
            (Operation::Lower, json!(0), None),
            (Operation::Raise, json!(404), Some(json!(405))),
            (Operation::Lower, json!(127_000), Some(json!(63_500))),
            (
                Operation::Raise,
                json!(1_767_225_600_000_u64),
                Some(json!(1_767_225_607_000_u64)),
            ),
            (
                Operation::Raise,
                json!("2026-01-01T00:00:00Z"),
                Some(json!("2026-01-01T00:00:07Z")),
            ),
            (Operation::Change, json!("2026-01-01T00:00:00Z"), None),
            (Operation::Lower, json!("1m"), Some(json!("30s"))),
            (Operation::Lower, json!("0s"), None),
            (Operation::Drop, json!(3), None),
        ];
        for (operation, before, after) in cases {
            assert_eq!(operation.applied_to(&before), after, "{operation:?} of {before}");
        }
    }
}
