//! The step `ingest`: the script itself connects to the server's ingest, as the wrapper of an older service
//! or as a rogue wrapper.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::json::Json;
use crate::name::{IngestName, Label};
use crate::place::At;
use crate::reply::Reply;
use crate::ticket::Ticket;
use turnstile_fault::is_default;

/// Close code of a normal closure.
const NORMAL_CLOSURE: u16 = 1000;
/// Close codes that an endpoint may send (RFC 6455, 7.4.2).
const CLOSE_CODES: std::ops::RangeInclusive<u16> = 1000..=4999;

/// An action at the server's ingest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenIngest", into = "WrittenIngest")]
pub enum Ingest {
    /// Opens a socket.
    Open {
        /// Name of the socket in the script.
        name: At<IngestName>,
        /// Credentials of the socket.
        credentials: Credentials,
        /// Token that it shows.
        ticket: Ticket,
        /// Expected answer; 2xx means that the socket opens.
        reply: Reply,
    },
    /// Sends a frame.
    Send {
        /// The socket.
        name: At<IngestName>,
        /// The frame.
        frame: IngestFrame,
    },
    /// Closes a socket.
    Close {
        /// The socket.
        name: At<IngestName>,
        /// The close code.
        code: u16,
    },
}

/// Credentials of an ingest socket.
#[derive(Debug, Clone, PartialEq)]
pub enum Credentials {
    /// Those of an execution of an older service.
    Execution(At<Label>),
    /// The fence that the server last gave to the wrapper, or one with a wrong part.
    Fence(Fence),
}

/// Which fence a socket claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fence {
    /// The one that the server last gave to the wrapper.
    Current,
    /// That fence with another run id.
    StaleRun,
    /// That fence with another connection id.
    StaleConnection,
}

/// A frame to the server.
#[derive(Debug, Clone, PartialEq)]
pub enum IngestFrame {
    /// An event.
    Event {
        /// Its `streamEventType`.
        event: String,
        /// Its `data`.
        data: At<Json>,
    },
    /// A text frame with this text, in which `<session>`, `<kilo-session>` and labels such as `<first>` are replaced by
    /// ids.
    Raw(String),
    /// A binary frame.
    Binary,
}

/// An [`Ingest`] as written in a script.
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
    /// Opens a socket under this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<At<IngestName>>,
    /// Opens it with the credentials of this execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    execution: Option<At<Label>>,
    /// Opens it under this fence.
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<Fence>,
    /// Token that it shows; default `own`.
    #[serde(skip_serializing_if = "is_default")]
    ticket: Ticket,
    /// Expected answer to the opening; by default the socket opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<Reply>,
    /// Sends a frame on this socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    send: Option<At<IngestName>>,
    /// Sends an event of this type.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// The event's `data`.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<At<Json>>,
    /// Sends a text frame with this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
    /// Sends a binary frame.
    #[serde(skip_serializing_if = "is_default")]
    binary: bool,
    /// Closes this socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    close: Option<At<IngestName>>,
    /// Close code; default 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
}

/// Invalid keys of an `ingest` step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestError {
    #[error("`ingest` needs exactly one of `open` (with `execution` or `fence`), `send`, `close`")]
    Alternative,
    #[error("`open` needs either `execution` or `fence`")]
    Credentials,
    #[error("`send` needs exactly one of `event` (optionally with `data`), `raw`, `binary: true`")]
    Frame,
    #[error("`{key}` is only allowed with `{owner}`")]
    Stray { key: &'static str, owner: &'static str },
    #[error("{0} is not a valid close code: use 1000 to 4999")]
    Code(u16),
}

impl WrittenIngest {
    /// Reports keys that belong to another action than `owner`.
    fn strays(&self, owner: &str) -> Result<(), IngestError> {
        let keys = [
            ("execution", "open", self.execution.is_some()),
            ("fence", "open", self.fence.is_some()),
            ("ticket", "open", !is_default(&self.ticket)),
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
                    ticket: written.ticket,
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
                ticket,
                reply,
            } => {
                written.open = Some(name);
                written.ticket = ticket;
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
