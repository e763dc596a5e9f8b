//! Identifiers that a wrapper and its kilo create, from the wrapper's randomness.

use jiff::Timestamp;
use turnstile_seams::Randomness;

const ALPHANUMERICS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters after the prefix of a kilo session id.
const SESSION_CHARACTERS: usize = 26;

/// Random characters at the end of a message id or part id.
const RANDOM_CHARACTERS: usize = 14;

/// Creates identifiers.
pub(super) struct Identifiers(Randomness);

impl Identifiers {
    pub(super) fn new(randomness: Randomness) -> Self {
        Self(randomness)
    }

    /// A kilo session id: `ses_` and 26 alphanumerics.
    pub(super) fn kilo_session(&self) -> String {
        format!("ses_{}", self.characters(SESSION_CHARACTERS))
    }

    /// A message id, in the common form (R1.3).
    pub(super) fn message(&self, now: Timestamp) -> String {
        format!("msg_{}", self.sortable(now))
    }

    /// A part id.
    pub(super) fn part(&self, now: Timestamp) -> String {
        format!("prt_{}", self.sortable(now))
    }

    fn sortable(&self, now: Timestamp) -> String {
        // Units of 1/4096 ms; the mask keeps the low 48 bits.
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
