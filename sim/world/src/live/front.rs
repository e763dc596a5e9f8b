//! A reverse proxy in front of all sandboxes, which selects the host by the first segment of the path.
//!
//! A server that gives each session a sandbox knows the address of each. Here it gets one URL with the
//! session id as the first segment of the path. A request is forwarded, without that segment, to the host
//! that [`Route`] returns for the id. If that host is down, the connection ends without an answer. A request for another
//! path is forwarded unchanged to the host for the empty id, if there is one.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use http::{StatusCode, Uri};
use http_body_util::Full;
use turnstile_seams::http_client::{self, HttpError};
use turnstile_seams::{Listener, Network, http_server};

use crate::Route;

/// Largest forwarded body, in bytes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
/// The beginning of a session id (R1.2).
const SESSION: &str = "agent_";

/// Forwards the requests of `listener`, without end.
pub async fn serve(listener: Box<dyn Listener>, network: Arc<dyn Network>, route: Route) {
    let router = Router::new().fallback(move |request: Request| {
        let (network, route) = (Arc::clone(&network), Arc::clone(&route));
        async move { Ok::<_, Infallible>(forward(&network, &route, request).await) }
    });
    http_server::serve(listener, router).await;
}

async fn forward(network: &Arc<dyn Network>, route: &Route, request: Request) -> Response {
    let Some(target) = target(request.uri(), route) else {
        return answer(StatusCode::NOT_FOUND, "the path does not begin with a session id");
    };
    forward_to(network, target, request).await
}

/// Forwards a request to a URL, with its headers, and its answer back.
pub async fn forward_to(network: &Arc<dyn Network>, target: Uri, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return answer(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is incomplete or too large",
        );
    };
    let mut onward = http::Request::builder().method(head.method).uri(target);
    if let Some(headers) = onward.headers_mut() {
        *headers = head.headers;
    }
    let sent = match onward.body(Full::new(body)) {
        Ok(onward) => http_client::forward(network, onward).await,
        Err(error) => return answer(StatusCode::BAD_REQUEST, error.to_string()),
    };
    match sent {
        Ok(response) => response.map(Body::new),
        Err(error) => broken_off(error),
    }
}

/// The URL to forward to.
fn target(uri: &Uri, route: &Route) -> Option<Uri> {
    let path = uri.path_and_query()?.as_str().strip_prefix('/')?;
    let below = path
        .split_once('/')
        .filter(|(first, _)| first.starts_with(SESSION));
    let (session, rest) = below.unwrap_or(("", path));
    let authority = route(session);
    if authority.is_empty() {
        return None;
    }
    format!("http://{authority}/{rest}").parse().ok()
}

fn answer(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response
}

/// An answer that breaks off, so that the requester gets a connection error instead of a status.
fn broken_off(error: HttpError) -> Response {
    let breaking = futures_util::stream::once(async { Err::<axum::body::Bytes, _>(error) });
    Response::new(Body::from_stream(breaking))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_id_is_removed_from_the_path() {
        let route: Route = Arc::new(|session| match session {
            "" => String::new(),
            session => format!("{session}.sandbox:9000"),
        });
        let forwarded = |url: &str| target(&url.parse().expect("a URL"), &route).map(|uri| uri.to_string());
        assert_eq!(
            forwarded("/agent_1/session/ready?x=1").as_deref(),
            Some("http://agent_1.sandbox:9000/session/ready?x=1")
        );
        assert_eq!(forwarded("/agent_1"), None);
        assert_eq!(forwarded("/session/ready"), None);
    }

    #[test]
    fn another_path_goes_to_the_host_for_no_session() {
        let route: Route = Arc::new(|session| format!("wrapper{session}:9000"));
        let forwarded = target(&"/session/ready".parse().expect("a URL"), &route);
        assert_eq!(
            forwarded.map(|uri| uri.to_string()).as_deref(),
            Some("http://wrapper:9000/session/ready")
        );
    }
}
