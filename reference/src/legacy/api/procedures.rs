//! The V2 procedures. They use the same admission as the unified ones (protocol §2).
//!
//! Their replies differ from unified ones only in an additional `executionId` (R1.11).

use serde_json::{Value, json};

use super::input::{Initiate, PrepareSession, SendMessage, UpdateSession};
use crate::app::App;
use crate::coverage::ServerMark;
use crate::identity::{MessageId, SessionId, UserId};
use crate::legacy::model::name_execution_after;
use crate::model::metadata::InitialMessage;
use crate::procedures::{create, new_metadata, new_session_reply, request_turn, sent};
use crate::refusal::Refusal;
use crate::session::admission::{Ack, Admission};
use crate::session::{Input, Reply};
use crate::store::SessionKey;

/// Creates a session and stores its first message. With `autoInitiate` the message is admitted too (R2.64–R2.74).
///
/// # Errors
///
/// If fields contradict each other, or the store fails.
pub async fn prepare(app: &App, user: UserId, mut input: PrepareSession) -> Result<Value, Refusal> {
    let prepared = input.parts(app.profile().prompt_limit)?;
    let id = input.initial_message_id.take();
    let id = id.unwrap_or_else(|| MessageId::draw(app.now(), app.randomness()));
    let mut metadata = new_metadata(app, user);
    metadata.identity.org_id = input.kilocode_organization_id.map(Into::into);
    metadata.identity.created_on_platform = input.created_on_platform;
    metadata.repository = Some(prepared.repository);
    metadata.agent = prepared.agent.into();
    metadata.finalization = prepared.finalization;
    metadata.profile = prepared.profile;
    metadata.callback = input.callback_target;
    metadata.initial_message = Some(InitialMessage {
        id: Some(id),
        turn: prepared.turn,
    });

    let reply = new_session_reply(&metadata);
    let first = if input.auto_initiate {
        ServerMark::ProcedureAutoInitiate.hit();
        Input::Initiate
    } else {
        Input::Prepare
    };
    create(app, metadata, first).await?;
    Ok(reply)
}

/// Admits the message that `prepareSession` stored (R2.76).
///
/// # Errors
///
/// Those of an admission, and `BAD_REQUEST` if no message was stored.
pub async fn initiate(app: &App, user: UserId, input: Initiate) -> Result<Value, Refusal> {
    let session = input.cloud_agent_session_id;
    let ack = request_turn(app, user, &session, Input::Initiate).await?;
    Ok(sent_v2(&session, &ack))
}

/// Admits a further message (R2.80).
///
/// # Errors
///
/// Those of an admission, and `BAD_REQUEST` if the input has none of the three shapes.
pub async fn send(app: &App, user: UserId, mut input: SendMessage) -> Result<Value, Refusal> {
    let session = input.cloud_agent_session_id.clone();
    let id = input.message_id.take();
    let (turn, agent, finalization) = input.into_turn(app.profile().prompt_limit)?;
    let admission = Admission {
        id: id.unwrap_or_else(|| MessageId::draw(app.now(), app.randomness())),
        turn,
        agent,
        finalization,
    };
    let ack = request_turn(app, user, &session, Input::Admit(Box::new(admission))).await?;
    Ok(sent_v2(&session, &ack))
}

/// Sets or removes the callback target of messages that are admitted later (R2.87–R2.89).
///
/// # Errors
///
/// If the session does not exist, or the store fails.
pub async fn update(app: &App, user: UserId, input: UpdateSession) -> Result<Value, Refusal> {
    let key = SessionKey {
        user,
        session: input.cloud_agent_session_id,
    };
    let handle = app.session(&key)?;
    if let Some(target) = input.callback_target {
        if target.is_none() {
            ServerMark::ProcedureUpdateClears.hit();
        }
        if matches!(
            handle.request(Input::SetCallbackTarget(target)).await?,
            Reply::NoSession
        ) {
            return Err(Refusal::unknown_session());
        }
    } else {
        handle.describe().await?;
    }
    Ok(json!({"success": true}))
}

fn sent_v2(session: &SessionId, ack: &Ack) -> Value {
    let mut reply = sent(session, ack);
    name_execution_after(&ack.message, &mut reply);
    reply
}
