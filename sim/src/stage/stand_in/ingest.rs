//! Ingests of the process: each is passed to the server over the wrapper's link, and observed.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{StatusCode, Uri};
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::{ClosedBy, Observation, Probe, body_as_value};
use turnstile_judge::parties::SERVER;
use turnstile_seams::ClockExt as _;
use turnstile_seams::real::MachineClock;
use turnstile_seams::websocket::{self, OpenError};

use super::{Place, SERVER_AUTHORITY};
use crate::tunnel::link::Link;
use crate::tunnel::{self, End, Way, refusal};

/// How long the process may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The route of the ingest.
pub(super) fn router(place: &Arc<Place>) -> Router {
    Router::new().fallback_service(any(open).with_state(Arc::clone(place)))
}

async fn open(
    State(place): State<Arc<Place>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return StatusCode::UPGRADE_REQUIRED.into_response();
    };
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let authorization = request.headers().get(AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let Ok(url) = format!("ws://{SERVER_AUTHORITY}{path}").parse::<Uri>() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut socket = Socket::begin(&place.probe, path, place.is_own(authorization));
    let server = match websocket::open(&*place.seams.network, &url, authorization).await {
        Ok(server) => server,
        Err(error) => {
            let status = match &error {
                OpenError::Refused { status, .. } => Some(*status),
                OpenError::Connect(_) | OpenError::Handshake(_) => None,
            };
            socket.refused(status, error.to_string());
            return refusal(error);
        }
    };
    socket.opened();
    upgrade.on_upgrade(async move |mut process| {
        let passed = |way, text: &str| socket.passed(way, text);
        let end = tunnel::pass(&mut process, server, &Link::default(), passed).await;
        let is_closed = end.by == ClosedBy::Peer;
        socket.ended(&end);
        if is_closed {
            // The close frame must not be lost with what the process still sends.
            let answered = async { while let Some(Ok(_)) = process.recv().await {} };
            let _ = MachineClock::default().timeout(CLOSE_TIMEOUT, answered).await;
        }
    })
}

/// The observations of one WebSocket. Dropping it records an end that nothing else has recorded.
struct Socket {
    probe: Probe,
    number: u64,
    path: String,
    credentials: Credentials,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Open,
    Over,
}

impl Socket {
    fn begin(probe: &Probe, path: &str, is_own: bool) -> Self {
        Self {
            probe: probe.clone(),
            number: probe.next_socket(),
            path: path.to_owned(),
            credentials: match is_own {
                true => Credentials::Own,
                false => Credentials::None,
            },
            phase: Phase::Opening,
        }
    }

    fn refused(&mut self, status: Option<u16>, error: String) {
        self.phase = Phase::Over;
        self.probe.observe(Observation::SocketRefused {
            socket: self.number,
            to: SERVER.to_owned(),
            path: self.path.clone(),
            credentials: self.credentials,
            status,
            error,
        });
    }

    fn opened(&mut self) {
        self.phase = Phase::Open;
        self.probe.observe(Observation::SocketOpened {
            socket: self.number,
            to: SERVER.to_owned(),
            path: self.path.clone(),
            credentials: self.credentials,
        });
    }

    fn passed(&self, way: Way, text: &str) {
        let (socket, frame) = (self.number, body_as_value(text.as_bytes()).into());
        self.probe.observe(match way {
            Way::ToServer => Observation::FrameSent { socket, frame },
            Way::FromServer => Observation::FrameReceived { socket, frame },
        });
    }

    fn ended(&mut self, end: &End) {
        self.phase = Phase::Over;
        self.probe.observe(Observation::SocketClosed {
            socket: self.number,
            code: end.code,
            by: end.by,
        });
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        match self.phase {
            Phase::Opening => self.refused(None, "the process gave up while it opened".to_owned()),
            Phase::Open => self.ended(&End::LOST),
            Phase::Over => {}
        }
    }
}
