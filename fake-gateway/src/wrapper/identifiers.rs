//! The identifiers that a wrapper and its kilo give out, drawn from the wrapper's own randomness.

use jiff::Timestamp;
use turnstile_seams::Randomness;

const ALPHANUMERICS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// How many characters follow the prefix of a kilo session's identifier.
const SESSION_CHARACTERS: usize = 26;

/// How many random characters end the identifier of a message or a part.
const RANDOM_CHARACTERS: usize = 14;

/// A source of identifiers.
pub(super) struct Identifiers(Randomness);

impl Identifiers {
    /// Draws from `randomness` from now on.
    pub(super) fn new(randomness: Randomness) -> Self {
        Self(randomness)
    }

    /// A kilo session: `ses_` and 26 alphanumerics.
    pub(super) fn kilo_session(&self) -> String {
        format!("ses_{}", self.characters(SESSION_CHARACTERS))
    }

    /// An assistant's message, in the form that all messages have (protocol §1).
    pub(super) fn message(&self, now: Timestamp) -> String {
        format!("msg_{}", self.sortable(now))
    }

    /// A part of a message.
    pub(super) fn part(&self, now: Timestamp) -> String {
        format!("prt_{}", self.sortable(now))
    }

    fn sortable(&self, now: Timestamp) -> String {
        // 4096 to the millisecond; the mask keeps the low 48 bits.
        let instant = (now.as_millisecond() << 12) & 0xffff_ffff_ffff;
        format!("{instant:012x}{}", self.characters(RANDOM_CHARACTERS))
    }

    fn characters(&self, count: usize) -> String {
        let kinds = ALPHANUMERICS.len() as u64;
        (0..count)
            .map(|_| char::from(ALPHANUMERICS[self.0.below(kinds) as usize]))
            .collect()
    }
}
