//! One address in front of many hosts, chosen by the first segment of the path.
//!
//! A server that gives each session a sandbox knows the address of each. Here it is given one URL with the session's id
//! as the first segment of the path; a request is passed on to the host that [`Route`] names for that id, without that
//! segment. If that host is down, the connection ends without an answer.

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

/// The largest body that is passed on, in bytes.
const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Passes on what is asked at `listener`, for ever.
pub async fn serve(listener: Box<dyn Listener>, network: Arc<dyn Network>, route: Route) {
    let router = Router::new().fallback(move |request: Request| {
        let (network, route) = (Arc::clone(&network), Arc::clone(&route));
        async move { Ok::<_, Infallible>(pass_on(&network, &route, request).await) }
    });
    http_server::serve(listener, router).await;
}

async fn pass_on(network: &Arc<dyn Network>, route: &Route, request: Request) -> Response {
    let Some(target) = target(request.uri(), route) else {
        return answer(
            StatusCode::NOT_FOUND,
            "no session is named at the beginning of the path",
        );
    };
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return answer(StatusCode::PAYLOAD_TOO_LARGE, "the body is broken or too large");
    };
    let mut onward = http::Request::builder().method(head.method).uri(target);
    if let Some(headers) = onward.headers_mut() {
        *headers = head.headers;
    }
    let sent = match onward.body(Full::new(body)) {
        Ok(onward) => http_client::send(network, onward).await,
        Err(error) => return answer(StatusCode::BAD_REQUEST, error.to_string()),
    };
    match sent {
        Ok(response) => response.map(Body::new),
        Err(error) => broken_off(error),
    }
}

/// The URL behind the door.
fn target(uri: &Uri, route: &Route) -> Option<Uri> {
    let path = uri.path_and_query()?.as_str().strip_prefix('/')?;
    let (session, rest) = path.split_once('/')?;
    format!("http://{}/{rest}", route(session)).parse().ok()
}

fn answer(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response
}

/// An answer that breaks off before it is whole: whoever asked learns that nobody is there, and not from a status.
fn broken_off(error: HttpError) -> Response {
    let breaking = futures_util::stream::once(async { Err::<axum::body::Bytes, _>(error) });
    Response::new(Body::from_stream(breaking))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_of_the_path_names_the_session_and_is_taken_off() {
        let route: Route = Arc::new(|session| format!("{session}.sandbox:9000"));
        let told = |url: &str| target(&url.parse().expect("a URL"), &route).map(|uri| uri.to_string());
        assert_eq!(
            told("/agent_1/session/ready?x=1").as_deref(),
            Some("http://agent_1.sandbox:9000/session/ready?x=1")
        );
        assert_eq!(told("/agent_1"), None);
    }
}
