//! A client of the server: its requests and its streams, in raw JSON.
//!
//! It shares no type with the server, mints its own tokens and reads what it is given without believing
//! any of it. It records what it sends and what it gets, as every party does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fake_gateway::observation::{ClosedBy, Sight, Witness, body_as_value};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request, Uri, header};
use http_body_util::Full;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::sync::watch;
use turnstile_seams::http_client::{self, HttpError};
use turnstile_seams::websocket::{self, CloseCode, CloseFrame, Message, OpenError, WebSocket};
use turnstile_seams::{ClockExt as _, Seams};

use super::{API_SECRET, SERVER_AUTHORITY, TICKET_SECRET};
use crate::trace::Recorder;

/// The user on whose behalf all clients act.
pub const USER: &str = "user-1";
/// How long a client waits for an answer before it takes it as lost.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a client that follows a session waits before it opens its stream again.
const REOPEN_DELAY: Duration = Duration::from_secs(1);
/// How long its tokens are valid: longer than any run.
const TOKEN_LIFETIME: Duration = Duration::from_hours(365 * 24);

/// A client. Clones are the same client.
#[derive(Clone)]
pub struct Client {
    name: Arc<str>,
    seams: Seams,
    witness: Witness,
    /// Id of the last kept event that any of its streams showed.
    last_event: Arc<AtomicU64>,
    /// Told when its streams are to be closed.
    closing: Arc<watch::Sender<u64>>,
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

    fn set(&self, answer: Answer) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }
}

/// From where a stream is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// After the event of that id; 0 is the beginning.
    After(u64),
    /// After the last event that this client has seen.
    Last,
    /// Nothing is replayed.
    Nowhere,
}

