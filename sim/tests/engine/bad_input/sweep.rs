//! Checks the answers to many requests, and reports all failures at the end.
//!
//! A refusal must have the documented envelope (protocol §2) and must not write to the server's disk.

use std::fmt::Write as _;
use std::time::Duration;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::inputs::{Access, GET_SESSION, PREPARE, Procedure};
use crate::test_bed::{LeftBehind, TestBed};
use crate::wire::{Answer, RequestSpec, USER, user_token};

/// A user without access to `Sweep::session`.
pub const OTHER_USER: &str = "user-2";
/// The id of a session that does not exist.
pub const UNKNOWN: &str = "agent_00000000-0000-4000-8000-000000000000";
/// Characters of an answer that a failure shows.
const SHOWN: usize = 300;

/// The code of a refusal: name, HTTP status and number (protocol §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(&'static str, u16, i32);

/// The body is not JSON.
pub const PARSE_ERROR: Code = Code("PARSE_ERROR", 400, -32700);
/// The input is invalid.
pub const BAD_REQUEST: Code = Code("BAD_REQUEST", 400, -32600);
/// The credentials are missing or invalid.
pub const UNAUTHORIZED: Code = Code("UNAUTHORIZED", 401, -32001);
/// The session or procedure does not exist.
pub const NOT_FOUND: Code = Code("NOT_FOUND", 404, -32004);
/// The procedure does not support the method.
pub const METHOD_NOT_SUPPORTED: Code = Code("METHOD_NOT_SUPPORTED", 405, -32005);
/// The body exceeds the size limit.
pub const PAYLOAD_TOO_LARGE: Code = Code("PAYLOAD_TOO_LARGE", 413, -32013);
/// The queue is full.
pub const TOO_MANY_REQUESTS: Code = Code("TOO_MANY_REQUESTS", 429, -32029);

/// A running sweep.
pub struct Sweep {
    /// The server and the client.
    pub test_bed: TestBed,
    /// A prepared session of `USER`.
    pub session: String,
    /// A prepared session of `OTHER_USER`.
    pub foreign: String,
    failures: Vec<String>,
    checks: usize,
    /// Whether a request that should be refused was accepted. Later differences may follow from it, so they are not
    /// checked.
    is_spoiled: bool,
    /// Views of all sessions and the number of disk writes, from the last `record_baseline`.
    before: (Vec<String>, u64),
}

impl Sweep {
    /// Opens a test bed with a prepared session of each user.
    pub fn begin(left_behind: Vec<LeftBehind>) -> Self {
        let mut test_bed = TestBed::open(left_behind);
        let session = prepared(&mut test_bed, USER);
        let foreign = prepared(&mut test_bed, OTHER_USER);
        test_bed.wait(Duration::from_secs(3));
        let mut sweep = Self {
            test_bed,
            session,
            foreign,
            failures: Vec::new(),
            checks: 0,
            is_spoiled: false,
            before: Default::default(),
        };
        sweep.record_baseline();
        sweep
    }

    /// Records the current state as the one that must not change.
    pub fn record_baseline(&mut self) {
        self.before = (self.state(), self.test_bed.writes());
    }

    fn state(&mut self) -> Vec<String> {
        let sessions = [(USER, self.session.clone()), (OTHER_USER, self.foreign.clone())];
        let looks = sessions.map(|(user, session)| {
            let input = json!({"cloudAgentSessionId": session});
            let request =
                RequestSpec::call(GET_SESSION.name, &input).by(&user_token(user, self.test_bed.now()));
            self.test_bed.ask(&request).expect("the server answers").body
        });
        looks.into()
    }

    /// A call of a procedure on behalf of `USER`, with the required credentials.
    pub fn call(&self, procedure: Procedure, input: &Value) -> RequestSpec {
        self.authorized(procedure, RequestSpec::call(procedure.name, input))
    }

    /// The same with a raw body.
    pub fn call_with(&self, procedure: Procedure, body: &[u8]) -> RequestSpec {
        let mut request = RequestSpec::call(procedure.name, &Value::Null);
        request.body = body.to_vec();
        self.authorized(procedure, request)
    }

