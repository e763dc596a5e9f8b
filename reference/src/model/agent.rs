//! The agent of a turn: mode, model and variant, and what a turn or a session leaves open.

use serde::{Deserialize, Serialize};

use crate::coverage::ServerMark;
use crate::refusal::Refusal;

/// The modes that a user can select (R2.41).
const BUILT_IN_MODES: [&str; 8] = [
    "code",
    "plan",
    "debug",
    "orchestrator",
    "ask",
    "build",
    "architect",
    "custom",
];
/// The mode of sessions that name none (R3.4).
const DEFAULT_MODE: &str = "code";
/// The mode that requires a system prompt (R2.42).
const CUSTOM_MODE: &str = "custom";
/// A prefix of model ids that is removed (R2.43).
const MODEL_PREFIX: &str = "kilo/";

/// The agent of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// The mode.
    pub mode: Mode,
    /// The model.
    pub model: Model,
    /// The variant of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A valid mode (R2.41).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mode(String);

impl TryFrom<String> for Mode {
    type Error = Refusal;

    fn try_from(name: String) -> Result<Self, Refusal> {
        if BUILT_IN_MODES.contains(&name.as_str()) {
            Ok(Self(name))
        } else {
            Err(Refusal::bad_request(format!(
                "unknown mode: expected one of {}",
                BUILT_IN_MODES.join(", ")
            )))
        }
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.0
    }
}

impl Default for Mode {
    /// The mode of sessions that name none.
    fn default() -> Self {
        Self(DEFAULT_MODE.to_owned())
    }
}

impl Mode {
    /// The name of the mode.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the mode requires an `appendSystemPrompt` of the session.
    pub fn needs_system_prompt(&self) -> bool {
        self.0 == CUSTOM_MODE
    }

    /// The refusal of this mode in a session without `appendSystemPrompt`.
    pub fn lacks_system_prompt(&self) -> Refusal {
        let mode = &self.0;
        Refusal::bad_request(format!(
            "mode {mode} needs `appendSystemPrompt`, and there is none"
        ))
    }
}

/// A model id, without the prefix `kilo/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Model(String);

impl TryFrom<String> for Model {
    type Error = Refusal;

    fn try_from(id: String) -> Result<Self, Refusal> {
        let id = id.strip_prefix(MODEL_PREFIX).unwrap_or(&id);
        if id.is_empty() {
            return Err(Self::missing());
        }
        Ok(Self(id.to_owned()))
    }
}

impl From<Model> for String {
    fn from(model: Model) -> Self {
        model.0
    }
}

impl Model {
    /// The refusal of a turn without a model.
    fn missing() -> Refusal {
        Refusal::bad_request("no model: expected a model id")
    }

    /// The model id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The agent as far as an input or a session names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentChoice {
    /// The mode.
    pub mode: Option<Mode>,
    /// The model.
    pub model: Option<Model>,
    /// The variant of the model.
    pub variant: Option<String>,
}

impl AgentChoice {
    /// Fills in the session's values, then the defaults.
    ///
    /// # Errors
    ///
    /// If neither names a model (R3.3).
    pub fn or(self, session: &Self) -> Result<Agent, Refusal> {
        let model = self.model.or_else(|| session.model.clone());
        Ok(Agent {
            mode: self.mode.or_else(|| session.mode.clone()).unwrap_or_default(),
            model: model.ok_or_else(|| {
                ServerMark::NoModel.hit();
                Model::missing()
            })?,
            variant: self.variant.or_else(|| session.variant.clone()),
        })
    }
}

impl From<Agent> for AgentChoice {
    fn from(Agent { mode, model, variant }: Agent) -> Self {
        Self {
            mode: Some(mode),
            model: Some(model),
            variant,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_a_model_is_removed_and_the_rest_is_required() {
        let model = Model::try_from("kilo/fake-deterministic".to_owned()).unwrap();
        assert_eq!(model.as_str(), "fake-deterministic");
        assert!(Model::try_from("kilo/".to_owned()).is_err());
    }

    #[test]
    fn the_refusal_of_an_unknown_mode_lists_the_modes() {
        let refusal = Mode::try_from("cook".to_owned()).unwrap_err();
        assert!(refusal.text.contains("architect"), "{refusal}");
    }
}
