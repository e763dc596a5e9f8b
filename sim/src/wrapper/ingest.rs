//! The server's end of ingests: it accepts, refuses or holds connections, writes frames, and logs what comes.
//!
//! Whether something is right is decided elsewhere.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_judge::parties::{SERVER, WRAPPER};
use turnstile_judge::trace::What;

use crate::role::socket::{Cut, Order, accept, converse, listener};
use crate::stage::Recorder;

/// The beginning of the paths of all ingests (R2.4).
const INGESTS: &str = "/sessions/";
/// The code of a close frame without one (RFC 6455, 7.1.5).
const NO_CLOSE_CODE: u16 = 1005;

/// The request of an ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    /// Path and query.
    pub path: String,
    pub authorization: Option<String>,
}

/// What happened at the ingest.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Happened {
    /// A connection arrived, whose request is not read yet.
    Connecting,
    /// A socket was opened.
    Opened(Opening),
    /// A socket was refused with this status.
    Refused(Opening, u16),
    /// A frame came.
    Frame(Value),
    /// A frame came that is no JSON text.
    Wrong(String),
    /// The wrapper ended its socket, with the code of its close frame.
    Closed(Option<u16>),
}

/// An event, and the number of its socket.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub socket: usize,
    pub what: Happened,
}

/// How connections are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Accept,
    /// Refuse that many with this status, then accept.
    Refuse {
        status: u16,
        times: usize,
    },
    /// Answer none until this changes.
    Hold,
}

impl Admission {
    /// Refuses all with this status.
    pub const fn refuse(status: u16) -> Self {
        let times = usize::MAX;
        Self::Refuse { status, times }
    }
}

#[derive(Default)]
struct Shared {
    log: Vec<Event>,
    sockets: usize,
    /// Orders to the open sockets, by number.
    orders: BTreeMap<usize, mpsc::UnboundedSender<Order>>,
}

/// The ingests on a free loopback port. They end with the runtime.
#[derive(Clone)]
pub(super) struct Ingest {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    admission: Arc<watch::Sender<Admission>>,
    /// Notified of every event.
    news: Arc<Notify>,
    recorder: Recorder,
}

impl Ingest {
    /// Listens and serves.
    pub fn start(recorder: Recorder) -> io::Result<Self> {
        let (listener, address) = listener()?;
        let ingest = Self {
            address,
            shared: Arc::default(),
            admission: Arc::new(watch::Sender::new(Admission::Accept)),
            news: Arc::default(),
            recorder,
        };
        let accepting = ingest.clone();
        accept(listener, move |stream| accepting.clone().serve(stream));
        Ok(ingest)
    }

    /// `host:port`.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Changes how connections are treated, including those that are held.
    pub fn admit(&self, admission: Admission) {
        self.admission.send_replace(admission);
    }

    /// What happened so far, from an index on.
    pub fn since(&self, from: usize) -> Vec<Event> {
        self.look(from, <[Event]>::to_vec)
    }

    /// What `look` finds in what happened so far, from an index on.
    pub fn look<T>(&self, from: usize, look: impl FnOnce(&[Event]) -> T) -> T {
        self.shared(|shared| look(shared.log.get(from..).unwrap_or_default()))
    }

    /// The number of events so far.
    pub fn len(&self) -> usize {
        self.shared(|shared| shared.log.len())
    }

    /// Waits until something has happened since the last wait.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Writes a frame to an open socket.
    pub fn write(&self, socket: usize, frame: Value) {
        self.observe(
            SERVER,
            Observation::FrameSent {
                socket: socket as u64,
                frame: Arc::new(frame.clone()),
            },
        );
        self.order(socket, Order::Frames(vec![frame]));
    }

    /// Ends an open socket after everything that was written before.
    pub fn end(&self, socket: usize, cut: Cut) {
        self.order(socket, Order::End(cut));
        self.shared(|shared| shared.orders.remove(&socket));
    }

    fn order(&self, socket: usize, order: Order) {
        self.shared(|shared| {
            if let Some(orders) = shared.orders.get(&socket) {
                // A socket that the wrapper has closed takes no orders; the case notices what is missing.
                let _ = orders.send(order);
            }
        });
    }