    /// The same as GET, with an encoded input or none.
    pub fn get(&self, procedure: Procedure, input: Option<&str>) -> RequestSpec {
        let query = input.map(|input| format!("?input={input}")).unwrap_or_default();
        let request = RequestSpec::bare(Method::GET, &format!("/trpc/{}{query}", procedure.name));
        self.authorized(procedure, request)
    }

    /// Adds the credentials that a procedure requires.
    pub fn authorized(&self, procedure: Procedure, request: RequestSpec) -> RequestSpec {
        let token = user_token(USER, self.test_bed.now());
        match procedure.access {
            Access::Anybody => request,
            Access::User => request.by(&token),
            Access::Internal => request.by(&token).internally(),
        }
    }

    /// The supported methods of calling a procedure with an input.
    pub fn ways(&self, procedure: Procedure, input: &Value) -> Vec<(&'static str, RequestSpec)> {
        let mut ways = vec![("POST", self.call(procedure, input))];
        if procedure.is_query {
            ways.push(("GET", self.get(procedure, Some(&encoded(input)))));
        }
        ways
    }

    /// Checks that a request is refused in the documented form and changes nothing. If `names` is not empty, the message
    /// must contain one of them.
    pub fn refused(&mut self, title: &str, what: &str, request: &RequestSpec, code: Code, names: &[String]) {
        let path = request
            .target
            .split(['/', '?'])
            .nth(2)
            .unwrap_or_default()
            .to_owned();
        self.refused_as(&path, title, what, request, code, names);
    }

    /// The same for a path whose name differs in its decoded form.
    pub fn refused_at(&mut self, path: &str, what: &str, request: &RequestSpec, code: Code) {
        self.refused_as(path, path, what, request, code, &[]);
    }

    fn refused_as(
        &mut self,
        path: &str,
        title: &str,
        what: &str,
        request: &RequestSpec,
        code: Code,
        names: &[String],
    ) {
        let wrong = |answer: &Answer| {
            let mut wrong = Vec::new();
            let body = answer.json();
            let Code(name, status, number) = code;
            let message = body["error"]["message"].as_str().unwrap_or_default();
            let data = json!({"code": name, "httpStatus": status, "path": path});
            let envelope = json!({"error": {"message": message, "code": number, "data": data}});
            if answer.status != status || body != envelope {
                wrong.push(format!("{status}, {envelope}"));
            } else if !answer.content_type.starts_with("application/json") {
                wrong.push(format!("JSON, and not {:?}", answer.content_type));
            } else if message.is_empty() {
                wrong.push("a message".to_owned());
            } else if !names.is_empty() && !names.iter().any(|name| has_word(message, name)) {
                wrong.push(format!("a message that names {}", names.join(" or ")));
            }
            wrong
        };
        self.unchanged(title, what, request, wrong);
    }

    /// Checks that a request is refused with a status and a text, and changes nothing.
    pub fn refused_with(&mut self, title: &str, what: &str, request: &RequestSpec, status: u16) {
        self.unchanged(title, what, request, |answer| {
            if answer.status == status && !answer.body.is_empty() {
                Vec::new()
            } else {
                vec![format!("{status} with a text")]
            }
        });
    }

    fn unchanged(
        &mut self,
        title: &str,
        what: &str,
        request: &RequestSpec,
        check_answer: impl Fn(&Answer) -> Vec<String>,
    ) {
        let writes = self.test_bed.writes();
        let answer = self.test_bed.ask(request);
        let mut expected = match &answer {
            Ok(answer) => check_answer(answer),
            Err(_) => vec!["an answer".to_owned()],
        };
        let written = self.test_bed.writes() - writes;
        self.is_spoiled |= answer.as_ref().is_ok_and(|answer| answer.status < 400);
        if written > 0 && !self.is_spoiled {
            expected.push(format!("no disk write instead of {written}"));
        }
        self.record(title, what, &answer, expected);
    }

    /// Checks that a request is accepted, and returns the reply's data.
    pub fn accepted(&mut self, title: &str, what: &str, request: &RequestSpec) -> Value {
        let answer = self.test_bed.ask(request);
        let data = answer.as_ref().ok().map(|answer| (answer.status, answer.json()));
        let expected = match &data {
            Some((200, body)) if body["result"]["data"].is_object() => Vec::new(),
            _ => vec!["200, {\"result\": {\"data\": …}}".to_owned()],
        };
        self.record(title, what, &answer, expected);
        data.map(|(_, body)| body["result"]["data"].clone())
            .unwrap_or_default()
    }

