//! Builds the record of an imported session from its description in a script, with default fields and generated ids.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use turnstile_scenarios::{Label, RecordForm, Session, SessionIds, Stored, StoredExecution};
use turnstile_seams::Randomness;

use super::inputs::{CALLBACK_PATH, REPOSITORY, callback_target};
use crate::stage::StoredSession;
use crate::stage::client::draw_message_id;
use crate::stage::identity::USER;

/// Age of the session at the start of the run, by default.
const AGE: Duration = Duration::from_secs(60 * 60);
/// `metadataSchemaVersion` of the grouped form (R10.1).
const GROUPED_VERSION: u32 = 2;
/// First prompt, by default.
const PROMPT: &str = "__fake__:echo:stored";

/// A stored session with all ids.
pub(super) struct LaidOut {
    /// The content of the server's disk.
    pub session: StoredSession,
    /// Id of the session.
    pub session_id: String,
    /// Ids of the script's labels.
    pub ids: Vec<(Label, String)>,
}

/// Builds the stored session for a run that starts at `epoch`.
pub(super) fn lay_out(
    session: &Session,
    stored: &Stored,
    epoch: Timestamp,
    receiver: &str,
    randomness: &Randomness,
) -> LaidOut {
    let made_at = epoch - AGE;
    let mut ids: BTreeMap<Label, String> = BTreeMap::new();
    let messages = stored.initial_message.iter();
    for label in messages.chain(stored.executions.iter().filter_map(|it| it.message.as_ref())) {
        ids.entry(label.value.clone())
            .or_insert_with(|| draw_message_id(made_at, randomness));
    }
    for execution in &stored.executions {
        let id = execution.id.as_ref().map(ToString::to_string);
        let id = id.unwrap_or_else(|| format!("exc_{}", randomness.uuid()));
        ids.insert(execution.r#as.value.clone(), id);
    }

    let mut record = ordinary_record(session, made_at, receiver, randomness);
    if let Some(label) = &stored.initial_message {
        record.insert("initialMessageId".to_owned(), json!(ids[&label.value]));
    }
    let changes = &stored.record.0;
    let text = |field: &str| {
        let in_group = || changes.get("identity")?.get(field)?.as_str();
        let changed = changes.get(field).and_then(Value::as_str).or_else(in_group);
        changed.or(record[field].as_str()).map(str::to_owned)
    };
    let session_ids = SessionIds {
        session: text("sessionId"),
        kilo_session: text("kiloSessionId"),
    };
    let fields = stored.record.with_ids(|name| session_ids.resolve(name, &ids));
    let session_id = match stored.form {
        RecordForm::Flat => {
            replace_fields(&mut record, fields);
            &record["sessionId"]
        }
        RecordForm::Grouped => {
            record = grouped_record(&record, made_at);
            merge_groups(&mut record, fields);
            &record["identity"]["sessionId"]
        }
    };
    let session_id = session_id.as_str().unwrap_or_default().to_owned();
    let executions = stored.executions.iter();
    LaidOut {
        session: StoredSession {
            record: Value::Object(record),
            executions: executions
                .map(|execution| execution_record(execution, &ids, epoch))
                .collect(),
        },
        session_id,
        ids: ids.into_iter().collect(),
    }
}

/// The record of a prepared and initiated session (protocol §10).
fn ordinary_record(
    session: &Session,
    made_at: Timestamp,
    receiver: &str,
    randomness: &Randomness,
) -> Map<String, Value> {
    let made_at = made_at.as_millisecond();
    let record = json!({
        "version": made_at,
        "timestamp": made_at,
        "sessionId": format!("agent_{}", randomness.uuid()),
        "userId": USER,
        "kiloSessionId": format!("ses_{}", &randomness.uuid().simple().to_string()[..26]),
        "githubRepo": REPOSITORY,
        "prompt": PROMPT,
        "mode": session.mode,
        "model": session.model,
        "workspacePath": "/workspace/example",
        "sessionHome": "/home/example",
        "branchName": session.branch.as_deref().unwrap_or("main"),
        "sandboxId": "sandbox-example",
        "preparedAt": made_at,
        "initiatedAt": made_at,
    });
    let Value::Object(mut record) = record else {
        unreachable!("an object was just made")
    };
    if let Some(branch) = &session.branch {
        record.insert("upstreamBranch".to_owned(), json!(branch));
    }
    if let Some(variant) = &session.variant {
        record.insert("variant".to_owned(), json!(variant));
    }
    if let Some(gate) = session.gate {
        record.insert("gateThreshold".to_owned(), json!(gate));
    }
    if let Some(auto_commit) = session.auto_commit {
        record.insert("autoCommit".to_owned(), json!(auto_commit));
    }
    if let Some(condense) = session.condense_on_complete {
        record.insert("condenseOnComplete".to_owned(), json!(condense));
    }
    if session.callback {
        record.insert(
            "callbackTarget".to_owned(),
            callback_target(receiver, CALLBACK_PATH),
        );
    }
    record
}

/// Sets the fields of a flat record; null removes one.
fn replace_fields(record: &mut Map<String, Value>, fields: Map<String, Value>) {
    for (name, value) in fields {
        if value.is_null() {
            record.remove(&name);
        } else {
            record.insert(name, value);
        }
    }
}

/// Merges groups field by field; null removes a field or a group.
fn merge_groups(record: &mut Map<String, Value>, groups: Map<String, Value>) {
    for (name, value) in groups {
        match (record.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(fields)) => replace_fields(known, fields),
            (_, Value::Object(fields)) => {
                let mut group = Map::new();
                replace_fields(&mut group, fields);
                record.insert(name, Value::Object(group));
            }
            (_, value) => replace_fields(record, Map::from_iter([(name, value)])),
        }
    }
}

