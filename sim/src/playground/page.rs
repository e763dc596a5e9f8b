//! The page of a playground. Its parts are embedded.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::routing::get;
use axum::{Json, Router};

use crate::openapi;

/// The page may load its own parts and talk to its own server.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' ws: wss:; base-uri 'none'",
);

/// A part of the page: path, media type, content.
type Part = (&'static str, &'static str, &'static str);

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const PARTS: [Part; 7] = [
    ("/", HTML, include_str!("page/page.html")),
    ("/up/page/style.css", STYLE, include_str!("page/style.css")),
    ("/up/page/main.js", SCRIPT, include_str!("page/main.js")),
    ("/up/page/session.js", SCRIPT, include_str!("page/session.js")),
    ("/up/page/view.js", SCRIPT, include_str!("page/view.js")),
    ("/up/page/wire.js", SCRIPT, include_str!("page/wire.js")),
    ("/up/page/server.js", SCRIPT, include_str!("page/server.js")),
];

/// The routes of the parts, and the document of the procedures.
pub(super) fn router() -> Router {
    let document = get(async || Json(openapi::document()));
    let start = Router::new().route("/openapi.json", document);
    PARTS.into_iter().fold(start, |router, (path, kind, content)| {
        let head: [(HeaderName, HeaderValue); 2] = [
            (CONTENT_TYPE, HeaderValue::from_static(kind)),
            (CONTENT_SECURITY_POLICY, POLICY),
        ];
        router.route(path, get(async move || (head, content)))
    })
}
