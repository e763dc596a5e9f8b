//! Whose stream a wait or an expectation is about.

use std::fmt;
use std::str::FromStr;

use turnstile_fault::{read_from_text, write_as_text};

use crate::name::{ClientName, NameError, OBSERVER};

/// Whose stream is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Watcher {
    /// The harness's observer.
    #[default]
    Observer,
    /// A client.
    Client(ClientName),
}

impl FromStr for Watcher {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == OBSERVER {
            return Ok(Self::Observer);
        }
        text.parse().map(Self::Client)
    }
}

impl fmt::Display for Watcher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Observer => formatter.write_str(OBSERVER),
            Self::Client(name) => name.fmt(formatter),
        }
    }
}

read_from_text!(Watcher, {
    "type": "string",
    "pattern": "^[A-Za-z0-9_-]+$",
    "description": "observer, or a client introduced by `open`",
});
write_as_text!(Watcher);
