//! The ids of the protocol's rules, as a script names them.
//!
//! Only their form is checked here: this crate does not know the protocol. `turnstile check` reports ids that the
//! protocol does not have.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use turnstile_fault::{read_from_text, write_as_text};

/// The id of a rule of the protocol, such as `R8.3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleName(String);

/// A text that does not have the form of a rule's id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the id of a rule: it is `R`, the section, a dot and a number, such as `R8.3`")]
pub struct RuleNameError(String);

impl FromStr for RuleName {
    type Err = RuleNameError;

    fn from_str(text: &str) -> Result<Self, RuleNameError> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.strip_prefix('R')
            .and_then(|numbers| numbers.split_once('.'))
            .filter(|(section, number)| is_number(section) && is_number(number))
            .map(|_| Self(text.to_owned()))
            .ok_or_else(|| RuleNameError(text.to_owned()))
    }
}

impl Deref for RuleName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

read_from_text!(RuleName, { "type": "string", "pattern": "^R[0-9]+\\.[0-9]+$" });
write_as_text!(RuleName);
