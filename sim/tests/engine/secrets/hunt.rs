//! Drives a server, collects everything that it sends and logs, and searches it for secrets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use turnstile_events::observation::Observation;
use turnstile_seams::websocket::{self, Message};

use super::planted::{Audience, Planted};
use crate::test_bed::{
    API_SECRET, CLIENT, INTERNAL_API_KEY, LeftBehind, SERVER_AUTHORITY, TICKET_SECRET, TestBed,
};
use crate::wire::{RequestSpec, USER, ticket, user_token};

/// Frames of a stream, in order.
type Frames = Arc<Mutex<Vec<String>>>;

/// A driven server and everything that it sends.
pub struct Hunt {
    /// The server and the client.
    pub test_bed: TestBed,
    /// The secrets to search for.
    pub planted: Planted,
    /// Log lines, set at the end.
    pub log: Vec<String>,
    frames: Frames,
    token: String,
    expected_of_log: Vec<&'static str>,
}

impl Hunt {
    /// Starts a server that imports sessions of an older service.
    pub fn begin(mut planted: Planted, left_behind: Vec<LeftBehind>) -> Self {
        let test_bed = TestBed::open(left_behind);
        planted.add("the API's secret", API_SECRET, Audience::None);
        planted.add("the tickets' secret", TICKET_SECRET, Audience::None);
        planted.add("the internal key", INTERNAL_API_KEY, Audience::None);
        let token = user_token(USER, test_bed.now());
        planted.token("the user's token", &token, Audience::None);
        Self {
            test_bed,
            planted,
            log: Vec::new(),
            frames: Frames::default(),
            token,
            expected_of_log: Vec::new(),
        }
    }

    /// The token of `USER`.
    pub fn token(&self) -> String {
        self.token.clone()
    }

    /// Advances virtual time.
    pub fn wait(&mut self, seconds: u64) {
        self.test_bed.wait(Duration::from_secs(seconds));
    }

    /// Sends a request, and searches the answer.
    pub fn ask(&mut self, what: &str, asked: &RequestSpec) -> Value {
        let answer = self.test_bed.ask(asked);
        let text = match &answer {
            Ok(answer) => format!("{} {} {}", answer.status, answer.content_type, answer.body),
            Err(error) => error.clone(),
        };
        self.planted
            .search(&format!("the reply to {what}"), &text, Audience::None);
        answer.map(|answer| answer.json()).unwrap_or_default()
    }

    /// Calls a procedure with credentials for every procedure.
    pub fn call(&mut self, procedure: &str, input: &Value) -> Value {
        let asked = RequestSpec::call(procedure, input).by(&self.token).internally();
        self.ask(procedure, &asked)
    }

    /// Creates a session and returns its id.
    pub fn begin_session(&mut self, procedure: &str, input: &Value) -> String {
        let reply = self.call(procedure, input);
        let session = reply["result"]["data"]["cloudAgentSessionId"].as_str();
        session
            .unwrap_or_else(|| panic!("{procedure}: {reply}"))
            .to_owned()
    }

    /// Queries all views of a session.
    pub fn look(&mut self, session: &str) {
        let input = json!({"cloudAgentSessionId": session});
        for procedure in ["getSession", "getSessionHealth", "getLatestAssistantMessage"] {
            self.call(procedure, &input);
            if procedure == "getSessionHealth" {
                continue; // It is not called with GET.
            }
            let query = utf8_percent_encode(&input.to_string(), NON_ALPHANUMERIC).to_string();
            let asked = RequestSpec::bare(Method::GET, &format!("/trpc/{procedure}?input={query}"));
            let asked = asked.by(&self.token);
            self.ask(&format!("GET {procedure}"), &asked);
        }
        self.call("health", &json!({}));
    }

    /// Follows the stream of a session from the beginning until it ends.
    pub fn follow(&mut self, session: &str) {
        let ticket = ticket(USER, session, self.test_bed.now());
        self.planted.token("a stream ticket", &ticket, Audience::None);
        let url = format!("ws://{SERVER_AUTHORITY}/stream?cloudAgentSessionId={session}&ticket={ticket}");
        let (seams, frames) = (self.test_bed.client(), self.frames.clone());
        let following = async move {
            let url = url.parse().expect("a valid URL");
            let Ok(mut socket) = websocket::open(&*seams.network, &url, None).await else {
                return;
            };
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Text(text) = message {
                    let mut frames = frames.lock().unwrap_or_else(PoisonError::into_inner);
                    frames.push(text.to_string());
                }
            }
        };
        self.test_bed
            .world
            .spawn(CLIENT, following)
            .expect("the client is up");
    }

    /// Bodies of the callbacks.
    pub fn callbacks(&self) -> Vec<Value> {
        self.test_bed.observations.bodies("receiver", "/")
    }

    /// Checks that a secret reached its recipient. Otherwise its absence elsewhere proves nothing.
    pub fn expect_received(&self, place: &str, audience: Audience) {
        let party = match audience {
            Audience::Wrapper => "wrapper",
            Audience::Receiver => "receiver",
            Audience::None => unreachable!("it has no recipient"),
        };
        let mut received = self
            .test_bed
            .observations
            .all()
            .into_iter()
            .filter(|(of, _)| of == party);
        let is_received = received.any(|(_, observation)| {
            let Observation::RequestReceived {
                path, headers, body, ..
            } = observation
            else {
                return false;
            };
            self.planted.is_in(place, &format!("{path} {headers} {body}"))
        });
        assert!(is_received, "the {party} did not receive the {place}");
    }

    /// Checks at the end that a log line contains `what`.
    pub fn expect_logged(&mut self, what: &'static str) {
        self.expected_of_log.push(what);
    }

    /// Searches everything that was collected, and ends.
    pub fn end(mut self) {
        for what in &self.expected_of_log {
            assert!(
                self.log.iter().any(|line| line.contains(what)),
                "{what:?} was not logged: {:#?}",
                self.log
            );
        }
        let observations = self.test_bed.observations.all();
        self.plant_worker_tokens(&observations);
        let frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(!frames.is_empty(), "no stream received a frame");
        for frame in frames {
            self.planted
                .search("a frame of the stream", &frame, Audience::None);
        }
        for line in std::mem::take(&mut self.log) {
            self.planted.search("the log", &line, Audience::None);
        }
        for (party, observation) in observations {
            self.search_observation(&party, &observation);
        }
        self.planted.end();
    }

    fn plant_worker_tokens(&mut self, observations: &[(String, Observation)]) {
        for (_, observation) in observations {
            if let Observation::RequestReceived { body, .. } = observation
                && let Some(token) = body["session"]["workerAuthToken"].as_str()
            {
                self.planted.token("a wrapper's token", token, Audience::Wrapper);
            }
        }
    }

    /// Searches what the server sent to the wrapper or the receiver.
    fn search_observation(&mut self, party: &str, observation: &Observation) {
        match (party, observation) {
            ("wrapper", Observation::RequestReceived { path, body, .. }) => {
                let what = format!("a request to the wrapper at {path}");
                self.planted.search(&what, &body.to_string(), Audience::Wrapper);
            }
            ("wrapper", Observation::FrameReceived { frame, .. }) => {
                let what = "a frame to the wrapper";
                self.planted.search(what, &frame.to_string(), Audience::None);
            }
            (
                "receiver",
                Observation::RequestReceived {
                    path, headers, body, ..
                },
            ) => {
                let head = format!("{path} {headers}");
                self.planted
                    .search("the head of a callback", &head, Audience::Receiver);
                self.planted
                    .search("the body of a callback", &body.to_string(), Audience::None);
            }
            _ => {}
        }
    }
}
