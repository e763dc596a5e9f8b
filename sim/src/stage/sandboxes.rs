//! Which session has which wrapper: each has a sandbox of its own, as a service has that gives every session
//! a container.
//!
//! The server asks for a session's wrapper by an id that it has made itself, perhaps before anybody else knows
//! that id. So whoever is about to make a session says beforehand which sandbox is meant for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use turnstile_judge::parties::WRAPPER;
use turnstile_reference::delivery::Sandboxes;
use turnstile_reference::store::SessionKey;

use super::wrapper_authority;

/// The sandboxes of all sessions. Cheap to clone; it outlives every crash of the server.
#[derive(Clone, Default)]
pub struct SandboxPlan(Arc<Mutex<Plan>>);

#[derive(Default)]
struct Plan {
    /// The host of each session's wrapper.
    hosts: BTreeMap<String, String>,
    /// Hosts of wrappers of sessions that were asked for, and whose ids nobody knows yet.
    expected: VecDeque<String>,
}

impl SandboxPlan {
    /// The next session that nobody has heard of has its wrapper on `host`.
    pub fn expect(&self, host: &str) {
        self.locked().expected.push_back(host.to_owned());
    }

    /// What came of a session that was expected: it has this id, or there is none.
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

    /// Where the wrapper of a session is reached.
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
    fn a_session_keeps_the_sandbox_that_was_meant_for_it_whoever_names_it_first() {
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
    fn a_session_that_was_refused_leaves_its_sandbox_to_nobody_else() {
        let plan = SandboxPlan::default();
        plan.expect("wrapper.other");
        plan.settle("wrapper.other", None);
        plan.expect("wrapper.third");
        assert_eq!(plan.host_of("agent_1"), "wrapper.third");
    }
}
