//! Contracts: JSON Schemas in `snapshots/contracts` for what known receivers of callbacks and old clients rely on, and the
//! payloads of a play that they are about.

use std::fs;

use jsonschema::Validator;
use serde_json::{Value, json};
use turnstile_judge::oracle::history::History;
use turnstile_judge::trace::Trace;

use crate::library::top;

/// What the security-analysis receiver accepts.
pub const CALLBACK: &str = "contracts/security-analysis-callback.schema.json";
/// What an old client can read.
pub const REPLY: &str = "contracts/v2-reply.schema.json";

/// The procedures that only old clients call (protocol §2).
pub const V2_PROCEDURES: [&str; 4] = [
    "prepareSession",
    "initiateFromKilocodeSessionV2",
    "sendMessageV2",
    "updateSession",
];

/// Reads a contract.
pub fn contract(file: &str) -> Validator {
    let path = top().join("snapshots").join(file);
    let text = fs::read_to_string(path).expect("the contract can be read");
    let schema: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Lists the violations of a contract by a payload.
pub fn breaches(contract: &Validator, payload: &Value) -> Vec<String> {
    let errors = contract.iter_errors(payload);
    errors
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// All payloads that a play sent to receivers or to old clients.
#[derive(Default)]
pub struct Sent {
    /// Bodies of callbacks.
    pub callbacks: Vec<Value>,
    /// `{procedure, status, body}` of V2 replies.
    pub replies: Vec<Value>,
}

impl Sent {
    /// Of a play.
    pub fn of(trace: &Trace) -> Self {
        let history = History::read(trace);
        let callbacks = history.callbacks.into_iter().map(|request| request.body);
        let replies = history.calls.into_iter().filter_map(|call| {
            let (_, status, body) = call.reply?;
            let is_v2 = V2_PROCEDURES.contains(&call.procedure.as_str());
            is_v2.then(|| json!({"procedure": call.procedure, "status": status, "body": body}))
        });
        Self {
            callbacks: callbacks.collect(),
            replies: replies.collect(),
        }
    }

    /// What violates the contracts, as text.
    pub fn breaches(&self, callback: &Validator, reply: &Validator) -> Vec<String> {
        let mut failures = Vec::new();
        for (contract, payloads) in [(callback, &self.callbacks), (reply, &self.replies)] {
            for payload in payloads {
                let breaches = breaches(contract, payload);
                if !breaches.is_empty() {
                    failures.push(format!("{payload}\n  {}", breaches.join("\n  ")));
                }
            }
        }
        failures
    }
}
