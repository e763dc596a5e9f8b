//! The callback receiver: takes whatever is sent to it, and answers as it was told to (protocol §11).
//!
//! It keeps nothing of what it received; the witness does. Whether a callback was right is judged
//! elsewhere.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, get, on};
use axum::{Json, Router};
use futures_util::future;
use http::StatusCode;
use turnstile_events::observation::Witness;
use turnstile_fault::{Answer, LateAnswer, Status, WireAnswer};
use turnstile_seams::{Clock, ClockExt as _, Listener, http_server};

use crate::coverage::Deed;
use crate::edge::{Headers, recorded};
use crate::{cut, twice};

/// Why a receiver without a clock takes no `delayMs`.
const NO_CLOCK: &str = "delayMs needs a receiver with a clock";

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
        None => {
            Deed::ReceiverTakes.reach();
            StatusCode::OK.into_response()
        }
        Some(Answer::Status(status)) => {
            Deed::ReceiverStatus.reach();
            response(status)
        }
        Some(Answer::Late(LateAnswer { delay, status })) => {
            let clock = receiver
                .clock
                .as_ref()
                .expect("a late answer is taken with a clock only");
            clock.sleep(*delay).await;
            Deed::ReceiverLate.reach();
            response(status)
        }
        Some(Answer::Stall) => {
            Deed::ReceiverStalls.reach();
            future::pending().await
        }
        Some(Answer::Drop) => {
            Deed::ReceiverDrops.reach();
            cut::instead_of_answer()
        }
        Some(Answer::Twice) => {
            Deed::ReceiverTwice.reach();
            twice::answer(StatusCode::OK.into_response())
        }
    }
}

fn response(status: Status) -> Response {
    let status = StatusCode::from_u16(status.code()).expect("the statuses of answers are HTTP's");
    status.into_response()
}

async fn replace_answers(State(receiver): State<Receiver>, Json(answers): Json<Vec<WireAnswer>>) -> Response {
    let refuse = |why: String| (StatusCode::UNPROCESSABLE_ENTITY, why).into_response();
    let answers: Result<VecDeque<Answer>, _> = answers.into_iter().map(Answer::try_from).collect();
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => return refuse(error.to_string()),
    };
    let is_late = |answer: &Answer| matches!(answer, Answer::Late(_));
    if receiver.clock.is_none() && answers.iter().any(is_late) {
        return refuse(NO_CLOCK.to_owned());
    }
    *receiver.answers() = answers;
    StatusCode::NO_CONTENT.into_response()
}

async fn answers_left(State(receiver): State<Receiver>) -> Json<Vec<WireAnswer>> {
    Json(
        receiver
            .answers()
            .iter()
            .map(|answer| WireAnswer::from(*answer))
            .collect(),
    )
}
