//! The step `ingest`: the harness speaks to the server's ingest itself, as the wrapper of an older service,
//! or as one that nobody asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::json::Json;
use crate::name::{IngestName, Label};
use crate::place::At;
use crate::reply::Reply;
use turnstile_fault::is_default;

/// The close code of somebody who is simply done.
const NORMAL_CLOSURE: u16 = 1000;
/// The close codes that an endpoint may send (RFC 6455, 7.4.2).
const CLOSE_CODES: std::ops::RangeInclusive<u16> = 1000..=4999;

/// Something done at the server's ingest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenIngest", into = "WrittenIngest")]
pub enum Ingest {
    /// Opens a socket.
    Open {
        /// What the script calls it from here on.
        name: At<IngestName>,
        /// As whom.
        credentials: Credentials,
        /// The answer that must come; a 2xx stands for a socket that opens.
        reply: Reply,
    },
    /// Sends a frame.
    Send {
        /// On which socket.
        name: At<IngestName>,
        /// What.
        frame: IngestFrame,
    },
    /// Closes a socket.
    Close {
        /// Which.
        name: At<IngestName>,
        /// With which code.
        code: u16,
    },
}

/// Whom a socket claims to speak for.
#[derive(Debug, Clone, PartialEq)]
pub enum Credentials {
    /// An execution of an older service, and nothing else.
    Execution(At<Label>),
    /// What the server told the wrapper last, or nearly that.
    Fence(Fence),
}

/// How true a claimed fence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fence {
    /// As the server gave it to the wrapper last.
    Current,
    /// With the id of another run.
    StaleRun,
    /// With the id of another connection.
    StaleConnection,
}

/// A frame to the server.
#[derive(Debug, Clone, PartialEq)]
pub enum IngestFrame {
    /// An event.
    Event {
        /// Its `streamEventType`.
        event: String,
        /// What it carries.
        data: At<Json>,
    },
    /// This text, whatever it is.
    Raw(String),
    /// A binary frame.
    Binary,
}

/// An [`Ingest`] in the words of a script.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = [
    { "required": ["open", "execution"] },
    { "required": ["open", "fence"] },
    { "required": ["send", "event"] },
    { "required": ["send", "raw"] },
    { "required": ["send", "binary"] },
    { "required": ["close"] },
]))]
struct WrittenIngest {
    /// Opens a socket and gives it a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<At<IngestName>>,
    /// Opens it for this execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    execution: Option<At<Label>>,
    /// Opens it under this fence.
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<Fence>,
    /// The answer that must come to the opening; it opens if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Reply>,
    /// Sends a frame on the socket of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    send: Option<At<IngestName>>,
    /// Sends an event of this type.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// What the event carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<At<Json>>,
    /// Sends this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
    /// Sends a binary frame.
    #[serde(skip_serializing_if = "is_default")]
    binary: bool,
    /// Closes the socket of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    close: Option<At<IngestName>>,
    /// With this code; 1000 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
}

/// Why the keys of a step do not make something that can be done at the ingest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestError {
    #[error("an ingest step does exactly one of: open (with execution or fence), send, close")]
    Alternative,
    #[error("`open` needs whom it speaks for: either `execution` or `fence`")]
    Credentials,
    #[error("`send` needs what is sent: exactly one of `event` (with data or not), `raw`, `binary: true`")]
    Frame,
    #[error("`{key}` belongs to `{owner}`")]
    Stray { key: &'static str, owner: &'static str },
    #[error("{0} is not the code of a close frame: 1000 to 4999 are allowed")]
    Code(u16),
}

impl WrittenIngest {
    /// The keys that are there, each with the key that it belongs to.
    fn strays(&self, owner: &str) -> Result<(), IngestError> {
        let keys = [
            ("execution", "open", self.execution.is_some()),
            ("fence", "open", self.fence.is_some()),
            ("reply", "open", self.reply.is_some()),
            ("event", "send", self.event.is_some()),
            ("data", "send", self.data.is_some()),
            ("raw", "send", self.raw.is_some()),
            ("binary", "send", self.binary),
            ("code", "close", self.code.is_some()),
        ];
        let stray = keys
            .into_iter()
            .find(|(_, belongs_to, is_there)| *is_there && *belongs_to != owner);
        match stray {
            Some((key, owner, _)) => Err(IngestError::Stray { key, owner }),
            None => Ok(()),
        }
    }
}

impl TryFrom<WrittenIngest> for Ingest {
    type Error = IngestError;

    fn try_from(mut written: WrittenIngest) -> Result<Self, IngestError> {
        match (written.open.take(), written.send.take(), written.close.take()) {
            (Some(name), None, None) => {
                written.strays("open")?;
                let credentials = match (written.execution, written.fence) {
                    (Some(execution), None) => Credentials::Execution(execution),
                    (None, Some(fence)) => Credentials::Fence(fence),
                    _ => return Err(IngestError::Credentials),
                };
                Ok(Self::Open {
                    name,
                    credentials,
                    reply: written.reply.unwrap_or_default(),
                })
            }
            (None, Some(name), None) => {
                written.strays("send")?;
                let frame = match (written.event, written.raw, written.binary) {
                    (Some(event), None, false) => IngestFrame::Event {
                        event,
                        data: written.data.unwrap_or_default(),
                    },
                    (None, Some(text), false) if written.data.is_none() => IngestFrame::Raw(text),
                    (None, None, true) if written.data.is_none() => IngestFrame::Binary,
                    _ => return Err(IngestError::Frame),
                };
                Ok(Self::Send { name, frame })
            }
            (None, None, Some(name)) => {
                written.strays("close")?;
                let code = written.code.unwrap_or(NORMAL_CLOSURE);
                if CLOSE_CODES.contains(&code) {
                    Ok(Self::Close { name, code })
                } else {
                    Err(IngestError::Code(code))
                }
            }
            _ => Err(IngestError::Alternative),
        }
    }
}

impl From<Ingest> for WrittenIngest {
    fn from(ingest: Ingest) -> Self {
        let mut written = Self::default();
        match ingest {
            Ingest::Open {
                name,
                credentials,
                reply,
            } => {
                written.open = Some(name);
                match credentials {
                    Credentials::Execution(execution) => written.execution = Some(execution),
                    Credentials::Fence(fence) => written.fence = Some(fence),
                }
                written.reply = Some(reply).filter(|reply| !is_default(reply));
            }
            Ingest::Send { name, frame } => {
                written.send = Some(name);
                match frame {
                    IngestFrame::Event { event, data } => {
                        (written.event, written.data) =
                            (Some(event), Some(data).filter(|data| !is_default(data)));
                    }
                    IngestFrame::Raw(text) => written.raw = Some(text),
                    IngestFrame::Binary => written.binary = true,
                }
            }
            Ingest::Close { name, code } => {
                written.close = Some(name);
                written.code = Some(code).filter(|code| *code != NORMAL_CLOSURE);
            }
        }
        written
    }
}
