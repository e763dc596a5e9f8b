//! What sessions and turns look like here, as far as nothing depends on it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use turnstile_reference::identity::MessageId;
use turnstile_reference::session::admission::{Admission, AgentChoice};
use turnstile_reference::session::message::Turn;
use turnstile_reference::session::metadata::{
    CallbackTarget, Finalization, Metadata, Mode, Model, Repository, Workspace,
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
    let session = "agent_00000000-0000-4000-8000-000000000001"
        .parse()
        .expect("this is a session id");
    let mut metadata = Metadata::new(session, "user".parse().expect("this is a user id"), now);
    metadata.identity.kilo_session_id = setting.kilo_session.then(|| KILO_SESSION.to_owned());
    metadata.repository = Some(Repository::Github {
        repo: "o/r".to_owned(),
        branch: setting.branch.then(|| BRANCH.to_owned()),
    });
    metadata.agent.model = Some(Model::try_from("fake".to_owned()).expect("this is a model"));
    metadata.finalization.gate_threshold = setting.gate;
    metadata.callback = setting.callback.then(|| target(0));
    metadata
}

/// A workspace that is ready.
pub fn workspace() -> Workspace {
    Workspace {
        workspace_path: Some("/w".to_owned()),
        sandbox_id: Some("s".to_owned()),
        session_home: Some("/h".to_owned()),
        branch_name: Some(BRANCH.to_owned()),
        kilo_session_id: Some(KILO_SESSION.to_owned()),
    }
}
