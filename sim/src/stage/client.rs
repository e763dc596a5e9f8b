//! A client of the server: who it is, and its requests, in raw JSON. Its streams are in `stream`.
//!
//! It shares no type with the server, mints its own tokens and reads what it is given without believing
//! any of it. It records what it sends and what it gets, as every party does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::Full;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::watch;
use turnstile_events::observation::{Observation, Probe, body_as_value};
use turnstile_judge::parties::Secrets;
use turnstile_seams::http_client::{self, HttpError};
use turnstile_seams::{ClockExt as _, Randomness, Seams};

use super::SERVER_AUTHORITY;
use super::recorder::Recorder;
use crate::tokens;

/// The user on whose behalf all clients act.
pub const USER: &str = "user-1";
/// How long a client waits for an answer before it takes it as lost.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// How long its tokens are valid: longer than any run.
const TOKEN_LIFETIME: Duration = Duration::from_hours(365 * 24);
/// Where procedures are, before their names.
const PROCEDURES: &str = "/trpc/";
/// Another user, who has nothing to do with any session.
const STRANGER: &str = "user-2";
/// Procedures for services that act for a user; their callers need a key besides (protocol §2).
const INTERNAL_PROCEDURES: [&str; 2] = ["prepareSession", "updateSession"];
/// The header of that key.
const INTERNAL_API_KEY_HEADER: &str = "x-internal-api-key";
/// What a query value may carry as it is: the unreserved characters of RFC 3986.
pub(super) const QUERY: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A client. Clones are the same client.
#[derive(Clone)]
pub struct Client {
    name: Arc<str>,
    pub(super) seams: Seams,
    pub(super) probe: Probe,
    secrets: Arc<Secrets>,
    /// Ids of the last kept events that any of its streams showed, by session.
    pub(super) last_events: Arc<Mutex<BTreeMap<String, u64>>>,
    /// Told when its streams are to be closed.
    pub(super) closing: Arc<watch::Sender<u64>>,
}

/// What became of a request. `None` if it got no answer: anything may have become of it.
pub type Answer = Option<(u16, Value)>;

/// Where an answer will lie.
#[derive(Clone, Default)]
pub struct Awaited(Arc<Mutex<Option<Answer>>>);

impl Awaited {
    /// The answer, if the request is over.
    pub fn get(&self) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, answer: Answer) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }
}

/// With whose right a client asks (protocol §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// The user's, with the key of internal callers where one is needed.
    Owner,
    /// The user's, without that key.
    Outsider,
    /// The user's, by a token that has expired.
    Latecomer,
    /// Another user's.
    Stranger,
    /// Nobody's.
    Nobody,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// JSON; null is no body at all.
    Json(Value),
    /// Text that need not be JSON.
    Text(String),
}

impl Content {
    /// What is put onto the wire.
    fn bytes(&self) -> Bytes {
        match self {
            Self::Json(Value::Null) => Bytes::new(),
            Self::Json(body) => body.to_string().into(),
            Self::Text(text) => text.clone().into(),
        }
    }

    /// What is recorded of it, as of every body.
    fn as_value(&self) -> Value {
        match self {
            Self::Json(body) => body.clone(),
            Self::Text(text) => body_as_value(text.as_bytes()),
        }
    }
}

