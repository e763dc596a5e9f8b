//! tRPC without batching: routing, and the envelopes of success and failure (protocol §2).

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use turnstile_profile::Profile;

use super::procedures::{self, Procedure};
use crate::app::App;
use crate::coverage::ServerMark;
use crate::refusal::{Code, Refusal};

/// The path of procedures, before their names.
pub const PREFIX: &str = "/trpc/";
/// The header with the key of internal callers (R2.28).
const INTERNAL_API_KEY: &str = "x-internal-api-key";

/// Handles a call of the procedure that the path names, with the checks in the order of R2.21.
pub async fn call(
    State(app): State<Arc<App>>,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Response {
    let name = uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8_lossy();
    let answer = async {
        let procedure = Procedure::named(&name)
            .ok_or_else(|| Refusal::new(Code::NotFound, format!("No procedure {name:?}")))?;
        let is_post = method == Method::POST;
        let is_get_of_query = method == Method::GET && procedure.is_query();
        if !is_post && !is_get_of_query {
            let text = format!("{method} is not how {name} is called");
            return Err(Refusal::new(Code::MethodNotSupported, text));
        }
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let (authorization, internal_key) = (header("authorization"), header(INTERNAL_API_KEY));
        let caller = procedures::authorize(&app, procedure, authorization, internal_key)?;
        let input = if is_post {
            input_from_body(body, app.profile()).await?
        } else {
            input_from_query(query.as_deref())?
        };
        procedures::perform(&app, procedure, caller, input).await
    };
    match answer.await {
        Ok(data) => Json(json!({"result": {"data": data}})).into_response(),
        Err(refusal) => failure(&name, &refusal),
    }
}

async fn input_from_body(body: Body, profile: &Profile) -> Result<Value, Refusal> {
    let bytes = read_body(body, profile).await?;
    if bytes.is_empty() {
        Ok(Value::Null)
    } else {
        parse(&bytes)
    }
}

/// Reads a whole body. An oversized body is discarded but read up to a second limit: a client that is still sending
/// when the connection closes would not receive the answer (R2.37).
async fn read_body(mut body: Body, profile: &Profile) -> Result<Vec<u8>, Refusal> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        // A client that disconnects during its request does not receive this answer.
        let frame = frame.map_err(|_| Refusal::bad_request("The body is incomplete"))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length <= profile.body_limit {
            bytes.extend_from_slice(&data);
        } else if length > profile.body_read_limit {
            break;
        }
    }
    if length > profile.body_limit {
        let text = format!("The body has more than {} bytes", profile.body_limit);
        return Err(Refusal::new(Code::PayloadTooLarge, text));
    }
    Ok(bytes)
}

fn input_from_query(query: Option<&str>) -> Result<Value, Refusal> {
    let input = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("input="));
    match input {
        None => Ok(Value::Null),
        Some(input) => parse(&percent_decode_str(&input.replace('+', " ")).collect::<Vec<u8>>()),
    }
}

fn parse(text: &[u8]) -> Result<Value, Refusal> {
    crate::json::parse(text)
        .map_err(|error| Refusal::new(Code::ParseError, format!("The input is not JSON: {error}")))
}

fn failure(procedure: &str, refusal: &Refusal) -> Response {
    mark_of(refusal.code).hit();
    let (name, status, code) = wire_code(refusal.code);
    let data = json!({"code": name, "httpStatus": status.as_u16(), "path": procedure});
    let error = json!({"message": refusal.text, "code": code, "data": data});
    (status, Json(json!({"error": error}))).into_response()
}

fn mark_of(code: Code) -> ServerMark {
    match code {
        Code::ParseError => ServerMark::RefusalParseError,
        Code::BadRequest => ServerMark::RefusalBadRequest,
        Code::Unauthorized => ServerMark::RefusalUnauthorized,
        Code::Forbidden => ServerMark::RefusalForbidden,
        Code::NotFound => ServerMark::RefusalNotFound,
        Code::MethodNotSupported => ServerMark::RefusalMethodNotSupported,
        Code::Conflict => ServerMark::RefusalConflict,
        Code::PayloadTooLarge => ServerMark::RefusalPayloadTooLarge,
        Code::TooManyRequests => ServerMark::RefusalTooManyRequests,
        Code::InternalServerError => ServerMark::RefusalInternal,
    }
}

/// The HTTP status of a refusal.
pub fn status_of(code: Code) -> StatusCode {
    wire_code(code).1
}

/// The `data.code`, the HTTP status and the `code` of a refusal (R2.7–R2.17).
fn wire_code(code: Code) -> (&'static str, StatusCode, i32) {
    match code {
        Code::ParseError => ("PARSE_ERROR", StatusCode::BAD_REQUEST, -32700),
        Code::BadRequest => ("BAD_REQUEST", StatusCode::BAD_REQUEST, -32600),
        Code::Unauthorized => ("UNAUTHORIZED", StatusCode::UNAUTHORIZED, -32001),
        Code::Forbidden => ("FORBIDDEN", StatusCode::FORBIDDEN, -32003),
        Code::NotFound => ("NOT_FOUND", StatusCode::NOT_FOUND, -32004),
        Code::MethodNotSupported => ("METHOD_NOT_SUPPORTED", StatusCode::METHOD_NOT_ALLOWED, -32005),
        Code::Conflict => ("CONFLICT", StatusCode::CONFLICT, -32009),
        Code::PayloadTooLarge => ("PAYLOAD_TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE, -32013),
        Code::TooManyRequests => ("TOO_MANY_REQUESTS", StatusCode::TOO_MANY_REQUESTS, -32029),
        Code::InternalServerError => ("INTERNAL_SERVER_ERROR", StatusCode::INTERNAL_SERVER_ERROR, -32603),
    }
}
