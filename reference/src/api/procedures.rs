//! The procedures: each a thin way from its input to a session and back (protocol §2).

use serde_json::{Value, json};

use super::auth::BadToken;
use super::{input, iso, view};
use crate::coverage::Row;
use crate::host::Description;
use crate::identity::{MessageId, SessionId, UserId, draw_kilo_session_id};
use crate::legacy;
use crate::refusal::{Code, Refusal};
use crate::server::Server;
use crate::session::admission::{Ack, Admission};
use crate::session::metadata::{InitialMessage, Metadata};
use crate::session::{Input, Reply};
use crate::store::SessionKey;

/// The procedures there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Procedure {
    /// Whether the server is there.
    Health,
    /// A session with its first message.
    Start,
    /// A further message.
    Send,
    /// A session whose first message is to be asked for later: old clients' way to begin.
    PrepareSession,
    /// The message that a session was prepared with.
    InitiateFromKilocodeSessionV2,
    /// A further message, as old clients send it.
    SendMessageV2,
    /// Where the callbacks go to.
    UpdateSession,
    /// The end of all that runs and waits.
    InterruptSession,
    /// The end of the session itself.
    DeleteSession,
    /// What a session is about.
    GetSession,
    /// How its sandbox and its turn are.
    GetSessionHealth,
    /// What the assistant said last.
    GetLatestAssistantMessage,
}

/// Who may call a procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Anybody,
    User,
    /// A service that acts for a user.
    Internal,
}

impl Procedure {
    /// The procedure of that name, if there is one.
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

    /// Whether it changes nothing, and so may be called with GET too.
    pub fn is_query(self) -> bool {
        matches!(
            self,
            Self::Health | Self::GetSession | Self::GetSessionHealth | Self::GetLatestAssistantMessage
        )
    }

