//! A failing store: the request is refused, nothing is stored, and the id can be used again once the disk works
//! (R3.16).

use std::time::Duration;

use serde_json::{Value, json};
use turnstile::stage::client::{Answer, Awaited, Client, Content};
use turnstile::stage::identity::Login;
use turnstile::stage::{Stage, StoreChoice, Subject};
use turnstile_fault::{DiskBehaviour, Fault, Place};
use turnstile_judge::parties::SERVER;

/// A stage with one client.
struct Play {
    stage: Stage,
    client: Client,
}

impl Play {
    fn new() -> Self {
        let subject = Subject::default().with_store(StoreChoice::Database);
        let mut stage = Stage::new(0, subject);
        let client = stage.add_client("client");
        // The server opens its database before the disk fails.
        let started = stage.world.now() + Duration::from_secs(1);
        stage.world.run_until(Some(started), || false);
        Self { stage, client }
    }

    fn call(&mut self, procedure: &'static str, input: Value) -> Answer {
        let awaited = Awaited::default();
        let content = Content::Json(input);
        let calling =
            self.client
                .clone()
                .call(procedure.to_owned(), content, Login::owner(), awaited.clone());
        self.stage
            .world
            .spawn("client", calling)
            .expect("the client is up");
        let deadline = self.stage.world.now() + Duration::from_secs(60);
        self.stage
            .world
            .run_until(Some(deadline), || awaited.get().is_some());
        awaited.get().expect("the request is over")
    }

    fn start(&mut self) -> Answer {
        let message = json!({"prompt": "__fake__:gate:hold", "id": self.client.draw_message_id()});
        self.call(
            "start",
            json!({
                "message": message,
                "agent": {"mode": "code", "model": "fake-deterministic"},
                "repository": {"type": "github", "repo": "o/r"},
            }),
        )
    }
}

fn status(answer: &Answer) -> Option<u16> {
    answer.as_ref().map(|(status, _)| *status)
}

#[test]
fn a_session_that_cannot_be_stored_is_refused_and_can_be_started_later() {
    let mut play = Play::new();
    play.stage
        .world
        .apply(&Fault::disk(SERVER, DiskBehaviour::Fails))
        .expect("the server has a disk");
    let refused = play.start();
    assert_eq!(status(&refused), Some(500), "{refused:?}");
    let (_, body) = refused.expect("there was an answer");
    assert_eq!(body["error"]["data"]["code"], "INTERNAL_SERVER_ERROR");
    play.stage
        .world
        .heal(&Place::disk(SERVER))
        .expect("the server has a disk");
    assert_eq!(status(&play.start()), Some(200));
}

#[test]
fn a_message_that_cannot_be_stored_leaves_its_id_free_and_the_session_unchanged() {
    let mut play = Play::new();
    let (_, started) = play.start().expect("the session is started");
    let session = started["result"]["data"]["cloudAgentSessionId"].clone();
    let id = play.client.draw_message_id();
    let input = json!({"cloudAgentSessionId": session, "message": {"prompt": "__fake__:echo:x", "id": id}});
    play.stage
        .world
        .apply(&Fault::disk(SERVER, DiskBehaviour::Full))
        .expect("the server has a disk");
    assert_eq!(status(&play.call("send", input.clone())), Some(500));
    play.stage
        .world
        .heal(&Place::disk(SERVER))
        .expect("the server has a disk");
    // If the message had been stored, the same id with another prompt would be refused.
    let mut other = input;
    other["message"]["prompt"] = json!("__fake__:echo:y");
    let (status, body) = play.call("send", other).expect("there is an answer");
    assert_eq!(status, 200, "{body}");
    assert_eq!(body["result"]["data"]["delivery"], "queued");
}
