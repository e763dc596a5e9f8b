//! Directives in a prompt, which select the answer of the fake gateway (R11.3–R11.10, R11.47).

use std::fmt;
use std::str::FromStr;

use crate::name::{Tag, is_plain};
use turnstile_fault::{LONGEST_PAUSE_MS, MOST_CHUNKS, MOST_TOOL_CALLS, read_from_text, write_as_text};

/// Start of a directive that waits at a gate.
const GATE: &str = "gate:";

/// A directive for the fake gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive {
    /// `echo:<text>`: one chunk with the text.
    Echo(String),
    /// `slow:<n>:<ms>`: `chunks` chunks, `milliseconds` apart.
    Slow {
        /// Number of chunks, from 1 to [`MOST_CHUNKS`].
        chunks: u32,
        /// Pause between chunks, in milliseconds, up to [`LONGEST_PAUSE_MS`].
        milliseconds: u32,
    },
    /// `idle`: an empty answer.
    Idle,
    /// `hang`: an answer that never ends.
    Hang,
    /// `error:<message>`: status 402 with the message.
    Error(String),
    /// `gate:<tag>`: waits until the tag is released.
    Gate(Tag),
    /// `tools:<n>:<text>`: `calls` answers that each call a tool, then one with the text.
    Tools {
        /// Number of tool calls, from 1 to [`MOST_TOOL_CALLS`].
        calls: u32,
        /// Text of the last answer.
        text: String,
    },
}

impl Directive {
    /// Prefix of a directive in a prompt (R11.3).
    pub const MARK: &'static str = "__fake__:";

    /// The prompt that contains this directive.
    pub fn prompt(&self) -> String {
        format!("{}{self}", Self::MARK)
    }

    /// The tags of all directives in `text` that wait at a gate.
    pub(crate) fn gates_in(text: &str) -> impl Iterator<Item = Tag> {
        text.split(Self::MARK).skip(1).filter_map(|directive| {
            let rest = directive.strip_prefix(GATE)?;
            let end = rest.find(|character: char| !is_plain(character.encode_utf8(&mut [0; 4])));
            rest[..end.unwrap_or(rest.len())].parse().ok()
        })
    }
}

/// Invalid text for [`Directive`].
#[derive(Debug, thiserror::Error)]
pub enum DirectiveError {
    #[error(
        "`{0}` is not a directive; allowed: echo:<text>, slow:<chunks>:<milliseconds>, idle, hang, \
         error:<message>, gate:<tag>, tools:<calls>:<text>; write any other prompt with `text`"
    )]
    Unknown(String),
    #[error("`echo` needs a text of letters, digits, `-` and `_`, such as echo:hi, not `{0}`")]
    Echo(String),
    #[error(
        "`slow` needs a number of chunks from 1 to {MOST_CHUNKS} and a pause in milliseconds up to \
         {LONGEST_PAUSE_MS}, such as slow:3:200, not `{0}`"
    )]
    Slow(String),
    #[error("`error` needs a message, such as error:no credit")]
    Error,
    #[error("`gate` needs a tag of letters, digits, `-` and `_`, such as gate:hold, not `{0}`")]
    Gate(String),
    #[error(
        "`tools` needs a number of calls from 1 to {MOST_TOOL_CALLS} and a text of letters, digits, `-` and `_`, \
         such as tools:3:hi, not `{0}`"
    )]
    Tools(String),
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
                    Some((chunks @ 1..=MOST_CHUNKS, milliseconds @ 0..=LONGEST_PAUSE_MS)) => {
                        Ok(Self::Slow { chunks, milliseconds })
                    }
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
            ("tools", argument) => {
                let argument = argument.unwrap_or_default();
                let parts = argument
                    .split_once(':')
                    .and_then(|(calls, text)| Some((calls.parse().ok()?, text)));
                match parts {
                    Some((calls @ 1..=MOST_TOOL_CALLS, text)) if is_plain(text) => Ok(Self::Tools {
                        calls,
                        text: text.to_owned(),
                    }),
                    _ => Err(DirectiveError::Tools(argument.to_owned())),
                }
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
            Self::Tools { calls, text } => write!(formatter, "tools:{calls}:{text}"),
        }
    }
}

read_from_text!(Directive, {
    "type": "string",
    "pattern": "^(echo:[A-Za-z0-9_-]+|slow:[0-9]+:[0-9]+|idle|hang|error:.+|gate:[A-Za-z0-9_-]+|tools:[0-9]+:[A-Za-z0-9_-]+)$",
    "description": "Directive for the gateway: echo:<text>, slow:<chunks>:<milliseconds>, idle, hang, error:<message>, gate:<tag>, tools:<calls>:<text>",
});
write_as_text!(Directive);
