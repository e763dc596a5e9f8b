//! The store on a database in memory: loading, importing and removing.

use std::sync::Arc;

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use redb::backends::InMemoryBackend;
use serde_json::json;
use turnstile_profile::Profile;
use turnstile_reference::identity::MessageId;
use turnstile_reference::legacy::model::execution::Closing;
use turnstile_reference::model::message::Turn;
use turnstile_reference::model::metadata::{AgentChoice, Finalization, Metadata, Model};
use turnstile_reference::session::admission::Admission;
use turnstile_reference::session::deletion::calendar_day;
use turnstile_reference::session::{Input, Session};
use turnstile_reference::store::{SessionKey, Store};
use turnstile_seams::Randomness;

const SESSION: &str = "agent_6f1b2c3d-0000-4000-8000-00000000abcd";
const NOW: &str = "2026-01-01T00:00:00Z";

fn store() -> Store {
    Store::open(|| Ok(InMemoryBackend::new())).expect("the database opens")
}

fn key() -> SessionKey {
    SessionKey {
        user: "user".parse().expect("this is a user id"),
        session: SESSION.parse().expect("this is a session id"),
    }
}

fn randomness() -> Randomness {
    randomness_of(1)
}

fn now() -> Timestamp {
    NOW.parse().expect("this is a time")
}

fn randomness_of(seed: u64) -> Randomness {
    Randomness::new(ChaCha8Rng::seed_from_u64(seed))
}

/// Handles an input and commits the decision.
fn put(store: &Store, session: &mut Session, input: Input) {
    let decision = session.handle(now(), input);
    store
        .commit(&key(), &session.commit(&decision.writes))
        .expect("the commit succeeds");
}

fn stored_session(store: &Store) -> Session {
    let mut metadata = Metadata::new(key().session, key().user, now());
    metadata.agent.model = Some(Model::try_from("fake".to_owned()).expect("this is a model"));
    let mut session = Session::create(metadata, randomness(), Arc::default());
    put(store, &mut session, Input::Prepare);
    session
}

fn flat_record() -> serde_json::Value {
    json!({
        "version": 1, "timestamp": 1_767_225_600_000_i64, "sessionId": SESSION, "userId": "user",
        "githubRepo": "o/r", "githubToken": "t", "prompt": "hello", "mode": "code", "model": "fake",
    })
}

#[test]
fn a_committed_session_without_messages_exists() {
    let store = store();
    assert!(store.load(&key()).unwrap().is_none());
    let session = stored_session(&store);
    let stored = store.load(&key()).unwrap().unwrap();
    assert_eq!(&stored.metadata, session.metadata());
    assert_eq!(stored.core, session.core());
}

#[test]
fn an_imported_session_is_read_in_the_grouped_form_and_resumed_on_start() {
    let store = store();
    let execution = json!({"executionId": "exc_1", "status": "running", "startedAt": 1_767_225_600_000_i64});
    store.import(&key().user, &flat_record(), &[execution]).unwrap();
    assert_eq!(store.waking().unwrap(), [key()]);
    let stored = store.load(&key()).unwrap().unwrap();
    assert!(stored.messages.is_empty());
    assert_eq!(stored.executions.len(), 1);

    // A change writes the grouped form, without the dropped fields.
    let mut session = Session::restore(stored, randomness(), Arc::default());
    put(&store, &mut session, Input::SetCallbackTarget(None));
    let again = store.load(&key()).unwrap().unwrap();
    assert_eq!(&again.metadata, session.metadata());
}

#[test]
fn an_unreadable_record_is_not_imported() {
    let store = store();
    let mut record = flat_record();
    record["metadataSchemaVersion"] = json!(2);
    assert!(store.import(&key().user, &record, &[]).is_err());
    let nameless = json!({"status": "running", "startedAt": 0});
    assert!(store.import(&key().user, &flat_record(), &[nameless]).is_err());
    assert!(store.load(&key()).unwrap().is_none());
}

