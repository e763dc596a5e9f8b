//! Generic mutants as data, and their names on the command line.

use std::fmt;
use std::str::FromStr;

use super::Operation;

/// The part of a server that a mutant changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The effects of decisions.
    Effect,
    /// The rows of decisions as the store keeps them. Sessions notice when they are restored.
    Row,
    /// The rows of decisions, which the session continues with.
    State,
    /// The frames to clients and wrappers.
    Frame,
    /// The replies to requests.
    Reply,
    /// The requests to wrappers and callback receivers.
    Request,
    /// The durations, limits and choices.
    Profile,
}

impl Place {
    /// All places.
    pub const ALL: [Self; 7] = [
        Self::Effect,
        Self::Row,
        Self::State,
        Self::Frame,
        Self::Reply,
        Self::Request,
        Self::Profile,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Effect => "effect",
            Self::Row => "row",
            Self::State => "state",
            Self::Frame => "frame",
            Self::Reply => "reply",
            Self::Request => "request",
            Self::Profile => "profile",
        }
    }
}

/// What a mutant changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The part of the server.
    pub place: Place,
    /// The kind of units in that part, such as `live/cloud.message.sent`.
    pub kind: String,
    /// The field of the units; `None` for whole units.
    pub path: Option<String>,
}

/// A generic mutant. Its name is `operation:place:kind` or `operation:place:kind:path`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rewrite {
    /// What is changed.
    pub target: Target,
    /// How it is changed.
    pub operation: Operation,
}

impl fmt::Display for Rewrite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { place, kind, path } = &self.target;
        write!(formatter, "{}:{}:{kind}", self.operation.name(), place.name())?;
        match path {
            Some(path) => write!(formatter, ":{path}"),
            None => Ok(()),
        }
    }
}

/// A text that is not the name of a generic mutant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a generic mutant: expected OPERATION:PLACE:KIND or OPERATION:PLACE:KIND:PATH")]
pub struct Malformed;

impl FromStr for Rewrite {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut parts = text.splitn(4, ':');
        let mut part = || parts.next().filter(|part| !part.is_empty()).ok_or(Malformed);
        let (operation, place, kind) = (part()?, part()?, part()?);
        let operation = Operation::ALL.into_iter().find(|known| known.name() == operation);
        let place = Place::ALL.into_iter().find(|known| known.name() == place);
        Ok(Self {
            target: Target {
                place: place.ok_or(Malformed)?,
                kind: kind.to_owned(),
                path: parts.next().map(str::to_owned),
            },
            operation: operation.ok_or(Malformed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for name in [
            "drop:effect:send/ping",
            "null:reply:getSession/200:body.result.data.execution",
        ] {
            assert_eq!(
                name.parse::<Rewrite>()
                    .map(|rewrite| rewrite.to_string())
                    .as_deref(),
                Ok(name)
            );
        }
        for name in ["", "drop", "drop:effect", "drop:nowhere:x", "stop:effect:x"] {
            assert_eq!(name.parse::<Rewrite>(), Err(Malformed), "{name}");
        }
    }
}
