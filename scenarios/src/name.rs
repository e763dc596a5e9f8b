//! Names in a script: labels, tags, ingest sockets, sessions and clients.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use crate::machine::Machine;
use crate::text::listed;
use turnstile_fault::{read_from_text, write_as_text};

/// The harness's own client. It watches every session from its start, and scripts cannot act on it.
pub const OBSERVER: &str = "observer";

/// The client of requests that name none.
const DEFAULT_CLIENT: &str = "client";

/// The session of steps that name none.
const DEFAULT_SESSION: &str = "session";

/// Name of the id of the session in JSON.
pub(crate) const SESSION_NAME: &str = "session";
/// Name of the id of the agent's root session in JSON, which is the `kiloSessionId` of the session.
pub(crate) const KILO_SESSION_NAME: &str = "kilo-session";
/// The names of ids that need no label.
pub(crate) const SESSION_NAMES: [&str; 2] = [SESSION_NAME, KILO_SESSION_NAME];

/// The longest name, in characters. Names become parts of hosts and URLs, which are limited.
const LONGEST_NAME: usize = 100;

/// Invalid text for a name.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
    #[error("a name has at most {LONGEST_NAME} characters, and this one has {0}")]
    Length(usize),
    #[error("`{0}` is not a valid name: use letters, digits, `-` and `_`")]
    Form(String),
    #[error("`{0}` is the harness's own client: scripts cannot use it")]
    Observer(String),
    #[error("`<{0}>` stands for an id of the session: choose another label")]
    SessionId(String),
    #[error("`{0}` is the name of a party and cannot name a client; parties: {parties}", parties = listed(Machine::ALL))]
    Machine(String),
}

/// Whether `text` has only characters that the gateway accepts in a tag or an echo (R11.4).
pub(crate) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $may_be:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $type(String);

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if !is_plain(text) {
                    return Err(NameError::Form(text.to_owned()));
                }
                if text.len() > LONGEST_NAME {
                    return Err(NameError::Length(text.len()));
                }
                let may_be: fn(&str) -> Result<(), NameError> = $may_be;
                may_be(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl Deref for $type {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        read_from_text!($type, { "type": "string", "pattern": "^[A-Za-z0-9_-]{1,100}$" });
        write_as_text!($type);
    };
}

name! {
    /// Label of a message, the `as` of a step such as `start` or `send`, or of an execution of an older
    /// service.
    Label, |text| {
        if SESSION_NAMES.contains(&text) {
            return Err(NameError::SessionId(text.to_owned()));
        }
        Ok(())
    }
}

name! {
    /// A tag at the gateway where requests wait.
    Tag, |_| Ok(())
}

name! {
    /// Name of an ingest socket that the script opens.
    IngestName, |_| Ok(())
}

name! {
    /// Name of a session; default `session`.
    SessionName, |_| Ok(())
}

name! {
    /// Name of a client. Neither a party's name nor [`OBSERVER`].
    ClientName, |text| {
        if text == OBSERVER {
            return Err(NameError::Observer(text.to_owned()));
        }
        if Machine::named(text).is_some() {
            return Err(NameError::Machine(text.to_owned()));
        }
        Ok(())
    }
}

impl Default for SessionName {
    fn default() -> Self {
        Self(DEFAULT_SESSION.to_owned())
    }
}

impl Default for ClientName {
    fn default() -> Self {
        Self(DEFAULT_CLIENT.to_owned())
    }
}
