//! Assigns wrappers to sessions. Each session has its own sandbox, as each session of a service has its own container.
//!
//! The server asks for a wrapper by the session id, which it may have generated before any client knows it. So the script
//! registers the sandbox before it creates the session.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use turnstile_judge::parties::WRAPPER;
use turnstile_reference::delivery::Sandboxes;
use turnstile_reference::store::SessionKey;

use super::wrapper_authority;

/// The sandboxes of all sessions. Cheap to clone; survives crashes of the server.
#[derive(Clone, Default)]
pub struct SandboxPlan(Arc<Mutex<Plan>>);

#[derive(Default)]
struct Plan {
    /// Host of the wrapper by session id.
    hosts: BTreeMap<String, String>,
    /// Hosts registered for sessions whose ids are not known yet.
    expected: VecDeque<String>,
}

impl SandboxPlan {
    /// Registers `host` for the next unknown session.
    pub fn expect(&self, host: &str) {
        self.locked().expected.push_back(host.to_owned());
    }

    /// Resolves a registration: the session has this id, or was not created.
    pub fn settle(&self, host: &str, session: Option<&str>) {
        let mut plan = self.locked();
        if let Some(session) = session {
            let known = plan.hosts.insert(session.to_owned(), host.to_owned());
            if known.is_some() {
                return;
            }
        }
        if let Some(place) = plan.expected.iter().position(|expected| expected == host) {
            plan.expected.remove(place);
        }
    }

    /// Authority of a session's wrapper.
    pub fn authority_of(&self, session: &str) -> String {
        wrapper_authority(&self.host_of(session))
    }

    fn host_of(&self, session: &str) -> String {
        let mut plan = self.locked();
        if let Some(host) = plan.hosts.get(session) {
            return host.clone();
        }
        let host = plan.expected.pop_front().unwrap_or_else(|| WRAPPER.to_owned());
        plan.hosts.insert(session.to_owned(), host.clone());
        host
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sandboxes for SandboxPlan {
    fn wrapper_url(&self, session: &SessionKey) -> String {
        format!("http://{}", self.authority_of(&session.session.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_keeps_its_registered_sandbox() {
        let plan = SandboxPlan::default();
        plan.expect("wrapper");
        plan.expect("wrapper.other");
        assert_eq!(plan.host_of("agent_1"), "wrapper");
        plan.settle("wrapper", Some("agent_1"));
        plan.settle("wrapper.other", Some("agent_2"));
        assert_eq!(plan.host_of("agent_2"), "wrapper.other");
        assert_eq!(plan.host_of("agent_1"), "wrapper");
    }

    #[test]
    fn the_sandbox_of_a_refused_session_is_not_reused() {
        let plan = SandboxPlan::default();
        plan.expect("wrapper.other");
        plan.settle("wrapper.other", None);
        plan.expect("wrapper.third");
        assert_eq!(plan.host_of("agent_1"), "wrapper.third");
    }
}
