//! Message ids that a script chooses.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use turnstile_fault::{read_from_text, write_as_text};

/// Start of every message id.
const PREFIX: &str = "msg_";
/// Number of hexadecimal digits after the prefix.
const HEX_DIGITS: usize = 12;
/// Number of letters and digits after those.
const TAIL: usize = 14;

/// A message id in the form of the protocol (R1.3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId(String);

/// Invalid text for a [`MessageId`].
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a message id: use `msg_`, 12 lower-case hex digits and 14 letters or digits; `call` can send any \
     other text"
)]
pub struct MessageIdError(String);

impl FromStr for MessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, MessageIdError> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let rest = text.strip_prefix(PREFIX).map(str::as_bytes);
        let is_valid = rest.is_some_and(|rest| {
            rest.len() == HEX_DIGITS + TAIL
                && rest[..HEX_DIGITS].iter().copied().all(is_hex)
                && rest[HEX_DIGITS..].iter().all(u8::is_ascii_alphanumeric)
        });
        match is_valid {
            true => Ok(Self(text.to_owned())),
            false => Err(MessageIdError(text.to_owned())),
        }
    }
}

impl Deref for MessageId {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

read_from_text!(MessageId, { "type": "string", "pattern": "^msg_[0-9a-f]{12}[0-9A-Za-z]{14}$" });
write_as_text!(MessageId);

/// Who creates a message id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IdMaker {
    /// The client, which sends it.
    #[default]
    Client,
    /// The server.
    Server,
    /// The script: the client sends this id.
    Script(MessageId),
}

/// Invalid text for an [`IdMaker`].
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not valid for `id`; allowed: client, server, a message id such as msg_0123456789abABCDEFGHIJKLMN"
)]
pub struct IdMakerError(String);

impl FromStr for IdMaker {
    type Err = IdMakerError;

    fn from_str(text: &str) -> Result<Self, IdMakerError> {
        match text {
            "client" => Ok(Self::Client),
            "server" => Ok(Self::Server),
            other => match other.parse() {
                Ok(id) => Ok(Self::Script(id)),
                Err(MessageIdError(text)) => Err(IdMakerError(text)),
            },
        }
    }
}

impl fmt::Display for IdMaker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => formatter.write_str("client"),
            Self::Server => formatter.write_str("server"),
            Self::Script(id) => id.fmt(formatter),
        }
    }
}

read_from_text!(IdMaker, {
    "type": "string",
    "pattern": "^(client|server|msg_[0-9a-f]{12}[0-9A-Za-z]{14})$",
    "description": "client, server, or a message id",
});
write_as_text!(IdMaker);
