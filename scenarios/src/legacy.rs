//! The steps that call one procedure of the older surface each, whichever surface the script is played on:
//! `prepare`, `initiate`, `update` and `delete`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::{is_default, read_from_text, write_as_text};

use crate::directive::Directive;
use crate::name::{ClientName, Label, SessionName};
use crate::place::At;
use crate::prompt::{Command, Prompt, PromptError};
use crate::reply::{Reply, SuccessReply};

/// Creates the session and stores its first message (`prepareSession`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenPrepare", into = "WrittenPrepare")]
pub struct Prepare {
    /// What the script calls the message.
    pub label: At<Label>,
    /// What it asks for.
    pub prompt: Prompt,
    /// Whether it is queued at once.
    pub auto_initiate: bool,
    /// Which session.
    pub session: At<SessionName>,
    /// Who asks.
    pub client: At<ClientName>,
    /// The answer that must come.
    pub reply: Reply,
}

/// A [`Prepare`] in the words of a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [
    { "required": ["say"] },
    { "required": ["text"] },
    { "required": ["command"] },
]))]
struct WrittenPrepare {
    /// What the script calls this message from here on.
    r#as: At<Label>,
    /// A directive to the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    say: Option<Directive>,
    /// A raw prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// A command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Command>,
    /// Whether the message is queued at once; if not, `initiate` does it.
    #[serde(default, skip_serializing_if = "is_default")]
    auto_initiate: bool,
    /// Which session.
    #[serde(default, skip_serializing_if = "is_default")]
    session: At<SessionName>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "is_default")]
    client: At<ClientName>,
    /// The answer that must come; 200 if left out.
    #[serde(default, skip_serializing_if = "is_default")]
    reply: Reply,
}

impl TryFrom<WrittenPrepare> for Prepare {
    type Error = PromptError;

    fn try_from(written: WrittenPrepare) -> Result<Self, PromptError> {
        Ok(Self {
            label: written.r#as,
            prompt: Prompt::written_or_command(written.say, written.text, written.command)?,
            auto_initiate: written.auto_initiate,
            session: written.session,
            client: written.client,
            reply: written.reply,
        })
    }
}

impl From<Prepare> for WrittenPrepare {
    fn from(prepare: Prepare) -> Self {
        let (say, text, command) = prepare.prompt.keys();
        Self {
            r#as: prepare.label,
            say,
            text,
            command,
            auto_initiate: prepare.auto_initiate,
            session: prepare.session,
            client: prepare.client,
            reply: prepare.reply,
        }
    }
}

/// Queues the message that was stored with the session (`initiateFromKilocodeSessionV2`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Initiate {
    /// Which session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: At<SessionName>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client: At<ClientName>,
    /// The answer that must come; 200 if left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reply: Reply,
}

/// Gives the session another callback target, for messages from now on (`updateSession`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Update {
    /// Which.
    pub callback: CallbackTarget,
    /// Which session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: At<SessionName>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client: At<ClientName>,
    /// The answer that must come; 200 if left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reply: SuccessReply,
}

/// Removes the session (`deleteSession`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Delete {
    /// Which session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: At<SessionName>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client: At<ClientName>,
    /// The answer that must come; 200 if left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reply: SuccessReply,
}

/// Where callbacks go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackTarget {
    /// Nowhere.
    None,
    /// To the receiver, at the path that it has in the beginning.
    Receiver,
    /// To the receiver, at this path.
    Path(String),
}

/// Why a text is no callback target.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a callback target; allowed: none, receiver, a path of the receiver such as /other")]
pub struct CallbackTargetError(String);

impl FromStr for CallbackTarget {
    type Err = CallbackTargetError;

    fn from_str(text: &str) -> Result<Self, CallbackTargetError> {
        let is_path = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
        match text {
            "none" => Ok(Self::None),
            "receiver" => Ok(Self::Receiver),
            path if is_path => Ok(Self::Path(path.to_owned())),
            other => Err(CallbackTargetError(other.to_owned())),
        }
    }
}

impl fmt::Display for CallbackTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("none"),
            Self::Receiver => formatter.write_str("receiver"),
            Self::Path(path) => formatter.write_str(path),
        }
    }
}

read_from_text!(CallbackTarget, {
    "type": "string",
    "pattern": "^(none|receiver|/.*)$",
    "description": "none, receiver, or a path of the receiver such as /other",
});
write_as_text!(CallbackTarget);
