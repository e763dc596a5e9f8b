//! The hash of what a trace shows.

use serde_json::Value;

/// The longest text that counts as a word of the protocol, in bytes.
const LONGEST_WORD: usize = 40;

/// An FNV-1a hash: the same in every process and on every machine, as results are merged.
#[derive(Clone, Copy)]
pub(crate) struct Hash(u32);

impl Hash {
    const BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;

    pub(crate) fn new(kind: &str) -> Self {
        Self(Self::BASIS).text(kind)
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        let add = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(Self::PRIME);
        Self(bytes.iter().fold(self.0, add))
    }

    /// Adds a text, with an end that no text contains.
    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes()).bytes(&[0xff])
    }

    pub(crate) fn number(self, number: u32) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// The finished hash.
    pub(crate) fn finish(self) -> u32 {
        self.0
    }

    /// Adds a value that is a short word; others count as their kind only.
    pub(crate) fn value(self, value: &Value) -> Self {
        match value {
            Value::Null => self.number(0),
            Value::Bool(is_true) => self.number(1 + u32::from(*is_true)),
            Value::String(text) if text.len() <= LONGEST_WORD => self.text(text),
            _ => self.number(3),
        }
    }
}
