//! JSON values as text, and text as JSON values.
//!
//! These functions need no caller. They have the compiler translate what is generic in serde_json with this crate, which
//! is small and optimised in every build. Crates that are not optimised take such code from a crate below them, also where they
//! call serde_json themselves, and almost all stand above this one. A play in a debug build is a fifth cheaper with it.

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
