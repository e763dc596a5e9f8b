//! The names that a script gives to things: messages, gates, clients.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use crate::party::Machine;
use crate::text::listed;
use turnstile_fault::{read_from_text, write_as_text};

/// The harness's own client: it watches every session from its start, and nothing is done to it.
pub const OBSERVER: &str = "observer";

/// The client that makes requests where a script names none.
const DEFAULT_CLIENT: &str = "client";

/// The session that a step is about where it names none.
const DEFAULT_SESSION: &str = "session";

/// Why a text cannot be a name.
#[derive(Debug, thiserror::Error)]
pub enum NameError {
    #[error("`{0}` is not a name: letters, digits, `-` and `_` are allowed")]
    Form(String),
    #[error("`{0}` is the harness's own eye: nothing is done to it or by it")]
    Observer(String),
    #[error("`{0}` is a party's name and cannot be a client's; parties: {parties}", parties = listed(Machine::ALL))]
    Machine(String),
}

/// Whether `text` is made of the characters that the gateway also takes for a tag or an echo
/// (protocol §11).
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

        read_from_text!($type, { "type": "string", "pattern": "^[A-Za-z0-9_-]+$" });
        write_as_text!($type);
    };
}

name! {
    /// What a script calls one admission of a message, such as the `as` of a `start` or `send`, or an execution
    /// of an older service.
    Label, |_| Ok(())
}

name! {
    /// What a script calls a place at the gateway where requests are parked.
    Tag, |_| Ok(())
}

name! {
    /// What a script calls an ingest socket of its own: the `open` of an `ingest`.
    IngestName, |_| Ok(())
}

name! {
    /// What a script calls a session. The one that is spoken of where no name is given is called `session`.
    SessionName, |_| Ok(())
}

name! {
    /// What a script calls a client. Never a party's name, nor [`OBSERVER`].
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
