//! `turnstile up` as a place to build clients: pages of other origins, several sessions, faults, saved scenarios.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where its process does not do as expected"
)]

use std::fs;
use std::iter::repeat_with;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::tool::{command, scratch};
use crate::up::{Up, answer_to, call, output};

/// How often something is asked for that comes soon.
const MOST_REQUESTS: usize = 50_000;

/// Sends a request with these headers and returns status, headers and body of the answer.
fn ask(method: Method, url: &str, headers: &[(&str, &str)], body: &Value) -> (u16, HeaderMap, Bytes) {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Value::Null => Bytes::new(),
        body => Bytes::from(body.to_string()),
    };
    answer_to(request.body(Full::new(body)).unwrap())
}

/// Performs an action of the page.
pub fn act(server: &str, action: &Value) {
    let url = format!("{server}/up/actions");
    let (status, _, body) = ask(
        Method::POST,
        &url,
        &[("content-type", "application/json")],
        action,
    );
    assert_eq!(status, 204, "{action}: {}", String::from_utf8_lossy(&body));
}

/// The input of `start` with this prompt.
fn start_of(prompt: &str) -> Value {
    json!({
        "message": {"prompt": prompt},
        "agent": {"mode": "code", "model": "fake-deterministic"},
        "repository": {"type": "github", "repo": "acme/widgets"},
    })
}

