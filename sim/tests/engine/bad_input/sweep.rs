//! A sweep over many requests: each answer is judged, every failure is kept, and all are told at the end.
//!
//! A refusal has one envelope (protocol §2), and leaves the server's disk as it was.

use std::fmt::Write as _;
use std::time::Duration;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::inputs::{Access, GET_SESSION, PREPARE, Procedure};
use crate::house::{House, LeftBehind};
use crate::wire::{Answer, Asked, USER, user_token};

/// Somebody else.
pub const OTHER_USER: &str = "user-2";
/// A session that never was.
pub const UNKNOWN: &str = "agent_00000000-0000-4000-8000-000000000000";
/// How much of an answer a list of failures shows.
const SHOWN: usize = 300;

/// What a refusal says it is: the name of its code, its status and its number (protocol §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code(&'static str, u16, i32);

/// The body is not JSON.
pub const PARSE_ERROR: Code = Code("PARSE_ERROR", 400, -32700);
/// The input is not what is taken.
pub const BAD_REQUEST: Code = Code("BAD_REQUEST", 400, -32600);
/// Nobody known asks.
pub const UNAUTHORIZED: Code = Code("UNAUTHORIZED", 401, -32001);
/// There is no such thing.
pub const NOT_FOUND: Code = Code("NOT_FOUND", 404, -32004);
/// It is not asked for in this way.
pub const METHOD_NOT_SUPPORTED: Code = Code("METHOD_NOT_SUPPORTED", 405, -32005);
/// There is too much of it.
pub const PAYLOAD_TOO_LARGE: Code = Code("PAYLOAD_TOO_LARGE", 413, -32013);
/// There is too much already.
pub const TOO_MANY_REQUESTS: Code = Code("TOO_MANY_REQUESTS", 429, -32029);

/// A sweep under way.
pub struct Sweep {
    /// Where.
    pub house: House,
    /// A session of the user's that was prepared and then left alone.
    pub session: String,
    /// A session of another user's.
    pub foreign: String,
    failures: Vec<String>,
    judged: usize,
    /// Whether something was accepted that should not have been. What it leads to would be laid at the door
    /// of others.
    is_spoiled: bool,
    /// What all sessions look like to their owners, and how often the disk was changed, at the beginning.
    before: (Vec<String>, u64),
}

impl Sweep {
    /// In a house with a session of either user's, where all is at rest.
    pub fn begin(left_behind: Vec<LeftBehind>) -> Self {
        let mut house = House::open(left_behind);
        let session = prepared(&mut house, USER);
        let foreign = prepared(&mut house, OTHER_USER);
        house.wait(Duration::from_secs(3));
        let mut sweep = Self {
            house,
            session,
            foreign,
            failures: Vec::new(),
            judged: 0,
            is_spoiled: false,
            before: Default::default(),
        };
        sweep.take_stock();
        sweep
    }

    /// What is there now is what must be there at the end.
    pub fn take_stock(&mut self) {
        self.before = (self.state(), self.house.writes());
    }

    fn state(&mut self) -> Vec<String> {
        let sessions = [(USER, self.session.clone()), (OTHER_USER, self.foreign.clone())];
        let looks = sessions.map(|(user, session)| {
            let input = json!({"cloudAgentSessionId": session});
            let asked = Asked::call(GET_SESSION.name, &input).by(&user_token(user, self.house.now()));
            self.house.ask(&asked).expect("the server answers").body
        });
        looks.into()
    }

    /// A call of a procedure by those who may call it, on behalf of the user.
    pub fn call(&self, procedure: Procedure, input: &Value) -> Asked {
        self.authorized(procedure, Asked::call(procedure.name, input))
    }

    /// The same as the caller's own bytes.
    pub fn call_with(&self, procedure: Procedure, body: &[u8]) -> Asked {
        let mut asked = Asked::call(procedure.name, &Value::Null);
        asked.body = body.to_vec();
        self.authorized(procedure, asked)
    }

    /// The same as a GET, with an input that is encoded already; without any if it is none.
    pub fn get(&self, procedure: Procedure, input: Option<&str>) -> Asked {
        let query = input.map(|input| format!("?input={input}")).unwrap_or_default();
        let asked = Asked::bare(Method::GET, &format!("/trpc/{}{query}", procedure.name));
        self.authorized(procedure, asked)
    }

    /// A request by those who may make it.
    pub fn authorized(&self, procedure: Procedure, asked: Asked) -> Asked {
        let token = user_token(USER, self.house.now());
        match procedure.access {
            Access::Anybody => asked,
            Access::User => asked.by(&token),
            Access::Internal => asked.by(&token).internally(),
        }
    }

    /// Every way there is to call a procedure with an input.
    pub fn ways(&self, procedure: Procedure, input: &Value) -> Vec<(&'static str, Asked)> {
        let mut ways = vec![("POST", self.call(procedure, input))];
        if procedure.is_query {
            ways.push(("GET", self.get(procedure, Some(&encoded(input)))));
        }
        ways
    }

    /// It has to be refused in the documented form, and to change nothing. If it is a field that is wrong, the
    /// message has one of the words in `names`.
    pub fn refused(&mut self, title: &str, what: &str, asked: &Asked, code: Code, names: &[String]) {
        let path = asked
            .target
            .split(['/', '?'])
            .nth(2)
            .unwrap_or_default()
            .to_owned();
        self.refused_as(&path, title, what, asked, code, names);
    }

