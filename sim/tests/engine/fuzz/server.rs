//! The server's edges: bodies of procedures, addresses with their queries and tickets, and tokens.

use std::cell::RefCell;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::mutation::Corpus;
use super::{Wrong, fuzz};
use crate::bad_input::inputs;
use crate::bad_input::sweep::{encoded, prepared};
use crate::test_bed::TestBed;
use crate::wire::{RequestSpec, USER, ticket, user_token};

/// The number of requests after which a new server is started, because accepted ones add up.
const REQUESTS: usize = 300;

/// A server that is replaced after many requests and after a failure.
#[derive(Default)]
struct Replaced(RefCell<Option<(TestBed, usize)>>);

impl Replaced {
    /// Sends a request, which must be answered without an error of the server.
    fn ask(&self, request: &RequestSpec) -> Result<(), Wrong> {
        let open = self.0.take().filter(|(_, asked)| *asked < REQUESTS);
        let (mut test_bed, asked) = open.unwrap_or_else(|| (TestBed::open(Vec::new()), 0));
        match test_bed.ask(request) {
            Ok(answer) if answer.status >= 500 => {
                return Err(Wrong::fail(format!("{} {}", answer.status, answer.body)));
            }
            // The client cannot send it.
            Err(error) if error.starts_with("invalid request") => {}
            Err(error) => return Err(Wrong::fail(error)),
            Ok(_) => {}
        }
        self.0.replace(Some((test_bed, asked + 1)));
        Ok(())
    }
}

/// The first session of a server, which is the same in every test bed, and the time.
fn first_session() -> (String, jiff::Timestamp) {
    let mut test_bed = TestBed::open(Vec::new());
    let session = prepared(&mut test_bed, USER);
    (session, test_bed.now())
}

#[test]
fn a_damaged_body_is_answered() {
    let (session, now) = first_session();
    let token = user_token(USER, now);
    let inputs = inputs::all().into_iter();
    let calls = inputs.map(|input| format!("{}\n{}", input.procedure.name, input.maximal(&session)));
    let server = Replaced::default();
    fuzz("bodies", &Corpus::of(calls), 96, |text| {
        let (procedure, body) = text.split_once('\n').unwrap_or((text, ""));
        let procedure = utf8_percent_encode(procedure, NON_ALPHANUMERIC).to_string();
        let mut request = RequestSpec::call(&procedure, &json!(null))
            .by(&token)
            .internally();
        request.body = body.as_bytes().to_vec();
        server.ask(&request)
    });
}

#[test]
fn a_damaged_address_or_token_is_answered() {
    let (session, now) = first_session();
    let input = encoded(&json!({"cloudAgentSessionId": session}));
    let ticket = ticket(USER, &session, now);
    let token = user_token(USER, now);
    let addresses = [
        format!("GET\nBearer {token}\n/trpc/getSession?input={input}"),
        format!("GET\nBearer {token}\n/trpc/getLatestAssistantMessage?input={input}"),
        format!(
            "UP\n\n/stream?cloudAgentSessionId={session}&ticket={ticket}&fromId=3&eventTypes=kilocode,complete&startTime=\
             1735689600000&endTime=2026-01-01T00%3A00%3A00Z"
        ),
        format!(
            "UP\nBearer {token}\n/sessions/{USER}/{session}/ingest?wrapperRunId=wr_1&wrapperGeneration=1"
        ),
        format!("UP\nBearer {token}\n/sessions/{USER}/{session}/ingest?executionId=exc_1"),
        "GET\n\n/trpc/health".to_owned(),
    ];
    let server = Replaced::default();
    fuzz("addresses", &Corpus::of(addresses), 128, |text| {
        let mut lines = text.splitn(3, '\n');
        let mut next = || lines.next().unwrap_or_default();
        let (way, token, path) = (next(), next(), next());
        // The request line cannot contain all characters.
        let path: String = path.chars().filter(char::is_ascii_graphic).collect();
        let request = RequestSpec::bare(Method::GET, &format!("/{}", path.trim_start_matches('/')));
        // Nor can a header.
        let token: String = token.chars().filter(|char| matches!(char, ' '..='~')).collect();
        let request = request.with("authorization", token);
        server.ask(&if way.contains('U') {
            request.upgrading()
        } else {
            request
        })
    });
}
