//! What everybody is told while a server is driven, collected and searched.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use turnstile_events::observation::Observation;
use turnstile_seams::websocket::{self, Message};

use super::planted::{Belongs, Planted};
use crate::house::{
    API_SECRET, CLIENT, House, INTERNAL_API_KEY, LeftBehind, SERVER_AUTHORITY, TICKET_SECRET,
};
use crate::wire::{Asked, USER, ticket, user_token};

/// What a stream showed, with the frames in order.
type Frames = Arc<Mutex<Vec<String>>>;

/// A server that is driven, and all that is heard of it.
pub struct Hunt {
    /// Where it is driven.
    pub house: House,
    /// What may not be heard.
    pub planted: Planted,
    /// What was logged, once all is over.
    pub log: Vec<String>,
    frames: Frames,
    token: String,
    expected_of_log: Vec<&'static str>,
}

impl Hunt {
    /// Begins with a server that takes over what an older service left behind.
    pub fn begin(mut planted: Planted, left_behind: Vec<LeftBehind>) -> Self {
        let house = House::open(left_behind);
        planted.add("the API's secret", API_SECRET, Belongs::Nobody);
        planted.add("the tickets' secret", TICKET_SECRET, Belongs::Nobody);
        planted.add("the internal key", INTERNAL_API_KEY, Belongs::Nobody);
        let token = user_token(USER, house.now());
        planted.token("the user's token", &token, Belongs::Nobody);
        Self {
            house,
            planted,
            log: Vec::new(),
            frames: Frames::default(),
            token,
            expected_of_log: Vec::new(),
        }
    }

    /// The user's token.
    pub fn token(&self) -> String {
        self.token.clone()
    }

    /// Lets so many seconds pass.
    pub fn wait(&mut self, seconds: u64) {
        self.house.wait(Duration::from_secs(seconds));
    }

    /// Asks, and listens to the answer.
    pub fn ask(&mut self, what: &str, asked: &Asked) -> Value {
        let answer = self.house.ask(asked);
        let text = match &answer {
            Ok(answer) => format!("{} {} {}", answer.status, answer.content_type, answer.body),
            Err(error) => error.clone(),
        };
        self.planted
            .search(&format!("the reply to {what}"), &text, Belongs::Nobody);
        answer.map(|answer| answer.json()).unwrap_or_default()
    }

    /// Calls a procedure, as one who may call any.
    pub fn call(&mut self, procedure: &str, input: &Value) -> Value {
        let asked = Asked::call(procedure, input).by(&self.token).internally();
        self.ask(procedure, &asked)
    }

    /// Makes a session and gives its id.
    pub fn begin_session(&mut self, procedure: &str, input: &Value) -> String {
        let reply = self.call(procedure, input);
        let session = reply["result"]["data"]["cloudAgentSessionId"].as_str();
        session
            .unwrap_or_else(|| panic!("{procedure}: {reply}"))
            .to_owned()
    }

    /// Asks for everything that can be asked of a session.
    pub fn look(&mut self, session: &str) {
        let input = json!({"cloudAgentSessionId": session});
        for procedure in ["getSession", "getSessionHealth", "getLatestAssistantMessage"] {
            self.call(procedure, &input);
            let query = utf8_percent_encode(&input.to_string(), NON_ALPHANUMERIC).to_string();
            let asked = Asked::bare(Method::GET, &format!("/trpc/{procedure}?input={query}"));
            let asked = asked.by(&self.token);
            self.ask(&format!("GET {procedure}"), &asked);
        }
        self.call("health", &json!({}));
    }

    /// Listens to a session from its beginning and for as long as the stream lasts.
    pub fn follow(&mut self, session: &str) {
        let ticket = ticket(USER, session, self.house.now());
        self.planted.token("a stream ticket", &ticket, Belongs::Nobody);
        let url = format!("ws://{SERVER_AUTHORITY}/stream?cloudAgentSessionId={session}&ticket={ticket}");
        let (seams, frames) = (self.house.client(), self.frames.clone());
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
        self.house
            .world
            .spawn(CLIENT, following)
            .expect("the client is up");
    }

    /// What the receiver was sent.
    pub fn callbacks(&self) -> Vec<Value> {
        self.house.observations.bodies("receiver", "/")
    }

    /// A secret has to have come to where it belongs: else nothing would have been proved by its absence
    /// elsewhere.
    pub fn expect_told(&self, place: &str, belongs: Belongs) {
        let party = match belongs {
            Belongs::Wrapper => "wrapper",
            Belongs::Receiver => "receiver",
            Belongs::Nobody => unreachable!("it does not belong anywhere"),
        };
        let mut received = self
            .house
            .observations
            .all()
            .into_iter()
            .filter(|(of, _)| of == party);
        let is_told = received.any(|(_, observation)| {
            let Observation::RequestReceived {
                path, headers, body, ..
            } = observation
            else {
                return false;
            };
            self.planted.is_in(place, &format!("{path} {headers} {body}"))
        });
        assert!(is_told, "the {party} was not told the {place}");
    }

    /// Something has to have been logged by the end.
    pub fn expect_logged(&mut self, what: &'static str) {
        self.expected_of_log.push(what);
    }

    /// Searches all that was told meanwhile, and ends.
    pub fn end(mut self) {
        for what in &self.expected_of_log {
            assert!(
                self.log.iter().any(|line| line.contains(what)),
                "{what:?} was not logged: {:#?}",
                self.log
            );
        }
        let observations = self.house.observations.all();
        self.plant_worker_tokens(&observations);
        let frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(!frames.is_empty(), "no stream showed anything");
        for frame in frames {
            self.planted
                .search("a frame of the stream", &frame, Belongs::Nobody);
        }
        for line in std::mem::take(&mut self.log) {
            self.planted.search("the log", &line, Belongs::Nobody);
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
                self.planted.token("a wrapper's token", token, Belongs::Wrapper);
            }
        }
    }

    /// What the server told the wrapper and the receiver.
    fn search_observation(&mut self, party: &str, observation: &Observation) {
        match (party, observation) {
            ("wrapper", Observation::RequestReceived { path, body, .. }) => {
                let what = format!("a request to the wrapper at {path}");
                self.planted.search(&what, &body.to_string(), Belongs::Wrapper);
            }
            ("wrapper", Observation::FrameReceived { frame, .. }) => {
                let what = "a frame to the wrapper";
                self.planted.search(what, &frame.to_string(), Belongs::Nobody);
            }
            (
                "receiver",
                Observation::RequestReceived {
                    path, headers, body, ..
                },
            ) => {
                let head = format!("{path} {headers}");
                self.planted
                    .search("the head of a callback", &head, Belongs::Receiver);
                self.planted
                    .search("the body of a callback", &body.to_string(), Belongs::Nobody);
            }
            _ => {}
        }
    }
}
