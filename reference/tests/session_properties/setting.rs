//! What sessions and turns look like here, as far as nothing depends on it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use turnstile_reference::identity::MessageId;
use turnstile_reference::session::admission::{Admission, AgentChoice};
use turnstile_reference::session::message::Turn;
use turnstile_reference::session::metadata::{
    Agent, CallbackTarget, Finalization, Identity, Lifecycle, METADATA_SCHEMA_VERSION, Metadata, Mode, Model,
    Repository, Workspace,
};

use crate::actions::{Intent, Setting};

/// The branch that is asked for, if one is.
pub const BRANCH: &str = "main";
/// The root session of kilo's.
pub const KILO_SESSION: &str = "ses_root";

/// Where callbacks to that receiver go to.
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
        Turn::Prompt {
            prompt: "hello".to_owned(),
            images: None,
        }
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

fn mode(name: &str) -> Mode {
    Mode::try_from(name.to_owned()).expect("this mode is built in")
}

/// What a session is about.
pub fn metadata(setting: &Setting, now: Timestamp) -> Metadata {
    Metadata {
        metadata_schema_version: METADATA_SCHEMA_VERSION,
        identity: Identity {
            session_id: "agent_00000000-0000-4000-8000-000000000001"
                .parse()
                .expect("this is a session id"),
            user_id: "user".parse().expect("this is a user id"),
            org_id: None,
            kilo_session_id: setting.kilo_session.then(|| KILO_SESSION.to_owned()),
            created_on_platform: None,
        },
        repository: Repository::Github {
            repo: "o/r".to_owned(),
            branch: setting.branch.then(|| BRANCH.to_owned()),
        },
        agent: Agent {
            mode: mode("code"),
            model: Model::try_from("fake".to_owned()).expect("this is a model"),
            variant: None,
        },
        finalization: Finalization {
            gate_threshold: setting.gate,
            ..Finalization::default()
        },
        initial_message: None,
        callback: setting.callback.then(|| target(0)),
        workspace: None,
        lifecycle: Lifecycle {
            created_at: now,
            updated_at: now,
            prepared_at: None,
            initiated_at: None,
        },
    }
}

/// A workspace that is ready.
pub fn workspace() -> Workspace {
    Workspace {
        workspace_path: "/w".to_owned(),
        sandbox_id: "s".to_owned(),
        session_home: "/h".to_owned(),
        branch_name: BRANCH.to_owned(),
        kilo_session_id: KILO_SESSION.to_owned(),
    }
}
