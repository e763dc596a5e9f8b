//! Masks of values that differ from run to run. A mask keeps everything that a client can depend on: the kind and identity
//! of an id, and the format of a time.

use std::fmt;

/// The mask of a correct content length.
pub(super) const LENGTH: &str = "(length of the body)";
/// The prefix of a value that looks like a mask and is not one.
pub(super) const LITERALLY: &str = "(literally) ";
/// The beginning of the mask of an ISO 8601 time.
const TIME: &str = "(time ";
/// The beginning of the mask of a time in Unix milliseconds.
const UNIX_MILLISECONDS: &str = "(Unix ms ";

/// The format of one kind of id.
pub(super) struct Identity {
    /// The prefix.
    pub prefix: &'static str,
    /// Whether the rest has the required format.
    pub is_valid: fn(&str) -> bool,
}

/// The kinds of ids that a client sees (protocol §1, §10), and kilo's ids (protocol §11).
pub(super) const IDENTITIES: [Identity; 7] = [
    Identity {
        prefix: "agent_",
        is_valid: is_uuid,
    },
    Identity {
        prefix: "sandbox-",
        is_valid: is_uuid,
    },
    Identity {
        prefix: "msg_",
        is_valid: is_sortable,
    },
    Identity {
        prefix: "wr_",
        is_valid: |id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
    },
    Identity {
        prefix: "exc_",
        is_valid: |id| !id.is_empty(),
    },
    Identity {
        prefix: "ses_",
        is_valid: |id| id.len() == 26 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
    },
    Identity {
        prefix: "prt_",
        is_valid: is_sortable,
    },
];

fn is_uuid(text: &str) -> bool {
    let mut groups = text.split('-');
    [8, 4, 4, 4, 12].iter().all(|length| {
        let group = groups.next().unwrap_or_default();
        group.len() == *length && group.bytes().all(|byte| byte.is_ascii_hexdigit())
    }) && groups.next().is_none()
}

/// 12 hex digits of a time, which are those of a multiple of 4096, and 14 letters or digits.
fn is_sortable(text: &str) -> bool {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let bytes = text.as_bytes();
    bytes.len() == 26
        && bytes[..12].iter().all(is_hex)
        && bytes[9..12] == *b"000"
        && bytes[12..].iter().all(u8::is_ascii_alphanumeric)
}

/// A time within a run, rounded to a tenth of a second, because smaller differences come from the network.
pub(super) struct Offset {
    /// Milliseconds since the start of the run.
    pub milliseconds: i64,
}

impl fmt::Display for Offset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.milliseconds + 50).div_euclid(100);
        let sign = if tenths < 0 { '-' } else { '+' };
        let tenths = tenths.unsigned_abs();
        write!(formatter, "{sign}{}.{}s", tenths / 10, tenths % 10)
    }
}

/// The mask of a time in ISO 8601.
pub(super) fn time(offset: &Offset) -> String {
    format!("{TIME}{offset})")
}

/// The mask of a time in Unix milliseconds.
pub(super) fn unix_milliseconds(offset: &Offset) -> String {
    format!("{UNIX_MILLISECONDS}{offset})")
}

/// The meaning of a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mask<'a> {
    /// A time in ISO 8601, relative to the start of the run.
    Time(&'a str),
    /// A time in Unix milliseconds.
    UnixMilliseconds(&'a str),
}

impl<'a> Mask<'a> {
    /// Parses a mask; `None` if the text is not one. Ids are [words](words) of a text.
    pub fn of(text: &'a str) -> Option<Self> {
        let inner = |prefix| text.strip_prefix(prefix)?.strip_suffix(')');
        inner(TIME)
            .map(Self::Time)
            .or_else(|| inner(UNIX_MILLISECONDS).map(Self::UnixMilliseconds))
    }
}

/// Whether a value from the wire looks like a mask.
pub(super) fn looks_masked(text: &str) -> bool {
    Mask::of(text).is_some() || text == LENGTH || text.starts_with(LITERALLY)
}

/// The kind of id that a word is a mask of.
pub(super) fn masked_identity(word: &str) -> Option<&'static str> {
    let prefix = IDENTITIES.iter().map(|identity| identity.prefix);
    let mut prefix = prefix.filter(|prefix| {
        let number = word.strip_prefix(prefix).unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    prefix.next()
}

/// Splits a text into words that can be ids, and the text between them. A hyphen before an id separates words.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_other = |character| is_of_word(character) != is_of_word(first);
        let end = rest.find(is_other).unwrap_or(rest.len());
        let behind_hyphens = rest[..end].match_indices('-').map(|(index, _)| index + 1);
        let mut ids = behind_hyphens.filter(|index| begins_identity(&rest[*index..]));
        let (word, others) = rest.split_at(ids.next().unwrap_or(end));
        rest = others;
        Some(word)
    })
}

fn begins_identity(text: &str) -> bool {
    let mut prefixes = IDENTITIES.iter().map(|identity| identity.prefix);
    prefixes.any(|prefix| text.starts_with(prefix))
}

fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_to_a_tenth_of_a_second() {
        for (milliseconds, told) in [
            (0, "+0.0s"),
            (9_998, "+10.0s"),
            (10_004, "+10.0s"),
            (250, "+0.3s"),
            (-3_600_000, "-3600.0s"),
            (-20, "+0.0s"),
        ] {
            assert_eq!(Offset { milliseconds }.to_string(), told);
        }
    }

    #[test]
    fn a_text_is_cut_into_words_and_what_is_between_them() {
        let cut: Vec<&str> = words("/stream?id=agent_1&x").collect();
        assert_eq!(cut, ["/", "stream", "?", "id", "=", "agent_1", "&", "x"]);
        let cut: Vec<&str> = words("sandbox-agent_1-x").collect();
        assert_eq!(cut, ["sandbox-", "agent_1-x"]);
        assert_eq!(words("").count(), 0);
    }
}
