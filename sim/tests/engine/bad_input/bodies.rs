//! Bodies and queries that are not an input, unsupported methods, and unknown procedures.

use http::Method;
use serde_json::{Value, json};

use super::inputs::{self, HEALTH, Procedure, SEND};
use super::sweep::{
    BAD_REQUEST, METHOD_NOT_SUPPORTED, NOT_FOUND, PARSE_ERROR, PAYLOAD_TOO_LARGE, Sweep, encoded, prepared,
};
use crate::wire::{RequestSpec, USER};

/// Above the size limit of a body.
const HUGE: usize = 3 * 1024 * 1024;

/// Each procedure with an input, and a valid input.
fn procedures(session: &str) -> Vec<(Procedure, Value)> {
    let mut procedures: Vec<(Procedure, Value)> = Vec::new();
    for input in inputs::all() {
        if procedures
            .iter()
            .all(|(procedure, _)| procedure.name != input.procedure.name)
        {
            procedures.push((input.procedure, input.maximal(session)));
        }
    }
    procedures
}

/// Bytes that are not JSON, each with a description.
fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    vec![
        ("a beginning only", b"{".to_vec()),
        ("a value is missing", br#"{"cloudAgentSessionId":}"#.to_vec()),
        ("something follows", b"{}{}".to_vec()),
        ("single quotes", b"{'sessionId':'x'}".to_vec()),
        ("a comma too many", br#"{"sessionId":"x",}"#.to_vec()),
        ("no number", br#"{"x":NaN}"#.to_vec()),
        ("a number beyond all numbers", br#"{"x":1e999}"#.to_vec()),
        ("a control character in a text", b"{\"x\":\"a\nb\"}".to_vec()),
        ("no UTF-8", b"{\"x\":\"\xff\"}".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("a form", b"sessionId=x".to_vec()),
        ("depths", deep.into_bytes()),
    ]
}

#[test]
fn a_body_that_is_not_an_object_is_refused() {
    let mut sweep = Sweep::begin(Vec::new());
    for (procedure, _) in procedures(&sweep.session) {
        for body in ["", "null", "[]", "[[]]", "7", "true", "\"text\""] {
            let request = sweep.call_with(procedure, body.as_bytes());
            sweep.refused(
                procedure.name,
                &format!("the body is {body:?}"),
                &request,
                BAD_REQUEST,
                &[],
            );
        }
    }
    for input in inputs::all() {
        // A list accepted as an input may change the session, so each input gets its own.
        let session = prepared(&mut sweep.test_bed, USER);
        sweep.record_baseline();
        let whole = input.maximal(&session);
        let list: Value = input
            .fields_in("")
            .map(|field| whole[field.name()].clone())
            .collect();
        for (way, request) in sweep.ways(input.procedure, &list) {
            let title = format!("{} by {way}", input.title());
            sweep.refused(&title, "the values are in a list", &request, BAD_REQUEST, &[]);
        }
    }
    sweep.end_unchanged();
}

#[test]
fn a_body_that_is_not_json_is_a_parse_error() {
    let mut sweep = Sweep::begin(Vec::new());
    for (procedure, _) in procedures(&sweep.session) {
        for (what, body) in broken() {
            let request = sweep.call_with(procedure, &body);
            sweep.refused(procedure.name, what, &request, PARSE_ERROR, &[]);
        }
    }
    let request = sweep.call_with(HEALTH, b"{");
    sweep.refused(HEALTH.name, "a beginning only", &request, PARSE_ERROR, &[]);
    sweep.end_unchanged();
}

#[test]
fn the_refusal_of_a_number_or_a_nesting_beyond_the_limits_names_the_reason() {
    let mut sweep = Sweep::begin(Vec::new());
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(127), "]".repeat(127));
    for (procedure, _) in procedures(&sweep.session) {
        for (what, body, reason) in [
            ("a number beyond all numbers", r#"{"x":1e400}"#, "range"),
            ("128 levels", deep.as_str(), "nesting"),
        ] {
            let request = sweep.call_with(procedure, body.as_bytes());
            sweep.refused(procedure.name, what, &request, PARSE_ERROR, &[reason.to_owned()]);
        }
    }
    sweep.end_unchanged();
}

#[test]
fn an_escaped_lone_surrogate_is_accepted() {
    let mut sweep = Sweep::begin(Vec::new());
    let session = sweep.session.clone();
    let body = format!(r#"{{"cloudAgentSessionId":"{session}","message":{{"prompt":"a\ud800b"}}}}"#);
    let request = sweep.call_with(SEND, body.as_bytes());
    sweep.accepted(SEND.name, "half of a surrogate pair", &request);
    sweep.end();
}

#[test]
fn a_body_above_the_size_limit_is_refused() {
    let mut sweep = Sweep::begin(Vec::new());
    for (procedure, input) in procedures(&sweep.session) {
        let padded = format!("{input}{}", " ".repeat(HUGE));
        let request = sweep.call_with(procedure, padded.as_bytes());
        sweep.refused(
            procedure.name,
            "right but padded",
            &request,
            PAYLOAD_TOO_LARGE,
            &[],
        );
        let request = sweep.call_with(procedure, "[".repeat(HUGE).as_bytes());
        sweep.refused(procedure.name, "huge rubbish", &request, PAYLOAD_TOO_LARGE, &[]);
    }
    sweep.end_unchanged();
}

#[test]
fn the_input_of_a_query_is_validated_too() {
    let mut sweep = Sweep::begin(Vec::new());
    for (procedure, _) in procedures(&sweep.session) {
        if !procedure.is_query {
            continue;
        }
        let name = procedure.name;
        let request = sweep.get(procedure, None);
        sweep.refused(name, "GET without an input", &request, BAD_REQUEST, &[]);
        for input in ["null", "7", "%5B%5D", "%22text%22"] {
            let request = sweep.get(procedure, Some(input));
            sweep.refused(name, &format!("GET with {input}"), &request, BAD_REQUEST, &[]);
        }
        for input in ["", "%7B", "{", "%FF", "%", "%zz", "undefined"] {
            let request = sweep.get(procedure, Some(input));
            sweep.refused(name, &format!("GET with {input:?}"), &request, PARSE_ERROR, &[]);
        }
    }
    sweep.end_unchanged();
}

#[test]
fn an_unsupported_method_is_refused() {
    let mut sweep = Sweep::begin(Vec::new());
    let health = (HEALTH, json!({}));
    for (procedure, input) in procedures(&sweep.session).into_iter().chain([health]) {
        let mut methods = vec![Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS];
        if !procedure.is_query {
            methods.push(Method::GET);
        }
        for method in methods {
            let mut request = sweep.get(procedure, Some(&encoded(&input)));
            request.method = method.clone();
            sweep.refused(
                procedure.name,
                method.as_str(),
                &request,
                METHOD_NOT_SUPPORTED,
                &[],
            );
            request.body = input.to_string().into_bytes();
            let what = format!("{method} with a body");
            sweep.refused(procedure.name, &what, &request, METHOD_NOT_SUPPORTED, &[]);
        }
    }
    sweep.end_unchanged();
}

#[test]
fn an_unknown_procedure_is_not_found() {
    let mut sweep = Sweep::begin(Vec::new());
    let body = json!({"cloudAgentSessionId": sweep.session});
    for name in [
        "stop",
        "Start",
        "start%20",
        "getSession,getSession",
        "cloudAgent.start",
        "%E2%82%AC",
        "sessions",
    ] {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let mut request = RequestSpec::bare(method.clone(), &format!("/trpc/{name}"));
            request.body = body.to_string().into_bytes();
            let request = sweep.authorized(inputs::UPDATE, request);
            // The path in the envelope is the decoded name.
            let decoded = match name {
                "start%20" => "start ",
                "%E2%82%AC" => "€",
                plain => plain,
            };
            let what = format!("{method} of {name:?}");
            sweep.refused_at(decoded, &what, &request, NOT_FOUND);
        }
    }
    for (name, path) in [
        ("%FF", "/trpc/%FF"),
        ("", "/trpc/"),
        ("start/now", "/trpc/start/now"),
    ] {
        let request = sweep.authorized(inputs::UPDATE, RequestSpec::bare(Method::POST, path));
        let answer = sweep.test_bed.ask(&request);
        let status = answer.as_ref().map(|answer| answer.status);
        let is_refused = matches!(status, Ok(400 | 404));
        let has_envelope = answer
            .as_ref()
            .is_ok_and(|answer| answer.json()["error"]["data"].is_object());
        sweep.check(
            "a procedure",
            &format!("{name:?} of {path}"),
            &answer,
            is_refused && has_envelope,
            "a refusal in its envelope",
        );
    }
    sweep.end_unchanged();
}
