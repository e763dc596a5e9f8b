//! The ingest sockets of bindings that were replaced, where the wrapper was told to keep them: all that
//! is reported goes to them too (protocol §5: a stale fence).
//!
//! What comes in on them is not heard, and none is opened again.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Action, Lifecycle, Link, LinkId};
use crate::coverage::Deed;

/// Old sockets by number.
#[derive(Debug, Default)]
pub(super) struct OldSockets(BTreeMap<LinkId, State>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Open,
}

impl OldSockets {
    /// Whether the socket that opened is an old one.
    pub(super) fn take_opened(&mut self, link: LinkId) -> bool {
        let old = self.0.get_mut(&link);
        old.map(|state| *state = State::Open).is_some()
    }

    /// Whether the socket that ended, or could not be opened, was an old one.
    pub(super) fn take_ended(&mut self, link: LinkId) -> bool {
        self.0.remove(&link).is_some()
    }
}

impl Lifecycle {
    /// Keeps the open socket of the binding that is about to be replaced, and dials once more in that
    /// binding's name. A wrapper without a binding has nothing to keep.
    pub(super) fn keep_old_socket(&mut self) {
        if self.session.is_none() {
            return;
        }
        if let Link::Open(link) = self.link {
            Deed::OldSocketKept.reach();
            self.link = Link::Closed;
            self.old_sockets.0.insert(link, State::Open);
        }
        let link = self.dial();
        self.old_sockets.0.insert(link, State::Opening);
    }

    /// Lets all old sockets go.
    pub(super) fn leave_old_sockets(&mut self) {
        for (link, state) in std::mem::take(&mut self.old_sockets.0) {
            self.actions.push(match state {
                State::Opening => Action::Abandon(link),
                State::Open => Action::Close(link),
            });
        }
    }

    /// Says on the old sockets what is reported on the present one.
    pub(super) fn say_on_old_sockets(&mut self, frame: &Value) {
        let open = self
            .old_sockets
            .0
            .iter()
            .filter(|(_, state)| **state == State::Open);
        let sent = open.map(|(link, _)| Action::Send(*link, frame.clone()));
        self.actions.extend(sent);
    }
}
