//! The parties of a scenario, and which of them are connected.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;
use turnstile_fault::{read_from_text, write_as_text};

use crate::machine::Machine;
use crate::name::{ClientName, NameError};
use crate::place::At;

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// A machine.
    Machine(Machine),
    /// A client.
    Client(ClientName),
}

impl Party {
    /// Whether the protocol has these two parties communicate. A fault between others would have no effect.
    fn speaks_to(&self, other: &Self) -> bool {
        use Machine::{Gateway, Receiver, Server, Wrapper};
        match (self, other) {
            (Self::Machine(one), Self::Machine(two)) => matches!(
                (one, two),
                (Server, Wrapper | Receiver)
                    | (Wrapper, Server | Gateway)
                    | (Gateway, Wrapper)
                    | (Receiver, Server)
            ),
            (Self::Machine(machine), Self::Client(_)) | (Self::Client(_), Self::Machine(machine)) => {
                *machine == Server
            }
            (Self::Client(_), Self::Client(_)) => false,
        }
    }
}

impl FromStr for Party {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match Machine::named(text) {
            Some(machine) => Ok(Self::Machine(machine)),
            None => text.parse().map(Self::Client),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(machine) => machine.fmt(formatter),
            Self::Client(name) => name.fmt(formatter),
        }
    }
}

read_from_text!(Party, {
    "type": "string",
    "pattern": "^[A-Za-z0-9_-]+$",
    "description": "server, wrapper, gateway, receiver, client, or a client introduced by `open`",
});
write_as_text!(Party);

/// Invalid ends of a link.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("`between` needs exactly two parties, not {0}")]
    Count(usize),
    #[error("the two ends of a link must differ, but both are `{0}`")]
    Same(Party),
    #[error(
        "there is no link between `{0}` and `{1}`; links: server and wrapper, server and receiver, \
         server and a client, wrapper and gateway"
    )]
    Silent(Party, Party),
    #[error("specify either `between: [one, two]`, or `from` and `to`")]
    Ends,
}

fn connected(one: &Party, two: &Party) -> Result<(), LinkError> {
    if one == two {
        return Err(LinkError::Same(one.clone()));
    }
    if !one.speaks_to(two) {
        return Err(LinkError::Silent(one.clone(), two.clone()));
    }
    Ok(())
}

/// Two parties that communicate, in both directions.
#[derive(Deserialize)]
#[serde(try_from = "Vec<At<Party>>")]
pub(crate) struct Between {
    pub one: At<Party>,
    pub two: At<Party>,
}

impl TryFrom<Vec<At<Party>>> for Between {
    type Error = LinkError;

    fn try_from(ends: Vec<At<Party>>) -> Result<Self, LinkError> {
        let [one, two] = <[At<Party>; 2]>::try_from(ends).map_err(|ends| LinkError::Count(ends.len()))?;
        connected(&one, &two)?;
        Ok(Self { one, two })
    }
}

impl JsonSchema for Between {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Between".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        <[Party; 2]>::json_schema(generator)
    }
}

/// One direction of a link: from `from` to `to`.
pub(crate) struct Direction {
    pub from: At<Party>,
    pub to: At<Party>,
}

impl Direction {
    pub(crate) fn new(from: At<Party>, to: At<Party>) -> Result<Self, LinkError> {
        connected(&from, &to)?;
        Ok(Self { from, to })
    }
}
