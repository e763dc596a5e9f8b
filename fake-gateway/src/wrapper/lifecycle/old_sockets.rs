//! Ingest sockets of replaced bindings, kept by the misbehaviour `keeps-old-socket`: every event is also sent
//! on them, under their stale fence.
//!
//! Frames received on them are ignored, and lost ones are not reopened.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Action, Lifecycle, Link, LinkId};
use crate::coverage::FakeEvent;

/// Old sockets by id.
#[derive(Debug, Default)]
pub(super) struct OldSockets(BTreeMap<LinkId, State>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Open,
}

impl OldSockets {
    /// Marks `link` as open. Returns whether it is an old socket.
    pub(super) fn take_opened(&mut self, link: LinkId) -> bool {
        let old = self.0.get_mut(&link);
        old.map(|state| *state = State::Open).is_some()
    }

    /// Removes `link`, which ended or could not be opened. Returns whether it was an old socket.
    pub(super) fn take_ended(&mut self, link: LinkId) -> bool {
        self.0.remove(&link).is_some()
    }
}

impl Lifecycle {
    /// Keeps the open socket of the binding that is about to be replaced, and requests another one for that
    /// binding. Does nothing without a binding.
    pub(super) fn keep_old_socket(&mut self) {
        if self.session.is_none() {
            return;
        }
        if let Link::Open(link) = self.link {
            FakeEvent::OldSocketKept.hit();
            self.link = Link::Closed;
            self.old_sockets.0.insert(link, State::Open);
        }
        let link = self.dial(false);
        self.old_sockets.0.insert(link, State::Opening);
    }

    /// Closes all old sockets.
    pub(super) fn close_old_sockets(&mut self) {
        for (link, state) in std::mem::take(&mut self.old_sockets.0) {
            self.actions.push(match state {
                State::Opening => Action::Abandon(link),
                State::Open => Action::Close(link),
            });
        }
    }

    /// Sends a frame on all old sockets.
    pub(super) fn send_on_old_sockets(&mut self, frame: &Arc<Value>) {
        let open = self
            .old_sockets
            .0
            .iter()
            .filter(|(_, state)| **state == State::Open);
        let sent = open.map(|(link, _)| Action::Send(*link, Arc::clone(frame)));
        self.actions.extend(sent);
    }
}