    fn shared<T>(&self, with: impl FnOnce(&mut Shared) -> T) -> T {
        with(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn observe(&self, party: &str, observation: Observation) {
        self.recorder.record(party, What::Observation(observation));
    }

    fn happened(&self, socket: usize, what: Happened) {
        let number = socket as u64;
        let observed = match &what {
            Happened::Connecting => None,
            Happened::Opened(opening) => Some(Observation::SocketOpened {
                socket: number,
                to: SERVER.to_owned(),
                path: opening.path.clone(),
                credentials: Credentials::Own,
            }),
            Happened::Refused(opening, status) => Some(Observation::SocketRefused {
                socket: number,
                to: SERVER.to_owned(),
                path: opening.path.clone(),
                credentials: Credentials::Own,
                status: Some(*status),
                error: "refused by the harness".to_owned(),
            }),
            Happened::Frame(frame) => Some(Observation::FrameSent {
                socket: number,
                frame: Arc::new(frame.clone()),
            }),
            Happened::Wrong(text) => Some(Observation::FrameSent {
                socket: number,
                frame: Value::String(text.clone()).into(),
            }),
            Happened::Closed(code) => Some(Observation::SocketClosed {
                socket: number,
                code: *code,
                by: match code {
                    Some(_) => ClosedBy::Itself,
                    None => ClosedBy::Lost,
                },
            }),
        };
        if let Some(observation) = observed {
            self.observe(WRAPPER, observation);
        }
        self.shared(|shared| shared.log.push(Event { socket, what }));
        self.news.notify_one();
    }

    async fn serve(self, stream: TcpStream) {
        let socket = self.shared(|shared| {
            shared.sockets += 1;
            shared.sockets
        });
        self.happened(socket, Happened::Connecting);
        let mut admission = self.admission.subscribe();
        if admission
            .wait_for(|admission| *admission != Admission::Hold)
            .await
            .is_err()
        {
            return;
        }
        let (sender, mut orders) = mpsc::unbounded_channel();
        let ingest = self.clone();
        #[expect(clippy::result_large_err, reason = "the library's own type for a refusal")]
        let check = move |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            let path = request.uri().path_and_query().map(ToString::to_string);
            let authorization = request.headers().get("authorization");
            let opening = Opening {
                path: path.unwrap_or_default(),
                authorization: authorization
                    .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            };
            if !opening.path.starts_with(INGESTS) {
                // A client of another server whose port this one got. It is no wrapper.
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = StatusCode::NOT_FOUND;
                return Err(refusal);
            }
            if let Some(status) = ingest.refusal() {
                ingest.happened(socket, Happened::Refused(opening, status));
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = status.try_into().unwrap_or_default();
                return Err(refusal);
            }
            ingest.shared(|shared| shared.orders.insert(socket, sender));
            ingest.happened(socket, Happened::Opened(opening));
            Ok(response)
        };
        let Ok(mut stream) = tokio_tungstenite::accept_hdr_async(stream, check).await else {
            return;
        };
        let mut code = None;
        converse(&mut stream, &mut orders, |message| match message {
            Message::Text(text) => self.happened(
                socket,
                serde_json::from_str(&text).map_or_else(
                    |error| Happened::Wrong(format!("{text}: {error}")),
                    Happened::Frame,
                ),
            ),
            Message::Binary(bytes) => {
                self.happened(socket, Happened::Wrong(format!("{} binary bytes", bytes.len())));
            }
            Message::Close(frame) => code = Some(frame.map_or(NO_CLOSE_CODE, |frame| frame.code.into())),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        })
        .await;
        // A socket that the harness ended has no orders any more.
        if self.shared(|shared| shared.orders.remove(&socket)).is_some() {
            self.happened(socket, Happened::Closed(code));
        }
    }

    /// The status with which the next socket is refused.
    fn refusal(&self) -> Option<u16> {
        let mut refused = None;
        self.admission.send_modify(|admission| {
            if let Admission::Refuse { status, times } = admission {
                refused = Some(*status);
                *times = times.saturating_sub(1);
                if *times == 0 {
                    *admission = Admission::Accept;
                }
            }
        });
        refused
    }
}