    fn row(self) -> Option<Row> {
        Some(match self {
            Self::Health => Row::ProcedureHealth,
            Self::Start => Row::ProcedureStart,
            Self::Send => Row::ProcedureSend,
            Self::PrepareSession => Row::ProcedurePrepareSession,
            Self::InitiateFromKilocodeSessionV2 => Row::ProcedureInitiate,
            // Which of the three forms, its input tells.
            Self::SendMessageV2 => return None,
            Self::UpdateSession => Row::ProcedureUpdateSession,
            Self::InterruptSession => Row::ProcedureInterruptSession,
            Self::DeleteSession => Row::ProcedureDeleteSession,
            Self::GetSession => Row::ProcedureGetSession,
            Self::GetSessionHealth => Row::ProcedureGetSessionHealth,
            Self::GetLatestAssistantMessage => Row::ProcedureGetLatestAssistantMessage,
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

/// The user on whose behalf a procedure is called; none if it does not matter.
pub fn authorize(
    server: &Server,
    procedure: Procedure,
    authorization: Option<&str>,
    internal_api_key: Option<&str>,
) -> Result<Option<UserId>, Refusal> {
    let access = procedure.access();
    if access == Access::Anybody {
        return Ok(None);
    }
    if access == Access::Internal && !server.tokens().is_internal(internal_api_key) {
        let text = "The procedure is internal: its key is missing or wrong";
        return Err(Refusal::new(Code::Unauthorized, text));
    }
    server
        .tokens()
        .user(authorization, server.now())
        .map(Some)
        .map_err(unauthorized)
}

/// Performs a procedure on behalf of a user.
pub async fn perform(
    server: &Server,
    procedure: Procedure,
    caller: Option<UserId>,
    input: Value,
) -> Result<Value, Refusal> {
    use legacy::procedures as v2;
    if let Some(row) = procedure.row() {
        row.reach();
    }
    match (procedure, caller) {
        (Procedure::Health, _) => Ok(health(server)),
        (_, None) => Err(unauthorized(BadToken::Missing)),
        (Procedure::Start, Some(user)) => start(server, user, input::read(input)?).await,
        (Procedure::Send, Some(user)) => send(server, user, input::read(input)?).await,
        (Procedure::PrepareSession, Some(user)) => v2::prepare(server, user, input::read(input)?).await,
        (Procedure::InitiateFromKilocodeSessionV2, Some(user)) => {
            v2::initiate(server, user, input::read(input)?).await
        }
        (Procedure::SendMessageV2, Some(user)) => v2::send(server, user, input::read(input)?).await,
        (Procedure::UpdateSession, Some(user)) => {
            v2::update(server, user, input::read_with_nulls(input)?).await
        }
        (Procedure::InterruptSession, Some(user)) => interrupt(server, user, input::read(input)?).await,
        (Procedure::DeleteSession, Some(user)) => delete(server, user, input::read(input)?).await,
        (Procedure::GetSession, Some(user)) => get_session(server, user, input::read(input)?).await,
        (Procedure::GetSessionHealth, Some(user)) => {
            get_session_health(server, user, input::read(input)?).await
        }
        (Procedure::GetLatestAssistantMessage, Some(user)) => {
            get_latest_assistant_message(server, user, input::read(input)?).await
        }
    }
}

fn unauthorized(error: BadToken) -> Refusal {
    Refusal::new(Code::Unauthorized, error.to_string())
}

fn health(server: &Server) -> Value {
    json!({"status": "ok", "timestamp": iso(server.now()), "version": env!("CARGO_PKG_VERSION")})
}

/// A session that is made but not stored yet, under a name that both it and kilo's side of it got just now.
pub(crate) fn new_metadata(server: &Server, user: UserId) -> Metadata {
    let mut metadata = Metadata::new(SessionId::draw(server.randomness()), user, server.now());
    metadata.identity.kilo_session_id = Some(draw_kilo_session_id(server.randomness()));
    metadata
}

/// A new session's reply to whoever made it.
pub(crate) fn new_session_reply(metadata: &Metadata) -> Value {
    let identity = &metadata.identity;
    json!({"cloudAgentSessionId": identity.session_id, "kiloSessionId": identity.kilo_session_id})
}

/// Makes a session and hands it its first input, with which it is stored. If that fails there is no session.
pub(crate) async fn create(server: &Server, metadata: Metadata, first: Input) -> Result<Reply, Refusal> {
    let key = SessionKey {
        user: metadata.identity.user_id.clone(),
        session: metadata.identity.session_id.clone(),
    };
    let handle = server.create(&key, metadata);
    match handle.ask(first).await {
        Ok(Reply::Admission(Err(refusal))) => {
            server.forget(&key);
            Err(refusal)
        }
        Ok(reply) => Ok(reply),
        Err(unanswered) => {
            server.forget(&key);
            Err(unanswered.into())
        }
    }
}

async fn start(server: &Server, user: UserId, input: input::Start) -> Result<Value, Refusal> {
    let id = input.message.id.clone();
    let id = id.unwrap_or_else(|| MessageId::draw(server.now(), server.randomness()));
    let turn = input.message.into_turn();
    let mut metadata = new_metadata(server, user);
    metadata.identity.org_id = input.options.kilocode_organization_id;
    metadata.identity.created_on_platform = input.options.created_on_platform;
    metadata.repository = Some(input.repository.try_into()?);
    metadata.agent = input.agent.into();
    metadata.finalization = input.finalization;
    metadata.profile = input.profile;
    metadata.callback = input.options.callback_target;
    metadata.initial_message = Some(InitialMessage { id: Some(id), turn });

    let mut reply = new_session_reply(&metadata);
    let admission = create(server, metadata, Input::Initiate).await?;
    add_ack(&mut reply, &ack(admission)?);
    Ok(reply)
}

async fn send(server: &Server, user: UserId, input: input::Send) -> Result<Value, Refusal> {
    let id = input.message.id.clone();
    let admission = Admission {
        id: id.unwrap_or_else(|| MessageId::draw(server.now(), server.randomness())),
        turn: input.message.into_turn(),
        agent: input.agent,
        finalization: input.finalization,
    };
    let session = input.cloud_agent_session_id;
    let ack = ask_for_turn(server, user, &session, Input::Admit(Box::new(admission))).await?;
    Ok(sent(&session, &ack))
}

/// Asks a session for a turn.
pub(crate) async fn ask_for_turn(
    server: &Server,
    user: UserId,
    session: &SessionId,
    turn: Input,
) -> Result<Ack, Refusal> {
    let session = session.clone();
    let handle = server.session(&SessionKey { user, session })?;
    ack(handle.ask(turn).await?)
}

fn ack(reply: Reply) -> Result<Ack, Refusal> {
    match reply {
        Reply::Admission(admitted) => admitted,
        _ => Err(Refusal::unknown_session()),
    }
}

/// What a further message is answered with.
pub(crate) fn sent(session: &SessionId, ack: &Ack) -> Value {
    let mut reply = json!({
        "cloudAgentSessionId": session,
        "status": "started",
        "streamUrl": format!("/stream?cloudAgentSessionId={session}"),
    });
    add_ack(&mut reply, ack);
    reply
}

/// What every admission is answered with, whatever it is answered by.
fn add_ack(reply: &mut Value, ack: &Ack) {
    reply["messageId"] = json!(ack.message);
    reply["delivery"] = json!(ack.delivery);
    if let Some(run) = &ack.wrapper_run {
        reply["wrapperRunId"] = json!(run);
    }
}

async fn interrupt(server: &Server, user: UserId, input: input::OfSessionId) -> Result<Value, Refusal> {
    let session = input.session_id;
    let handle = server.session(&SessionKey { user, session })?;
    let Reply::Interrupt(report) = handle.ask(Input::Interrupt).await? else {
        return Err(Refusal::unknown_session());
    };
    let success = report.interrupted > 0 || report.command_sent;
    let mut reply = json!({"success": success, "processesFound": report.command_sent});
    if !success {
        reply["message"] = json!("Nothing was running and nothing was waiting");
    }
    Ok(reply)
}

async fn delete(server: &Server, user: UserId, input: input::OfSessionId) -> Result<Value, Refusal> {
    let key = SessionKey {
        user,
        session: input.session_id,
    };
    let deleted = match server.session(&key) {
        Ok(handle) => handle.ask(Input::Delete).await.map_err(Refusal::from),
        Err(refusal) => Err(refusal),
    };
    let is_there = match deleted {
        Ok(reply) => !matches!(reply, Reply::NoSession),
        Err(refusal) if refusal.code == Code::NotFound => {
            let was_there = server.store().was_removed(&key);
            if !was_there.map_err(|_| Refusal::store_failed())? {
                return Err(refusal);
            }
            false
        }
        Err(refusal) => return Err(refusal),
    };
    let mut reply = json!({"success": true});
    if !is_there {
        Row::ProcedureDeleteAgain.reach();
        reply["message"] = json!("The session was deleted before");
    }
    Ok(reply)
}

async fn describe(
    server: &Server,
    user: UserId,
    session: SessionId,
) -> Result<(SessionKey, Description), Refusal> {
    let key = SessionKey { user, session };
    let description = server.session(&key)?.describe().await?;
    Ok((key, description))
}

async fn get_session(server: &Server, user: UserId, input: input::OfSession) -> Result<Value, Refusal> {
    let (_, description) = describe(server, user, input.cloud_agent_session_id).await?;
    let mut view = view::session(&description);
    if server.sabotage().shows_callback_target() {
        view["callbackTarget"] = json!(description.metadata.callback);
    }
    Ok(view)
}

async fn get_session_health(
    server: &Server,
    user: UserId,
    input: input::OfSession,
) -> Result<Value, Refusal> {
    let (key, description) = describe(server, user, input.cloud_agent_session_id).await?;
    let workspace = description.metadata.workspace.as_ref();
    let is_healthy = match workspace {
        Some(_) => Some(server.wrapper().is_healthy(&key).await),
        None => None,
    };
    Ok(view::health(&key.session, &description, is_healthy))
}

async fn get_latest_assistant_message(
    server: &Server,
    user: UserId,
    input: input::OfSession,
) -> Result<Value, Refusal> {
    let (key, description) = describe(server, user, input.cloud_agent_session_id).await?;
    Ok(view::latest_assistant_message(&key.session, &description))
}
