//! A failing store: the request is refused, nothing is stored, and the id can be used again once the disk works
//! (R3.16). A play takes the same course with both stores.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use turnstile::script::{self, Options};
use turnstile::stage::client::{Answer, Awaited, Client, Content};
use turnstile::stage::identity::Login;
use turnstile::stage::{Stage, StoreChoice, Subject};
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_fault::{DiskBehaviour, Fault, Place};
use turnstile_judge::parties::SERVER;
use turnstile_judge::trace::{Record, What};
use turnstile_scenarios::Scenario;

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

/// The requests of the two clients arrive at the same instant: the session subscribes the stream, then fails to store the
/// message, and then the stream begins to read its replay.
const STREAM_BEFORE_A_FAILURE: &str = "
scenario: a stream opens at the instant at which a commit fails
about: The links are delayed, so that both requests take exactly as long.
seam: crash
steps:
  - start: { as: first, say: idle }
  - await: { message: first, is: completed }
  - open: { client: desk }
  - close: { client: desk }
  - open: { client: phone }
  - close: { client: phone }
  - wait: 1s
  - delay: { between: [desk, server], by: 99ms, for: 2s }
  - delay: { between: [phone, server], by: 99ms, for: 2s }
  - disk: full
  - open: { client: desk }
  - send: { as: refused, say: idle, client: phone, reply: { unawaited: true } }
  - wait: 3s
  - disk: works
";

#[test]
fn a_stream_that_opens_as_a_commit_fails_ends_with_either_store() {
    let scenario = Scenario::parse(STREAM_BEFORE_A_FAILURE, Path::new("stream.yaml"));
    let scenario = scenario.expect("the script is valid");
    let trace = |store| {
        let options = Options {
            subject: Subject::default().with_store(store),
            ..Options::default()
        };
        script::play(&scenario, options).expect("the harness works").trace
    };
    let (journal, database) = (trace(StoreChoice::Journal), trace(StoreChoice::Database));
    if let Some(difference) = journal.first_difference(&database) {
        panic!("the stores differ: {difference}");
    }
    let records = journal.records().iter();
    let of_desk = records.filter(|record| &*record.party == "desk");
    let lost = |record: &&Record| {
        matches!(
            &record.what,
            What::Observation(Observation::SocketClosed {
                by: ClosedBy::Lost,
                ..
            })
        )
    };
    assert_eq!(
        of_desk.filter(lost).count(),
        1,
        "its replay cannot be read any more"
    );
}
