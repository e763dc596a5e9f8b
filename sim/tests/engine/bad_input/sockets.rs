//! Invalid URLs and credentials for the two WebSockets: the clients' stream and the wrappers' ingest (protocol §5, §9).

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::inputs::MODEL;
use super::sweep::{OTHER_USER, Sweep, UNKNOWN};
use crate::test_bed::{API_SECRET, LeftBehind, TICKET_SECRET};
use crate::wire::{RequestSpec, USER, sign, ticket, ticket_claims, user_claims, user_token};

const STREAM: &str = "/stream";
const INGEST: &str = "ingest";
/// An imported session with executions.
const OLD: &str = "agent_6f1b2c3d-0000-4000-8000-00000000bbbb";

/// A query with ordered parameters that can be changed or removed.
#[derive(Clone)]
struct Query(Vec<(&'static str, String)>);

impl Query {
    fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut query = self.without(name);
        query.0.push((name, value.into()));
        query
    }

    fn without(&self, name: &str) -> Self {
        let kept = self.0.iter().filter(|(kept, _)| *kept != name);
        Self(kept.cloned().collect())
    }

    fn of(&self, path: &str) -> RequestSpec {
        let pairs = self.0.iter().map(|(name, value)| {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            format!("{name}={value}")
        });
        let query = pairs.collect::<Vec<_>>().join("&");
        RequestSpec::bare(Method::GET, &format!("{path}?{query}"))
    }
}

fn stream_query(session: &str, now: Timestamp) -> Query {
    Query(vec![
        ("cloudAgentSessionId", session.to_owned()),
        ("ticket", ticket(USER, session, now)),
    ])
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn an_invalid_stream_request_is_refused() {
    let mut sweep = Sweep::begin(Vec::new());
    let (session, now) = (sweep.session.clone(), sweep.test_bed.now());
    let right = stream_query(&session, now);
    let signed = |claims: &Value| right.with("ticket", sign(claims, TICKET_SECRET));
    let claims = ticket_claims(USER, &session, now);
    let claiming = |key: &str, value: Value| {
        let mut claims = claims.clone();
        claims[key] = value;
        signed(&claims)
    };
    let omitting = |key: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().expect("claims are an object").remove(key);
        signed(&claims)
    };
    let elsewhere = |user: &str, session: &str| {
        right
            .with("cloudAgentSessionId", session)
            .with("ticket", ticket(user, session, now))
    };
    let cases = [
        ("no session", right.without("cloudAgentSessionId"), 400),
        ("an empty session", right.with("cloudAgentSessionId", ""), 400),
        (
            "a session in a wrong form",
            right.with("cloudAgentSessionId", "agent_1"),
            400,
        ),
        ("no ticket", right.without("ticket"), 401),
        ("an empty ticket", right.with("ticket", ""), 401),
        ("a ticket in a wrong form", right.with("ticket", "ticket"), 401),
        (
            "a user's token for a ticket",
            right.with("ticket", user_token(USER, now)),
            401,
        ),
        (
            "a ticket signed as a user's token is",
            right.with("ticket", sign(&claims, API_SECRET)),
            401,
        ),
        (
            "a user's token signed as a ticket is",
            signed(&user_claims(USER, now)),
            401,
        ),
        ("a ticket of another type", claiming("type", json!("worker")), 401),
        ("a ticket without a type", omitting("type"), 401),
        ("a ticket without a user", omitting("userId"), 401),
        ("a ticket without a session", omitting("cloudAgentSessionId"), 401),
        (
            "a ticket for a session in a wrong form",
            claiming("cloudAgentSessionId", json!("x")),
            401,
        ),
        (
            "an expired ticket",
            claiming("exp", json!(now.as_second() - 1)),
            401,
        ),
        (
            "a ticket that expires now",
            claiming("exp", json!(now.as_second())),
            401,
        ),
        ("a ticket that never expires", omitting("exp"), 401),
        (
            "a ticket for another session",
            right.with("ticket", ticket(USER, UNKNOWN, now)),
            403,
        ),
        ("an unknown session", elsewhere(USER, UNKNOWN), 404),
        ("another user's session", elsewhere(USER, &sweep.foreign), 404),
        (
            "another user's ticket",
            right.with("ticket", ticket(OTHER_USER, &session, now)),
            404,
        ),
        ("fromId in words", right.with("fromId", "first"), 400),
        ("an empty fromId", right.with("fromId", ""), 400),
        ("a negative fromId", right.with("fromId", "-1"), 400),
        ("a fractional fromId", right.with("fromId", "1.5"), 400),
        (
            "a fromId above the maximum",
            right.with("fromId", "99999999999999999999"),
            400,
        ),
        ("startTime in words", right.with("startTime", "yesterday"), 400),
        ("an empty startTime", right.with("startTime", ""), 400),
        ("endTime in words", right.with("endTime", "never"), 400),
    ];
    for (what, query, status) in cases {
        sweep.refused_with(STREAM, what, &query.of(STREAM).upgrading(), status);
    }
    sweep.refused_with(STREAM, "no upgrade", &right.of(STREAM), 426);
    let mut twice = right.clone();
    twice.0.push(("ticket", "second".into()));
    sweep.refused_with(STREAM, "two tickets", &twice.of(STREAM).upgrading(), 400);
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let mut request = right.of(STREAM);
        request.method = method.clone();
        let answer = sweep.test_bed.ask(&request);
        let is_refused = answer.as_ref().is_ok_and(|answer| answer.status == 405);
        sweep.check(STREAM, method.as_str(), &answer, is_refused, "405");
    }
    let bearer = right.without("ticket").of(STREAM).by(&user_token(USER, now));
    sweep.refused_with(
        STREAM,
        "a user's token in the header, and no ticket",
        &bearer.upgrading(),
        401,
    );
    sweep.end_unchanged();
}

