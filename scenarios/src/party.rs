//! Who takes part, and the links between them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{ClientName, NameError};
use crate::place::At;
use crate::text::{read_from_text, write_as_text};

/// A party that runs somewhere of its own and can crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Machine {
    /// The session server, which is what is being examined.
    Server,
    /// The wrapper in its sandbox, with the agent that it runs.
    Wrapper,
    /// The LLM gateway.
    Gateway,
    /// The receiver of callbacks.
    Receiver,
}

impl Machine {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Server, Self::Wrapper, Self::Gateway, Self::Receiver];

    /// The name as scripts have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Wrapper => "wrapper",
            Self::Gateway => "gateway",
            Self::Receiver => "receiver",
        }
    }

    pub(crate) fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|machine| machine.name() == text)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// One of the fixed parties.
    Machine(Machine),
    /// A client.
    Client(ClientName),
}

impl Party {
    /// Whether the protocol has these two speak to each other at all. A fault between two that never
    /// do would be a fault that cannot be noticed.
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
    "description": "server, wrapper, gateway, receiver, client, or a client that was introduced by `open`",
});
write_as_text!(Party);

/// Why two names do not make a link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("`between` names exactly two parties, here {0}")]
    Count(usize),
    #[error("a link has two different ends, here both are `{0}`")]
    Same(Party),
    #[error(
        "nothing ever travels between `{0}` and `{1}`; links: server and wrapper, server and receiver, \
         server and a client, wrapper and gateway"
    )]
    Silent(Party, Party),
    #[error("say either `between: [one, two]`, or `from` and `to`")]
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

/// Two different parties that speak to each other, in both directions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<At<Party>>", into = "Vec<At<Party>>")]
pub struct Between {
    /// One end.
    pub one: At<Party>,
    /// The other.
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

impl From<Between> for Vec<At<Party>> {
    fn from(between: Between) -> Self {
        vec![between.one, between.two]
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

/// One direction of a link: what `from` sends to `to`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenDirection", into = "WrittenDirection")]
pub struct Direction {
    /// Who sends.
    pub from: At<Party>,
    /// Who would receive.
    pub to: At<Party>,
}

/// A [`Direction`] before its ends were compared.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenDirection {
    /// Who sends.
    from: At<Party>,
    /// Who would receive.
    to: At<Party>,
}

impl TryFrom<WrittenDirection> for Direction {
    type Error = LinkError;

    fn try_from(WrittenDirection { from, to }: WrittenDirection) -> Result<Self, LinkError> {
        connected(&from, &to)?;
        Ok(Self { from, to })
    }
}

impl From<Direction> for WrittenDirection {
    fn from(Direction { from, to }: Direction) -> Self {
        Self { from, to }
    }
}

/// What a fault of the network falls on.
#[derive(Debug, Clone, PartialEq)]
pub enum Link {
    /// Both directions.
    Both(Between),
    /// One of them.
    OneWay(Direction),
}

impl Link {
    /// The directions that are meant, each as sender and receiver.
    pub fn directions(&self) -> Vec<(&Party, &Party)> {
        match self {
            Self::Both(Between { one, two }) => vec![(one, two), (two, one)],
            Self::OneWay(Direction { from, to }) => vec![(from, to)],
        }
    }

    /// The two ends.
    pub fn ends(&self) -> [&At<Party>; 2] {
        match self {
            Self::Both(Between { one, two }) => [one, two],
            Self::OneWay(Direction { from, to }) => [from, to],
        }
    }

    /// From the three keys that scripts write a link with.
    pub(crate) fn written(
        between: Option<Between>,
        from: Option<At<Party>>,
        to: Option<At<Party>>,
    ) -> Result<Self, LinkError> {
        match (between, from, to) {
            (Some(between), None, None) => Ok(Self::Both(between)),
            (None, Some(from), Some(to)) => {
                Direction::try_from(WrittenDirection { from, to }).map(Self::OneWay)
            }
            _ => Err(LinkError::Ends),
        }
    }

    /// The three keys `between`, `from` and `to` again.
    pub(crate) fn keys(self) -> (Option<Between>, Option<At<Party>>, Option<At<Party>>) {
        match self {
            Self::Both(between) => (Some(between), None, None),
            Self::OneWay(Direction { from, to }) => (None, Some(from), Some(to)),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Both(Between { one, two }) => write!(formatter, "between {} and {}", one.value, two.value),
            Self::OneWay(Direction { from, to }) => write!(formatter, "from {} to {}", from.value, to.value),
        }
    }
}
