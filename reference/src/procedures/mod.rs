//! The unified procedures: from their input to a session, and from its answer to the reply (protocol §2).
//!
//! `api` knows their names and who may call them. The V2 procedures are in [`legacy::api`](crate::legacy::api) and
//! use the helpers here.

pub mod input;
mod view;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::App;
use crate::coverage::ServerMark;
use crate::host::Description;
use crate::identity::{MessageId, SessionId, UserId, draw_kilo_session_id};
use crate::model::metadata::{Agent, InitialMessage, Metadata};
use crate::refusal::{Code, Refusal};
use crate::session::admission::{Ack, Admission};
use crate::session::{Input, InterruptReport, Reply};
use crate::store::SessionKey;
use view::SandboxStatus;

/// Formats a time as `health` and streams have it: ISO 8601 with milliseconds (R9.17).
pub(crate) fn iso(time: Timestamp) -> String {
    format!("{time:.3}")
}

pub(crate) fn health(app: &App) -> Value {
    json!({"status": "ok", "timestamp": iso(app.now()), "version": env!("CARGO_PKG_VERSION")})
}

/// The metadata of a new session, with fresh ids. Nothing is stored yet.
pub(crate) fn new_metadata(app: &App, user: UserId) -> Metadata {
    let mut metadata = Metadata::new(SessionId::draw(app.randomness()), user, app.now());
    metadata.identity.kilo_session_id = Some(draw_kilo_session_id(app.randomness()));
    metadata
}

/// The reply that announces a new session.
pub(crate) fn new_session_reply(metadata: &Metadata) -> Value {
    let identity = &metadata.identity;
    json!({"cloudAgentSessionId": identity.session_id, "kiloSessionId": identity.kilo_session_id})
}

/// Creates a session and gives it its first input, which also stores it. If that fails, the session does not exist
/// (R2.55).
pub(crate) async fn create(app: &App, metadata: Metadata, first: Input) -> Result<Reply, Refusal> {
    let key = SessionKey {
        user: metadata.identity.user_id.clone(),
        session: metadata.identity.session_id.clone(),
    };
    let handle = app.create(&key, metadata);
    match handle.request(first).await {
        Ok(Reply::Admission(Err(refusal))) => {
            app.forget(&key);
            Err(refusal)
        }
        Ok(reply) => Ok(reply),
        Err(unanswered) => {
            app.forget(&key);
            Err(unanswered.into())
        }
    }
}

pub(crate) async fn start(app: &App, user: UserId, mut input: input::Start) -> Result<Value, Refusal> {
    let profile = app.profile();
    let callback = input.options.take_callback_target(profile.callback_at_start)?;
    let id = input.message.id.clone();
    let id = id.unwrap_or_else(|| MessageId::draw(app.now(), app.randomness()));
    let turn = input.message.into_turn_within(profile.prompt_limit)?;
    let mut metadata = new_metadata(app, user);
    metadata.identity.org_id = input.options.kilocode_organization_id.map(Into::into);
    metadata.identity.created_on_platform = input.options.created_on_platform;
    metadata.repository = Some(input.repository.try_into()?);
    metadata.agent = Agent::from(input.agent).into();
    metadata.finalization = input.finalization;
    metadata.profile = input.profile;
    metadata.callback = callback;
    metadata.initial_message = Some(InitialMessage { id: Some(id), turn });

    let mut reply = new_session_reply(&metadata);
    let admission = create(app, metadata, Input::Initiate).await?;
    add_ack(&mut reply, &ack(admission)?);
    Ok(reply)
}

pub(crate) async fn send(app: &App, user: UserId, input: input::Send) -> Result<Value, Refusal> {
    let id = input.message.id.clone();
    let admission = Admission {
        id: id.unwrap_or_else(|| MessageId::draw(app.now(), app.randomness())),
        turn: input.message.into_turn(),
        agent: input
            .agent
            .map(|agent| Agent::from(agent).into())
            .unwrap_or_default(),
        finalization: input.finalization,
    };
    let session = input.cloud_agent_session_id;
    let ack = request_turn(app, user, &session, Input::Admit(Box::new(admission))).await?;
    Ok(sent(&session, &ack))
}

