//! Calls of procedures.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use fake_gateway::cut;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::response::Parts;
use http::{StatusCode, Uri};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::{Observation, body_as_value};
use turnstile_judge::parties::SERVER;

use super::{path_of, to_server};
use crate::playground::{CLIENT, Playground};
use crate::tunnel::link::Link;

/// Largest body, in bytes: more than the server reads.
const LARGEST_BODY: usize = 32 << 20;
/// Why there is no answer, if the link or the server ended the connection.
const ENDED: &str = "the connection ended";
/// Why there is no answer, if the client did.
const CLIENT_GONE: &str = "the client disconnected";

/// Passes the call of a procedure to the server and logs it.
pub(super) async fn call(State(playground): State<Arc<Playground>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let input = input(&head.uri, &body);
    let about = session_in(&input);
    let link = match &about {
        Some(id) => playground.sessions.links_of(id).await.client,
        None => Link::default(),
    };
    let credentials = match head.headers.contains_key(AUTHORIZATION) {
        true => Credentials::Own,
        false => Credentials::None,
    };
    let exchange = playground.next_exchange();
    let mut logged = Logged {
        playground: &playground,
        exchange,
        session: about,
        request: 0,
        is_over: false,
    };
    logged.request = logged.log(Observation::RequestSent {
        exchange,
        to: SERVER.to_owned(),
        method: head.method.to_string(),
        path: path_of(&head.uri),
        credentials,
        body: body_as_value(&body),
    });
    let answering = async {
        link.pass().await;
        let request = Request::from_parts(head, Body::from(body));
        let answer = whole(to_server(&playground, request).await).await;
        link.pass().await;
        answer
    };
    match link.unless_ended(answering).await.flatten() {
        Some((head, body)) => {
            logged.answered(head.status, &body).await;
            Response::from_parts(head, Body::from(body))
        }
        None => {
            logged.unanswered(ENDED);
            cut::instead_of_answer()
        }
    }
}

/// A complete answer; `None` if its connection ended before.
async fn whole(response: Response) -> Option<(Parts, Bytes)> {
    if cut::is_never_sent(&response) {
        return None;
    }
    let (mut head, body) = response.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.ok()?;
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    Some((head, body))
}

/// A call in the log. It has no answer there if the client disconnects first.
struct Logged<'a> {
    playground: &'a Playground,
    exchange: u64,
    session: Option<String>,
    /// The entry of the request.
    request: u64,
    is_over: bool,
}

impl Logged<'_> {
    fn log(&self, observation: Observation) -> u64 {
        let session = self.session.as_deref();
        self.playground.log.observed(session, CLIENT, observation)
    }

    /// Logs the answer. A session that it names for the first time becomes known.
    async fn answered(&mut self, status: StatusCode, body: &Bytes) {
        let body = body_as_value(body);
        let named = session_in(&body["result"]["data"]);
        if let Some(id) = named.filter(|_| status.is_success()) {
            if let Err(error) = self.playground.sessions.meet(&id).await {
                tracing::error!(%error, "no wrapper started");
            }
            self.playground.log.assign(self.request, &id);
            self.session = Some(id);
        }
        self.log(Observation::ReplyReceived {
            exchange: self.exchange,
            status: status.as_u16(),
            body,
        });
        self.is_over = true;
    }

    fn unanswered(&mut self, error: &str) {
        self.log(Observation::NoReply {
            exchange: self.exchange,
            error: error.to_owned(),
        });
        self.is_over = true;
    }
}

impl Drop for Logged<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.unanswered(CLIENT_GONE);
        }
    }
}

/// The input of a call, from its body or its query.
fn input(uri: &Uri, body: &[u8]) -> Value {
    let query = uri.query().unwrap_or_default();
    let in_query = query.split('&').find_map(|pair| pair.strip_prefix("input="));
    match in_query {
        Some(text) if body.is_empty() => {
            let text: Vec<u8> = percent_decode_str(&text.replace('+', " ")).collect();
            body_as_value(&text)
        }
        _ => body_as_value(body),
    }
}

/// The session id in an input or an answer, in lower case.
fn session_in(data: &Value) -> Option<String> {
    let named = ["cloudAgentSessionId", "sessionId"]
        .into_iter()
        .find_map(|name| data[name].as_str());
    named.map(str::to_lowercase)
}
