//! One client under load: it sends a message as soon as the one before has ended and called back, in one session after
//! another.

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
use crate::stage::client::{USER, draw_message_id};
use crate::tokens;

/// How long tokens are valid: longer than anybody soaks.
const TOKEN_LIFETIME: Duration = Duration::from_hours(24 * 7);
/// How long a message may take until it has ended and called back.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
/// What a turn asks for: an answer of one word.
const PROMPT: &str = "__fake__:echo:hello";
/// What the events are called that tell the end of a message, before the status.
const MESSAGE_EVENTS: &str = "cloud.message.";

/// What all clients know.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub seams: Seams,
    /// The authority of the server.
    pub server: String,
    /// The authority of the receiver.
    pub receiver: String,
    pub secrets: Secrets,
    pub sandboxes: Sandboxes,
    /// After how many turns a session is removed and another one takes its place.
    pub turns_a_session: u64,
    pub ledger: Ledger,
    /// Told how long each turn took.
    pub turns: tokio::sync::mpsc::UnboundedSender<Duration>,
    /// True when no further message is to be sent.
    pub enough: watch::Receiver<bool>,
}

impl Surroundings {
    /// Has one session after another, until it is enough.
    pub(super) async fn run_sessions(self) {
        while !*self.enough.borrow() {
            if self.run_session().await.is_none() {
                return;
            }
        }
    }

    /// Makes a session, sends one message after another and removes the session. `None` if it came to no good end,
    /// which is entered as a flaw.
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
        let begun = self.seams.clock.now();
        let settled = self.ledger.open(&id);
        let data = self.send("start", &input, &id).await?;
        let Some(session) = data["cloudAgentSessionId"].as_str() else {
            self.ledger.flaw(format!("start told no session: {data}"));
            return None;
        };
        let listening = tokio::spawn(self.clone().listen(session.to_owned()));
        self.wait_for(&id, begun, settled).await;
        for _ in 1..self.turns_a_session {
            if *self.enough.borrow() {
                break;
            }
            let id = self.draw_message_id();
            let input = json!({"cloudAgentSessionId": session, "message": {"id": id, "prompt": PROMPT}});
            let begun = self.seams.clock.now();
            let settled = self.ledger.open(&id);
            self.send("send", &input, &id).await?;
            self.wait_for(&id, begun, settled).await;
        }
        let deletion = json!({"sessionId": session});
        if let Err(answer) = self.call("deleteSession", &deletion).await {
            self.ledger.flaw(format!("{session} was not removed: {answer}"));
            return None;
        }
        // The server closes the streams of what it has removed.
        if self.seams.clock.timeout(PATIENCE, listening).await.is_err() {
            self.ledger
                .flaw(format!("{session} was removed, and its stream stayed open"));
            return None;
        }
        self.sandboxes.release(session);
        Some(())
    }

    fn draw_message_id(&self) -> String {
        draw_message_id(self.seams.clock.now(), &self.seams.randomness)
    }

    async fn wait_for(&self, message: &str, begun: Timestamp, settled: tokio::sync::oneshot::Receiver<()>) {
        match self.seams.clock.timeout(PATIENCE, settled).await {
            Ok(Ok(())) => {
                let took = self.seams.clock.now().duration_since(begun);
                // Nobody listens any more when all is over.
                let _ = self.turns.send(took.try_into().unwrap_or_default());
            }
            Ok(Err(_)) | Err(_) => {
                let seconds = PATIENCE.as_secs();
                self.ledger
                    .flaw(format!("{message} was not over within {seconds} s"));
            }
        }
    }

    /// Sends a message. `None` if it was not acknowledged, which is entered as a flaw.
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

    /// Calls a procedure. What it returned; or in words what came instead.
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
        let answer = self.seams.clock.timeout(PATIENCE, answering).await;
        let answer = answer.map_err(|elapsed| elapsed.to_string())?;
        let (status, body) = answer.map_err(|error| turnstile_seams::error_chain::with_sources(&error))?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        match body.pointer("/result/data") {
            Some(data) if status.is_success() => Ok(data.clone()),
            _ => Err(format!("{status} {body}")),
        }
    }

    /// Enters what the session's stream tells into the ledger, until the server ends it.
    async fn listen(self, session: String) {
        let ticket = tokens::stream_ticket(USER, &session, self.expiry(), &self.secrets.ticket);
        let server = &self.server;
        let url = format!("ws://{server}/stream?cloudAgentSessionId={session}&fromId=0&ticket={ticket}");
        let url: Uri = match url.parse() {
            Ok(url) => url,
            Err(error) => {
                return self
                    .ledger
                    .flaw(format!("the stream of {session} has no URL: {error}"));
            }
        };
        let mut socket = match websocket::open(&*self.seams.network, &url, None).await {
            Ok(socket) => socket,
            Err(error) => {
                return self
                    .ledger
                    .flaw(format!("the stream of {session} was not opened: {error}"));
            }
        };
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap_or_default();
            let name = frame["streamEventType"].as_str().unwrap_or_default();
            // What is told again on connecting is not kept, and has no number.
            let is_kept = frame["eventId"].as_u64().is_some_and(|id| id > 0);
            let told = name.strip_prefix(MESSAGE_EVENTS).filter(|_| is_kept);
            let message = frame["data"]["messageId"].as_str();
            if let (Some(status @ ("completed" | "failed")), Some(message)) = (told, message) {
                self.ledger.ended(message, status);
            }
        }
    }

    fn expiry(&self) -> Timestamp {
        self.seams.clock.now() + TOKEN_LIFETIME
    }
}
