//! One client under load. It runs sessions one after another, and in each session sends a message once the previous
//! one has ended and called back.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Request, Uri, header};
use http_body_util::Full;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use turnstile_judge::parties::Secrets;
use turnstile_seams::http_client::{self, HttpError};
use turnstile_seams::websocket::{self, Message};
use turnstile_seams::{ClockExt as _, Seams};

use super::ledger::Ledger;
use super::parties::Sandboxes;
use crate::stage::client::draw_message_id;
use crate::stage::identity::USER;
use crate::tokens;

/// Lifetime of tokens, longer than any soak.
const TOKEN_LIFETIME: Duration = Duration::from_hours(24 * 7);
/// Time limit for a message to end and call back, and for a request.
pub(super) const TURN_TIMEOUT: Duration = Duration::from_mins(1);
/// Prompt of each turn; the answer is one word.
const PROMPT: &str = "__fake__:echo:hello";
/// Prefix of message events, before the status.
const MESSAGE_EVENTS: &str = "cloud.message.";

/// Everything a client needs to run. Each client has a clone.
#[derive(Clone)]
pub(super) struct ClientContext {
    pub seams: Seams,
    /// Authority of the server.
    pub server: String,
    /// Authority of the callback receiver.
    pub receiver: String,
    pub secrets: Secrets,
    pub sandboxes: Sandboxes,
    /// Number of turns in a session; after them the session is deleted.
    pub turns_a_session: u64,
    pub ledger: Ledger,
    /// Receives the duration of each completed turn.
    pub turns: tokio::sync::mpsc::UnboundedSender<Duration>,
    /// True once clients must not send further messages.
    pub stopped: watch::Receiver<bool>,
}

impl ClientContext {
    /// Runs sessions until `stopped` is true or a session fails.
    pub(super) async fn run_sessions(self) {
        while !*self.stopped.borrow() {
            if self.run_session().await.is_none() {
                return;
            }
        }
    }

    /// Creates a session, sends its messages in turn and deletes it. Returns `None` after a failure, which is recorded in
    /// the ledger.
    async fn run_session(&self) -> Option<()> {
        let id = self.draw_message_id();
        let input = json!({
            "message": {"id": id, "prompt": PROMPT},
            "agent": {"mode": "code", "model": "fake-deterministic"},
            "finalization": {},
            "repository": {"type": "github", "repo": "turnstile/soak"},
            "options": {
                "createdOnPlatform": "turnstile",
                "callbackTarget": {"url": format!("http://{}/callback", self.receiver)},
            },
        });
        let started = self.seams.clock.now();
        let settled = self.ledger.open(&id);
        let data = self.send("start", &input, &id).await?;
        let Some(session) = data["cloudAgentSessionId"].as_str() else {
            self.ledger.flaw(format!("start returned no session id: {data}"));
            return None;
        };
        let listening = tokio::spawn(self.clone().listen(session.to_owned()));
        self.wait_for(&id, started, settled).await;
        for _ in 1..self.turns_a_session {
            if *self.stopped.borrow() {
                break;
            }
            let id = self.draw_message_id();
            let input = json!({"cloudAgentSessionId": session, "message": {"id": id, "prompt": PROMPT}});
            let started = self.seams.clock.now();
            let settled = self.ledger.open(&id);
            self.send("send", &input, &id).await?;
            self.wait_for(&id, started, settled).await;
        }
        let deletion = json!({"sessionId": session});
        if let Err(answer) = self.call("deleteSession", &deletion).await {
            self.ledger.flaw(format!("{session} was not deleted: {answer}"));
            return None;
        }
        // The server closes the streams of a deleted session.
        if self.seams.clock.timeout(TURN_TIMEOUT, listening).await.is_err() {
            self.ledger
                .flaw(format!("{session} was deleted, but its stream stayed open"));
            return None;
        }
        self.sandboxes.release(session);
        Some(())
    }

    fn draw_message_id(&self) -> String {
        draw_message_id(self.seams.clock.now(), &self.seams.randomness)
    }

    async fn wait_for(&self, message: &str, started: Timestamp, settled: tokio::sync::oneshot::Receiver<()>) {
        match self.seams.clock.timeout(TURN_TIMEOUT, settled).await {
            Ok(Ok(())) => {
                let took = self.seams.clock.now().duration_since(started);
                // The receiver is gone at the end of the soak.
                let _ = self.turns.send(took.try_into().unwrap_or_default());
            }
            Ok(Err(_)) | Err(_) => {
                let seconds = TURN_TIMEOUT.as_secs();
                self.ledger
                    .flaw(format!("{message} did not end and call back within {seconds} s"));
            }
        }
    }

    /// Sends a message. Returns `None` if it is not acknowledged, which is recorded in the ledger.
    async fn send(&self, procedure: &str, input: &Value, message: &str) -> Option<Value> {
        match self.call(procedure, input).await {
            Ok(data) => {
                self.ledger.acked();
                Some(data)
            }
            Err(answer) => {
                self.ledger.refused(message, &answer);
                None
            }
        }
    }

    /// Calls a procedure. Returns its data, or a description of the failure.
    async fn call(&self, procedure: &str, input: &Value) -> Result<Value, String> {
        let token = tokens::user_token(USER, self.expiry(), &self.secrets.api);
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}/trpc/{procedure}", self.server))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::new(Bytes::from(input.to_string())))
            .map_err(|error| error.to_string())?;
        let answering = async {
            let response = http_client::send(&self.seams.network, request).await?;
            let status = response.status();
            Ok::<_, HttpError>((status, http_client::read_body(response).await?))
        };
        let answer = self.seams.clock.timeout(TURN_TIMEOUT, answering).await;
        let answer = answer.map_err(|elapsed| elapsed.to_string())?;
        let (status, body) = answer.map_err(|error| turnstile_seams::error_chain::with_sources(&error))?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        match body.pointer("/result/data") {
            Some(data) if status.is_success() => Ok(data.clone()),
            _ => Err(format!("{status} {body}")),
        }
    }

    /// Records the ends of messages on the session's stream, until the server closes it.
    async fn listen(self, session: String) {
        let ticket = tokens::stream_ticket(USER, &session, self.expiry(), &self.secrets.ticket);
        let server = &self.server;
        let url = format!("ws://{server}/stream?cloudAgentSessionId={session}&fromId=0&ticket={ticket}");
        let url: Uri = match url.parse() {
            Ok(url) => url,
            Err(error) => {
                return self
                    .ledger
                    .flaw(format!("the stream URL of {session} is invalid: {error}"));
            }
        };
        let mut socket = match websocket::open(&*self.seams.network, &url, None).await {
            Ok(socket) => socket,
            Err(error) => {
                return self
                    .ledger
                    .flaw(format!("the stream of {session} failed to open: {error}"));
            }
        };
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap_or_default();
            let name = frame["streamEventType"].as_str().unwrap_or_default();
            // Snapshot events repeat earlier ones and have no event id.
            let is_kept = frame["eventId"].as_u64().is_some_and(|id| id > 0);
            let status = name.strip_prefix(MESSAGE_EVENTS).filter(|_| is_kept);
            let message = frame["data"]["messageId"].as_str();
            if let (Some(status @ ("completed" | "failed")), Some(message)) = (status, message) {
                self.ledger.ended(message, status);
            }
        }
    }

    fn expiry(&self) -> Timestamp {
        self.seams.clock.now() + TOKEN_LIFETIME
    }
}
