//! The callback receiver: records every request and answers as configured (R11.45, R11.46).
//!
//! It neither stores nor judges callbacks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, get, on};
use axum::{Json, Router};
use futures_util::future;
use http::StatusCode;
use turnstile_events::observation::Probe;
use turnstile_fault::{Answer, LateAnswer, Status, WireAnswer};
use turnstile_seams::{Clock, ClockExt as _, Listener, http_server};

use crate::coverage::FakeEvent;
use crate::edge::{Headers, recorded};
use crate::{cut, twice};

/// Error for `delayMs` on a receiver without a clock.
const NO_CLOCK: &str = "delayMs needs a receiver with a clock";

/// The fake receiver. Clones share one state.
#[derive(Clone)]
pub struct Receiver {
    probe: Probe,
    clock: Option<Arc<dyn Clock>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    /// The beginning of the paths of its callbacks.
    prefix: Arc<str>,
}

impl Receiver {
    /// A receiver that answers every callback with 200. It rejects `delayMs` until [`Receiver::with_clock`]
    /// adds a clock.
    pub fn new(probe: Probe) -> Self {
        Self {
            probe,
            clock: None,
            answers: Arc::default(),
            prefix: "".into(),
        }
    }

    /// Takes only callbacks whose path begins with `prefix`. Others are answered with 200 and not recorded: they belong
    /// to an earlier run against the same server.
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Adds a clock, which enables answers with `delayMs`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Serves every connection of `listener`, without end.
    pub async fn serve(self, listener: Box<dyn Listener>) {
        let router = self.router();
        http_server::serve_by(listener, |stream| {
            let (stream, router) = twice::repeating(stream, router.clone());
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
        let control_routes = Router::new()
            .route("/test/answers", get(answers_left).post(replace_answers))
            .with_state(self.clone());
        let prefix = Arc::clone(&self.prefix);
        recorded(callbacks, self.probe.clone(), Headers::Recorded)
            .layer(from_fn(move |request: Request, next: Next| {
                let is_meant = request.uri().path().starts_with(&*prefix);
                async move {
                    match is_meant {
                        true => next.run(request).await,
                        false => StatusCode::OK.into_response(),
                    }
                }
            }))
            .merge(control_routes)
    }

    /// Replaces the answers to the next requests.
    ///
    /// # Panics
    ///
    /// When a late answer is due and the receiver has no clock.
    pub fn replace_answers(&self, answers: impl IntoIterator<Item = Answer>) {
        *self.answers() = answers.into_iter().collect();
    }

    /// The answers that are not used yet.
    pub fn unused(&self) -> Vec<WireAnswer> {
        let answers = self.answers();
        answers.iter().map(|answer| WireAnswer::from(*answer)).collect()
    }

    fn answers(&self) -> MutexGuard<'_, VecDeque<Answer>> {
        // No holder of the lock leaves a half-changed queue, so poisoning is harmless.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(State(receiver): State<Receiver>) -> Response {
    let answer = receiver.answers().pop_front();
    match answer {
        None => {
            FakeEvent::ReceiverAccepts.hit();
            StatusCode::OK.into_response()
        }
        Some(Answer::Status(status)) => {
            FakeEvent::ReceiverStatus.hit();
            response(status)
        }
        Some(Answer::Late(LateAnswer { delay, status })) => {
            let clock = receiver
                .clock
                .as_ref()
                .expect("late answers are rejected without a clock");
            clock.sleep(*delay).await;
            FakeEvent::ReceiverLate.hit();
            response(status)
        }
        Some(Answer::Stall) => {
            FakeEvent::ReceiverStalls.hit();
            future::pending().await
        }
        Some(Answer::Drop) => {
            FakeEvent::ReceiverDrops.hit();
            cut::instead_of_answer()
        }
        Some(Answer::Twice) => {
            FakeEvent::ReceiverTwice.hit();
            twice::answer(StatusCode::OK.into_response())
        }
    }
}

fn response(status: Status) -> Response {
    let status = StatusCode::from_u16(status.code()).expect("the status is valid");
    status.into_response()
}

async fn replace_answers(State(receiver): State<Receiver>, Json(answers): Json<Vec<WireAnswer>>) -> Response {
    let refuse = |why: String| (StatusCode::UNPROCESSABLE_ENTITY, why).into_response();
    let answers: Result<Vec<Answer>, _> = answers.into_iter().map(Answer::try_from).collect();
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => return refuse(error.to_string()),
    };
    let is_late = |answer: &Answer| matches!(answer, Answer::Late(_));
    if receiver.clock.is_none() && answers.iter().any(is_late) {
        return refuse(NO_CLOCK.to_owned());
    }
    receiver.replace_answers(answers);
    StatusCode::NO_CONTENT.into_response()
}

async fn answers_left(State(receiver): State<Receiver>) -> Json<Vec<WireAnswer>> {
    Json(receiver.unused())
}
