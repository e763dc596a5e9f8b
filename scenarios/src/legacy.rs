//! Steps that each call one procedure of the legacy surface, on whichever surface the script runs: `prepare`,
//! `initiate`, `update` and `delete`.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::{is_default, read_from_text, write_as_text};

use crate::directive::Directive;
use crate::json::LONGEST_TEXT;
use crate::message_id::MessageId;
use crate::name::{ClientName, Label, SessionName};
use crate::place::At;
use crate::prompt::{Command, Prompt, PromptError, PromptKeys};
use crate::reply::{Reply, SuccessReply};
use crate::user::UserName;

/// Creates the session and stores its first message (`prepareSession`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenPrepare", into = "WrittenPrepare")]
pub struct Prepare {
    /// Label of the message.
    pub label: At<Label>,
    /// Prompt of the message.
    pub prompt: Prompt,
    /// Whether to queue the message at once.
    pub auto_initiate: bool,
    /// Id of the message; by default the client draws one.
    pub id: Option<At<MessageId>>,
    /// User that owns the session; by default the user of all other sessions.
    pub user: Option<UserName>,
    /// The session.
    pub session: At<SessionName>,
    /// The client that sends the request.
    pub client: At<ClientName>,
    /// Expected answer.
    pub reply: Reply,
}

/// A [`Prepare`] as written in a script.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [
    { "required": ["say"] },
    { "required": ["text"] },
    { "required": ["characters"] },
    { "required": ["command"] },
]))]
struct WrittenPrepare {
    /// Label of the message.
    r#as: At<Label>,
    /// A directive for the gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    say: Option<Directive>,
    /// A raw prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// A prompt of this length, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = LONGEST_TEXT))]
    characters: Option<usize>,
    /// A command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Command>,
    /// Whether to queue the message at once; otherwise `initiate` queues it.
    #[serde(default, skip_serializing_if = "is_default")]
    auto_initiate: bool,
    /// Id of the message; by default the client draws one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<At<MessageId>>,
    /// User that owns the session; by default the user of all other sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserName>,
    /// The session.
    #[serde(default, skip_serializing_if = "is_default")]
    session: At<SessionName>,
    /// The client that sends the request.
    #[serde(default, skip_serializing_if = "is_default")]
    client: At<ClientName>,
    /// Expected answer; default status 200.
    #[serde(default, skip_serializing_if = "is_default")]
    reply: Reply,
}

impl TryFrom<WrittenPrepare> for Prepare {
    type Error = PromptError;

    fn try_from(written: WrittenPrepare) -> Result<Self, PromptError> {
        let prompt = Prompt::written_or_command(PromptKeys {
            say: written.say,
            text: written.text,
            characters: written.characters,
            command: written.command,
        });
        Ok(Self {
            label: written.r#as,
            prompt: prompt?,
            auto_initiate: written.auto_initiate,
            id: written.id,
            user: written.user,
            session: written.session,
            client: written.client,
            reply: written.reply,
        })
    }
}

impl From<Prepare> for WrittenPrepare {
    fn from(prepare: Prepare) -> Self {
        let keys = prepare.prompt.keys();
        Self {
            r#as: prepare.label,
            say: keys.say,
            text: keys.text,
            characters: keys.characters,
            command: keys.command,
            auto_initiate: prepare.auto_initiate,
            id: prepare.id,
            user: prepare.user,
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
    /// The session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: At<SessionName>,
    /// The client that sends the request.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client: At<ClientName>,
    /// Expected answer; default status 200.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reply: Reply,
}

/// Changes the callback target of later messages (`updateSession`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Update {
    /// The new callback target.
    pub callback: CallbackTarget,
    /// The session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: At<SessionName>,
    /// The client that sends the request.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client: At<ClientName>,
    /// Expected answer; default status 200.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reply: SuccessReply,
}

/// Deletes the session (`deleteSession`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Delete {
    /// The session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: At<SessionName>,
    /// The client that sends the request.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client: At<ClientName>,
    /// Expected answer; default status 200.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reply: SuccessReply,
}

/// A callback target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackTarget {
    /// No callbacks.
    None,
    /// The receiver, at its initial path.
    Receiver,
    /// The receiver, at this path.
    Path(String),
    /// A port of the receiver's host at which nothing listens.
    OutOfReach,
    /// A host that does not exist.
    NoSuchHost,
    /// The receiver's address with the scheme `https`, which the receiver does not speak.
    Https,
}

/// Invalid text for [`CallbackTarget`].
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a callback target; allowed: none, receiver, a path of the receiver such as /other, \
     out-of-reach, no-such-host, https"
)]
pub struct CallbackTargetError(String);

impl FromStr for CallbackTarget {
    type Err = CallbackTargetError;

    fn from_str(text: &str) -> Result<Self, CallbackTargetError> {
        let is_path = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
        match text {
            "none" => Ok(Self::None),
            "receiver" => Ok(Self::Receiver),
            "out-of-reach" => Ok(Self::OutOfReach),
            "no-such-host" => Ok(Self::NoSuchHost),
            "https" => Ok(Self::Https),
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
            Self::OutOfReach => formatter.write_str("out-of-reach"),
            Self::NoSuchHost => formatter.write_str("no-such-host"),
            Self::Https => formatter.write_str("https"),
        }
    }
}

read_from_text!(CallbackTarget, {
    "type": "string",
    "pattern": "^(none|receiver|/.*|out-of-reach|no-such-host|https)$",
    "description": "none, receiver, a path of the receiver such as /other, out-of-reach, no-such-host, or https",
});
write_as_text!(CallbackTarget);
