//! The session that a wrapper works for, its fence, and the bodies of requests about it.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use turnstile_judge::oracle::history::parameter;
use turnstile_seams::Randomness;

use super::ingest::Opening;

/// The user of every session.
const USER: &str = "user-1";

/// A session with its current binding.
pub(super) struct Session {
    id: String,
    /// The name of kilo for it: the one that the wrapper reported, or the one of the server.
    pub kilo: String,
    /// What makes the identities of this case different from those of all others, 12 hex digits.
    mark: String,
    /// The authority of the ingest.
    authority: String,
    /// The generation of the fence, and number of the run.
    generation: u64,
}

impl Session {
    /// A new session, with its first run.
    pub fn new(authority: String, randomness: &Randomness) -> Self {
        let mark = format!("{:012x}", randomness.below(1 << 48));
        Self {
            id: format!("agent_6f1b2c3d-0000-4000-8000-{mark}"),
            kilo: format!("ses_{mark}AAAAAAAAAAAAAA"),
            mark,
            authority,
            generation: 1,
        }
    }

    /// `agent_…`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Allocates another run: the next binding has another fence.
    pub fn next_run(&mut self) {
        self.generation += 1;
    }

    /// A message id; those of later numbers are higher.
    pub fn message(&self, number: u32) -> String {
        format!("msg_{}{number:014}", self.mark)
    }

    fn token(&self) -> String {
        format!("token-{}-{}", self.mark, self.generation)
    }

    fn run(&self) -> String {
        format!("wr_{}{:020x}", self.mark, self.generation)
    }

    fn connection(&self) -> String {
        format!("{}-0000-4000-8000-{:012x}", &self.mark[..8], self.generation)
    }

    fn path(&self) -> String {
        format!("/sessions/{USER}/{}/ingest", self.id)
    }

    /// The field `session` of requests.
    pub fn binding(&self) -> Value {
        json!({
            "ingestUrl": format!("ws://{}{}", self.authority, self.path()),
            "workerAuthToken": self.token(),
            "wrapperRunId": self.run(),
            "wrapperGeneration": self.generation,
            "wrapperConnectionId": self.connection(),
            "upstreamBranch": "main",
        })
    }

    /// The body of `/job/abort`.
    pub fn abort(&self) -> Value {
        json!({"wrapperRunId": self.run()})
    }

    /// The body of `/session/ready`.
    pub fn ready(&self) -> Value {
        let id = &self.id;
        json!({
            "agentSessionId": id, "userId": USER, "sandboxId": format!("sandbox-{}", self.mark),
            "kiloSessionId": self.kilo,
            "workspace": {
                "workspacePath": format!("/workspace/{id}"), "sessionHome": format!("/home/{id}"),
                "branchName": "main", "upstreamBranch": "main",
            },
            "repo": {"kind": "git", "url": "https://example.com/project.git"},
            "materialized": {"env": {}},
            "session": self.binding(),
        })
    }

    /// The body of `/job/prompt`, with the model of the gateway.
    pub fn prompt(&self, message: &Value) -> Value {
        json!({
            "message": message,
            "agent": {"mode": "code", "model": {"providerID": "kilo", "modelID": fake_gateway::gateway::MODEL}},
            "session": self.binding(),
        })
    }

    /// How the request of an ingest differs from what the binding demands.
    pub fn difference(&self, opening: &Opening) -> Option<String> {
        let path = opening.path.split('?').next().unwrap_or_default();
        let decoded = percent_decode_str(path).decode_utf8_lossy();
        if decoded != self.path() {
            return Some(format!("the path is {path}, not {}", self.path()));
        }
        for (name, value) in [
            ("wrapperRunId", self.run()),
            ("kiloSessionId", self.kilo.clone()),
            ("sessionId", self.id.clone()),
            ("wrapperGeneration", self.generation.to_string()),
            ("wrapperConnectionId", self.connection()),
        ] {
            let seen =
                parameter(&opening.path, name).map(|seen| percent_decode_str(seen).decode_utf8_lossy());
            if seen.as_deref() != Some(&value) {
                return Some(format!("`{name}` is {seen:?}, not {value:?}"));
            }
        }
        let token = format!("Bearer {}", self.token());
        (opening.authorization.as_deref() != Some(&token)).then(|| {
            let seen = &opening.authorization;
            format!("`Authorization` is {seen:?}, not {token:?}")
        })
    }
}
