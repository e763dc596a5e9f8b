//! A snapshot's file as `insta` writes it: a head between two lines of dashes, then what was taken.
//!
//! Only as much of it as there is in the files of this project; writing them is `insta`'s business.

use std::str::Utf8Error;

use serde_json::Value;

/// The field of a snapshot that says what was asked for. It is there for the reader: what the server was sent
/// is none of its payloads.
pub const ASKED: &str = "asked";
/// What is before a snapshot's head, and after it.
const FENCE: &str = "---";

/// What a snapshot is of, as the end of its file's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suffix {
    /// What an old client, or its callback's receiver, gets.
    V2,
    /// What a client of the unified surface gets in its place.
    Unified,
    /// What is different from the unified one to the V2 one, in words.
    Difference,
}

impl Suffix {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::V2, Self::Unified, Self::Difference];

    /// The end of the file's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2 => ".v2.snap",
            Self::Unified => ".unified.snap",
            Self::Difference => ".difference.snap",
        }
    }

    /// What a file of that name is of.
    pub fn of(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|suffix| name.ends_with(suffix.as_str()))
    }
}

/// Why a file cannot be read as a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is no text.
    #[error("it is not UTF-8")]
    NoText(#[from] Utf8Error),
    /// It has no head.
    #[error("it does not begin with a head between two lines `{FENCE}`")]
    NoHead,
    /// What is below the head is no JSON.
    #[error("what is below its head is not JSON")]
    NoJson(#[from] serde_json::Error),
}

/// The payload in a snapshot: what it has but for what was [asked](ASKED).
///
/// # Errors
///
/// If it is no snapshot, or one of something else.
pub fn payload_of(file: &[u8]) -> Result<Value, Unreadable> {
    let content = content_of(std::str::from_utf8(file)?)?;
    Ok(without_asked(serde_json::from_str(content)?))
}

/// What a snapshot has, but for what was [asked](ASKED).
pub fn without_asked(mut payload: Value) -> Value {
    let parts = match &mut payload {
        Value::Array(parts) => parts.iter_mut().collect(),
        part => vec![part],
    };
    for part in parts {
        if let Some(fields) = part.as_object_mut() {
            fields.remove(ASKED);
        }
    }
    payload
}

/// What is below the head.
fn content_of(text: &str) -> Result<&str, Unreadable> {
    let mut rest = text;
    let mut next_line = || {
        let (line, others) = rest.split_once('\n')?;
        rest = others;
        Some(line.trim_end())
    };
    if next_line() != Some(FENCE) {
        return Err(Unreadable::NoHead);
    }
    loop {
        match next_line() {
            Some(FENCE) => return Ok(rest),
            Some(_) => {}
            None => return Err(Unreadable::NoHead),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_payload_is_what_is_below_the_head_without_what_was_asked() {
        for newline in ["\n", "\r\n"] {
            let file = [
                "---",
                "source: a",
                "---",
                r#"{"asked": {"a": 1}, "answered": {"asked": 2}}"#,
                "",
            ];
            let payload = payload_of(file.join(newline).as_bytes()).unwrap();
            assert_eq!(payload, json!({"answered": {"asked": 2}}));
        }
        let file = b"---\nsource: a\n---\n[{\"asked\": 1, \"shown\": []}]\n";
        assert_eq!(payload_of(file).unwrap(), json!([{"shown": []}]));
    }

    #[test]
    fn what_is_no_snapshot_says_why() {
        for (file, why) in [
            (&b"\xff"[..], "it is not UTF-8"),
            (b"{}", "it does not begin with a head between two lines `---`"),
            (
                b"---\nsource: a\n{}\n",
                "it does not begin with a head between two lines `---`",
            ),
            (
                b"---\nsource: a\n---\n<<<<<<< HEAD\n",
                "what is below its head is not JSON",
            ),
        ] {
            assert_eq!(payload_of(file).unwrap_err().to_string(), why);
        }
    }
}