#[test]
fn a_stream_opens_with_all_optional_parameters() {
    let mut sweep = Sweep::begin(Vec::new());
    let (session, now) = (sweep.session.clone(), sweep.test_bed.now());
    let right = stream_query(&session, now);
    let upper = format!("agent_{}", session[6..].to_uppercase());
    let maximal = right
        .with("fromId", "0")
        .with("replay", "false")
        .with("eventTypes", "complete,cloud.message.queued")
        .with("executionIds", "exc_1,exc_2")
        .with("startTime", "2026-01-01T00:00:00.000Z")
        .with("endTime", "1767225600000")
        .with("somethingElse", "1");
    for (what, query) in [
        ("nothing more", right.clone()),
        ("everything", maximal),
        (
            "the session in capitals",
            right.with("cloudAgentSessionId", &upper),
        ),
        (
            "the ticket's session in capitals",
            right.with("ticket", ticket(USER, &upper, now)),
        ),
        (
            "a fromId that is far ahead",
            right.with("fromId", "18446744073709551615"),
        ),
        ("replay=true", right.with("replay", "true")),
    ] {
        sweep.opened(STREAM, what, &query.of(STREAM).upgrading());
    }
    sweep.end();
}

/// Starts a session and returns its id with the binding that its wrapper received.
fn running_session(sweep: &mut Sweep) -> (String, Value) {
    let input = json!({
        "message": {"prompt": "__fake__:hang"},
        "agent": {"mode": "code", "model": MODEL},
        "repository": {"type": "github", "repo": "o/r"},
    });
    let request = RequestSpec::call("start", &input).by(&user_token(USER, sweep.test_bed.now()));
    let reply = sweep.accepted("start", "a turn that never ends", &request);
    sweep.test_bed.wait(Duration::from_secs(5));
    let prompts = sweep.test_bed.observations.bodies("wrapper", "/job/prompt");
    let binding = prompts.first().expect("the wrapper was given the turn")["session"].clone();
    sweep.record_baseline();
    let session = reply["cloudAgentSessionId"].as_str().expect("a session");
    (session.to_owned(), binding)
}

