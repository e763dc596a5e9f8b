//! What a prompt tells the fake gateway to do (protocol §11).

use std::fmt;
use std::str::FromStr;

use crate::name::{Tag, is_plain};
use turnstile_fault::{read_from_text, write_as_text};

/// How the gateway finds a directive in a prompt (protocol §11).
const MARK: &str = "__fake__:";

/// A directive that the gateway knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive {
    /// `echo:<text>`: answers with the text, in one chunk.
    Echo(String),
    /// `slow:<n>:<ms>`: answers in `chunks` chunks, `milliseconds` apart.
    Slow {
        /// How many chunks, at least 1.
        chunks: u32,
        /// The pause between two of them.
        milliseconds: u32,
    },
    /// `idle`: an empty answer.
    Idle,
    /// `hang`: an answer that never ends.
    Hang,
    /// `error:<message>`: a refusal with that message.
    Error(String),
    /// `gate:<tag>`: parked until the tag is released.
    Gate(Tag),
}

impl Directive {
    /// The prompt that carries this directive to the gateway.
    pub fn prompt(&self) -> String {
        format!("{MARK}{self}")
    }
}

/// Why a text is no directive.
#[derive(Debug, thiserror::Error)]
pub enum DirectiveError {
    #[error(
        "`{0}` is not a directive; allowed: echo:<text>, slow:<chunks>:<milliseconds>, idle, hang, \
         error:<message>, gate:<tag>; any other prompt is written with `text`"
    )]
    Unknown(String),
    #[error("echo answers with letters, digits, `-` and `_` only, and with at least one, not `{0}`")]
    Echo(String),
    #[error(
        "slow takes a number of chunks above 0 and a number of milliseconds, as in slow:3:200, not `{0}`"
    )]
    Slow(String),
    #[error("error needs a message, as in error:no credit")]
    Error,
    #[error("gate needs a tag of letters, digits, `-` and `_`, as in gate:hold, not `{0}`")]
    Gate(String),
}

impl FromStr for Directive {
    type Err = DirectiveError;

    fn from_str(text: &str) -> Result<Self, DirectiveError> {
        let (verb, argument) = match text.split_once(':') {
            Some((verb, argument)) => (verb, Some(argument)),
            None => (text, None),
        };
        match (verb, argument) {
            ("idle", None) => Ok(Self::Idle),
            ("hang", None) => Ok(Self::Hang),
            ("echo", argument) => match argument.unwrap_or_default() {
                echoed if is_plain(echoed) => Ok(Self::Echo(echoed.to_owned())),
                other => Err(DirectiveError::Echo(other.to_owned())),
            },
            ("slow", argument) => {
                let argument = argument.unwrap_or_default();
                let numbers = argument.split_once(':').and_then(|(chunks, milliseconds)| {
                    Some((chunks.parse().ok()?, milliseconds.parse().ok()?))
                });
                match numbers {
                    Some((chunks, milliseconds)) if chunks > 0 => Ok(Self::Slow { chunks, milliseconds }),
                    _ => Err(DirectiveError::Slow(argument.to_owned())),
                }
            }
            ("error", argument) => match argument.unwrap_or_default() {
                "" => Err(DirectiveError::Error),
                message => Ok(Self::Error(message.to_owned())),
            },
            ("gate", argument) => {
                let argument = argument.unwrap_or_default();
                let tag = argument.parse();
                tag.map(Self::Gate)
                    .map_err(|_| DirectiveError::Gate(argument.to_owned()))
            }
            _ => Err(DirectiveError::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo(text) => write!(formatter, "echo:{text}"),
            Self::Slow { chunks, milliseconds } => write!(formatter, "slow:{chunks}:{milliseconds}"),
            Self::Idle => formatter.write_str("idle"),
            Self::Hang => formatter.write_str("hang"),
            Self::Error(message) => write!(formatter, "error:{message}"),
            Self::Gate(tag) => write!(formatter, "gate:{tag}"),
        }
    }
}

read_from_text!(Directive, {
    "type": "string",
    "pattern": "^(echo:[A-Za-z0-9_-]+|slow:[0-9]+:[0-9]+|idle|hang|error:.+|gate:[A-Za-z0-9_-]+)$",
    "description": "What the gateway is told to do: echo:<text>, slow:<chunks>:<milliseconds>, idle, hang, error:<message>, gate:<tag>",
});
write_as_text!(Directive);
