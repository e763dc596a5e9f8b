//! A historic bug of the store: records of another version lock their sessions out (protocol §10).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::json;
use turnstile_reference::host::interception::Interceptor;
use turnstile_reference::server::Hooks;
use turnstile_reference::session::Stored;

use crate::lock;

/// Refuses what concerns sessions that were stored before the server started, as a server does that cannot read
/// fields of a newer version after a rollback; violates R10.42.
pub fn lock_out_stored_sessions(hooks: &mut Hooks) {
    let stored = Arc::<StoredBefore>::default();
    hooks.interceptor = Some(stored.clone());
    hooks.router = Box::new(|router| {
        router.layer(from_fn(move |request: Request, next: Next| {
            let stored = stored.clone();
            async move {
                match stored.is_named_in(&request) {
                    true => refused(),
                    false => next.run(request).await,
                }
            }
        }))
    });
}

fn refused() -> Response {
    let error = json!({"error": {
        "message": "The session's record has fields of another version",
        "code": -32603,
        "data": {"code": "INTERNAL_SERVER_ERROR", "httpStatus": 500},
    }});
    (StatusCode::INTERNAL_SERVER_ERROR, Json(error)).into_response()
}

/// Sessions that were read from the store.
#[derive(Default)]
struct StoredBefore(Mutex<BTreeSet<String>>);

impl StoredBefore {
    /// Whether the URL of a query names such a session.
    fn is_named_in(&self, request: &Request) -> bool {
        let Some(query) = request.uri().query() else {
            return false;
        };
        let query = percent_decode_str(query).decode_utf8_lossy();
        let sessions = lock(&self.0);
        request.uri().path().starts_with("/trpc/")
            && sessions.iter().any(|session| query.contains(session.as_str()))
    }
}

impl Interceptor for StoredBefore {
    fn read(&self, stored: &mut Stored) {
        let mut sessions = lock(&self.0);
        sessions.insert(stored.metadata.identity.session_id.to_string());
    }
}
