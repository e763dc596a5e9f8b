//! The hash of what a scenario has. It is the same in every process, so that a search is.

use std::fmt::{self, Debug, Write};

/// The longest text that counts as a word of the protocol, in bytes.
const LONGEST_WORD: usize = 40;

/// An FNV-1a hash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hash(u32);

impl Hash {
    const BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;

    pub(super) fn new(kind: &str) -> Self {
        Self(Self::BASIS).text(kind)
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        let add = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(Self::PRIME);
        Self(bytes.iter().fold(self.0, add))
    }

    /// Adds a text, with an end that no text contains.
    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes()).bytes(&[0xff])
    }

    pub(super) fn number(self, number: u32) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// Adds a JSON value if it is a short word; others are alike.
    pub(super) fn word(self, value: &serde_json::Value) -> Self {
        match value.as_str() {
            Some(word) if word.len() <= LONGEST_WORD => self.text(word),
            _ => self.number(0),
        }
    }

    /// Adds the debug text of a value without its numbers. It names every field, so a new one counts without further code.
    pub(super) fn form(self, value: &impl Debug) -> Self {
        let mut form = Form(self);
        match write!(form, "{value:?}") {
            Ok(()) => form.0,
            Err(error) => unreachable!("a hash takes every text: {error}"),
        }
    }

    /// Adds the name of an enum's variant.
    pub(super) fn variant(self, value: &impl Debug) -> Self {
        let text = format!("{value:?}");
        self.text(
            text.split(|letter: char| !letter.is_alphanumeric())
                .next()
                .unwrap_or_default(),
        )
    }

    /// The finished hash.
    pub(super) fn finish(self) -> u32 {
        self.0
    }
}

/// Adds texts without their digits.
struct Form(Hash);

impl Write for Form {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let parts = text.split(|letter: char| letter.is_ascii_digit());
        self.0 = parts.fold(self.0, |hash, part| hash.bytes(part.as_bytes()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_no_numbers() {
        let form = |value: (&str, u32)| Hash::new("form").form(&value).finish();
        assert_eq!(form(("a", 17)), form(("a", 2_000)));
        assert_ne!(form(("a", 17)), form(("b", 17)));
    }

    #[test]
    fn a_variant_has_no_fields() {
        let variant = |value: Option<u32>| Hash::new("variant").variant(&value).finish();
        assert_eq!(variant(Some(1)), variant(Some(2)));
        assert_ne!(variant(Some(1)), variant(None));
    }
}
