//! Values of sessions and turns in the tests, for new sessions and for sessions of an older service.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_reference::identity::MessageId;
use turnstile_reference::legacy::model::execution::{self, Execution};
use turnstile_reference::legacy::model::name_execution_after;
use turnstile_reference::legacy::record;
use turnstile_reference::model::message::Turn;
use turnstile_reference::model::metadata::{
    CallbackTarget, Finalization, InitialMessage, Metadata, Mode, Model, Repository, Workspace,
};
use turnstile_reference::session::admission::{Admission, AgentChoice};

use crate::session_properties::actions::{Intent, Leftovers, OldExecution, OldPrompt, Origin, Setting};

/// The requested branch, if one is requested.
pub const BRANCH: &str = "main";
/// kilo's root session.
pub const KILO_SESSION: &str = "ses_root";
/// The intent of a plain turn, which prepared messages also have.
pub const PLAIN: Intent = Intent {
    variety: 0,
    gate: None,
};

const SESSION: &str = "agent_00000000-0000-4000-8000-000000000001";
const USER: &str = "user";
const REPOSITORY: &str = "o/r";
const MODEL: &str = "fake";
const PROMPT: &str = "hello";
const INITIAL_MESSAGE: &str = "msg_b76daa8000000000000initial";

/// The id of a prepared message.
fn initial_message() -> MessageId {
    INITIAL_MESSAGE.parse().expect("this is a message id")
}

/// The callback target with that number.
pub fn target(receiver: u8) -> CallbackTarget {
    CallbackTarget {
        url: format!("http://receiver{receiver}/"),
        headers: BTreeMap::from([("x-secret".to_owned(), "s".to_owned())]),
    }
}

/// A turn of that intent.
pub fn admission(id: MessageId, Intent { variety, gate }: Intent) -> Admission {
    let turn = if variety == 2 {
        Turn::Command {
            command: "compact".to_owned(),
            arguments: String::new(),
        }
    } else {
        prompt()
    };
    Admission {
        id,
        turn,
        agent: AgentChoice {
            mode: (variety == 1).then(|| mode("plan")),
            ..AgentChoice::default()
        },
        finalization: Finalization {
            auto_commit: (variety == 3).then_some(true),
            gate_threshold: gate,
            ..Finalization::default()
        },
    }
}

fn prompt() -> Turn {
    Turn::Prompt {
        prompt: PROMPT.to_owned(),
        images: None,
    }
}

fn mode(name: &str) -> Mode {
    Mode::try_from(name.to_owned()).expect("this mode is built in")
}

/// The metadata of a session that is created now, or was imported.
pub fn metadata(setting: &Setting, now: Timestamp) -> Metadata {
    if let Origin::Imported(leftovers) = &setting.origin {
        return imported(setting, leftovers, now);
    }
    let session = SESSION.parse().expect("this is a session id");
    let mut metadata = Metadata::new(session, USER.parse().expect("this is a user id"), now);
    metadata.identity.kilo_session_id = setting.kilo_session.then(|| KILO_SESSION.to_owned());
    metadata.repository = Some(Repository::Github {
        repo: REPOSITORY.to_owned(),
        branch: setting.branch.then(|| BRANCH.to_owned()),
    });
    metadata.initial_message = matches!(setting.origin, Origin::Prepared { .. }).then(|| InitialMessage {
        id: Some(initial_message()),
        turn: prompt(),
    });
    metadata.agent.model = Some(Model::try_from(MODEL.to_owned()).expect("this is a model"));
    metadata.finalization.gate_threshold = setting.gate;
    metadata.callback = setting.callback.then(|| target(0));
    metadata
}

/// The metadata from the flat record of an older service (protocol §10).
fn imported(setting: &Setting, leftovers: &Leftovers, now: Timestamp) -> Metadata {
    let Leftovers {
        age,
        prompt,
        prepared,
        executions: _,
    } = leftovers;
    let stored_at = (now - *age).as_millisecond();
    let mut record = json!({"version": stored_at, "timestamp": stored_at, "sessionId": SESSION,
        "userId": USER, "githubRepo": REPOSITORY, "githubToken": "gone", "model": MODEL});
    let mut add = |key: &str, is_there: bool, value: Value| {
        if is_there {
            record[key] = value;
        }
    };
    add("kiloSessionId", setting.kilo_session, json!(KILO_SESSION));
    add("upstreamBranch", setting.branch, json!(BRANCH));
    add("gateThreshold", setting.gate.is_some(), json!(setting.gate));
    add("callbackTarget", setting.callback, json!(target(0)));
    add("preparedAt", *prepared, json!(stored_at));
    add("prompt", prompt.is_some(), json!(PROMPT));
    add(
        "initialMessageId",
        *prompt == Some(OldPrompt::Named),
        json!(initial_message()),
    );
    record::read(record.to_string().as_bytes()).expect("an older service wrote such records")
}

/// The executions of the older service.
pub fn executions(setting: &Setting, now: Timestamp) -> Vec<Execution> {
    let Origin::Imported(leftovers) = &setting.origin else {
        return Vec::new();
    };
    let read = |(number, old): (usize, &OldExecution)| {
        let message = format!("msg_b76daa700000{number:014}");
        // Only the legacy module knows the name of the id field, so the record is built from its output.
        let mut record = json!({});
        name_execution_after(&initial_message(), &mut record);
        for id in record.as_object_mut().expect("this is an object").values_mut() {
            *id = json!(format!("exc_{number}"));
        }
        record["status"] = json!(old.status);
        record["startedAt"] = json!((now - old.age).as_millisecond());
        if old.has_message {
            record["messageId"] = json!(message);
        }
        record::execution::read(&record).expect("an older service wrote such executions")
    };
    leftovers.executions.iter().enumerate().map(read).collect()
}

/// The id of an execution that does not exist.
pub fn unknown_execution() -> execution::Id {
    execution::Id::try_from("exc_unknown".to_owned()).expect("this is the id of an execution")
}

/// A ready workspace.
pub fn workspace() -> Workspace {
    Workspace {
        workspace_path: Some("/w".to_owned()),
        sandbox_id: Some("s".to_owned()),
        session_home: Some("/h".to_owned()),
        branch_name: Some(BRANCH.to_owned()),
        kilo_session_id: Some(KILO_SESSION.to_owned()),
    }
}
