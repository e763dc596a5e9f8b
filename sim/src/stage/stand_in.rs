//! A wrapper in a separate process, in the place of the fake one.
//!
//! The party of the wrapper passes on what the process sends and receives, and observes it: requests of the server, ingests,
//! and calls of the gateway. Its own connections to the server and to the gateway are those of every party, so faults of
//! links need no support of the process. How the process is started and judged is not known here.

mod ingest;

use std::collections::BTreeSet;
use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use fake_gateway::cut;
use fake_gateway::edge::{Headers, recorded};
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http_body_util::Full;
use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use turnstile_events::observation::Probe;
use turnstile_seams::http_client::{self, HttpError};
use turnstile_seams::{ANY_PORT, Listener, Network, Seams, real};

use super::{GATEWAY_AUTHORITY, SERVER_AUTHORITY};

/// Largest request of a server, in bytes.
const BODY_LIMIT: usize = 16 << 20;
/// The place of the ingest's URL in the body of a request.
const INGEST_URL: &str = "/session/ingestUrl";
/// The place of its token.
const TOKEN: &str = "/session/workerAuthToken";

/// Where a wrapper in a separate process is.
#[derive(Debug, Clone)]
pub struct StandIn {
    /// The authority at which the process listens.
    pub wrapper: String,
    /// Where the process calls the gateway.
    pub gateway: Arc<StdListener>,
}

/// What the tasks of the party share.
struct Place {
    process: StandIn,
    /// The authority at which the process opens its ingests.
    ingest: String,
    /// The machine's network, over which the process is reached.
    machine: Arc<dyn Network>,
    seams: Seams,
    probe: Probe,
    /// The tokens that the server has given to the wrapper.
    tokens: Mutex<BTreeSet<String>>,
}

impl StandIn {
    /// Serves the server's requests at `listener`, and the connections of the process, without end.
    pub(super) async fn serve(self, listener: Box<dyn Listener>, seams: Seams, probe: Probe) {
        let machine = real::seams().network;
        let (ingests, calls) = match (machine.listen(ANY_PORT).await, self.gateway.try_clone()) {
            (Ok(ingests), Ok(calls)) => (ingests, calls),
            (Err(error), _) | (_, Err(error)) => panic!("cannot listen for the wrapper's process: {error}"),
        };
        let place = Arc::new(Place {
            process: self,
            ingest: ingests.authority(),
            machine,
            seams,
            probe,
            tokens: Mutex::default(),
        });
        tokio::join!(
            cut::serve(listener, requests(&place)),
            cut::serve(ingests, ingest::router(&place)),
            pass_calls(calls, &place),
        );
    }
}

/// Passes the calls of the gateway, until none can be accepted.
async fn pass_calls(listener: StdListener, place: &Arc<Place>) {
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(listener));
    let listener = listener.unwrap_or_else(|error| panic!("cannot accept calls of the gateway: {error}"));
    while let Ok((mut call, _)) = listener.accept().await {
        let place = Arc::clone(place);
        tokio::spawn(async move {
            if let Ok(mut gateway) = place.seams.network.connect(GATEWAY_AUTHORITY).await {
                // A connection that breaks ends with both of its ends.
                let _ = copy_bidirectional(&mut call, &mut gateway).await;
            }
        });
    }
}

/// The routes of the wrapper. As with the fake one, health is not recorded.
fn requests(place: &Arc<Place>) -> Router {
    let passed = || any(pass).with_state(Arc::clone(place));
    let recorded_routes = Router::new().fallback_service(passed());
    recorded(recorded_routes, place.probe.clone(), Headers::Ignored).route("/health", passed())
}

/// Passes a request to the process. Without a complete answer the connection ends.
async fn pass(State(place): State<Arc<Place>>, request: Request) -> Response {
    match place.ask(request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::debug!(%error, "the wrapper's process does not answer");
            cut::instead_of_answer()
        }
    }
}

/// Why the process has not answered.
#[derive(Debug, thiserror::Error)]
enum PassError {
    #[error("the request is incomplete or too large")]
    Request(#[from] axum::Error),
    #[error("the request cannot be passed on")]
    Form(#[from] http::Error),
    #[error(transparent)]
    Answer(#[from] HttpError),
}

impl Place {
    async fn ask(&self, request: Request) -> Result<Response, PassError> {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, BODY_LIMIT).await?;
        let path = head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let Passed { body, token } = Passed::of(body, &self.ingest);
        self.tokens().extend(token);
        let onward = http::Request::builder()
            .method(head.method)
            .uri(format!("http://{}{path}", self.process.wrapper))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let answer = http_client::send(&self.machine, onward).await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(kind) = answer.headers().get(CONTENT_TYPE) {
            response = response.header(CONTENT_TYPE, kind);
        }
        let body = http_client::read_body(answer).await?;
        Ok(response.body(Body::from(body))?)
    }

    fn tokens(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a header `Authorization` shows a token of the wrapper.
    fn is_own(&self, authorization: Option<&str>) -> bool {
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        token.is_some_and(|token| self.tokens().contains(token))
    }
}

/// A request as the process gets it.
#[derive(Debug, PartialEq, Eq)]
struct Passed {
    /// Its body, with an ingest of the party in place of the server's.
    body: Bytes,
    /// The token of its binding, if it has one.
    token: Option<String>,
}

impl Passed {
    /// Reads the body of a request. `ingest` is the authority of the party's ingest.
    fn of(body: Bytes, ingest: &str) -> Self {
        let changed = || {
            let mut value: Value = serde_json::from_slice(&body).ok()?;
            let token = value.pointer(TOKEN).and_then(Value::as_str).map(str::to_owned);
            let url = value.pointer_mut(INGEST_URL)?;
            let path = url
                .as_str()?
                .strip_prefix("ws://")?
                .strip_prefix(SERVER_AUTHORITY)?;
            *url = Value::String(format!("ws://{ingest}{path}"));
            let body = Bytes::from(value.to_string());
            Some(Self { body, token })
        };
        changed().unwrap_or(Self { body, token: None })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_url_of_the_ingest_is_changed() {
        let body = |url: &str| {
            let body = json!({
                "message": {"prompt": "ws://server:8787/"}, "session": {"ingestUrl": url, "workerAuthToken": "t"},
            });
            Bytes::from(body.to_string())
        };
        let passed = Passed::of(body("ws://server:8787/sessions/u/s/ingest"), "127.0.0.1:7");
        assert_eq!(passed.body, body("ws://127.0.0.1:7/sessions/u/s/ingest"));
        assert_eq!(passed.token.as_deref(), Some("t"));
        let others = [
            body("ws://other:8787/"),
            Bytes::from_static(b"{}"),
            Bytes::from_static(b"no JSON"),
        ];
        for unchanged in others {
            assert_eq!(Passed::of(unchanged.clone(), "127.0.0.1:7").body, unchanged);
        }
    }
}
