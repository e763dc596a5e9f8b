//! The procedures that old clients call: thin ways to the same admission as everybody's (protocol §2).
//!
//! What a V2 client gets beyond a unified one is an `executionId`, and that is all that is added here.

use serde_json::{Value, json};

use super::input::{Initiate, PrepareSession, SendMessage, UpdateSession};
use crate::app::App;
use crate::coverage::Row;
use crate::identity::{MessageId, SessionId, UserId};
use crate::legacy::model::name_execution_after;
use crate::model::metadata::InitialMessage;
use crate::procedures::{ask_for_turn, create, new_metadata, new_session_reply, sent};
use crate::refusal::Refusal;
use crate::session::admission::{Ack, Admission};
use crate::session::{Input, Reply};
use crate::store::SessionKey;

/// Makes a session whose first message is asked for later, or at once if the caller says so.
///
/// # Errors
///
/// Fields that do not go together, or a failing store.
pub async fn prepare(app: &App, user: UserId, mut input: PrepareSession) -> Result<Value, Refusal> {
    let prepared = input.parts(app.profile().prompt_limit)?;
    let id = input.initial_message_id.take();
    let id = id.unwrap_or_else(|| MessageId::draw(app.now(), app.randomness()));
    let mut metadata = new_metadata(app, user);
    metadata.identity.org_id = input.kilocode_organization_id;
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
        Row::ProcedureAutoInitiate.reach();
        Input::Initiate
    } else {
        Input::Prepare
    };
    create(app, metadata, first).await?;
    Ok(reply)
}

/// Queues the message that a session was prepared with.
///
/// # Errors
///
/// As every admission; and if the session was prepared with none.
pub async fn initiate(app: &App, user: UserId, input: Initiate) -> Result<Value, Refusal> {
    let session = input.cloud_agent_session_id;
    let ack = ask_for_turn(app, user, &session, Input::Initiate).await?;
    Ok(sent_by_old_client(&session, &ack))
}

/// Queues a further message.
///
/// # Errors
///
/// As every admission; and if the input is none of the three forms.
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
    let ack = ask_for_turn(app, user, &session, Input::Admit(Box::new(admission))).await?;
    Ok(sent_by_old_client(&session, &ack))
}

/// Changes where the callbacks of messages go to that are admitted from now on.
///
/// # Errors
///
/// If there is no such session, or the store fails.
pub async fn update(app: &App, user: UserId, input: UpdateSession) -> Result<Value, Refusal> {
    let key = SessionKey {
        user,
        session: input.cloud_agent_session_id,
    };
    let handle = app.session(&key)?;
    if let Some(target) = input.callback_target {
        if target.is_none() {
            Row::ProcedureUpdateClears.reach();
        }
        if matches!(
            handle.ask(Input::SetCallbackTarget(target)).await?,
            Reply::NoSession
        ) {
            return Err(Refusal::unknown_session());
        }
    } else {
        handle.describe().await?;
    }
    Ok(json!({"success": true}))
}

fn sent_by_old_client(session: &SessionId, ack: &Ack) -> Value {
    let mut reply = sent(session, ack);
    name_execution_after(&ack.message, &mut reply);
    reply
}
