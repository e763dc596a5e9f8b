//! The callback receiver: takes whatever is sent to it, and answers as it was told to (protocol §11).
//!
//! It keeps nothing of what it received; the witness does. Whether a callback was right is judged
//! elsewhere.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, get, on};
use axum::{Json, Router};
use futures_util::future;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use turnstile_events::observation::Witness;
use turnstile_seams::{Clock, ClockExt as _, Listener, http_server};

use crate::coverage::Deed;
use crate::edge::{Headers, recorded};
use crate::{cut, twice};

/// Why a receiver without a clock takes no `delayMs`.
const NO_CLOCK: &str = "delayMs needs a receiver with a clock";

/// How one callback is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenAnswer", into = "WrittenAnswer")]
enum Answer {
    /// With this HTTP status, so much later.
    Status(FinalStatus, Option<Milliseconds>),
    /// Not at all, on a connection that stays open. `false` asks for nothing special.
    Stall(bool),
    /// Not at all: the connection ends. `false` asks for nothing special.
    Drop(bool),
    /// With 200, and then the same once more on the same connection. `false` asks for nothing special.
    Twice(bool),
}

/// An answer as it is written at the side door.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WrittenAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<Milliseconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<FinalStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stall: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drop: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    twice: Option<bool>,
}

/// Few enough of them for any clock to count.
type Milliseconds = u32;

/// Why what is written is no answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("an answer is one of status, stall, drop and twice")]
    NotOne,
    #[error("delayMs goes with status only")]
    DelayedNothing,
}

impl TryFrom<WrittenAnswer> for Answer {
    type Error = NoAnswer;

    fn try_from(written: WrittenAnswer) -> Result<Self, Self::Error> {
        let delay = written.delay_ms;
        let answer = match (written.status, written.stall, written.drop, written.twice) {
            (Some(status), None, None, None) => return Ok(Self::Status(status, delay)),
            (None, Some(is_meant), None, None) => Self::Stall(is_meant),
            (None, None, Some(is_meant), None) => Self::Drop(is_meant),
            (None, None, None, Some(is_meant)) => Self::Twice(is_meant),
            _ => return Err(NoAnswer::NotOne),
        };
        match delay {
            None => Ok(answer),
            Some(_) => Err(NoAnswer::DelayedNothing),
        }
    }
}

impl From<Answer> for WrittenAnswer {
    fn from(answer: Answer) -> Self {
        let mut written = Self::default();
        match answer {
            Answer::Status(status, delay) => (written.status, written.delay_ms) = (Some(status), delay),
            Answer::Stall(is_meant) => written.stall = Some(is_meant),
            Answer::Drop(is_meant) => written.drop = Some(is_meant),
            Answer::Twice(is_meant) => written.twice = Some(is_meant),
        }
        written
    }
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
    clock: Option<Arc<dyn Clock>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

impl Receiver {
    /// A receiver that answers everything with 200. Without a clock it refuses to be told to wait.
    pub fn new(witness: Witness) -> Self {
        Self {
            witness,
            clock: None,
            answers: Arc::default(),
        }
    }

    /// The same receiver, which can now be told to answer late.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Serves every connection of `listener`, for ever.
    pub async fn serve(self, listener: Box<dyn Listener>) {
        let router = self.router();
        http_server::serve_by(listener, |stream| {
            let (stream, router) = twice::stuttering(stream, router.clone());
            cut::serve_until_cut(stream, router)
        })
        .await;
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

async fn receive(State(receiver): State<Receiver>) -> Response {
    let answer = receiver.answers().pop_front();
    match answer {
        None | Some(Answer::Stall(false) | Answer::Drop(false) | Answer::Twice(false)) => {
            Deed::ReceiverTakes.reach();
            StatusCode::OK.into_response()
        }
        Some(Answer::Status(FinalStatus(status), delay)) => {
            if let (Some(clock), Some(delay)) = (&receiver.clock, delay) {
                clock.sleep(Duration::from_millis(delay.into())).await;
                Deed::ReceiverLate.reach();
            } else {
                Deed::ReceiverStatus.reach();
            }
            status.into_response()
        }
        Some(Answer::Stall(true)) => {
            Deed::ReceiverStalls.reach();
            future::pending().await
        }
        Some(Answer::Drop(true)) => {
            Deed::ReceiverDrops.reach();
            cut::instead_of_answer()
        }
        Some(Answer::Twice(true)) => {
            Deed::ReceiverTwice.reach();
            twice::answer(StatusCode::OK.into_response())
        }
    }
}

async fn replace_answers(State(receiver): State<Receiver>, Json(answers): Json<Vec<Answer>>) -> Response {
    let is_late = |answer: &Answer| matches!(answer, Answer::Status(_, Some(_)));
    if receiver.clock.is_none() && answers.iter().any(is_late) {
        return (StatusCode::UNPROCESSABLE_ENTITY, NO_CLOCK).into_response();
    }
    *receiver.answers() = answers.into();
    StatusCode::NO_CONTENT.into_response()
}

async fn answers_left(State(receiver): State<Receiver>) -> Json<Vec<Answer>> {
    Json(receiver.answers().iter().copied().collect())
}
