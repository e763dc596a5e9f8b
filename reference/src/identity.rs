//! The identities of the protocol (§1) as types whose values are always well-formed.
//!
//! Values are parsed or drawn. Nothing here checks whether they exist.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use turnstile_seams::Randomness;
use uuid::Uuid;

/// A malformed identity. The error does not repeat the text, because it may be anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: expected {form}")]
pub struct Malformed {
    kind: &'static str,
    form: &'static str,
}

macro_rules! identity {
    ($(#[$meta:meta])* $name:ident, $kind:literal, $form:literal, $parse:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identity as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                let parse: fn(&str) -> Option<String> = $parse;
                parse(text).map(Self).ok_or(Malformed { kind: $kind, form: $form })
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;

            fn try_from(text: String) -> Result<Self, Malformed> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(identity: $name) -> Self {
                identity.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    };
}

/// The beginning of a session id.
const SESSION_PREFIX: &str = "agent_";

identity! {
    /// A user id from a token: any text except the empty one.
    UserId, "user id", "a text that is not empty", |text| (!text.is_empty()).then(|| text.to_owned())
}

identity! {
    /// A session id (R1.2), stored in lower case.
    SessionId, "session id", "`agent_` and a UUID", |text| {
        let uuid = text.strip_prefix(SESSION_PREFIX)?;
        hyphenated_uuid(uuid).map(|_| text.to_ascii_lowercase())
    }
}

identity! {
    /// A message id (R1.3): the permanent identity of a user turn.
    MessageId, "message id", "`msg_`, 12 lower-case hex digits and 14 letters or digits", |text| {
        let id = text.strip_prefix("msg_")?.as_bytes();
        let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let valid = id.len() == 26
            && id[..12].iter().all(is_hex)
            && id[12..].iter().all(u8::is_ascii_alphanumeric);
        valid.then(|| text.to_owned())
    }
}

identity! {
    /// A wrapper run id (R1.4): one period during which a session owns the wrapper.
    WrapperRunId, "wrapper run id", "`wr_` and 32 hex digits", |text| {
        let id = text.strip_prefix("wr_")?;
        (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
    }
}

/// Parses a hyphenated UUID. [`Uuid`] alone also accepts other notations.
pub fn hyphenated_uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
}

/// The fence (R1.5): distinguishes one allocation of the wrapper from every other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// Increases by one with each allocation in a session.
    pub generation: u64,
    /// Drawn for each allocation.
    pub connection: Uuid,
}

impl SessionId {
    /// Draws a session id.
    pub fn draw(randomness: &Randomness) -> Self {
        Self(format!("{SESSION_PREFIX}{}", randomness.uuid()))
    }

    /// The UUID, as text.
    pub fn uuid(&self) -> &str {
        self.0.strip_prefix(SESSION_PREFIX).unwrap_or(&self.0)
    }
}

impl WrapperRunId {
    /// Draws a wrapper run id.
    pub fn draw(randomness: &Randomness) -> Self {
        Self(format!("wr_{}", randomness.uuid().simple()))
    }
}

impl MessageId {
    /// Draws a message id that encodes the time `now` (R1.3).
    pub fn draw(now: Timestamp, randomness: &Randomness) -> Self {
        let time = now.as_millisecond().unsigned_abs().wrapping_mul(4096) & 0xffff_ffff_ffff;
        Self(format!("msg_{time:012x}{}", alphanumeric::<14>(randomness)))
    }
}

/// Draws a kilo session id: `ses_` and 26 letters or digits (R1.10).
pub fn draw_kilo_session_id(randomness: &Randomness) -> String {
    format!("ses_{}", alphanumeric::<26>(randomness))
}

fn alphanumeric<const N: usize>(randomness: &Randomness) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    (0..N)
        .map(|_| char::from(ALPHABET[randomness.below(ALPHABET.len() as u64) as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_message_id_is_well_formed_and_encodes_its_time() {
        let randomness = Randomness::new(
            <rand_chacha::ChaCha8Rng as rand_chacha::rand_core::SeedableRng>::seed_from_u64(1),
        );
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let id = MessageId::draw(now, &randomness);
        assert_eq!(id.as_str().parse::<MessageId>().as_ref(), Ok(&id));
        let low_bits = (now.as_millisecond() as u64 * 4096) & 0xffff_ffff_ffff;
        assert_eq!(u64::from_str_radix(&id.as_str()[4..16], 16), Ok(low_bits));
    }

    #[test]
    fn errors_of_message_ids_describe_the_form() {
        for text in [
            "",
            "msg_",
            "msg_0123456789abABCDEFGHIJKLM",
            "msg_0123456789ABabcdefghijklmn",
            "msg_0123456789ababcdefghijklm_",
        ] {
            let error = text.parse::<MessageId>().unwrap_err();
            assert!(error.to_string().contains("12 lower-case hex digits"), "{error}");
        }
    }

    #[test]
    fn a_session_id_means_the_same_session_in_any_case() {
        let lower: SessionId = "agent_6f1b2c3d-0000-4000-8000-00000000abcd".parse().unwrap();
        let upper: SessionId = "agent_6F1B2C3D-0000-4000-8000-00000000ABCD".parse().unwrap();
        assert_eq!(lower, upper);
        assert!(
            "agent_6f1b2c3d000040008000000000000abcd"
                .parse::<SessionId>()
                .is_err()
        );
    }
}
