//! The surfaces of the server for clients, and the selection of surfaces that a script runs on.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::listed;

/// A family of procedures for clients (PROTOCOL.md §2). Both have the same functions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Surface {
    /// `start` and `send`.
    #[default]
    Unified,
    /// `prepareSession`, `initiateFromKilocodeSessionV2` and `sendMessageV2`.
    Legacy,
}

impl Surface {
    /// Both surfaces.
    pub const ALL: [Self; 2] = [Self::Unified, Self::Legacy];

    /// Name in scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unified => "unified",
            Self::Legacy => "legacy",
        }
    }

    /// Suffix of ids and titles of scenarios that run on this surface.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Unified => "",
            Self::Legacy => " (legacy)",
        }
    }
}

impl fmt::Display for Surface {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Invalid text for [`Surface`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a surface; allowed: {allowed}", allowed = listed(Surface::ALL))]
pub struct SurfaceError(String);

impl FromStr for Surface {
    type Err = SurfaceError;

    fn from_str(text: &str) -> Result<Self, SurfaceError> {
        let found = Self::ALL.into_iter().find(|surface| surface.name() == text);
        found.ok_or_else(|| SurfaceError(text.to_owned()))
    }
}

/// The surfaces that a script runs on: at least one, without repetition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Surface>", into = "Vec<Surface>")]
#[schemars(extend("minItems" = 1, "uniqueItems" = true))]
pub struct Surfaces(Vec<Surface>);

/// Invalid list of surfaces.
#[derive(Debug, thiserror::Error)]
pub enum SurfacesError {
    #[error("`api` is empty: name a surface, unified or legacy")]
    Empty,
    #[error("`api` names {0} twice")]
    Twice(Surface),
}

impl TryFrom<Vec<Surface>> for Surfaces {
    type Error = SurfacesError;

    fn try_from(surfaces: Vec<Surface>) -> Result<Self, SurfacesError> {
        if surfaces.is_empty() {
            return Err(SurfacesError::Empty);
        }
        for (index, surface) in surfaces.iter().enumerate() {
            if surfaces[..index].contains(surface) {
                return Err(SurfacesError::Twice(*surface));
            }
        }
        Ok(Self(surfaces))
    }
}

impl From<Surfaces> for Vec<Surface> {
    fn from(Surfaces(surfaces): Surfaces) -> Self {
        surfaces
    }
}

impl From<Surface> for Surfaces {
    fn from(surface: Surface) -> Self {
        Self(vec![surface])
    }
}

impl Default for Surfaces {
    fn default() -> Self {
        Surface::default().into()
    }
}

impl Surfaces {
    /// The first surface of the list.
    pub fn first(&self) -> Surface {
        self.0[0]
    }
}

impl Deref for Surfaces {
    type Target = [Surface];

    fn deref(&self) -> &[Surface] {
        &self.0
    }
}