#[test]
fn a_removed_session_is_not_imported_again_until_the_day_of_its_expiry() {
    let store = store();
    let mut session = stored_session(&store);
    put(&store, &mut session, Input::Delete);
    assert!(store.load(&key()).unwrap().is_none());
    assert!(store.waking().unwrap().is_empty());
    assert_eq!(
        store
            .replay(&key().session)
            .unwrap()
            .events(0, u64::MAX, 1)
            .unwrap(),
        []
    );
    store.import(&key().user, &flat_record(), &[]).unwrap();
    assert!(
        store.load(&key()).unwrap().is_none(),
        "the import brought it back"
    );

    let day = calendar_day(now() + Profile::default().session_lifetime);
    assert_eq!(store.expiring(day - 1).unwrap(), []);
    assert_eq!(store.expiring(day).unwrap(), [(day, key())]);
    assert!(store.forget_removed(&key(), day).unwrap());
    assert_eq!(store.expiring(day).unwrap(), []);
    store.import(&key().user, &flat_record(), &[]).unwrap();
    assert!(store.load(&key()).unwrap().is_some());
}

#[test]
fn a_session_is_on_one_day_of_the_calendar() {
    let store = store();
    let mut session = stored_session(&store);
    for days in 1..4 {
        let later = now() + std::time::Duration::from_hours(24 * days);
        let decision = session.handle(later, Input::SetCallbackTarget(None));
        store.commit(&key(), &session.commit(&decision.writes)).unwrap();
    }
    let last = calendar_day(now() + Profile::default().session_lifetime) + 3;
    assert_eq!(store.expiring(last).unwrap(), [(last, key())]);
}

#[test]
fn the_state_of_an_execution_survives_a_restart() {
    let store = store();
    let execution = json!({"executionId": "exc_1", "status": "pending", "startedAt": 1_767_225_600_000_i64});
    store.import(&key().user, &flat_record(), &[execution]).unwrap();
    let stored = store.load(&key()).unwrap().unwrap();
    let execution = stored.executions[0].id().clone();
    let mut session = Session::restore(stored, randomness(), Arc::default());
    put(&store, &mut session, Input::Resume);
    put(
        &store,
        &mut session,
        Input::ImportedIngestOpened { socket: 1, execution },
    );
    let closing = Closing {
        code: Some(1001),
        reason: "going away".to_owned(),
    };
    put(
        &store,
        &mut session,
        Input::IngestClosed {
            socket: 1,
            closing: closing.clone(),
        },
    );
    let stored = store.load(&key()).unwrap().unwrap();
    assert_eq!(stored.executions[0].closing, Some(closing));
    assert_eq!(stored.executions[0].status(), "running");
}

#[test]
fn a_replay_in_rounds_has_all_events_in_order() {
    let store = store();
    let mut session = stored_session(&store);
    for _ in 0..20 {
        let admission = Input::Admit(Box::new(Admission {
            id: MessageId::draw(now(), &randomness_of(session.last_event())),
            turn: Turn::Prompt {
                prompt: "x".repeat(100),
                images: None,
            },
            agent: AgentChoice::default(),
            finalization: Finalization::default(),
        }));
        put(&store, &mut session, admission);
        put(&store, &mut session, Input::Interrupt);
    }
    let replay = store.replay(&key().session).unwrap();
    let whole = replay.events(0, u64::MAX, usize::MAX).unwrap();
    assert_eq!(whole.len() as u64, session.last_event());
    for bytes in [1, 500, 5_000] {
        let (mut after, mut read, mut rounds) = (0, Vec::new(), 0);
        loop {
            let round = replay.events(after, session.last_event(), bytes).unwrap();
            let Some(last) = round.last() else { break };
            after = last.id;
            rounds += 1;
            read.extend(round);
        }
        assert_eq!(read, whole, "{bytes} bytes per round");
        assert!(rounds > 1, "{bytes} bytes per round");
    }
}
