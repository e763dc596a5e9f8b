//! The unified procedures: from their input to a session, and from its answer to the reply (protocol §2).
//!
//! `api` knows their names and who may call them. The V2 procedures are in [`legacy::api`](crate::legacy::api) and
//! use the helpers here.

pub mod input;
mod view;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::app::App;
use crate::coverage::Row;
use crate::host::Description;
use crate::identity::{MessageId, SessionId, UserId, draw_kilo_session_id};
use crate::model::metadata::{InitialMessage, Metadata};
use crate::refusal::{Code, Refusal};
use crate::session::admission::{Ack, Admission};
use crate::session::{Input, Reply};
use crate::store::SessionKey;

/// Formats a time for the wire: ISO 8601 with milliseconds (R9.67).
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

pub(crate) async fn start(app: &App, user: UserId, input: input::Start) -> Result<Value, Refusal> {
    let id = input.message.id.clone();
    let id = id.unwrap_or_else(|| MessageId::draw(app.now(), app.randomness()));
    let turn = input.message.into_turn(app.profile().prompt_limit)?;
    let mut metadata = new_metadata(app, user);
    metadata.identity.org_id = input.options.kilocode_organization_id;
    metadata.identity.created_on_platform = input.options.created_on_platform;
    metadata.repository = Some(input.repository.try_into()?);
    metadata.agent = input.agent.into();
    metadata.finalization = input.finalization;
    metadata.profile = input.profile;
    metadata.callback = input.options.callback_target;
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
        turn: input.message.into_turn(app.profile().prompt_limit)?,
        agent: input.agent,
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
    let session = input.session_id;
    let handle = app.session(&SessionKey { user, session })?;
    let Reply::Interrupt(report) = handle.request(Input::Interrupt).await? else {
        return Err(Refusal::unknown_session());
    };
    let success = report.is_anything_interrupted();
    let mut reply = json!({"success": success, "processesFound": report.imported_stopped});
    if !success {
        reply["message"] = json!("Nothing was running and nothing was waiting");
    }
    Ok(reply)
}

pub(crate) async fn delete(app: &App, user: UserId, input: input::OfSessionId) -> Result<Value, Refusal> {
    let key = SessionKey {
        user,
        session: input.session_id,
    };
    let deleted = match app.session(&key) {
        Ok(handle) => handle.request(Input::Delete).await.map_err(Refusal::from),
        Err(refusal) => Err(refusal),
    };
    let is_there = match deleted {
        Ok(reply) => !matches!(reply, Reply::NoSession),
        Err(refusal) if refusal.code == Code::NotFound => {
            let was_there = app.store().was_removed(&key);
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
    let workspace = description.metadata.workspace.as_ref();
    let is_healthy = match workspace {
        Some(_) => Some(app.wrapper().is_healthy(&key).await),
        None => None,
    };
    Ok(view::health(&key.session, &description, is_healthy))
}

pub(crate) async fn get_latest_assistant_message(
    app: &App,
    user: UserId,
    input: input::OfSession,
) -> Result<Value, Refusal> {
    let (key, description) = describe(app, user, input.cloud_agent_session_id).await?;
    Ok(view::latest_assistant_message(&key.session, &description))
}
