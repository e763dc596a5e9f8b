//! `Debug` and `Display` of the server's types contain no secret, because logs, panics and errors print them.

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};
use turnstile_reference::legacy::api::input::{PrepareSession, SendMessage, UpdateSession};
use turnstile_reference::legacy::record;
use turnstile_reference::model::metadata::{CallbackTarget, Metadata};
use turnstile_reference::session::{Decision, Effect, Input, Session};
use turnstile_reference::store::StoredJob;
use turnstile_seams::Randomness;

use super::planted::{Audience, Planted};
use super::record::flat;

/// Searches both `Debug` forms of a value.
fn search(planted: &mut Planted, what: &str, value: &impl Debug) {
    let where_ = format!("{{:?}} of {what}");
    planted.search(&where_, &format!("{value:?}"), Audience::None);
    planted.search(&where_, &format!("{value:#?}"), Audience::None);
}

/// Searches the `Debug` and `Display` forms of an error and its sources.
fn search_error(planted: &mut Planted, what: &str, error: &(dyn Error + 'static)) {
    planted.search(
        &format!("{{:?}} of {what}"),
        &format!("{error:?}"),
        Audience::None,
    );
    let mut error = Some(error);
    while let Some(cause) = error {
        planted.search(what, &cause.to_string(), Audience::None);
        error = cause.source();
    }
}

fn metadata(record: &Value) -> Metadata {
    record::read(record.to_string().as_bytes()).expect("the record is readable")
}

#[test]
fn no_type_of_the_server_prints_a_secret() {
    let mut planted = Planted::default();
    let record = flat(&mut planted, "record", "http://receiver:9200/");
    let metadata = metadata(&record);
    search(&mut planted, "the metadata of a session", &metadata);
    for (what, printed) in [
        ("a session's repository", format!("{:?}", metadata.repository)),
        ("a session's profile", format!("{:?}", metadata.profile)),
        ("a session's authorisation", format!("{:?}", metadata.auth)),
        ("a callback's target", format!("{:?}", metadata.callback)),
    ] {
        planted.search(what, &printed, Audience::None);
    }

    let mut input = record.clone();
    input["githubRepo"] = json!(null);
    let prepare: PrepareSession = serde_json::from_value(input).expect("a valid input");
    search(&mut planted, "an input of prepareSession", &prepare);
    let update =
        json!({"cloudAgentSessionId": record["sessionId"], "callbackTarget": record["callbackTarget"]});
    let update: UpdateSession = serde_json::from_value(update).expect("a valid input");
    search(&mut planted, "an input of updateSession", &update);
    let mut send =
        json!({"cloudAgentSessionId": record["sessionId"], "prompt": "x", "mode": "code", "model": "m"});
    send["gitToken"] = record["gitToken"].clone();
    send["githubToken"] = record["githubToken"].clone();
    let send: SendMessage = serde_json::from_value(send).expect("a valid input");
    search(&mut planted, "an input of sendMessageV2", &send);

    let target = metadata.callback.clone().expect("the record has one");
    search_session(&mut planted, metadata, target);
    planted.end();
}

/// Drives a session until its callback, and searches all its inputs and decisions.
fn search_session(planted: &mut Planted, metadata: Metadata, target: CallbackTarget) {
    let mut now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a timestamp");
    let randomness = Randomness::new(ChaCha8Rng::seed_from_u64(1));
    let mut session = Session::create(metadata, randomness, Arc::default());
    let mut effects: Vec<Effect> = Vec::new();
    let inputs = [
        Input::Initiate,
        Input::Wake,
        Input::SetCallbackTarget(Some(target)),
        Input::Interrupt,
    ];
    for input in inputs {
        search(planted, "an input of a session", &input);
        let decision: Decision = session.handle(now, input);
        search(planted, "a decision of a session", &decision);
        search(planted, "a session", &session);
        effects.extend(decision.effects);
        now += Duration::from_secs(2);
    }
    let delivers = effects.iter().any(|effect| matches!(effect, Effect::Deliver(_)));
    assert!(delivers, "the session had a message delivered: {effects:?}");
    let job = effects.into_iter().find_map(|effect| match effect {
        Effect::Enqueue(job) => Some(*job),
        _ => None,
    });
    let job = job.expect("the session has a pending callback");
    search(planted, "a pending callback", &job);
    let stored = StoredJob {
        owner: job.owner,
        target: job.target,
        body: job.body,
        failed_attempts: 0,
        due_at: now,
    };
    search(planted, "a stored callback", &stored);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_record_that_cannot_be_read_is_refused_without_a_secret() {
    let mut planted = Planted::default();
    let mut planted_text = |place: &str| planted.text(place, Audience::None);
    let texts = [
        ("envVars", json!(planted_text("environment as one text"))),
        ("envVars", json!([planted_text("environment as a list")])),
        ("setupCommands", json!(planted_text("setup commands as one text"))),
        ("callbackTarget", json!(planted_text("target as one text"))),
        (
            "callbackTarget",
            json!({"url": format!("receiver?{}", planted_text("target without a scheme"))}),
        ),
        (
            "callbackTarget",
            json!({"url": "http://receiver/", "headers": {"x-key": format!("a\n{}", planted_text("header in two lines"))}}),
        ),
        (
            "callbackTarget",
            json!({"url": "http://receiver/", "headers": planted_text("headers as one text")}),
        ),
        ("kilocodeToken", json!([planted_text("kilo token in a list")])),
    ];
    let numbers = [
        ("kilocodeToken", json!(planted.number("kilo token as a number"))),
        ("gitToken", json!(planted.number("git token as a number"))),
        ("envVars", json!({"KEY": planted.number("value as a number")})),
        (
            "setupCommands",
            json!([planted.number("setup command as a number")]),
        ),
    ];
    for (field, value) in texts.into_iter().chain(numbers) {
        let mut record = flat(&mut Planted::default(), "other", "http://receiver:9200/");
        record[field] = value;
        let Err(error) = record::read(record.to_string().as_bytes()) else {
            panic!("{field} is not validated: {record}");
        };
        search_error(
            &mut planted,
            &format!("the refusal of a record for its {field}"),
            &error,
        );
    }
    // The same values in the grouped form of a record.
    let grouped = metadata(&flat(&mut Planted::default(), "other", "http://receiver:9200/"));
    let grouped = serde_json::to_value(grouped).expect("a record is JSON");
    let values = [
        (
            "/profile/envVars",
            json!(planted.text("grouped environment as one text", Audience::None)),
        ),
        (
            "/profile/setupCommands",
            json!(planted.text("grouped setup as one text", Audience::None)),
        ),
        (
            "/repository/token",
            json!(planted.number("grouped git token as a number")),
        ),
        (
            "/repository",
            json!(planted.text("grouped repository as one text", Audience::None)),
        ),
        (
            "/auth/kilocodeToken",
            json!(planted.number("grouped kilo token as a number")),
        ),
        (
            "/callback",
            json!(planted.text("grouped target as one text", Audience::None)),
        ),
    ];
    for (place, value) in values {
        let mut record = grouped.clone();
        *record.pointer_mut(place).expect("the record has it") = value;
        let Err(error) = record::read(record.to_string().as_bytes()) else {
            panic!("{place} is not validated: {record}");
        };
        search_error(
            &mut planted,
            &format!("the refusal of a record for its {place}"),
            &error,
        );
    }
    planted.end();
}