    /// The same for something whose name does not stand in the URL as it is meant.
    pub fn refused_at(&mut self, path: &str, what: &str, asked: &Asked, code: Code) {
        self.refused_as(path, path, what, asked, code, &[]);
    }

    fn refused_as(
        &mut self,
        path: &str,
        title: &str,
        what: &str,
        asked: &Asked,
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
        self.unchanged(title, what, asked, wrong);
    }

    /// It has to be refused with one of these statuses, and to change nothing.
    pub fn refused_with(&mut self, title: &str, what: &str, asked: &Asked, status: u16) {
        self.unchanged(title, what, asked, |answer| {
            if answer.status == status && !answer.body.is_empty() {
                Vec::new()
            } else {
                vec![format!("{status} and a text")]
            }
        });
    }

    fn unchanged(&mut self, title: &str, what: &str, asked: &Asked, judge: impl Fn(&Answer) -> Vec<String>) {
        let writes = self.house.writes();
        let answer = self.house.ask(asked);
        let mut expected = match &answer {
            Ok(answer) => judge(answer),
            Err(_) => vec!["an answer".to_owned()],
        };
        let written = self.house.writes() - writes;
        self.is_spoiled |= answer.as_ref().is_ok_and(|answer| answer.status < 400);
        if written > 0 && !self.is_spoiled {
            expected.push(format!("nothing written, and not {written} times something"));
        }
        self.note(title, what, &answer, expected);
    }

    /// It has to be accepted.
    pub fn accepted(&mut self, title: &str, what: &str, asked: &Asked) -> Value {
        let answer = self.house.ask(asked);
        let data = answer.as_ref().ok().map(|answer| (answer.status, answer.json()));
        let expected = match &data {
            Some((200, body)) if body["result"]["data"].is_object() => Vec::new(),
            _ => vec!["200, {\"result\": {\"data\": …}}".to_owned()],
        };
        self.note(title, what, &answer, expected);
        data.map(|(_, body)| body["result"]["data"].clone())
            .unwrap_or_default()
    }

    /// Something else has to hold of an answer.
    pub fn check(
        &mut self,
        title: &str,
        what: &str,
        answer: &Result<Answer, String>,
        holds: bool,
        expected: &str,
    ) {
        let expected = if holds { None } else { Some(expected.to_owned()) };
        self.note(title, what, answer, expected.into_iter().collect());
    }

    /// Two requests have to get the same answer.
    pub fn same(&mut self, title: &str, what: &str, one: &Asked, other: &Asked) {
        let first = self.house.ask(one);
        let second = self.house.ask(other);
        let is_same = first == second && first.is_ok();
        let expected = if is_same {
            Vec::new()
        } else {
            vec![format!("the same as {first:?}")]
        };
        self.note(title, what, &second, expected);
    }

    /// A WebSocket has to be opened.
    pub fn opened(&mut self, title: &str, what: &str, asked: &Asked) {
        let answer = self.house.ask(asked);
        let is_open = matches!(&answer, Ok(answer) if answer.status == crate::wire::SWITCHING_PROTOCOLS);
        let expected = if is_open {
            Vec::new()
        } else {
            vec!["an open WebSocket".to_owned()]
        };
        self.note(title, what, &answer, expected);
    }

    fn note(&mut self, title: &str, what: &str, came: &Result<Answer, String>, expected: Vec<String>) {
        self.judged += 1;
        if expected.is_empty() {
            return;
        }
        let came = match came {
            Ok(answer) => format!("{} {}", answer.status, cut(&answer.body)),
            Err(error) => error.clone(),
        };
        let expected = expected.join("; ");
        let what = cut(what);
        self.failures.push(format!(
            "{title}: {what}\n      came: {came}\n  expected: {expected}"
        ));
    }

    /// Ends a sweep of refusals: besides all else, what was there is as it was.
    pub fn end_unchanged(mut self) {
        self.house.wait(Duration::from_secs(3));
        let (state, writes) = (self.state(), self.house.writes());
        if !self.is_spoiled && (&state, writes) != (&self.before.0, self.before.1) {
            let (before, changed) = (&self.before.0, writes - self.before.1);
            let failure = format!("the disk was changed {changed} times:\n  {before:?}\n  {state:?}");
            self.failures.push(failure);
        }
        self.end();
    }

    /// Ends a sweep.
    ///
    /// # Panics
    ///
    /// If anything was not as it should be; it tells of all that was not.
    pub fn end(self) {
        let mut list = String::new();
        for failure in &self.failures {
            let _ = writeln!(list, "\n{failure}");
        }
        assert!(
            self.failures.is_empty(),
            "{} failures in {} cases:\n{list}",
            self.failures.len(),
            self.judged
        );
        assert!(self.judged > 0, "nothing was judged");
    }
}

/// A session that waits for its beginning.
pub fn prepared(house: &mut House, user: &str) -> String {
    let input = json!({
        "prompt": "__fake__:echo:hello", "mode": "code", "model": "fake-deterministic", "githubRepo": "o/r",
    });
    let asked = Asked::call(PREPARE.name, &input).by(&user_token(user, house.now()));
    let answer = house.ask(&asked.internally()).expect("the server answers");
    let session = answer.json()["result"]["data"]["cloudAgentSessionId"].clone();
    let session = session.as_str().unwrap_or_else(|| panic!("{answer:?}"));
    session.to_owned()
}

/// An input as it stands in a query.
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