/// Requests a turn from a session.
pub(crate) async fn request_turn(
    app: &App,
    user: UserId,
    session: &SessionId,
    turn: Input,
) -> Result<Ack, Refusal> {
    let session = session.clone();
    let handle = app.session(&SessionKey { user, session })?;
    ack(handle.request(turn).await?)
}

fn ack(reply: Reply) -> Result<Ack, Refusal> {
    match reply {
        Reply::Admission(admitted) => admitted,
        _ => Err(Refusal::unknown_session()),
    }
}

/// The reply of `send`.
pub(crate) fn sent(session: &SessionId, ack: &Ack) -> Value {
    let mut reply = json!({
        "cloudAgentSessionId": session,
        "status": "started",
        "streamUrl": format!("/stream?cloudAgentSessionId={session}"),
    });
    add_ack(&mut reply, ack);
    reply
}

/// Adds the acknowledgement to a reply.
fn add_ack(reply: &mut Value, ack: &Ack) {
    reply["messageId"] = json!(ack.message);
    reply["delivery"] = json!(ack.delivery);
    if let Some(run) = &ack.wrapper_run {
        reply["wrapperRunId"] = json!(run);
    }
}

pub(crate) async fn interrupt(app: &App, user: UserId, input: input::OfSessionId) -> Result<Value, Refusal> {
    let reply = request_if_exists(app, user, input.session_id, Input::Interrupt).await?;
    let (report, message) = match reply {
        Some(Reply::Interrupt(report)) => (report, interrupted(&report)),
        _ => (InterruptReport::default(), "Session not found".to_owned()),
    };
    Ok(json!({
        "success": report.is_anything_interrupted(),
        "processesFound": report.imported_stopped,
        "message": message,
    }))
}

/// The text about an interrupt.
fn interrupted(report: &InterruptReport) -> String {
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    };
    let counts = [
        counted(report.interrupted, "message"),
        counted(report.imported, "execution"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() {
        return "Nothing to interrupt".to_owned();
    }
    format!("{} interrupted", counts.join(" and "))
}

/// Deletes a session. A session that does not exist is deleted already (R2.96).
pub(crate) async fn delete(app: &App, user: UserId, input: input::OfSessionId) -> Result<Value, Refusal> {
    let reply = request_if_exists(app, user, input.session_id, Input::Delete).await?;
    if reply.is_none() {
        ServerMark::ProcedureDeleteAgain.hit();
    }
    Ok(json!({"success": true}))
}

/// Sends an input to a session and waits for its reply. `None` if there is no such session for this user.
async fn request_if_exists(
    app: &App,
    user: UserId,
    session: SessionId,
    input: Input,
) -> Result<Option<Reply>, Refusal> {
    let answered = match app.session(&SessionKey { user, session }) {
        Ok(handle) => handle.request(input).await.map_err(Refusal::from),
        Err(refusal) => Err(refusal),
    };
    match answered {
        Ok(Reply::NoSession) => Ok(None),
        Ok(reply) => Ok(Some(reply)),
        Err(refusal) if refusal.code == Code::NotFound => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

async fn describe(app: &App, user: UserId, session: SessionId) -> Result<(SessionKey, Description), Refusal> {
    let key = SessionKey { user, session };
    let description = app.session(&key)?.describe().await?;
    Ok((key, description))
}

pub(crate) async fn get_session(app: &App, user: UserId, input: input::OfSession) -> Result<Value, Refusal> {
    let (_, description) = describe(app, user, input.cloud_agent_session_id).await?;
    Ok(view::session(&description))
}

pub(crate) async fn get_session_health(
    app: &App,
    user: UserId,
    input: input::OfSession,
) -> Result<Value, Refusal> {
    let (key, description) = describe(app, user, input.cloud_agent_session_id).await?;
    let sandbox = if !description.metadata.had_workspace() {
        SandboxStatus::Unknown
    } else if app.wrapper().is_healthy(&key).await {
        SandboxStatus::Healthy
    } else {
        SandboxStatus::Unreachable
    };
    Ok(view::health(&description, sandbox))
}

pub(crate) async fn get_latest_assistant_message(
    app: &App,
    user: UserId,
    input: input::OfSession,
) -> Result<Value, Refusal> {
    let (_, description) = describe(app, user, input.cloud_agent_session_id).await?;
    Ok(view::latest_assistant_message(&description))
}
