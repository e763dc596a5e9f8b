//! The test clock of a server: `POST /test/advance` with `{"ms": N}` moves the server's time forward.
//!
//! When it is moved, and together with what, is not decided here.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use turnstile_seams::http_client::{self, HttpError};
use turnstile_seams::real::{self, MachineClock};
use turnstile_seams::{ClockExt as _, Network};

/// The longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause before a clock that cannot be reached is asked again.
const PAUSE: Duration = Duration::from_millis(20);
/// The largest part of an unusable answer that an error repeats, in characters.
const SHOWN: usize = 200;

/// Why a test clock does not work.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The runtime for the requests cannot be created.
    #[error("cannot create a runtime for requests to the test clock")]
    Runtime(#[source] io::Error),
    /// The address is not a URL.
    #[error("`{0}` is not the address of a test clock")]
    Address(String),
    /// It cannot be reached.
    #[error("the test clock cannot be reached")]
    Unreachable(#[from] HttpError),
    /// It does not answer.
    #[error("the test clock did not answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// It answers something else.
    #[error("the test clock answered {status} {body}; expected 200 with a number `advancedMs`")]
    Unusable {
        /// The HTTP status.
        status: StatusCode,
        /// The beginning of the body.
        body: String,
    },
}

/// What a test clock answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advanced {
    /// By how much the server's clock was moved forward in all.
    pub in_all: Duration,
    /// The time until the server has something to do, if it is known.
    pub next: Option<Duration>,
}

/// A connection to a test clock.
pub struct ServerClock {
    uri: Uri,
    runtime: Runtime,
    network: Arc<dyn Network>,
}

impl ServerClock {
    /// The test clock at that authority. It is not asked yet.
    ///
    /// # Errors
    ///
    /// If the authority is none, or the operating system refuses a runtime.
    pub fn at(authority: &str) -> Result<Self, ClockError> {
        let uri = format!("http://{authority}/test/advance").parse();
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            uri: uri.map_err(|_| ClockError::Address(authority.to_owned()))?,
            runtime: runtime.map_err(ClockError::Runtime)?,
            network: real::seams().network,
        })
    }

    /// Moves the server's clock forward, by whole milliseconds. When it answers, everything that is due was begun.
    ///
    /// # Errors
    ///
    /// If it gives no usable answer in time.
    pub fn advance(&self, by: Duration) -> Result<Advanced, ClockError> {
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.runtime.block_on(async {
            let answer = MachineClock::default().timeout(PATIENCE, self.ask(ms)).await;
            answer.unwrap_or(Err(ClockError::Silent))
        })
    }

    /// Asks the clock of a server that was just restarted, until it answers.
    ///
    /// # Errors
    ///
    /// If it gives no usable answer in time.
    #[expect(clippy::disallowed_methods, reason = "another process starts in real time")]
    pub(super) fn wait(&self) -> Result<Advanced, ClockError> {
        let begun = std::time::Instant::now();
        loop {
            match self.advance(Duration::ZERO) {
                Err(ClockError::Unreachable(_)) if begun.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                answer => return answer,
            }
        }
    }

    async fn ask(&self, ms: u64) -> Result<Advanced, ClockError> {
        let body = Full::new(Bytes::from(json!({ "ms": ms }).to_string()));
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        let response = http_client::send(&self.network, request).await?;
        let status = response.status();
        let body = http_client::read_body(response).await?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let ms = |name: &str| answer[name].as_u64().map(Duration::from_millis);
        match ms("advancedMs") {
            Some(in_all) if status == StatusCode::OK => Ok(Advanced {
                in_all,
                next: ms("nextMs"),
            }),
            _ => Err(ClockError::Unusable {
                status,
                body: String::from_utf8_lossy(&body).chars().take(SHOWN).collect(),
            }),
        }
    }
}
