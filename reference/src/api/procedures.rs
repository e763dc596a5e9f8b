//! The table of procedures: their names, who may call them, and the functions that implement them (protocol §2).

use serde_json::Value;

use crate::app::App;
use crate::coverage::ServerMark;
use crate::identity::UserId;
use crate::legacy::api::procedures as v2;
use crate::procedures::{self as unified, input};
use crate::refusal::{Code, Refusal};
use crate::tokens::BadToken;

/// The field of `start` in which `null` is refused, although it may be absent (R2.33).
const NULL_AT_START: &[&str] = &["message", "id"];
/// The field of `updateSession` in which `null` differs from absent (R2.88).
const NULL_AT_UPDATE: &[&str] = &["callbackTarget"];

/// A procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Procedure {
    /// Reports that the server runs.
    Health,
    /// Creates a session and admits its first message.
    Start,
    /// Admits a further message.
    Send,
    /// Creates a session and stores its first message without admitting it (V2).
    PrepareSession,
    /// Admits the message that `prepareSession` stored (V2).
    InitiateFromKilocodeSessionV2,
    /// Admits a further message (V2).
    SendMessageV2,
    /// Sets or removes the callback target (V2).
    UpdateSession,
    /// Interrupts all accepted and pending messages.
    InterruptSession,
    /// Deletes the session.
    DeleteSession,
    /// Returns the session's metadata.
    GetSession,
    /// Returns the state of the sandbox and of the current message work. A mutation, because it may ask the sandbox.
    GetSessionHealth,
    /// Returns the last assistant message.
    GetLatestAssistantMessage,
}

/// Who may call a procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Anybody,
    User,
    /// A service that acts for a user; requires the internal key (R2.28).
    Internal,
}

impl Procedure {
    /// Returns the procedure of that name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "health" => Self::Health,
            "start" => Self::Start,
            "send" => Self::Send,
            "prepareSession" => Self::PrepareSession,
            "initiateFromKilocodeSessionV2" => Self::InitiateFromKilocodeSessionV2,
            "sendMessageV2" => Self::SendMessageV2,
            "updateSession" => Self::UpdateSession,
            "interruptSession" => Self::InterruptSession,
            "deleteSession" => Self::DeleteSession,
            "getSession" => Self::GetSession,
            "getSessionHealth" => Self::GetSessionHealth,
            "getLatestAssistantMessage" => Self::GetLatestAssistantMessage,
            _ => return None,
        })
    }

    /// Whether the procedure changes nothing, so that GET is allowed too (R2.2).
    pub fn is_query(self) -> bool {
        matches!(
            self,
            Self::Health | Self::GetSession | Self::GetLatestAssistantMessage
        )
    }

    fn mark(self) -> Option<ServerMark> {
        Some(match self {
            Self::Health => ServerMark::ProcedureHealth,
            Self::Start => ServerMark::ProcedureStart,
            Self::Send => ServerMark::ProcedureSend,
            Self::PrepareSession => ServerMark::ProcedurePrepareSession,
            Self::InitiateFromKilocodeSessionV2 => ServerMark::ProcedureInitiate,
            // It depends on the shape of the input.
            Self::SendMessageV2 => return None,
            Self::UpdateSession => ServerMark::ProcedureUpdateSession,
            Self::InterruptSession => ServerMark::ProcedureInterruptSession,
            Self::DeleteSession => ServerMark::ProcedureDeleteSession,
            Self::GetSession => ServerMark::ProcedureGetSession,
            Self::GetSessionHealth => ServerMark::ProcedureGetSessionHealth,
            Self::GetLatestAssistantMessage => ServerMark::ProcedureGetLatestAssistantMessage,
        })
    }

    fn access(self) -> Access {
        match self {
            Self::Health => Access::Anybody,
            Self::PrepareSession | Self::UpdateSession => Access::Internal,
            _ => Access::User,
        }
    }
}

/// Checks token and internal key, and returns the calling user. `None` if the procedure requires no token.
pub fn authorize(
    app: &App,
    procedure: Procedure,
    authorization: Option<&str>,
    internal_api_key: Option<&str>,
) -> Result<Option<UserId>, Refusal> {
    let access = procedure.access();
    if access == Access::Anybody {
        return Ok(None);
    }
    if access == Access::Internal && !app.tokens().is_internal(internal_api_key) {
        let text = "The procedure is internal: its key is missing or wrong";
        return Err(Refusal::new(Code::Unauthorized, text));
    }
    app.tokens()
        .user(authorization, app.now())
        .map(Some)
        .map_err(unauthorized)
}

/// Runs a procedure on behalf of `caller`.
pub async fn perform(
    app: &App,
    procedure: Procedure,
    caller: Option<UserId>,
    input: Value,
) -> Result<Value, Refusal> {
    if let Some(mark) = procedure.mark() {
        mark.hit();
    }
    match (procedure, caller) {
        (Procedure::Health, _) => Ok(unified::health(app)),
        (_, None) => Err(unauthorized(BadToken::Missing)),
        (Procedure::Start, Some(user)) => {
            unified::start(app, user, input::read_with_null_at(NULL_AT_START, input)?).await
        }
        (Procedure::Send, Some(user)) => unified::send(app, user, input::read(input)?).await,
        (Procedure::PrepareSession, Some(user)) => v2::prepare(app, user, input::read(input)?).await,
        (Procedure::InitiateFromKilocodeSessionV2, Some(user)) => {
            v2::initiate(app, user, input::read(input)?).await
        }
        (Procedure::SendMessageV2, Some(user)) => v2::send(app, user, input::read(input)?).await,
        (Procedure::UpdateSession, Some(user)) => {
            v2::update(app, user, input::read_with_null_at(NULL_AT_UPDATE, input)?).await
        }
        (Procedure::InterruptSession, Some(user)) => unified::interrupt(app, user, input::read(input)?).await,
        (Procedure::DeleteSession, Some(user)) => unified::delete(app, user, input::read(input)?).await,
        (Procedure::GetSession, Some(user)) => unified::get_session(app, user, input::read(input)?).await,
        (Procedure::GetSessionHealth, Some(user)) => {
            unified::get_session_health(app, user, input::read(input)?).await
        }
        (Procedure::GetLatestAssistantMessage, Some(user)) => {
            unified::get_latest_assistant_message(app, user, input::read(input)?).await
        }
    }
}

fn unauthorized(error: BadToken) -> Refusal {
    Refusal::new(Code::Unauthorized, error.to_string())
}
