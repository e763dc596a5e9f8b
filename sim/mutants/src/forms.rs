//! Mutants of the form of what the server writes: fields of its events and replies that are missing or wrong
//! (protocol §2, §9). The values that remain are right.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use serde_json::{Value, json};
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::server::Hooks;
use turnstile_reference::session::Effect;

/// Removes a field from the data of the server's own events as it sends them.
pub struct OmitsField {
    event: &'static str,
    /// The object that contains the field, as a JSON pointer below the data.
    within: &'static str,
    field: &'static str,
}

impl OmitsField {
    /// Sends failures without their error; violates R9.35.
    pub const ERROR: Self = Self {
        event: "cloud.message.failed",
        within: "",
        field: "error",
    };
    /// Sends the status of the preparation without its step; violates R9.39.
    pub const STEP: Self = Self {
        event: "cloud.status",
        within: "/cloudStatus",
        field: "step",
    };
}

impl Interceptor for OmitsField {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        for effect in &mut decided.effects {
            let Effect::Broadcast(event) = effect else {
                continue;
            };
            if event.stream_event_type != self.event {
                continue;
            }
            if let Some(Value::Object(object)) = event.data.pointer_mut(self.within) {
                object.remove(self.field);
            }
        }
        Memory::Stays
    }
}

/// Names no procedure in refusals; violates R2.6.
pub fn refuse_without_path(hooks: &mut Hooks) {
    rewrite_replies(hooks, |reply| {
        if let Some(path) = reply.pointer_mut("/error/data/path") {
            *path = json!("");
        }
    });
}

/// Answers the health of a session with the active message, but not its status; violates R2.104.
pub fn hide_active_status(hooks: &mut Hooks) {
    rewrite_replies(hooks, |reply| {
        if let Some(Value::Object(data)) = reply.pointer_mut("/result/data")
            && data.contains_key("sandboxStatus")
        {
            data.remove("activeExecutionStatus");
        }
    });
}

/// Changes every reply of a procedure that is JSON.
fn rewrite_replies(hooks: &mut Hooks, change: fn(&mut Value)) {
    hooks.router = Box::new(move |router| {
        router.layer(from_fn(move |request: Request, next: Next| async move {
            let is_procedure = request.uri().path().starts_with("/trpc/");
            let response = next.run(request).await;
            match is_procedure {
                true => rewritten(response, change).await,
                false => response,
            }
        }))
    });
}

async fn rewritten(response: Response, change: fn(&mut Value)) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let Ok(mut reply) = serde_json::from_slice(&body) else {
        return Response::from_parts(parts, Body::from(body));
    };
    change(&mut reply);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(reply.to_string()))
}
