//! The procedures: each a thin way from its input to a session and back (protocol §2).

use serde_json::{Value, json};

use super::auth::BadToken;
use super::{input, iso};
use crate::identity::{MessageId, SessionId, UserId, draw_kilo_session_id};
use crate::refusal::{Code, Refusal};
use crate::server::Server;
use crate::session::admission::{Ack, Admission, AgentChoice};
use crate::session::metadata::{
    Identity, InitialMessage, Lifecycle, METADATA_SCHEMA_VERSION, Metadata, Repository,
};
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
    /// The end of all that runs and waits.
    InterruptSession,
    /// What a session is about.
    GetSession,
}

impl Procedure {
    /// The procedure of that name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "health" => Self::Health,
            "start" => Self::Start,
            "send" => Self::Send,
            "interruptSession" => Self::InterruptSession,
            "getSession" => Self::GetSession,
            _ => return None,
        })
    }

    /// Whether it changes nothing, and so may be called with GET too.
    pub fn is_query(self) -> bool {
        matches!(self, Self::Health | Self::GetSession)
    }

    /// Whether anybody may call it.
    fn is_open(self) -> bool {
        self == Self::Health
    }
}

/// The user on whose behalf a procedure is called; none if it does not matter.
pub fn authorize(
    server: &Server,
    procedure: Procedure,
    authorization: Option<&str>,
) -> Result<Option<UserId>, Refusal> {
    if procedure.is_open() {
        return Ok(None);
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
    match (procedure, caller) {
        (Procedure::Health, _) => Ok(health(server)),
        (_, None) => Err(unauthorized(BadToken::Missing)),
        (Procedure::Start, Some(user)) => start(server, user, input::read(input)?).await,
        (Procedure::Send, Some(user)) => send(server, user, input::read(input)?).await,
        (Procedure::InterruptSession, Some(user)) => interrupt(server, user, input::read(input)?).await,
        (Procedure::GetSession, Some(user)) => get_session(server, user, input::read(input)?).await,
    }
}

fn unauthorized(error: BadToken) -> Refusal {
    Refusal::new(Code::Unauthorized, error.to_string())
}

fn health(server: &Server) -> Value {
    json!({"status": "ok", "timestamp": iso(server.now()), "version": env!("CARGO_PKG_VERSION")})
}

async fn start(server: &Server, user: UserId, input: input::Start) -> Result<Value, Refusal> {
    let now = server.now();
    let randomness = server.randomness();
    let session = SessionId::draw(randomness);
    let kilo_session_id = draw_kilo_session_id(randomness);
    let id = input
        .message
        .id
        .clone()
        .unwrap_or_else(|| MessageId::draw(now, randomness));
    let metadata = Metadata {
        metadata_schema_version: METADATA_SCHEMA_VERSION,
        identity: Identity {
            session_id: session.clone(),
            user_id: user.clone(),
            org_id: input.options.kilocode_organization_id,
            kilo_session_id: Some(kilo_session_id.clone()),
            created_on_platform: input.options.created_on_platform,
        },
        repository: input.repository.0,
        agent: input.agent.0,
        finalization: input.finalization,
        initial_message: Some(InitialMessage {
            id: id.clone(),
            prompt: input.message.prompt().to_owned(),
        }),
        callback: input.options.callback_target,
        workspace: None,
        lifecycle: Lifecycle {
            created_at: now,
            updated_at: now,
            prepared_at: None,
            initiated_at: None,
        },
    };
    let admission = Admission {
        id,
        turn: input.message.into_turn(),
        agent: AgentChoice::default(),
        finalization: metadata.finalization.clone(),
    };
    let key = SessionKey {
        user,
        session: session.clone(),
    };
    let handle = server.create(&key, metadata);
    let ack = match handle.ask(Input::Admit(Box::new(admission))).await {
        Ok(Reply::Admission(admitted)) => admitted,
        _ => Err(Refusal::store_failed()),
    };
    if ack.is_err() {
        server.forget(&key);
    }
    let mut reply = json!({"cloudAgentSessionId": session, "kiloSessionId": kilo_session_id});
    add_ack(&mut reply, &ack?);
    Ok(reply)
}

async fn send(server: &Server, user: UserId, input: input::Send) -> Result<Value, Refusal> {
    let session = input.cloud_agent_session_id;
    let handle = server.session(&SessionKey {
        user,
        session: session.clone(),
    })?;
    let id = input.message.id.clone();
    let admission = Admission {
        id: id.unwrap_or_else(|| MessageId::draw(server.now(), server.randomness())),
        turn: input.message.into_turn(),
        agent: input
            .agent
            .map(AgentChoice::try_from)
            .transpose()?
            .unwrap_or_default(),
        finalization: input.finalization,
    };
    let ack = match handle.ask(Input::Admit(Box::new(admission))).await {
        Ok(Reply::Admission(admitted)) => admitted?,
        _ => return Err(Refusal::store_failed()),
    };
    let mut reply = json!({
        "cloudAgentSessionId": session,
        "status": "started",
        "streamUrl": format!("/stream?cloudAgentSessionId={session}"),
    });
    add_ack(&mut reply, &ack);
    Ok(reply)
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
    let handle = server.session(&SessionKey {
        user,
        session: input.session_id,
    })?;
    let Ok(Reply::Interrupt(report)) = handle.ask(Input::Interrupt).await else {
        return Err(Refusal::store_failed());
    };
    let success = report.interrupted > 0 || report.command_sent;
    let mut reply = json!({"success": success, "processesFound": report.command_sent});
    if !success {
        reply["message"] = json!("Nothing was running and nothing was waiting");
    }
    Ok(reply)
}

async fn get_session(server: &Server, user: UserId, input: input::OfSession) -> Result<Value, Refusal> {
    let handle = server.session(&SessionKey {
        user,
        session: input.cloud_agent_session_id,
    })?;
    let metadata = handle.describe().await.map_err(|_| Refusal::store_failed())?;
    Ok(describe(&metadata))
}

/// What anybody who may see the session is told of it: no target, no token (protocol §9).
fn describe(metadata: &Metadata) -> Value {
    let Metadata {
        identity,
        repository,
        agent,
        finalization,
        initial_message,
        workspace,
        lifecycle,
        ..
    } = metadata;
    let mut view = json!({
        "sessionId": identity.session_id,
        "userId": identity.user_id,
        "mode": agent.mode,
        "model": agent.model,
        "execution": null,
        "timestamp": iso(lifecycle.updated_at),
        "version": metadata.metadata_schema_version,
    });
    let mut add = |key: &str, value: Value| {
        if !value.is_null() {
            view[key] = value;
        }
    };
    add("kiloSessionId", json!(identity.kilo_session_id));
    add("orgId", json!(identity.org_id));
    add(
        "sandboxId",
        json!(workspace.as_ref().map(|workspace| &workspace.sandbox_id)),
    );
    match repository {
        Repository::Github { repo, .. } => add("githubRepo", json!(repo)),
        Repository::Gitlab { url, .. } => {
            add("gitUrl", json!(url));
            add("platform", json!("gitlab"));
        }
        Repository::Git { url, .. } => add("gitUrl", json!(url)),
    }
    add("upstreamBranch", json!(repository.branch()));
    add(
        "prompt",
        json!(initial_message.as_ref().map(|message| &message.prompt)),
    );
    add(
        "initialMessageId",
        json!(initial_message.as_ref().map(|message| &message.id)),
    );
    add("variant", json!(agent.variant));
    add("autoCommit", json!(finalization.auto_commit));
    add("preparedAt", json!(lifecycle.prepared_at.map(iso)));
    add("initiatedAt", json!(lifecycle.initiated_at.map(iso)));
    view
}
