//! What a turn is run with: the modes there are, models, and what a turn or a session leaves open.

use serde::{Deserialize, Serialize};

use crate::coverage::Row;
use crate::refusal::Refusal;

/// Modes that need no definition by the user.
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
/// The mode of those that name none.
const DEFAULT_MODE: &str = "code";
/// The mode that is nothing without a system prompt of the user's.
const CUSTOM_MODE: &str = "custom";
/// What users may write in front of a model id; it means the same model.
const MODEL_PREFIX: &str = "kilo/";

/// What a turn is run with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// The agent's mode.
    pub mode: Mode,
    /// The model it calls.
    pub model: Model,
    /// The model's variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A mode that exists.
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
    /// What a session works in that was never told.
    fn default() -> Self {
        Self(DEFAULT_MODE.to_owned())
    }
}

impl Mode {
    /// The mode's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this mode is nothing without a system prompt of the user's.
    pub fn needs_system_prompt(&self) -> bool {
        self.0 == CUSTOM_MODE
    }

    /// It needs one, and there is none.
    pub fn lacks_system_prompt(&self) -> Refusal {
        let mode = &self.0;
        Refusal::bad_request(format!(
            "mode {mode} needs `appendSystemPrompt`, and there is none"
        ))
    }
}

/// A model id without the prefix that means nothing.
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
    /// There is none.
    fn missing() -> Refusal {
        Refusal::bad_request("no model: expected a model id")
    }

    /// The model's id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What somebody says of the agent; what is left open is decided by the session, and at last by the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentChoice {
    /// The agent's mode.
    pub mode: Option<Mode>,
    /// The model.
    pub model: Option<Model>,
    /// The model's variant.
    pub variant: Option<String>,
}

impl AgentChoice {
    /// What a turn is run with that says this much in a session that says `session`.
    ///
    /// # Errors
    ///
    /// If neither names a model (protocol §3).
    pub fn or(self, session: &Self) -> Result<Agent, Refusal> {
        let model = self.model.or_else(|| session.model.clone());
        Ok(Agent {
            mode: self.mode.or_else(|| session.mode.clone()).unwrap_or_default(),
            model: model.ok_or_else(|| {
                Row::NoModel.reach();
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
    fn a_model_loses_the_prefix_that_means_nothing_and_must_be_there() {
        let model = Model::try_from("kilo/fake-deterministic".to_owned()).unwrap();
        assert_eq!(model.as_str(), "fake-deterministic");
        assert!(Model::try_from("kilo/".to_owned()).is_err());
    }

    #[test]
    fn an_unknown_mode_is_refused_with_those_that_exist() {
        let refusal = Mode::try_from("cook".to_owned()).unwrap_err();
        assert!(refusal.text.contains("architect"), "{refusal}");
    }
}
