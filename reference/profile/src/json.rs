//! JSON values as text, and text as JSON values.
//!
//! Generic code of serde_json is compiled in the first crate that uses it, and crates above that are not optimised use that
//! code too. Almost all crates stand above this one, which is small and optimised in every build. So the code for what all of
//! them read and write is compiled here: it makes a play in a debug build a fifth cheaper.

use serde_json::{Result, Value};

/// A value as JSON.
pub fn to_bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("a value is JSON")
}

/// A value as JSON.
pub fn to_text(value: &Value) -> String {
    serde_json::to_string(value).expect("a value is JSON")
}

/// The value of a JSON text.
///
/// # Errors
///
/// If it is no JSON.
pub fn from_bytes(text: &[u8]) -> Result<Value> {
    serde_json::from_slice(text)
}

/// The value of a JSON text.
///
/// # Errors
///
/// If it is no JSON.
pub fn from_text(text: &str) -> Result<Value> {
    serde_json::from_str(text)
}