impl Up {
    fn start_session(&self, prompt: &str) -> String {
        let (status, answer) = call(&self.server(), "start", self.word("TOKEN="), &start_of(prompt));
        assert_eq!(status, 200, "{answer}");
        answer["result"]["data"]["cloudAgentSessionId"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn send(&self, session: &str, prompt: &str) {
        let input = json!({"cloudAgentSessionId": session, "message": {"prompt": prompt}});
        let (status, answer) = call(&self.server(), "send", self.word("TOKEN="), &input);
        assert_eq!(status, 200, "{answer}");
    }

    /// Downloads what the page saves of a session.
    fn saved(&self, session: &str, kind: &str) -> String {
        let url = format!("{}/up/sessions/{session}/{kind}", self.server());
        let (status, _, body) = ask(Method::GET, &url, &[], &Value::Null);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        String::from_utf8(body.to_vec()).unwrap()
    }

    /// Checks and plays the script of a session, and judges its recording.
    fn check_saved(&self, session: &str, script: &str) {
        let file = scratch(format!("{session}.yaml"));
        fs::write(&file, script).unwrap();
        let recording = scratch(format!("{session}.jsonl"));
        fs::write(&recording, self.saved(session, "recording")).unwrap();
        for (word, file) in [("check", &file), ("run", &file), ("judge", &recording)] {
            let (code, text) = output(&mut command(&[word, file.to_str().unwrap()]));
            assert_eq!(code, Some(0), "{word}: {text}\n{script}");
        }
    }

    /// Runs `turnstile stream` until an event, and returns its exit status and its output.
    fn stream(&self, session: &str, until: &str) -> (Option<i32>, String) {
        let server = self.server();
        let mut stream = command(&["stream", session, "--text", "--server", &server, "--until", until]);
        output(stream.env(
            "TURNSTILE_TICKET_SECRET",
            self.word("export TURNSTILE_TICKET_SECRET="),
        ))
    }
}

#[test]
fn pages_of_this_machine_may_call_and_others_may_not() {
    let up = Up::start(&[]);
    let server = up.server();
    let preflight = |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        let (status, headers, _) = ask(
            Method::OPTIONS,
            &format!("{server}/trpc/start"),
            &headers,
            &Value::Null,
        );
        assert_eq!(status, 204);
        headers
            .get("access-control-allow-origin")
            .map(|origin| origin.to_str().unwrap().to_owned())
    };
    assert_eq!(
        preflight("http://localhost:5173").as_deref(),
        Some("http://localhost:5173")
    );
    assert_eq!(preflight("https://example.com"), None);

    let health = |origin| {
        let (status, headers, _) = ask(
            Method::GET,
            &format!("{server}/trpc/health"),
            &[("origin", origin)],
            &Value::Null,
        );
        (status, headers.contains_key("access-control-allow-origin"))
    };
    assert_eq!(health("http://127.0.0.1:8000"), (200, true));
    assert_eq!(health("https://example.com"), (200, false));

    let token =
        |headers: &[(&str, &str)]| ask(Method::GET, &format!("{server}/up/token"), headers, &Value::Null);
    let (status, _, body) = token(&[("origin", "http://localhost:5173")]);
    assert_eq!(status, 200);
    let token_of_page: Value = serde_json::from_slice(&body).unwrap();
    let nothing = json!({"cloudAgentSessionId": "agent_00000000-0000-0000-0000-000000000000"});
    let (status, _) = call(
        &server,
        "getSession",
        token_of_page["token"].as_str().unwrap(),
        &nothing,
    );
    assert_eq!(status, 404, "the token is valid");
    assert_eq!(token(&[("origin", "https://example.com")]).0, 403);
    assert_eq!(token(&[("host", "example.com")]).0, 403);
}

#[test]
fn sessions_have_wrappers_of_their_own_and_a_failed_message_ends_the_wait() {
    let up = Up::start(&[]);
    let held = up.start_session("__fake__:gate:hold");
    let plain = up.start_session("Hello, is anybody there?");
    let refused = up.start_session("__fake__:error:no credit");
    assert_eq!(
        up.stream(&plain, "cloud.message.completed"),
        (Some(0), "Hello, is anybody there?\n".to_owned())
    );
    let (code, text) = up.stream(&refused, "cloud.message.completed");
    assert_eq!(code, Some(1));
    assert!(text.contains("no credit"), "{text}");
    act(
        &up.server(),
        &json!({"action": "release", "session": held, "tag": "hold"}),
    );
    assert_eq!(
        up.stream(&held, "cloud.message.completed"),
        (Some(0), "done\n".to_owned())
    );
}

#[test]
fn faults_are_saved_as_a_scenario_that_plays() {
    let up = Up::start(&[]);
    let server = up.server();
    let session = up.start_session("__fake__:gate:hold");
    let link = |action: &str, link: &str| {
        act(
            &server,
            &json!({"action": action, "session": session, "link": link}),
        );
    };
    assert_eq!(up.stream(&session, "cloud.message.sent").0, Some(0));
    link("reset", "wrapper");
    link("cut", "wrapper");
    link("heal", "wrapper");
    act(&server, &json!({"action": "crash"}));
    act(&server, &json!({"action": "restart"}));
    link("cut", "gateway");
    up.send(&session, "echo this");
    link("heal", "gateway");
    act(
        &server,
        &json!({"action": "receiver", "answers": [{"status": 500}]}),
    );
    act(
        &server,
        &json!({"action": "release", "session": session, "tag": "hold"}),
    );
    assert_eq!(up.stream(&session, "cloud.message.completed").0, Some(0));

    // The stream above ends with the first of the two messages, and a script of one that is under way says other words.
    let mut scripts = repeat_with(|| up.saved(&session, "scenario")).take(MOST_REQUESTS);
    let script = scripts.find(|script| !script.contains("say: hang"));
    let script = script.expect("the second message ends soon");
    for step in [
        "start: {as: message-1, say: gate:hold}",
        "reset: {between: [wrapper, server]}",
        "crash:",
        "send: {as: message-2, id: server, text: echo this}",
        "release: hold",
    ] {
        assert!(script.contains(step), "no {step} in\n{script}");
    }
    up.check_saved(&session, &script);
}

#[test]
fn a_wrapper_crashes_and_a_gateway_loses_its_connections_as_in_a_script() {
    let up = Up::start(&[]);
    let server = up.server();
    let session = up.start_session("__fake__:gate:first");
    let of_session = |action: &str| act(&server, &json!({"action": action, "session": session}));
    let waiting = |tag: &str| {
        let mut states = repeat_with(|| ask(Method::GET, &format!("{server}/up/state"), &[], &Value::Null));
        let is_there = |body: &Bytes| {
            let state: Value = serde_json::from_slice(body).unwrap();
            state["sessions"][0]["waiting"][tag] == 1
        };
        assert!(
            states
                .by_ref()
                .take(MOST_REQUESTS)
                .any(|(_, _, body)| is_there(&body))
        );
    };
    waiting("first");
    of_session("crash-wrapper");
    of_session("crash-wrapper");
    of_session("restart-wrapper");
    assert_eq!(up.stream(&session, "cloud.message.failed").0, Some(0));
    up.send(&session, "__fake__:gate:second");
    waiting("second");
    act(
        &server,
        &json!({"action": "reset", "session": session, "link": "gateway"}),
    );
    let (code, text) = up.stream(&session, "cloud.message.completed");
    assert_eq!(code, Some(1), "{text}");

    let script = up.saved(&session, "scenario");
    for step in ["crash: {party: wrapper", "reset: {between: [wrapper, gateway]}"] {
        assert_eq!(script.matches(step).count(), 1, "{step} in\n{script}");
    }
    up.check_saved(&session, &script);
}

#[test]
fn restarts_at_once_start_one_server() {
    let up = Up::start(&[]);
    let server = up.server();
    act(&server, &json!({"action": "crash"}));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| act(&server, &json!({"action": "restart"})));
        }
    });
    let session = up.start_session("Hello");
    assert_eq!(up.stream(&session, "cloud.message.completed").0, Some(0));
    let recording = up.saved(&session, "recording");
    let restarts = recording
        .lines()
        .filter(|line| line.contains("\"event\":\"ended\""));
    assert_eq!(restarts.count(), 1, "{recording}");
}
