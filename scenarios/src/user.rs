//! Users that own sessions.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use turnstile_fault::{read_from_text, write_as_text};

/// The user of `by: stranger` and `ticket: stranger`.
const STRANGER: &str = "user-2";

/// The longest id, in bytes. It is a part of a path, where a byte may need three characters.
const LONGEST: usize = 500;

/// The id of a user: any text, such as `team/50%`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserName(String);

/// Invalid text for a [`UserName`].
#[derive(Debug, thiserror::Error)]
pub enum UserNameError {
    /// It is empty.
    #[error("a user id cannot be empty")]
    Empty,
    /// It is too long.
    #[error("a user id has at most {LONGEST} bytes, and this one has {0}")]
    Length(usize),
    /// It is the user who owns no session.
    #[error("`{STRANGER}` is the stranger, who owns no session")]
    Stranger,
}

impl FromStr for UserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, UserNameError> {
        match text {
            "" => Err(UserNameError::Empty),
            STRANGER => Err(UserNameError::Stranger),
            long if long.len() > LONGEST => Err(UserNameError::Length(long.len())),
            other => Ok(Self(other.to_owned())),
        }
    }
}

impl Deref for UserName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

read_from_text!(UserName, { "type": "string", "minLength": 1 });
write_as_text!(UserName);