fn path(user: &str, session: &str) -> String {
    format!("/sessions/{user}/{session}/ingest")
}

fn ingest_query(session: &str, binding: &Value) -> Query {
    let text = |key: &str| match &binding[key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Query(vec![
        ("wrapperRunId", text("wrapperRunId")),
        ("kiloSessionId", "ses_1".into()),
        ("sessionId", session.to_owned()),
        ("wrapperGeneration", text("wrapperGeneration")),
        ("wrapperConnectionId", text("wrapperConnectionId")),
    ])
}

/// Claims of a wrapper's token.
fn worker(user: &str, session: &str, exp: i64) -> Value {
    json!({"type": "worker", "kiloUserId": user, "cloudAgentSessionId": session, "exp": exp})
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn an_ingest_opens_only_for_the_current_run() {
    let mut sweep = Sweep::begin(Vec::new());
    let (session, binding) = running_session(&mut sweep);
    let now = sweep.test_bed.now();
    let token = binding["workerAuthToken"].as_str().expect("a token").to_owned();
    let here = path(USER, &session);
    let right = ingest_query(&session, &binding);
    let other_run = format!("wr_{}", "0".repeat(32));
    let other_connection = "6f1b2c3d-0000-4000-8000-00000000cccc";
    let connection = binding["wrapperConnectionId"]
        .as_str()
        .expect("a UUID")
        .to_owned();
    let generation = binding["wrapperGeneration"].as_u64().expect("a number");

    for name in [
        "wrapperRunId",
        "kiloSessionId",
        "sessionId",
        "wrapperGeneration",
        "wrapperConnectionId",
    ] {
        let request = |query: Query| query.of(&here).by(&token).upgrading();
        sweep.refused_with(INGEST, &format!("no {name}"), &request(right.without(name)), 400);
        sweep.refused_with(
            INGEST,
            &format!("an empty {name}"),
            &request(right.with(name, "")),
            400,
        );
        let mut twice = right.clone();
        twice.0.push((name, "second".into()));
        sweep.refused_with(INGEST, &format!("two of {name}"), &request(twice), 400);
    }
    let of_path = |user: &str, session: &str| (path(user, session), right.clone());
    let with = |name, value: &str| (here.clone(), right.with(name, value));
    let generation_after = (generation + 1).to_string();
    let of_both = |session: &str| (path(USER, session), right.with("sessionId", session));
    let cases = [
        ("a run in a wrong form", with("wrapperRunId", "run"), 400),
        ("a run that is too short", with("wrapperRunId", "wr_12"), 400),
        (
            "a run that is not hexadecimal",
            with("wrapperRunId", &format!("wr_{}", "g".repeat(32))),
            400,
        ),
        ("a generation in words", with("wrapperGeneration", "first"), 400),
        ("a negative generation", with("wrapperGeneration", "-1"), 400),
        ("a fractional generation", with("wrapperGeneration", "0.5"), 400),
        (
            "a generation above the maximum",
            with("wrapperGeneration", "99999999999999999999"),
            400,
        ),
        (
            "a connection in a wrong form",
            with("wrapperConnectionId", "connection"),
            400,
        ),
        (
            "a connection in braces",
            with("wrapperConnectionId", &format!("{{{connection}}}")),
            400,
        ),
        (
            "a connection without hyphens",
            with("wrapperConnectionId", &connection.replace('-', "")),
            400,
        ),
        ("a session in a wrong form", with("sessionId", "session"), 400),
        (
            "a session in a wrong form in the path",
            of_path(USER, "session"),
            400,
        ),
        ("another session", with("sessionId", UNKNOWN), 401),
        ("another session in the path", of_path(USER, UNKNOWN), 401),
        ("a session that the token is not for", of_both(UNKNOWN), 401),
        (
            "a session of the user's that the token is not for",
            of_both(&sweep.session),
            401,
        ),
        ("another user in the path", of_path(OTHER_USER, &session), 403),
        ("another run", with("wrapperRunId", &other_run), 409),
        (
            "another generation",
            with("wrapperGeneration", &generation_after),
            409,
        ),
        (
            "another connection",
            with("wrapperConnectionId", other_connection),
            409,
        ),
    ];
    for (what, (path, query), status) in cases {
        sweep.refused_with(INGEST, what, &query.of(&path).by(&token).upgrading(), status);
    }
    sweep.refused_with(INGEST, "no upgrade", &right.of(&here).by(&token), 426);
    let exp = now.as_second() + 1000;
    let signed = |claims: &Value| sign(claims, API_SECRET);
    let mut expired = user_claims(USER, now);
    expired["exp"] = json!(now.as_second());
    let mut other_version = user_claims(USER, now);
    other_version["version"] = json!(2);
    let mut untyped = worker(USER, &session, exp);
    untyped["type"] = json!("stream_ticket");
    let tokens = [
        ("a token in a wrong form", "token".to_owned(), 401),
        ("an empty token", String::new(), 401),
        (
            "a token signed with another secret",
            sign(&worker(USER, &session, exp), "another"),
            401,
        ),
        (
            "a token signed as a ticket is",
            sign(&worker(USER, &session, exp), TICKET_SECRET),
            401,
        ),
        ("a stream ticket", ticket(USER, &session, now), 401),
        ("a wrapper's token of another type", signed(&untyped), 401),
        (
            "an expired wrapper's token",
            signed(&worker(USER, &session, now.as_second())),
            401,
        ),
        ("a user's expired token", signed(&expired), 401),
        ("a user's token of another version", signed(&other_version), 401),
        (
            "a wrapper's token for another session",
            signed(&worker(USER, UNKNOWN, exp)),
            401,
        ),
        (
            "a wrapper's token for another user",
            signed(&worker(OTHER_USER, &session, exp)),
            403,
        ),
        ("another user's token", user_token(OTHER_USER, now), 403),
    ];
    sweep.refused_with(INGEST, "no token", &right.of(&here).upgrading(), 401);
    for (what, token, status) in tokens {
        sweep.refused_with(INGEST, what, &right.of(&here).by(&token).upgrading(), status);
    }
    let basic = right.of(&here).with("authorization", format!("Basic {token}"));
    sweep.refused_with(INGEST, "another scheme", &basic.upgrading(), 401);
    let unknown = right.with("sessionId", UNKNOWN).of(&path(USER, UNKNOWN));
    let unknown = unknown.by(&user_token(USER, now));
    sweep.refused_with(INGEST, "an unknown session", &unknown.upgrading(), 404);
    let foreign = right.with("sessionId", sweep.foreign.clone());
    let foreign = foreign.of(&path(USER, &sweep.foreign)).by(&user_token(USER, now));
    sweep.refused_with(INGEST, "another user's session", &foreign.upgrading(), 404);
    let idle = right.with("sessionId", sweep.session.clone());
    let idle = idle.of(&path(USER, &sweep.session)).by(&user_token(USER, now));
    sweep.refused_with(INGEST, "a session without a wrapper", &idle.upgrading(), 409);
    sweep.end_unchanged();
}

#[test]
fn an_ingest_opens_for_the_current_run() {
    let mut sweep = Sweep::begin(Vec::new());
    let (session, binding) = running_session(&mut sweep);
    let now = sweep.test_bed.now();
    let token = binding["workerAuthToken"].as_str().expect("a token").to_owned();
    let here = path(USER, &session);
    let right = ingest_query(&session, &binding);
    let upper = |text: &str| format!("agent_{}", text[6..].to_uppercase());
    for (what, request) in [
        ("the token of the wrapper", right.of(&here).by(&token)),
        (
            "the token of its user",
            right.of(&here).by(&user_token(USER, now)),
        ),
        (
            "the session in capitals",
            right.with("sessionId", upper(&session)).of(&here).by(&token),
        ),
        (
            "the path in capitals",
            right.of(&path(USER, &upper(&session))).by(&token),
        ),
        (
            "something else",
            right.with("somethingElse", "1").of(&here).by(&token),
        ),
        (
            "an execution beside the run",
            right.with("executionId", "exc_1").of(&here).by(&token),
        ),
    ] {
        sweep.opened(INGEST, what, &request.upgrading());
    }
    sweep.end();
}

fn with_executions() -> Vec<LeftBehind> {
    let start = "2026-01-01T00:00:00Z";
    let execution = |id: &str, status: &str, started_at: &str| json!({"executionId": id, "status": status, "startedAt": started_at});
    vec![LeftBehind {
        user: USER,
        record: json!({
            "version": 1_767_225_600_000_i64, "timestamp": 1_767_225_600_000_i64,
            "sessionId": OLD, "userId": USER, "githubRepo": "o/r", "prompt": "x", "mode": "code",
            "model": "fake-deterministic", "initiatedAt": 1_767_225_600_000_i64,
        }),
        executions: vec![
            execution("exc_over", "completed", "2025-12-31T23:00:00Z"),
            execution("exc_earlier", "running", "2025-12-31T23:59:00Z"),
            execution("exc_now", "running", start),
        ],
    }]
}

#[test]
fn an_ingest_opens_only_for_the_current_execution() {
    let mut sweep = Sweep::begin(with_executions());
    let now = sweep.test_bed.now();
    let token = user_token(USER, now);
    let here = path(USER, OLD);
    let right = Query(vec![("executionId", "exc_now".into())]);
    let with = |name, value: &str| right.with(name, value).of(&here).by(&token).upgrading();
    let cases = [
        ("an execution in a wrong form", with("executionId", "run"), 400),
        ("an execution without a name", with("executionId", "exc_"), 400),
        ("an empty execution", with("executionId", ""), 400),
        (
            "neither an execution nor a run",
            Query(vec![]).of(&here).by(&token).upgrading(),
            400,
        ),
        ("a session of no form", with("sessionId", "session"), 400),
        ("another session", with("sessionId", UNKNOWN), 401),
        ("an unknown execution", with("executionId", "exc_never"), 404),
        (
            "an execution that is not the current one",
            with("executionId", "exc_earlier"),
            401,
        ),
        ("an execution that is over", with("executionId", "exc_over"), 409),
        ("no token", right.of(&here).upgrading(), 401),
        ("a bad token", right.of(&here).by("token").upgrading(), 401),
        (
            "a ticket",
            right.of(&here).by(&ticket(USER, OLD, now)).upgrading(),
            401,
        ),
        (
            "another user's token",
            right.of(&here).by(&user_token(OTHER_USER, now)).upgrading(),
            403,
        ),
        (
            "another user in the path",
            right.of(&path(OTHER_USER, OLD)).by(&token).upgrading(),
            403,
        ),
        (
            "an unknown session",
            right.of(&path(USER, UNKNOWN)).by(&token).upgrading(),
            404,
        ),
        (
            "another user's session",
            right.of(&path(USER, &sweep.foreign)).by(&token).upgrading(),
            404,
        ),
        (
            "a session that has no executions",
            right.of(&path(USER, &sweep.session)).by(&token).upgrading(),
            404,
        ),
        ("no upgrade", right.of(&here).by(&token), 426),
    ];
    for (what, request, status) in cases {
        sweep.refused_with("ingest of an execution", what, &request, status);
    }
    sweep.end_unchanged();
}

#[test]
fn an_ingest_opens_for_the_current_execution() {
    let mut sweep = Sweep::begin(with_executions());
    let token = user_token(USER, sweep.test_bed.now());
    let right = Query(vec![("executionId", "exc_now".into())]);
    for (what, query) in [
        ("nothing more", right.clone()),
        (
            "the session too",
            right.with("sessionId", OLD).with("kiloSessionId", "ses_1"),
        ),
    ] {
        let request = query.of(&path(USER, OLD)).by(&token).upgrading();
        sweep.opened("ingest of an execution", what, &request);
    }
    sweep.end();
}
