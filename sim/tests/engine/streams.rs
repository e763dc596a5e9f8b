//! What a client receives when it opens a stream: cursors in the future, and filters.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use turnstile_profile::Profile;
use turnstile_seams::websocket::{self, Message};

use crate::test_bed::{CLIENT, SERVER_AUTHORITY, TestBed};
use crate::wire::{RequestSpec, USER, ticket, user_token};

/// A server with one session, and the frames of its clients.
struct Scene {
    test_bed: TestBed,
    session: String,
}

type Frames = Arc<Mutex<Vec<Value>>>;

impl Scene {
    /// A session whose message is pending: the wrapper has not been asked yet.
    fn with_pending_message(profile: Profile) -> Self {
        let mut test_bed = TestBed::with_profile(profile, Vec::new());
        let input = json!({
            "message": {"prompt": "__fake__:echo:hello"},
            "agent": {"mode": "code", "model": "fake-deterministic"},
            "repository": {"type": "github", "repo": "o/r"},
        });
        let request = RequestSpec::call("start", &input).by(&user_token(USER, test_bed.now()));
        let answer = test_bed.ask(&request).expect("the server answers").json();
        let session = answer["result"]["data"]["cloudAgentSessionId"].as_str();
        let session = session.unwrap_or_else(|| panic!("{answer}")).to_owned();
        Self { test_bed, session }
    }

    /// Opens a stream with these further parameters.
    fn open(&mut self, parameters: &str) -> Frames {
        let frames = Frames::default();
        let ticket = ticket(USER, &self.session, self.test_bed.now());
        let session = &self.session;
        let url = format!(
            "ws://{SERVER_AUTHORITY}/stream?cloudAgentSessionId={session}&ticket={ticket}{parameters}"
        );
        let (seams, received) = (self.test_bed.client(), frames.clone());
        let following = async move {
            let url = url.parse().expect("a valid URL");
            let mut socket = websocket::open(&*seams.network, &url, None)
                .await
                .expect("the stream opens");
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Text(text) = message {
                    let frame = serde_json::from_str(&text).expect("frames are JSON");
                    received
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(frame);
                }
            }
        };
        self.test_bed
            .world
            .spawn(CLIENT, following)
            .expect("the client is up");
        self.test_bed.wait(Duration::from_millis(100));
        frames
    }
}

/// The types of the received events.
fn types(frames: &Frames) -> Vec<String> {
    let frames = frames.lock().unwrap_or_else(PoisonError::into_inner);
    let types = frames.iter().map(|frame| frame["streamEventType"].as_str());
    types.map(|name| name.unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_cursor_in_the_future_replays_nothing_and_shows_everything_after_it() {
    let mut scene = Scene::with_pending_message(Profile::default());
    let frames = scene.open("&fromId=100000");
    let expected = ["connected", "commands.available", "cloud.message.queued"];
    assert_eq!(types(&frames), expected);
    scene.test_bed.wait(Duration::from_secs(10));
    let types = types(&frames);
    assert!(
        types.iter().any(|name| name == "cloud.message.completed"),
        "{types:?}"
    );
}

#[test]
fn filters_hide_the_snapshot_unless_the_profile_excepts_it() {
    for (filters_hide_snapshot, expected) in [
        (true, &["connected"][..]),
        (
            false,
            &["connected", "commands.available", "cloud.message.queued"],
        ),
    ] {
        let mut scene = Scene::with_pending_message(Profile {
            filters_hide_snapshot,
            ..Profile::default()
        });
        let filtered = scene.open("&eventTypes=complete&replay=false");
        assert_eq!(types(&filtered), expected);
        let late = scene.open("&startTime=2027-01-01T00:00:00.000Z&replay=false");
        assert_eq!(types(&late), expected);
        let of_queued = scene.open("&eventTypes=cloud.message.queued&replay=false");
        assert_eq!(
            types(&of_queued).last().map(String::as_str),
            Some("cloud.message.queued")
        );
    }
}
