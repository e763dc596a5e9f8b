//! Reads JSON text as JavaScript writes it (R1.13, R1.14).
//!
//! JavaScript may escape half of a surrogate pair, which is no character. It is replaced before the text is parsed.

use std::borrow::Cow;

use memchr::memchr;
use serde_json::Value;

/// The length of an escape such as `\u00e9`.
const ESCAPE_LENGTH: usize = 6;
/// The escape of U+FFFD, which replaces a lone surrogate.
const REPLACEMENT: &[u8; ESCAPE_LENGTH] = br"\ufffd";

/// Why a text is not JSON that the server reads. The message does not repeat the text.
#[derive(Debug, thiserror::Error)]
pub enum NotJson {
    /// A number does not fit into a 64-bit floating-point number.
    #[error("a number is out of range")]
    NumberOutOfRange(#[source] serde_json::Error),
    /// Lists and objects are nested too deeply.
    #[error("the nesting is deeper than 127 levels")]
    TooDeep(#[source] serde_json::Error),
    /// The text is not JSON.
    #[error("{0}")]
    Syntax(#[source] serde_json::Error),
}

impl NotJson {
    /// The line and the column of the error, from 1.
    pub fn position(&self) -> (usize, usize) {
        let (Self::NumberOutOfRange(error) | Self::TooDeep(error) | Self::Syntax(error)) = self;
        (error.line(), error.column())
    }
}

impl From<serde_json::Error> for NotJson {
    fn from(error: serde_json::Error) -> Self {
        // The errors of serde_json have no kinds that distinguish these.
        let text = error.to_string();
        if text.starts_with("number out of range") {
            Self::NumberOutOfRange(error)
        } else if text.starts_with("recursion limit exceeded") {
            Self::TooDeep(error)
        } else {
            Self::Syntax(error)
        }
    }
}

/// Parses JSON text. An escaped lone surrogate becomes U+FFFD.
///
/// # Errors
///
/// If the text is not JSON, or has a number or a nesting beyond the limits.
pub fn parse(text: &[u8]) -> Result<Value, NotJson> {
    let text = without_lone_surrogates(text);
    // Of a slice, the parser checks each string for UTF-8, which costs more than one check of all bytes. It reports the place
    // of what is not UTF-8.
    Ok(match std::str::from_utf8(&text) {
        Ok(text) => serde_json::from_str(text)?,
        Err(_) => serde_json::from_slice(&text)?,
    })
}

/// Replaces escaped lone surrogates. The length stays the same, so positions in errors are right.
fn without_lone_surrogates(text: &[u8]) -> Cow<'_, [u8]> {
    let mut text = Cow::Borrowed(text);
    let mut at = 0;
    while let Some(unescaped) = text.get(at..).and_then(|rest| memchr(b'\\', rest)) {
        at += unescaped;
        at += match (code_unit(&text, at), code_unit(&text, at + ESCAPE_LENGTH)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 2 * ESCAPE_LENGTH,
            (Some(0xd800..=0xdfff), _) => {
                text.to_mut()[at..at + ESCAPE_LENGTH].copy_from_slice(REPLACEMENT);
                ESCAPE_LENGTH
            }
            // Any other escape, such as an escaped backslash.
            _ => 2,
        };
    }
    text
}

/// The UTF-16 code unit of the escape at `at`; `None` without an escape.
fn code_unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + ESCAPE_LENGTH)?.strip_prefix(br"\u")?;
    let digits = std::str::from_utf8(digits).ok()?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_escaped_lone_surrogate_is_read_as_the_replacement_character() {
        for (text, expected) in [
            (r#""\ud800""#, "\u{fffd}"),
            (r#""\uDFFF!""#, "\u{fffd}!"),
            (r#""a\ud83d b""#, "a\u{fffd} b"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
        ] {
            assert_eq!(read(text), json!(expected), "{text}");
        }
        assert_eq!(read(r#"{"\udc00": 1}"#), json!({"\u{fffd}": 1}));
    }

    #[test]
    fn pairs_and_escaped_backslashes_are_unchanged() {
        assert_eq!(read(r#""\ud83d\ude00""#), json!("😀"));
        assert_eq!(read(r#""\\ud800""#), json!(r"\ud800"));
        assert_eq!(read(r#""\\\ud800""#), json!("\\\u{fffd}"));
    }

    #[test]
    fn a_number_is_written_as_it_was_read() {
        for number in [
            "51.248178375505404",
            "1.7976931348623157e+308",
            "-0.0",
            "9007199254740993",
        ] {
            assert_eq!(read(number).to_string(), number);
        }
    }

    #[test]
    fn the_error_names_the_limit() {
        let error = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error("[1e400]"), "a number is out of range");
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(error(&nested(128)), "the nesting is deeper than 127 levels");
        assert!(parse(nested(127).as_bytes()).is_ok());
        for text in ["", "{", r#""\u12"#, r#""\ud8""#, r#""\ud800"#, r"\"] {
            assert!(
                matches!(parse(text.as_bytes()), Err(NotJson::Syntax(_))),
                "{text}"
            );
        }
    }
}
