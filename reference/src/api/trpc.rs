//! tRPC without batching: finding the procedure, the envelope of success and of failure (protocol §2).

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::procedures::{self, Procedure};
use crate::coverage::Row;
use crate::limits::BODY_LIMIT;
use crate::refusal::{Code, Refusal};
use crate::server::Server;

/// The header in which callers of internal procedures show their key.
const INTERNAL_API_KEY: &str = "x-internal-api-key";

/// Answers a call of whatever procedure the path names.
pub async fn call(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Response {
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
        let caller = procedures::authorize(&server, procedure, authorization, internal_key)?;
        let input = if is_post {
            input_from_body(body).await?
        } else {
            input_from_query(query.as_deref())?
        };
        procedures::perform(&server, procedure, caller, input).await
    };
    match answer.await {
        Ok(data) => Json(json!({"result": {"data": data}})).into_response(),
        Err(refusal) => failure(&name, &refusal),
    }
}

async fn input_from_body(body: Body) -> Result<Value, Refusal> {
    let bytes = to_bytes(body, BODY_LIMIT).await.map_err(|_| {
        Refusal::new(
            Code::PayloadTooLarge,
            format!("The body has more than {BODY_LIMIT} bytes"),
        )
    })?;
    if bytes.is_empty() {
        Ok(Value::Null)
    } else {
        parse(&bytes)
    }
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

fn parse(json: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(json)
        .map_err(|error| Refusal::new(Code::ParseError, format!("The input is not JSON: {error}")))
}

fn failure(procedure: &str, refusal: &Refusal) -> Response {
    row_of(refusal.code).reach();
    let (name, status, code) = wire_code(refusal.code);
    let data = json!({"code": name, "httpStatus": status.as_u16(), "path": procedure});
    let error = json!({"message": refusal.text, "code": code, "data": data});
    (status, Json(json!({"error": error}))).into_response()
}

fn row_of(code: Code) -> Row {
    match code {
        Code::ParseError => Row::RefusalParseError,
        Code::BadRequest => Row::RefusalBadRequest,
        Code::Unauthorized => Row::RefusalUnauthorized,
        Code::Forbidden => Row::RefusalForbidden,
        Code::NotFound => Row::RefusalNotFound,
        Code::MethodNotSupported => Row::RefusalMethodNotSupported,
        Code::Conflict => Row::RefusalConflict,
        Code::PayloadTooLarge => Row::RefusalPayloadTooLarge,
        Code::TooManyRequests => Row::RefusalTooManyRequests,
        Code::InternalServerError => Row::RefusalInternal,
    }
}

/// The HTTP status of a refusal.
pub fn status_of(code: Code) -> StatusCode {
    wire_code(code).1
}

/// A code's name, its HTTP status, and its number (protocol §2).
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
