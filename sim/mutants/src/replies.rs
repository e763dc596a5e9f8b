//! Mutants of replies: what procedures answer about a session that works as it should (protocol §2, §3, §9).
//!
//! Each rewrites bodies of answers at the router.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use serde_json::{Value, json};
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::server::Hooks;
use turnstile_reference::session::admission::Delivery;
use turnstile_reference::session::{Input, Reply};

/// The longest answer that a mutant rewrites, in bytes.
const LONGEST_ANSWER: usize = 4 << 20;

/// Rewrites the JSON of the answers of a procedure, or of all procedures if it is empty.
pub fn rewrite_answers(hooks: &mut Hooks, procedure: &'static str, rewrite: fn(&mut Value)) {
    hooks.router = Box::new(move |router| {
        router.layer(from_fn(move |request: Request, next: Next| async move {
            let path = request.uri().path().strip_prefix("/trpc/");
            let is_wanted = path.is_some_and(|path| procedure.is_empty() || path == procedure);
            let answer = next.run(request).await;
            if is_wanted {
                rewritten(answer, rewrite).await
            } else {
                answer
            }
        }))
    });
}

/// An answer with its JSON rewritten. One that is not JSON stays as it is.
pub async fn rewritten(answer: Response, rewrite: impl FnOnce(&mut Value)) -> Response {
    let (mut head, body) = answer.into_parts();
    let Ok(bytes) = to_bytes(body, LONGEST_ANSWER).await else {
        return Response::from_parts(head, Body::empty());
    };
    let Ok(mut value) = serde_json::from_slice(&bytes) else {
        return Response::from_parts(head, Body::from(bytes));
    };
    rewrite(&mut value);
    head.headers.remove(http::header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(value.to_string()))
}

/// Leaves requests for sessions that do not exist without an answer; violates R2.5.
pub fn ignore_missing_sessions(hooks: &mut Hooks) {
    hooks.router = Box::new(|router| {
        router.layer(from_fn(async |request: Request, next: Next| {
            let is_procedure = request.uri().path().starts_with("/trpc/");
            let answer = next.run(request).await;
            if is_procedure && answer.status() == http::StatusCode::NOT_FOUND {
                std::future::pending::<()>().await;
            }
            answer
        }))
    });
}

/// Reports a session as idle while a message is at work; violates R2.102.
pub fn report_idle(hooks: &mut Hooks) {
    rewrite_answers(hooks, "getSessionHealth", |answer| {
        if let Some(data) = answer["result"]["data"].as_object_mut() {
            data.insert("executionHealth".to_owned(), json!("none"));
            data.remove("activeExecutionId");
            data.remove("activeExecutionStatus");
        }
    });
}

/// Reports pending work as running; violates R9.74.
pub fn report_pending_as_running(hooks: &mut Hooks) {
    rewrite_answers(hooks, "getSession", |answer| {
        let execution = &mut answer["result"]["data"]["execution"];
        if execution["status"] == "pending" {
            execution["status"] = json!("running");
        }
    });
}

/// Reports the mode `code` for every session; violates R9.58.
pub fn report_default_mode(hooks: &mut Hooks) {
    rewrite_answers(hooks, "getSession", |answer| {
        if let Some(mode) = answer["result"]["data"].get_mut("mode") {
            *mode = json!("code");
        }
    });
}

/// Reports no branch; violates R9.58.
pub fn omit_branch(hooks: &mut Hooks) {
    rewrite_answers(hooks, "getSession", |answer| {
        if let Some(data) = answer["result"]["data"].as_object_mut() {
            data.remove("upstreamBranch");
        }
    });
}

/// Reports every interrupt as one that found work; violates R2.60.
pub fn report_success(hooks: &mut Hooks) {
    rewrite_answers(hooks, "interruptSession", |answer| {
        let data = &mut answer["result"]["data"];
        if data["success"] == false {
            data["success"] = json!(true);
        }
    });
}

/// Answers the latest assistant message without its last part; violates R2.128.
pub fn omit_last_part(hooks: &mut Hooks) {
    rewrite_answers(hooks, "getLatestAssistantMessage", |answer| {
        if let Some(parts) = answer["result"]["data"]["message"]["parts"].as_array_mut() {
            parts.pop();
        }
    });
}

/// Refuses with the status of the code and another `httpStatus`; violates R2.6.
pub fn refuse_with_other_status(hooks: &mut Hooks) {
    rewrite_answers(hooks, "", |answer| {
        let data = &mut answer["error"]["data"];
        if data["httpStatus"] == 404 {
            data["httpStatus"] = json!(400);
        }
    });
}

/// Refuses with the path of another procedure; violates R2.6.
pub fn refuse_with_other_path(hooks: &mut Hooks) {
    rewrite_answers(hooks, "", |answer| {
        let data = &mut answer["error"]["data"];
        if !data["path"].is_null() {
            data["path"] = json!("start");
        }
    });
}

/// Acknowledges a repeat of an accepted message as queued; violates R3.8.
pub fn acknowledge_as_queued() -> Arc<dyn Interceptor> {
    Arc::new(AcknowledgesAsQueued)
}

struct AcknowledgesAsQueued;

impl Interceptor for AcknowledgesAsQueued {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        if let (Input::Admit(_) | Input::Initiate, Reply::Admission(Ok(ack))) =
            (moment.input, &mut decided.reply)
        {
            (ack.delivery, ack.wrapper_run) = (Delivery::Queued, None);
        }
        Memory::Stays
    }
}
