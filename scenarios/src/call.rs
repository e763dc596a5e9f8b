//! The step `call`: calls any procedure with any input.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::{Status, is_default};

use crate::json::{Json, Subset};
use crate::name::{ClientName, Label, SessionName};
use crate::place::At;

/// Calls a procedure of the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Call {
    /// Name of the procedure: letters, digits, `.`, `-` and `_`.
    #[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,100}$"))]
    pub procedure: String,
    /// Label of the message that the call sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#as: Option<At<Label>>,
    /// Input of the procedure. The session id is added if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<At<Json>>,
    /// Raw request body in place of an input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<At<Body>>,
    /// Caller's credentials; default `owner`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub by: Caller,
    /// HTTP method; default GET for the protocol's queries, POST for everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<CallMethod>,
    /// The session. With a procedure that creates one, its name from here on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: At<SessionName>,
    /// The client that sends the request.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client: At<ClientName>,
    /// Expected answer; default status 200.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reply: CallReply,
}

impl Call {
    /// A call of a procedure without input by the owner of a session.
    pub fn by_owner(procedure: &str, session: &SessionName) -> Self {
        Self {
            procedure: procedure.to_owned(),
            r#as: None,
            input: None,
            body: None,
            by: Caller::Owner,
            method: None,
            session: session.clone().into(),
            client: At::default(),
            reply: CallReply::default(),
        }
    }
}

/// A raw request body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// This text, in which `<session>`, `<kilo-session>` and labels such as `<first>` are replaced by ids.
    Text(String),
    /// A JSON text of this length, in characters.
    #[schemars(extend("maximum" = LONGEST_BODY))]
    Characters(usize),
}

/// Read-only procedures, called with GET.
const QUERIES: [&str; 3] = ["health", "getSession", "getLatestAssistantMessage"];
/// The longest name of a procedure, in characters.
const LONGEST_PROCEDURE: usize = 100;
/// Procedures that create a session.
const CREATING: [&str; 2] = ["start", "prepareSession"];
/// Procedures that send a message.
const SENDING: [&str; 5] = [
    "start",
    "send",
    "sendMessageV2",
    "prepareSession",
    "initiateFromKilocodeSessionV2",
];

impl Call {
    /// Whether the request is a GET, with its input in the URL.
    pub fn is_query(&self) -> bool {
        match self.method {
            Some(method) => method == CallMethod::Get,
            None => QUERIES.contains(&self.procedure.as_str()) && self.body.is_none(),
        }
    }

    /// Whether the procedure can be a part of a URL.
    pub(crate) fn has_valid_procedure(&self) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        (1..=LONGEST_PROCEDURE).contains(&self.procedure.len()) && self.procedure.bytes().all(is_plain)
    }

    /// Whether its procedure creates a session.
    pub fn creates_session(&self) -> bool {
        CREATING.contains(&self.procedure.as_str())
    }

    /// Whether its procedure sends a message.
    pub fn sends_message(&self) -> bool {
        SENDING.contains(&self.procedure.as_str())
    }

    /// Whether the caller has the rights of the session's user, apart from the internal API key.
    pub fn is_of_user(&self) -> bool {
        matches!(self.by, Caller::Owner | Caller::Outsider)
    }
}

/// The longest text that a step puts into a URL, in bytes of JSON or of a list. A URL has at most 65,534 bytes; a byte may
/// need three characters in it, and a label is replaced by a longer id.
pub(crate) const LONGEST_IN_URL: usize = 4 << 10;

/// Longest [`Body`], in characters.
pub const LONGEST_BODY: usize = 16 << 20;

/// Credentials of a call (PROTOCOL.md §2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Caller {
    /// The session's user, with the internal API key where one is needed.
    #[default]
    Owner,
    /// The session's user, without the internal API key.
    Outsider,
    /// The session's user, with an expired token.
    Latecomer,
    /// Another user.
    Stranger,
    /// No token.
    Nobody,
    /// The token of the session's wrapper.
    Wrapper,
    /// A ticket for the session's stream.
    Viewer,
}

/// HTTP method of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "HTTP's own words")]
pub enum CallMethod {
    Get,
    Post,
}

/// Expected answer of a call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CallReply {
    /// HTTP status.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: Status,
    /// Text that the body contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Fields that the answer's data has; for a status other than 2xx, fields of its error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has: Option<At<Subset>>,
    /// Fields that must not occur anywhere in the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// Expects no answer: the request or its answer is lost. Excludes the other fields.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: bool,
}
