//! The steps that do something to the network. What each does to the bytes is told in `README.md`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lapse::{Lapse, nonzero};
use crate::party::{Between, Link, LinkError, Party};
use crate::place::At;

/// A `cut` or a `black-hole`: it lasts until it is healed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenFault", into = "WrittenFault")]
pub struct Fault {
    /// What it falls on.
    pub link: Link,
    /// After how long it heals by itself, if it does.
    pub heals_after: Option<Lapse>,
}

/// A [`Fault`] in the words of a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["between"] }, { "required": ["from", "to"] }]))]
struct WrittenFault {
    /// Both directions of the link between two parties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    between: Option<Between>,
    /// One direction: who sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<At<Party>>,
    /// One direction: who would receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<At<Party>>,
    /// How long it lasts; until `heal` if left out.
    #[serde(
        default,
        deserialize_with = "nonzero",
        skip_serializing_if = "Option::is_none"
    )]
    r#for: Option<Lapse>,
}

impl TryFrom<WrittenFault> for Fault {
    type Error = LinkError;

    fn try_from(written: WrittenFault) -> Result<Self, LinkError> {
        Ok(Self {
            link: Link::written(written.between, written.from, written.to)?,
            heals_after: written.r#for,
        })
    }
}

impl From<Fault> for WrittenFault {
    fn from(fault: Fault) -> Self {
        let (between, from, to) = fault.link.keys();
        Self {
            between,
            from,
            to,
            r#for: fault.heals_after,
        }
    }
}

/// A `delay`: what is sent arrives later than it would, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenDelay", into = "WrittenDelay")]
pub struct Delay {
    /// What it falls on.
    pub link: Link,
    /// How much later.
    pub by: Lapse,
    /// After how long it heals by itself, if it does.
    pub heals_after: Option<Lapse>,
}

/// A [`Delay`] in the words of a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["between"] }, { "required": ["from", "to"] }]))]
struct WrittenDelay {
    /// Both directions of the link between two parties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    between: Option<Between>,
    /// One direction: who sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<At<Party>>,
    /// One direction: who would receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<At<Party>>,
    /// How much later everything arrives.
    #[serde(deserialize_with = "nonzero")]
    by: Lapse,
    /// How long it lasts; until `heal` if left out.
    #[serde(
        default,
        deserialize_with = "nonzero",
        skip_serializing_if = "Option::is_none"
    )]
    r#for: Option<Lapse>,
}

impl TryFrom<WrittenDelay> for Delay {
    type Error = LinkError;

    fn try_from(written: WrittenDelay) -> Result<Self, LinkError> {
        Ok(Self {
            link: Link::written(written.between, written.from, written.to)?,
            by: written.by,
            heals_after: written.r#for,
        })
    }
}

impl From<Delay> for WrittenDelay {
    fn from(delay: Delay) -> Self {
        let (between, from, to) = delay.link.keys();
        Self {
            between,
            from,
            to,
            by: delay.by,
            r#for: delay.heals_after,
        }
    }
}

/// A `heal`: whatever was cut, black-holed or delayed there is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenHeal", into = "WrittenHeal")]
pub struct Heal {
    /// What is healed.
    pub link: Link,
}

/// A [`Heal`] in the words of a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["between"] }, { "required": ["from", "to"] }]))]
struct WrittenHeal {
    /// Both directions of the link between two parties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    between: Option<Between>,
    /// One direction: who sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<At<Party>>,
    /// One direction: who would receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<At<Party>>,
}

impl TryFrom<WrittenHeal> for Heal {
    type Error = LinkError;

    fn try_from(written: WrittenHeal) -> Result<Self, LinkError> {
        let link = Link::written(written.between, written.from, written.to)?;
        Ok(Self { link })
    }
}

impl From<Heal> for WrittenHeal {
    fn from(heal: Heal) -> Self {
        let (between, from, to) = heal.link.keys();
        Self { between, from, to }
    }
}

/// The connections that are open between two parties at the moment of a `reset` or a `silence`. Later
/// ones are not touched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// The two parties.
    pub between: Between,
}
