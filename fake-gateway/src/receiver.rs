//! The callback receiver: takes whatever is sent to it, and answers as it was told to (protocol §11).
//!
//! It keeps nothing of what it received; the witness does. Whether a callback was right is judged
//! elsewhere.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, get, on};
use axum::{Extension, Json, Router};
use futures_util::future;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use turnstile_seams::{ByteStream, Listener, http_server};

use crate::edge::{Exchange, Headers, recorded};
use crate::observation::Witness;

/// How one callback is to be answered, as it is written at the side door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    /// With this HTTP status.
    Status(FinalStatus),
    /// Not at all, on a connection that stays open. `false` asks for nothing special.
    Stall(bool),
    /// Not at all: the connection ends. `false` asks for nothing special.
    Drop(bool),
}

/// A status that can end an exchange: 200 to 999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
struct FinalStatus(StatusCode);

#[derive(Debug, thiserror::Error)]
#[error("{0} is not the status of an answer")]
struct NoFinalStatus(u16);

impl TryFrom<u16> for FinalStatus {
    type Error = NoFinalStatus;

    fn try_from(status: u16) -> Result<Self, Self::Error> {
        match StatusCode::from_u16(status) {
            Ok(code) if !code.is_informational() => Ok(Self(code)),
            _ => Err(NoFinalStatus(status)),
        }
    }
}

impl From<FinalStatus> for u16 {
    fn from(FinalStatus(status): FinalStatus) -> Self {
        status.as_u16()
    }
}

/// The fake receiver. Cheap to clone; clones are the same receiver.
#[derive(Clone)]
pub struct Receiver {
    witness: Witness,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

/// Ends the connection that a request came on.
#[derive(Clone, Default)]
struct Scissors(Arc<Notify>);

impl Receiver {
    /// A receiver that answers everything with 200.
    pub fn new(witness: Witness) -> Self {
        Self {
            witness,
            answers: Arc::default(),
        }
    }

    /// Serves every connection of `listener`, for ever.
    pub async fn serve(self, mut listener: Box<dyn Listener>) {
        let router = self.router();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => {
                    // A connection that failed while it was being accepted is its peer's loss only.
                    if let Ok(stream) = accepted {
                        connections.spawn(serve_until_cut(stream, router.clone()));
                    }
                }
            }
        }
    }

    fn router(&self) -> Router {
        let receives = MethodFilter::POST.or(MethodFilter::PUT);
        let callbacks = Router::new()
            .route("/", on(receives, receive))
            .route("/{*path}", on(receives, receive))
            .with_state(self.clone());
        let side_door = Router::new()
            .route("/test/answers", get(answers_left).post(replace_answers))
            .with_state(self.clone());
        recorded(callbacks, self.witness.clone(), Headers::Recorded).merge(side_door)
    }

    fn answers(&self) -> MutexGuard<'_, VecDeque<Answer>> {
        // A queue is never left half-changed.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves one connection until its peer or the scissors end it. A cut drops the socket without a word,
/// which is what a crashing receiver does.
async fn serve_until_cut(stream: Box<dyn ByteStream>, router: Router) {
    let scissors = Scissors::default();
    let router = router.layer(Extension(scissors.clone()));
    tokio::select! {
        biased;
        () = scissors.0.notified() => {}
        () = http_server::serve_connection(stream, router) => {}
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    Extension(exchange): Extension<Exchange>,
    Extension(scissors): Extension<Scissors>,
) -> Response {
    let answer = receiver.answers().pop_front();
    match answer {
        None | Some(Answer::Stall(false) | Answer::Drop(false)) => StatusCode::OK.into_response(),
        Some(Answer::Status(FinalStatus(status))) => status.into_response(),
        Some(Answer::Stall(true)) => future::pending().await,
        Some(Answer::Drop(true)) => {
            exchange.over();
            scissors.0.notify_one();
            future::pending().await
        }
    }
}

async fn replace_answers(State(receiver): State<Receiver>, Json(answers): Json<Vec<Answer>>) -> StatusCode {
    *receiver.answers() = answers.into();
    StatusCode::NO_CONTENT
}

async fn answers_left(State(receiver): State<Receiver>) -> Json<Vec<Answer>> {
    Json(receiver.answers().iter().copied().collect())
}