impl Client {
    pub(super) fn new(name: &str, seams: Seams, recorder: Recorder, secrets: Arc<Secrets>) -> Self {
        Self {
            name: name.into(),
            seams,
            probe: Probe::new(name, Arc::new(recorder)),
            secrets,
            last_events: Arc::default(),
            closing: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Its name, which is its host's too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A message id of its own making.
    pub fn draw_message_id(&self) -> String {
        draw_message_id(self.seams.clock.now(), &self.seams.randomness)
    }

    /// Calls a procedure of the server; to be run on the client's host.
    pub async fn call(self, procedure: impl Into<String>, input: Value, awaited: Awaited) {
        self.call_with(procedure.into(), Content::Json(input), Right::Owner, awaited)
            .await;
    }

    /// As [`Self::call`], with any body and anybody's right.
    pub async fn call_with(self, procedure: String, content: Content, right: Right, awaited: Awaited) {
        let url = format!("http://{SERVER_AUTHORITY}{PROCEDURES}{procedure}");
        awaited.set(self.request(Method::POST, &url, &content, right).await);
    }

    /// Calls a procedure of the server with GET and anybody's right; to be run on the client's host.
    pub async fn query(self, procedure: String, input: Value, right: Right, awaited: Awaited) {
        let input = input.to_string();
        let input = utf8_percent_encode(&input, &QUERY);
        let url = format!("http://{SERVER_AUTHORITY}{PROCEDURES}{procedure}?input={input}");
        let nothing = Content::Json(Value::Null);
        awaited.set(self.request(Method::GET, &url, &nothing, right).await);
    }

    /// Asks at any URL; to be run on the client's host.
    pub async fn ask(self, method: Method, url: String, body: Value, awaited: Awaited) {
        let body = Content::Json(body);
        awaited.set(self.request(method, &url, &body, Right::Owner).await);
    }

    async fn request(&self, method: Method, url: &str, content: &Content, right: Right) -> Answer {
        let exchange = self.probe.next_exchange();
        let url: Uri = url.parse().expect("the harness makes valid URLs");
        self.probe.observe(Observation::RequestSent {
            exchange,
            to: url.host().unwrap_or_default().to_owned(),
            method: method.to_string(),
            path: url.path_and_query().map(ToString::to_string).unwrap_or_default(),
            body: content.as_value(),
        });
        let mut request = Request::builder()
            .method(method)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = self.token(right) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let procedure = url.path().strip_prefix(PROCEDURES);
        let is_internal = procedure.is_some_and(|procedure| INTERNAL_PROCEDURES.contains(&procedure));
        if is_internal && right != Right::Outsider {
            request = request.header(INTERNAL_API_KEY_HEADER, &self.secrets.internal_api_key);
        }
        let request = request
            .uri(url)
            .body(Full::new(content.bytes()))
            .expect("the harness makes valid requests");
        let answering = async {
            let response = http_client::send(&self.seams.network, request).await?;
            let status = response.status().as_u16();
            Ok::<_, HttpError>((status, http_client::read_body(response).await?))
        };
        let error = match self.seams.clock.timeout(PATIENCE, answering).await {
            Ok(Ok((status, body))) => {
                let body = body_as_value(&body);
                self.probe.observe(Observation::ReplyReceived {
                    exchange,
                    status,
                    body: body.clone(),
                });
                return Some((status, body));
            }
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        self.probe.observe(Observation::NoReply { exchange, error });
        None
    }

    /// A token that says on whose behalf it asks.
    pub(super) fn user_token(&self) -> String {
        self.token_of(USER, self.expiry())
    }

    fn token_of(&self, user: &str, expiry: Timestamp) -> String {
        tokens::user_token(user, expiry, &self.secrets.api)
    }

    /// The token that it shows for such a right, if any.
    fn token(&self, right: Right) -> Option<String> {
        match right {
            Right::Owner | Right::Outsider => Some(self.user_token()),
            Right::Latecomer => Some(self.token_of(USER, self.seams.clock.now() - TOKEN_LIFETIME)),
            Right::Stranger => Some(self.token_of(STRANGER, self.expiry())),
            Right::Nobody => None,
        }
    }

    pub(super) fn ticket(&self, session: &str) -> String {
        tokens::stream_ticket(USER, session, self.expiry(), &self.secrets.ticket)
    }

    fn expiry(&self) -> Timestamp {
        self.seams.clock.now() + TOKEN_LIFETIME
    }
}

/// A message id as clients make it (protocol §1).
pub(crate) fn draw_message_id(now: Timestamp, randomness: &Randomness) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let time = (now.as_millisecond() as u64 * 4096) & ((1 << 48) - 1);
    let tail: String = (0..14)
        .map(|_| char::from(ALPHABET[randomness.below(ALPHABET.len() as u64) as usize]))
        .collect();
    format!("msg_{time:012x}{tail}")
}
