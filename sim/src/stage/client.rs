//! A client of the server: identity and requests, in raw JSON. Streams are in `stream`.
//!
//! Shares no type with the server, signs its own tokens (`showing`) and does not validate answers. Records what it sends and
//! receives, like every party.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::Full;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use turnstile_events::observation::{Observation, Probe, body_as_value};
use turnstile_judge::parties::Secrets;
use turnstile_seams::http_client::{self, HttpError};
use turnstile_seams::latest::Latest;
use turnstile_seams::{ClockExt as _, Randomness, Seams};

use super::SERVER_AUTHORITY;
use super::frames::Frames;
use super::identity::{Login, Right};
use super::recorder::Recorder;

/// Time limit of a request.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Lifetime of tokens, longer than any run.
const TOKEN_LIFETIME: Duration = Duration::from_hours(365 * 24);
/// Path prefix of procedures.
const PROCEDURES: &str = "/trpc/";
/// Procedures that also require the internal API key (protocol §2).
const INTERNAL_PROCEDURES: [&str; 2] = ["prepareSession", "updateSession"];
/// The header with the internal API key.
const INTERNAL_API_KEY_HEADER: &str = "x-internal-api-key";
/// Characters that need no encoding in a query: the unreserved ones of RFC 3986.
pub(super) const QUERY: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A client. Clones share their state.
#[derive(Clone)]
pub struct Client {
    name: Arc<str>,
    pub(super) seams: Seams,
    pub(super) probe: Probe,
    pub(super) secrets: Arc<Secrets>,
    /// Id of the last kept event that any stream showed, by session.
    pub(super) last_events: Arc<Mutex<BTreeMap<String, u64>>>,
    /// Signals that the open streams must close.
    pub(super) closing: Latest<()>,
    /// What the streams of the run's clients received.
    pub(super) frames: Frames,
    /// Valid tokens, by user.
    pub(super) tokens: Arc<Mutex<BTreeMap<String, String>>>,
}

/// Status and body of an answer. `None` if there was none; the request may still have had an effect.
pub type Answer = Option<(u16, Value)>;

/// The pending answer to a request.
#[derive(Clone, Default)]
pub struct Awaited(Arc<Mutex<Option<Answer>>>);

impl Awaited {
    /// Returns the answer once the request has ended.
    pub fn get(&self) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, answer: Answer) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// JSON; null means no body.
    Json(Value),
    /// Text, not necessarily JSON.
    Text(String),
}

impl Content {
    /// The bytes on the wire.
    fn bytes(&self) -> Bytes {
        match self {
            Self::Json(Value::Null) => Bytes::new(),
            Self::Json(body) => serde_json::to_vec(body).expect("a value is JSON").into(),
            Self::Text(text) => text.clone().into(),
        }
    }

    /// The value in the trace.
    fn as_value(&self) -> Value {
        match self {
            Self::Json(body) => body.clone(),
            Self::Text(text) => body_as_value(text.as_bytes()),
        }
    }
}

impl Client {
    /// `frames` are those that other clients of the run receive.
    pub(super) fn new(
        name: &str,
        seams: Seams,
        recorder: Recorder,
        secrets: Arc<Secrets>,
        frames: Frames,
    ) -> Self {
        Self {
            name: name.into(),
            seams,
            probe: Probe::new(name, Arc::new(recorder)),
            secrets,
            last_events: Arc::default(),
            closing: Latest::default(),
            frames,
            tokens: Arc::default(),
        }
    }

    /// The same client with other secrets.
    pub(crate) fn with_secrets(self, secrets: Secrets) -> Self {
        Self {
            secrets: Arc::new(secrets),
            tokens: Arc::default(),
            ..self
        }
    }

    /// The name of the client and its host.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Draws a message id.
    pub fn draw_message_id(&self) -> String {
        draw_message_id(self.seams.clock.now(), &self.seams.randomness)
    }

    /// Calls a procedure with any body. Runs on the client's host.
    pub async fn call(self, procedure: String, content: Content, login: Login, awaited: Awaited) {
        let url = format!("http://{SERVER_AUTHORITY}{PROCEDURES}{procedure}");
        awaited.set(self.request(Method::POST, &url, &content, &login).await);
    }

    /// Calls a procedure with GET. Runs on the client's host.
    pub async fn query(self, procedure: String, input: Value, login: Login, awaited: Awaited) {
        let input = input.to_string();
        let input = utf8_percent_encode(&input, &QUERY);
        let url = format!("http://{SERVER_AUTHORITY}{PROCEDURES}{procedure}?input={input}");
        let nothing = Content::Json(Value::Null);
        awaited.set(self.request(Method::GET, &url, &nothing, &login).await);
    }

    /// Sends a request to any URL. Runs on the client's host.
    pub async fn ask(self, method: Method, url: String, body: Value, awaited: Awaited) {
        let body = Content::Json(body);
        awaited.set(self.request(method, &url, &body, &Login::owner()).await);
    }

    async fn request(&self, method: Method, url: &str, content: &Content, login: &Login) -> Answer {
        let exchange = self.probe.next_exchange();
        let url: Uri = url.parse().expect("the harness makes valid URLs");
        self.probe.observe(Observation::RequestSent {
            exchange,
            to: url.host().unwrap_or_default().to_owned(),
            method: method.to_string(),
            path: url.path_and_query().map(ToString::to_string).unwrap_or_default(),
            credentials: login.right.credentials(),
            body: content.as_value(),
        });
        let mut request = Request::builder()
            .method(method)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = self.token(login) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let procedure = url.path().strip_prefix(PROCEDURES);
        let is_internal = procedure.is_some_and(|procedure| INTERNAL_PROCEDURES.contains(&procedure));
        if is_internal && login.right != Right::Outsider {
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
        let error = match self.seams.clock.timeout(REQUEST_TIMEOUT, answering).await {
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

    /// The expiry of a valid token.
    pub(super) fn expiry(&self) -> Timestamp {
        self.seams.clock.now() + TOKEN_LIFETIME
    }

    /// The expiry of a token that is no longer valid.
    pub(super) fn past(&self) -> Timestamp {
        self.seams.clock.now() - TOKEN_LIFETIME
    }
}

/// Draws a message id in the format of clients (protocol §1).
pub(crate) fn draw_message_id(now: Timestamp, randomness: &Randomness) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let time = (now.as_millisecond() as u64 * 4096) & ((1 << 48) - 1);
    let tail: String = (0..14)
        .map(|_| char::from(ALPHABET[randomness.below(ALPHABET.len() as u64) as usize]))
        .collect();
    format!("msg_{time:012x}{tail}")
}
