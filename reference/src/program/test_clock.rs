//! The address at which a test moves the server's clock forward: `POST /test/advance` with `{"ms": 60000}`.
//!
//! Only the clock is moved here. What is due by the new time is done by the timers that wait for it. The time by which the
//! clock was moved is kept in the data directory, so that a restart does not set the clock back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use turnstile_seams::test_clock::TestClock;
use turnstile_seams::{Clock as _, Listener, http_server};

/// The name of the file with the time by which the clock was moved, in milliseconds.
const FILE: &str = "test-clock";
/// The rounds in which all tasks that can run do so after the clock was moved. A timer wakes a task, which commits,
/// answers other tasks and starts its requests: far fewer follow from one another.
const ROUNDS: usize = 64;
/// The longest time by which one request moves the clock: a year, in milliseconds.
const LONGEST: u64 = 366 * 24 * 60 * 60 * 1000;
/// The latest time that the clock may show. After it, deadlines could exceed the range of timestamps.
const LATEST: &str = "5000-01-01T00:00:00Z";

/// A clock that can be moved, and where the time by which it was moved is kept.
struct KeptClock {
    clock: TestClock,
    file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    ms: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// By how much the clock was moved in all.
    advanced_ms: u128,
    /// The time until the next timer is due, rounded up; `None` without a timer.
    next_ms: Option<u64>,
}

/// Reads by how much the clock was moved on this data before.
///
/// # Errors
///
/// If the file cannot be read or has another content.
pub(super) fn kept(data: &Path) -> io::Result<Duration> {
    let text = match fs::read_to_string(data.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Duration::ZERO),
        Err(error) => return Err(error),
    };
    let ms = text.trim().parse().map_err(io::Error::other)?;
    Ok(Duration::from_millis(ms))
}

/// Serves the clock's address without end. Needs a runtime with one thread: only there does everything that is due run
/// before the answer.
pub(super) async fn serve(listener: Box<dyn Listener>, clock: TestClock, data: &Path) {
    let kept = Arc::new(KeptClock {
        clock,
        file: data.join(FILE),
    });
    let router = Router::new()
        .route("/test/advance", post(advance))
        .with_state(kept);
    http_server::serve(listener, router).await;
}

async fn advance(State(kept): State<Arc<KeptClock>>, body: Bytes) -> Response {
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let clock = &kept.clock;
    let latest: Timestamp = LATEST.parse().expect("a valid timestamp");
    let by = Duration::from_millis(request.ms);
    if request.ms > LONGEST || clock.now().saturating_add(by).is_ok_and(|then| then > latest) {
        let text = format!("the clock moves by at most {LONGEST} ms, and not past {LATEST}");
        return refusal(StatusCode::BAD_REQUEST, &text);
    }
    if request.ms > 0 {
        // First, so that a server that is killed now does not set its clock back.
        let advanced = (clock.advanced() + by).as_millis();
        if let Err(error) = replace(&kept.file, &advanced.to_string()) {
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string());
        }
        clock.advance(by);
        clock.wake();
    }
    for _ in 0..ROUNDS {
        tokio::task::yield_now().await;
    }
    let left = clock.next_deadline().map(|next| next.duration_since(clock.now()));
    let answer = Answer {
        advanced_ms: clock.advanced().as_millis(),
        next_ms: left.map(|left| u64::try_from(left.as_micros()).unwrap_or(0).div_ceil(1000)),
    };
    Json(answer).into_response()
}

/// Replaces a file's content at once, so that a kill leaves the old one or the new one.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(new, file)
}

fn refusal(status: StatusCode, error: &str) -> Response {
    let mut response = Response::new(Body::from(json!({ "error": error }).to_string()));
    *response.status_mut() = status;
    response
}