impl Client {
    pub(super) fn new(name: &str, seams: Seams, recorder: Recorder) -> Self {
        Self {
            name: name.into(),
            seams,
            witness: Witness::new(name, Arc::new(recorder)),
            last_event: Arc::default(),
            closing: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Its name, which is its host's too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A message id of its own making (protocol §1).
    pub fn draw_message_id(&self) -> String {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let time = (self.seams.clock.now().as_millisecond() as u64 * 4096) & ((1 << 48) - 1);
        let tail: String = (0..14)
            .map(|_| char::from(ALPHABET[self.seams.randomness.below(ALPHABET.len() as u64) as usize]))
            .collect();
        format!("msg_{time:012x}{tail}")
    }

    /// Calls a procedure of the server; to be run on the client's host.
    pub async fn call(self, procedure: &'static str, input: Value, awaited: Awaited) {
        let url = format!("http://{SERVER_AUTHORITY}/trpc/{procedure}");
        awaited.set(self.request(Method::POST, &url, &input).await);
    }

    /// Asks at any URL; to be run on the client's host.
    pub async fn ask(self, method: Method, url: String, body: Value, awaited: Awaited) {
        awaited.set(self.request(method, &url, &body).await);
    }

    async fn request(&self, method: Method, url: &str, body: &Value) -> Answer {
        let exchange = self.witness.next_exchange();
        let url: Uri = url.parse().expect("the harness makes valid URLs");
        self.witness.observe(Sight::RequestSent {
            exchange,
            to: url.host().unwrap_or_default().to_owned(),
            method: method.to_string(),
            path: url.path_and_query().map(ToString::to_string).unwrap_or_default(),
            body: body.clone(),
        });
        let content = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.user_token()))
            .body(Full::new(content))
            .expect("the harness makes valid requests");
        let answering = async {
            let response = http_client::send(&self.seams.network, request).await?;
            let status = response.status().as_u16();
            Ok::<_, HttpError>((status, http_client::read_body(response).await?))
        };
        let error = match self.seams.clock.timeout(PATIENCE, answering).await {
            Ok(Ok((status, body))) => {
                let body = body_as_value(&body);
                self.witness.observe(Sight::ReplyReceived {
                    exchange,
                    status,
                    body: body.clone(),
                });
                return Some((status, body));
            }
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        self.witness.observe(Sight::NoReply { exchange, error });
        None
    }

    /// Opens the stream of a session and follows it until it ends or is closed.
    pub async fn stream(self, session: String, from: From) {
        let mut closing = self.closing.subscribe();
        if let Some((number, socket)) = self.open(&session, from).await {
            self.follow(number, socket, &mut closing).await;
        }
    }

    /// Follows a session for ever: a stream that ends is opened again, from where it ended, after a while or
    /// when its closing is asked for.
    pub async fn watch(self, session: String) {
        let mut closing = self.closing.subscribe();
        loop {
            closing.mark_unchanged();
            if let Some((number, socket)) = self.open(&session, From::Last).await {
                self.follow(number, socket, &mut closing).await;
            }
            tokio::select! {
                biased;
                _ = closing.changed() => {}
                () = self.seams.clock.sleep(REOPEN_DELAY) => {}
            }
        }
    }

    /// Closes all its open streams; to be run on the client's host.
    pub async fn close(self) {
        self.close_streams();
    }

    /// Closes all its open streams; one that is watched is opened again.
    pub(super) fn close_streams(&self) {
        self.closing.send_modify(|times| *times += 1);
    }

    async fn open(&self, session: &str, from: From) -> Option<(u64, WebSocket)> {
        let number = self.witness.next_socket();
        let mut path = format!("/stream?cloudAgentSessionId={session}");
        match from {
            From::After(event) => path.push_str(&format!("&fromId={event}")),
            From::Last => path.push_str(&format!("&fromId={}", self.last_event.load(Ordering::Relaxed))),
            From::Nowhere => path.push_str("&replay=false"),
        }
        let url = format!("ws://{SERVER_AUTHORITY}{path}&ticket={}", self.ticket(session));
        let url: Uri = url.parse().expect("the harness makes valid URLs");
        let to = url.host().unwrap_or_default().to_owned();
        let opening = websocket::open(&*self.seams.network, &url, None);
        let (status, error) = match self.seams.clock.timeout(PATIENCE, opening).await {
            Ok(Ok(socket)) => {
                self.witness.observe(Sight::SocketOpened {
                    socket: number,
                    to,
                    path,
                });
                return Some((number, socket));
            }
            Ok(Err(error @ OpenError::Refused { status, .. })) => (Some(status), error.to_string()),
            Ok(Err(error)) => (None, error.to_string()),
            Err(elapsed) => (None, elapsed.to_string()),
        };
        self.witness.observe(Sight::SocketRefused {
            socket: number,
            to,
            path,
            status,
            error,
        });
        None
    }

    async fn follow(&self, number: u64, mut socket: WebSocket, closing: &mut watch::Receiver<u64>) {
        let (code, by) = loop {
            tokio::select! {
                biased;
                _ = closing.changed() => {
                    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                    // The server may have gone first; either way this side is done.
                    let _ = socket.send(Message::Close(Some(frame))).await;
                    break (Some(CloseCode::Normal.into()), ClosedBy::Itself);
                }
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.take(number, &body_as_value(text.as_bytes())),
                    Some(Ok(Message::Close(frame))) => {
                        break (frame.map(|frame| frame.code.into()), ClosedBy::Peer);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => break (None, ClosedBy::Lost),
                },
            }
        };
        self.witness.observe(Sight::SocketClosed {
            socket: number,
            code,
            by,
        });
    }

    fn take(&self, socket: u64, frame: &Value) {
        if let Some(id) = frame["eventId"].as_u64() {
            self.last_event.fetch_max(id, Ordering::Relaxed);
        }
        self.witness.observe(Sight::FrameReceived {
            socket,
            frame: frame.clone(),
        });
    }

    fn user_token(&self) -> String {
        let claims = json!({"kiloUserId": USER, "version": 3, "exp": self.expiry().as_second()});
        sign(&claims, API_SECRET)
    }

    fn ticket(&self, session: &str) -> String {
        let exp = self.expiry().as_second();
        let claims =
            json!({"type": "stream_ticket", "userId": USER, "cloudAgentSessionId": session, "exp": exp});
        sign(&claims, TICKET_SECRET)
    }

    fn expiry(&self) -> Timestamp {
        self.seams.clock.now() + TOKEN_LIFETIME
    }
}

fn sign(claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)
        .expect("claims are JSON and any secret is a key for HS256")
}
