//! Whole plays: of damaged scripts that are still valid, and with damaged frames on an ingest socket.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::json;
use turnstile::script::{HarnessError, Options};
use turnstile::suite;
use turnstile::watch::Watch;
use turnstile_scenarios::Scenario;

use super::mutation::Corpus;
use super::{Wrong, fuzz};
use crate::library::library;

static NEVER: AtomicBool = AtomicBool::new(false);

/// Limits a play to less than the time for an input.
const WATCH: Watch = Watch {
    limit: Duration::from_secs(30),
    interruption: &NEVER,
};

/// Plays a script. The harness and the server must not panic or loop; no other result is judged here.
fn play(scenario: &Scenario) -> Result<(), Wrong> {
    let options = Options {
        watch: Some(WATCH),
        ..Options::default()
    };
    match suite::play_safely(scenario, options) {
        Err(error @ (HarnessError::Panicked { .. } | HarnessError::Restless { .. })) => {
            Err(Wrong::fail(error.to_string()))
        }
        // A long script may take long.
        Err(_) => Ok(()),
        Ok(verdict) => {
            let mut findings = verdict.findings.iter();
            let is_wrong = |rule: &str| rule == "server-panicked" || rule == "server-livelock";
            match findings.find(|finding| is_wrong(&finding.rule)) {
                Some(finding) => Err(Wrong::fail(finding.text.clone())),
                None => Ok(()),
            }
        }
    }
}

#[test]
fn a_damaged_script_that_is_valid_can_be_played() {
    let library = library();
    let written = library.entries().iter().map(|entry| entry.scenario.to_yaml());
    fuzz("plays", &Corpus::of(written), 96, |text| {
        Scenario::parse(text, Path::new("damaged.yaml")).map_or(Ok(()), |scenario| play(&scenario))
    });
}

#[test]
fn a_damaged_frame_is_handled() {
    let frames = [
        json!({"streamEventType": "kilocode", "timestamp": "2026-01-01T00:00:01Z", "data": {
            "event": "message.updated", "properties": {"sessionID": "s", "info": {"id": "<first>", "role": "user"}},
        }}),
        json!({"streamEventType": "kilocode", "timestamp": "2026-01-01T00:00:01Z", "data": {
            "event": "message.part.updated", "properties": {
                "part": {"id": "prt_1", "messageID": "<first>", "sessionID": "s", "type": "text", "text": "hi"},
            },
        }}),
        json!({"streamEventType": "complete", "data": {"exitCode": 0, "messageId": "<first>", "gateResult": "pass"}}),
        json!({"streamEventType": "error", "data": {"fatal": true, "error": {"message": "no", "messageId": "<first>"}}}),
        json!({"streamEventType": "interrupted", "data": {"reason": "user"}}),
        json!({"streamEventType": "heartbeat", "data": {"executionId": "exc_1"}}),
        json!({"streamEventType": "pong", "data": {}}),
    ];
    let texts = frames.iter().map(ToString::to_string);
    fuzz("frames", &Corpus::of(texts), 24, |text| {
        let script = json!({
            "scenario": "a damaged frame", "about": "a", "seam": "wrapper",
            "steps": [
                {"start": {"as": "first", "say": "gate:hold"}},
                {"await": {"gate": "hold"}},
                {"ingest": {"open": "other", "fence": "current"}},
                {"ingest": {"send": "other", "raw": text}},
                {"wait": "1s"},
                {"ingest": {"send": "other", "raw": text}},
                {"release": "hold"},
            ],
        });
        // The text may name a label that does not exist, or contain what YAML refuses.
        Scenario::parse(&script.to_string(), Path::new("frame.yaml"))
            .map_or(Ok(()), |scenario| play(&scenario))
    });
}
