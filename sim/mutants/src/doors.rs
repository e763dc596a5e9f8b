//! Mutants of access: a server that remembers who was let in, and lets everyone in after that (protocol §2, §5, §9).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode, Uri};
use turnstile_reference::server::Hooks;

use crate::lock;

/// The name of the ticket in the query of a stream.
const TICKET: &str = "ticket";

/// Answers every query that its user made once, whoever sends it; violates R2.9 and R2.31.
pub fn answer_everyone(hooks: &mut Hooks) {
    remember(hooks, |request| {
        let path = request.uri().path_and_query()?;
        path.as_str()
            .starts_with("/trpc/getSession?")
            .then(|| path.to_string())
    });
}

/// Opens an ingest with any token once its wrapper has opened one; violates R5.46 to R5.48.
pub fn open_ingest_with_any_token(hooks: &mut Hooks) {
    remember(hooks, |request| {
        let path = request.uri().path();
        path.ends_with("/ingest").then(|| path.to_owned())
    });
}

/// Gives requests the `Authorization` of the first successful request with the same key.
fn remember(hooks: &mut Hooks, key: fn(&Request) -> Option<String>) {
    let let_in = Arc::<Mutex<BTreeMap<String, HeaderValue>>>::default();
    hooks.router = Box::new(move |router| {
        router.layer(from_fn(move |mut request: Request, next: Next| {
            let let_in = let_in.clone();
            async move {
                let Some(key) = key(&request) else {
                    return next.run(request).await;
                };
                let known = lock(&let_in).get(&key).cloned();
                if let Some(known) = known {
                    request.headers_mut().insert(AUTHORIZATION, known);
                    return next.run(request).await;
                }
                let shown = request.headers().get(AUTHORIZATION).cloned();
                let answer = next.run(request).await;
                if let (true, Some(shown)) = (is_let_in(&answer), shown) {
                    lock(&let_in).insert(key, shown);
                }
                answer
            }
        }))
    });
}

/// Opens a stream with any ticket once its user has opened one; violates R9.11 and R9.12.
pub fn open_stream_with_any_ticket(hooks: &mut Hooks) {
    let let_in = Arc::<Mutex<BTreeMap<String, String>>>::default();
    hooks.router = Box::new(move |router| {
        router.layer(from_fn(move |mut request: Request, next: Next| {
            let let_in = let_in.clone();
            async move {
                let Some(session) = parameter(request.uri(), "cloudAgentSessionId") else {
                    return next.run(request).await;
                };
                let known = lock(&let_in).get(&session).cloned();
                if let Some(known) = known {
                    if let Some(uri) = with_ticket(request.uri(), &known) {
                        *request.uri_mut() = uri;
                    }
                    return next.run(request).await;
                }
                let shown = parameter(request.uri(), TICKET);
                let answer = next.run(request).await;
                if let (true, Some(shown)) = (is_let_in(&answer), shown) {
                    lock(&let_in).insert(session, shown);
                }
                answer
            }
        }))
    });
}

/// Refuses a stream with the ticket of another session like one without a ticket; violates R9.12.
pub fn refuse_other_sessions_as_unauthorized(hooks: &mut Hooks) {
    hooks.router = Box::new(|router| {
        router.layer(from_fn(async |request: Request, next: Next| {
            let is_stream = request.uri().path() == "/stream";
            let mut answer = next.run(request).await;
            if is_stream && answer.status() == StatusCode::FORBIDDEN {
                *answer.status_mut() = StatusCode::UNAUTHORIZED;
            }
            answer
        }))
    });
}

fn is_let_in(answer: &Response) -> bool {
    answer.status().is_success() || answer.status() == StatusCode::SWITCHING_PROTOCOLS
}

/// A parameter of a stream's query.
fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    let is_stream = uri.path() == "/stream";
    pairs
        .find(|(key, _)| is_stream && *key == name)
        .map(|(_, value)| value.to_owned())
}

/// The address of a stream with another ticket.
fn with_ticket(uri: &Uri, ticket: &str) -> Option<Uri> {
    let others = uri
        .query()?
        .split('&')
        .filter(|pair| !pair.starts_with("ticket="));
    let mut query: Vec<String> = others.map(str::to_owned).collect();
    query.push(format!("{TICKET}={ticket}"));
    format!("/stream?{}", query.join("&")).parse().ok()
}
