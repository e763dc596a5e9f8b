//! Access for pages of this machine: cross-origin requests from loopback origins are allowed, and no others.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

/// Methods of procedures.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");
/// Headers of procedures, for a preflight request that asks for none.
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, x-internal-api-key");
/// How long a browser may keep the answer to a preflight request, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Answers preflight requests, and adds the headers that let a page of a loopback origin read the answer.
pub(super) async fn allow_loopback(request: Request, next: Next) -> Response {
    let origin = request
        .headers()
        .get(ORIGIN)
        .filter(|origin| is_loopback(origin))
        .cloned();
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight {
        preflight(request.headers(), origin.is_some())
    } else {
        next.run(request).await
    };
    response.headers_mut().append(VARY, HeaderValue::from(ORIGIN));
    if let Some(origin) = origin {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response
}

fn preflight(request: &HeaderMap, is_allowed: bool) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if is_allowed {
        let wanted = request
            .get(ACCESS_CONTROL_REQUEST_HEADERS)
            .cloned()
            .unwrap_or(HEADERS);
        response.headers_mut().extend([
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, wanted),
            (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ]);
    }
    response
}

/// Refuses requests of pages that are not of this machine: those of another origin, and those that a name of another
/// site led here. Programs that are no browsers send no origin.
pub(super) async fn refuse_foreign(request: Request, next: Next) -> Response {
    if is_of_this_machine(request.headers()) {
        return next.run(request).await;
    }
    let mut response = Response::new(Body::from("only pages of this machine may use this"));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

fn is_of_this_machine(headers: &HeaderMap) -> bool {
    headers.get(ORIGIN).is_none_or(is_loopback) && headers.get(HOST).is_none_or(is_loopback_host)
}

/// Whether an origin is one of this machine, with any port.
fn is_loopback(origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    origin.is_some_and(|origin| {
        matches!(origin.scheme_str(), Some("http" | "https")) && origin.host().is_some_and(is_loopback_name)
    })
}

fn is_loopback_host(host: &HeaderValue) -> bool {
    let host = host
        .to_str()
        .ok()
        .and_then(|host| host.parse::<http::uri::Authority>().ok());
    host.is_some_and(|host| is_loopback_name(host.host()))
}

fn is_loopback_name(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_address = address
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    is_address || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_origins_are_those_of_this_machine() {
        for (origin, expected) in [
            ("http://localhost:5173", true),
            ("https://localhost", true),
            ("http://app.localhost:3000", true),
            ("http://127.0.0.1:8000", true),
            ("http://127.3.2.1", true),
            ("http://[::1]:8000", true),
            ("http://localhost.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("https://example.com", false),
            ("file://", false),
            ("null", false),
        ] {
            assert_eq!(
                is_loopback(&HeaderValue::from_static(origin)),
                expected,
                "{origin}"
            );
        }
    }
}
