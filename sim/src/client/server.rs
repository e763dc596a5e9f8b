//! The sockets of the played server: it accepts streams and calls, writes frames, and ends connections in different
//! ways. What the frames are is decided elsewhere.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::post;
use fake_gateway::cut;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use turnstile_events::observation::body_as_value;
use turnstile_judge::oracle::history::parameter;

use crate::role::socket::{Cut, Order, accept, converse, listener};

/// The path of procedures.
const PROCEDURES: &str = "/trpc/{procedure}";

/// A stream that a client opened.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    /// Path and query.
    pub path: String,
    /// Whether it was refused.
    pub is_refused: bool,
}

impl Opened {
    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.path, name)
    }

    /// The requested starting point; `None` if it is not a number.
    pub fn from(&self) -> Option<u64> {
        self.parameter("fromId").map_or(Some(0), |from| from.parse().ok())
    }
}

/// A call of a client.
#[derive(Debug, Clone)]
pub(super) struct Called {
    pub procedure: String,
    pub authorization: Option<String>,
    pub body: Value,
}

/// What the server does with the next calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Answers that the message is queued.
    Accept,
    /// Takes the call and ends the connection without an answer.
    Lose,
    /// Answers 400.
    Refuse,
}

#[derive(Default)]
struct Shared {
    /// Streams, in order of opening.
    opened: Vec<Opened>,
    /// Orders to the open streams, by number of the stream.
    orders: BTreeMap<usize, mpsc::UnboundedSender<Order>>,
    calls: Vec<Called>,
    /// Streams to refuse.
    refusals: usize,
    answers: Vec<Answer>,
}

/// A server on a free loopback port. It ends with the runtime.
#[derive(Clone)]
pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    /// Notified of every stream and call.
    news: Arc<Notify>,
}

impl Server {
    /// Listens and serves.
    pub fn start() -> io::Result<Self> {
        let (listener, address) = listener()?;
        let server = Self {
            address,
            shared: Arc::default(),
            news: Arc::default(),
        };
        let accepting = server.clone();
        accept(listener, move |stream| accepting.clone().serve(stream));
        Ok(server)
    }

    fn shared<T>(&self, with: impl FnOnce(&mut Shared) -> T) -> T {
        with(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `host:port`.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Refuses the next streams.
    pub fn refuse(&self, streams: usize) {
        self.shared(|shared| shared.refusals = streams);
    }

    /// Answers the next calls so, in order; later ones are accepted.
    pub fn answer(&self, answers: &[Answer]) {
        self.shared(|shared| shared.answers = answers.to_vec());
    }

    /// The streams so far.
    pub fn opened(&self) -> Vec<Opened> {
        self.shared(|shared| shared.opened.clone())
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Called> {
        self.shared(|shared| shared.calls.clone())
    }

    /// Waits until a stream or a call has come since the last wait.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Writes frames to an open stream.
    pub fn write(&self, stream: usize, frames: Vec<Value>) {
        self.order(stream, Order::Frames(frames));
    }

    /// Ends an open stream after everything that was written before.
    pub fn end(&self, stream: usize, cut: Cut) {
        self.order(stream, Order::End(cut));
        self.shared(|shared| shared.orders.remove(&stream));
    }

    fn order(&self, stream: usize, order: Order) {
        self.shared(|shared| {
            if let Some(orders) = shared.orders.get(&stream) {
                // A stream that the client has closed takes no orders; the case notices the next one.
                let _ = orders.send(order);
            }
        });
    }

    async fn serve(self, stream: TcpStream) {
        let mut start = [0; 4];
        match stream.peek(&mut start).await {
            Ok(4) if start == *b"POST" => self.serve_calls(stream).await,
            Ok(_) => self.serve_stream(stream).await,
            Err(_) => {}
        }
    }

    async fn serve_calls(self, stream: TcpStream) {
        let call = move |Path(procedure): Path<String>, headers: HeaderMap, body: Bytes| {
            let server = self.clone();
            async move {
                let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
                let called = Called {
                    procedure,
                    authorization: authorization.map(str::to_owned),
                    body: body_as_value(&body),
                };
                let id = called.body["message"]["id"].clone();
                let answer = server.shared(|shared| {
                    shared.calls.push(called);
                    match shared.answers.is_empty() {
                        true => Answer::Accept,
                        false => shared.answers.remove(0),
                    }
                });
                server.news.notify_one();
                match answer {
                    Answer::Accept => (StatusCode::OK, accepted(&id).to_string()).into_response(),
                    Answer::Refuse => (StatusCode::BAD_REQUEST, refused().to_string()).into_response(),
                    Answer::Lose => cut::instead_of_answer(),
                }
            }
        };
        let router = Router::new().route(PROCEDURES, post(call));
        cut::serve_until_cut(Box::new(stream), router).await;
    }

    async fn serve_stream(self, stream: TcpStream) {
        let mut opened = None;
        let server = self.clone();
        #[expect(clippy::result_large_err, reason = "the library's own type for a refusal")]
        let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            let path = request
                .uri()
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default();
            let is_refused = server.shared(|shared| {
                let is_refused = shared.refusals > 0;
                shared.refusals = shared.refusals.saturating_sub(1);
                is_refused
            });
            opened = Some(Opened { path, is_refused });
            if is_refused {
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                return Err(refusal);
            }
            Ok(response)
        };
        let accepted = tokio_tungstenite::accept_hdr_async(stream, check).await;
        let Some(opened) = opened else {
            return;
        };
        let (sender, mut orders) = mpsc::unbounded_channel();
        self.shared(|shared| {
            if accepted.is_ok() {
                shared.orders.insert(shared.opened.len(), sender);
            }
            shared.opened.push(opened);
        });
        self.news.notify_one();
        let Ok(mut socket) = accepted else {
            return;
        };
        converse(&mut socket, &mut orders, |_| ()).await;
    }
}

fn accepted(id: &Value) -> Value {
    json!({"result": {"data": {
        "cloudAgentSessionId": super::model::SESSION, "status": "started", "messageId": id, "delivery": "queued",
        "streamUrl": format!("/stream?cloudAgentSessionId={}", super::model::SESSION),
    }}})
}

fn refused() -> Value {
    json!({"error": {
        "message": "the message has ended", "code": -32600,
        "data": {"code": "BAD_REQUEST", "httpStatus": 400, "path": "send"},
    }})
}