    /// Checks another property of an answer.
    pub fn check(
        &mut self,
        title: &str,
        what: &str,
        answer: &Result<Answer, String>,
        holds: bool,
        expected: &str,
    ) {
        let expected = if holds { None } else { Some(expected.to_owned()) };
        self.record(title, what, answer, expected.into_iter().collect());
    }

    /// Checks that two requests get the same answer.
    pub fn same(&mut self, title: &str, what: &str, one: &RequestSpec, other: &RequestSpec) {
        let first = self.test_bed.ask(one);
        let second = self.test_bed.ask(other);
        let is_same = first == second && first.is_ok();
        let expected = if is_same {
            Vec::new()
        } else {
            vec![format!("the same as {first:?}")]
        };
        self.record(title, what, &second, expected);
    }

    /// Checks that a WebSocket opens.
    pub fn opened(&mut self, title: &str, what: &str, request: &RequestSpec) {
        let answer = self.test_bed.ask(request);
        let is_open = matches!(&answer, Ok(answer) if answer.status == crate::wire::SWITCHING_PROTOCOLS);
        let expected = if is_open {
            Vec::new()
        } else {
            vec!["an open WebSocket".to_owned()]
        };
        self.record(title, what, &answer, expected);
    }

    fn record(&mut self, title: &str, what: &str, actual: &Result<Answer, String>, expected: Vec<String>) {
        self.checks += 1;
        if expected.is_empty() {
            return;
        }
        let actual = match actual {
            Ok(answer) => format!("{} {}", answer.status, cut(&answer.body)),
            Err(error) => error.clone(),
        };
        let expected = expected.join("; ");
        let what = cut(what);
        self.failures.push(format!(
            "{title}: {what}\n    actual: {actual}\n  expected: {expected}"
        ));
    }

    /// Ends a sweep of refusals, and checks that state and disk are unchanged.
    pub fn end_unchanged(mut self) {
        self.test_bed.wait(Duration::from_secs(3));
        let (state, writes) = (self.state(), self.test_bed.writes());
        if !self.is_spoiled && (&state, writes) != (&self.before.0, self.before.1) {
            let (before, changed) = (&self.before.0, writes - self.before.1);
            let failure = format!("{changed} disk writes, expected none:\n  {before:?}\n  {state:?}");
            self.failures.push(failure);
        }
        self.end();
    }

    /// Ends the sweep.
    ///
    /// # Panics
    ///
    /// A check failed. The message lists all failures.
    pub fn end(self) {
        let mut list = String::new();
        for failure in &self.failures {
            let _ = writeln!(list, "\n{failure}");
        }
        assert!(
            self.failures.is_empty(),
            "{} failures in {} cases:\n{list}",
            self.failures.len(),
            self.checks
        );
        assert!(self.checks > 0, "no check ran");
    }
}

/// Prepares a session that is not initiated.
pub fn prepared(test_bed: &mut TestBed, user: &str) -> String {
    let input = json!({
        "prompt": "__fake__:echo:hello", "mode": "code", "model": "fake-deterministic", "githubRepo": "o/r",
    });
    let request = RequestSpec::call(PREPARE.name, &input).by(&user_token(user, test_bed.now()));
    let answer = test_bed.ask(&request.internally()).expect("the server answers");
    let session = answer.json()["result"]["data"]["cloudAgentSessionId"].clone();
    let session = session.as_str().unwrap_or_else(|| panic!("{answer:?}"));
    session.to_owned()
}

/// URL-encodes an input for a query.
pub fn encoded(input: &Value) -> String {
    utf8_percent_encode(&input.to_string(), NON_ALPHANUMERIC).to_string()
}

fn has_word(text: &str, word: &str) -> bool {
    let is_of_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.split(|character| !is_of_word(character))
        .any(|found| found == word)
}

fn cut(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    let left_out = text.chars().count() - shown.chars().count();
    if left_out == 0 {
        shown
    } else {
        format!("{shown}… and {left_out} more")
    }
}