/// The grouped form of an ordinary flat record (R10.4–R10.21).
fn grouped_record(flat: &Map<String, Value>, made_at: Timestamp) -> Map<String, Value> {
    let field = |name: &str| flat.get(name).cloned().unwrap_or_default();
    let made_at = made_at.to_string();
    let groups = json!({
        "metadataSchemaVersion": GROUPED_VERSION,
        "identity": {
            "sessionId": field("sessionId"),
            "userId": field("userId"),
            "kiloSessionId": field("kiloSessionId"),
        },
        "repository": { "type": "github", "repo": field("githubRepo"), "branch": field("upstreamBranch") },
        "initialMessage": {
            "id": field("initialMessageId"),
            "turn": { "type": "prompt", "prompt": field("prompt") },
        },
        "agent": { "mode": field("mode"), "model": field("model"), "variant": field("variant") },
        "finalization": {
            "gateThreshold": field("gateThreshold"),
            "autoCommit": field("autoCommit"),
            "condenseOnComplete": field("condenseOnComplete"),
        },
        "callback": field("callbackTarget"),
        "workspace": {
            "workspacePath": field("workspacePath"),
            "sandboxId": field("sandboxId"),
            "sessionHome": field("sessionHome"),
            "branchName": field("branchName"),
            "kiloSessionId": field("kiloSessionId"),
        },
        "lifecycle": {
            "createdAt": made_at,
            "updatedAt": made_at,
            "preparedAt": made_at,
            "initiatedAt": made_at,
        },
    });
    let Value::Object(groups) = groups else {
        unreachable!("an object was just made")
    };
    let mut record = Map::new();
    // Leaves out what the flat record lacks.
    merge_groups(&mut record, groups);
    record
}

fn execution_record(execution: &StoredExecution, ids: &BTreeMap<Label, String>, epoch: Timestamp) -> Value {
    let mut record = json!({
        "executionId": ids[&execution.r#as.value],
        "status": execution.status,
        "startedAt": (epoch - *execution.started_before).as_millisecond(),
    });
    if let Some(message) = &execution.message {
        record["messageId"] = json!(ids[&message.value]);
    }
    record
}
