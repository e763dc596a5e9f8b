//! What requests come to, and when they are answered (protocol §5).
//!
//! What the turns that are taken here lead to is decided elsewhere.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::{Action, Lifecycle, Link, RequestId};
use crate::coverage::Deed;
use crate::wrapper::ask::{Ask, Prompt, Ready, Refusal, Reply};
use crate::wrapper::behaviour::Behaviour;
use crate::wrapper::binding::{Binding, Session};

/// Why turns are aborted when a request says so.
const ABORTED: &str = "aborted over HTTP";

impl Lifecycle {
    pub(super) fn asked(&mut self, now: Timestamp, request: RequestId, ask: Ask) {
        match ask {
            Ask::Ready(ready) => self.make_ready(now, request, ready),
            Ask::Prompt(prompt, binding) => self.prompted(now, request, prompt, binding),
            Ask::Abort(run) => {
                let reply = self.abort_requested(now, run.as_deref());
                self.answer(request, reply);
            }
            Ask::Status => {
                Deed::StatusTold.reach();
                let reply = self.status();
                self.answer(request, reply);
            }
            Ask::Behave(behaviour) => {
                self.behave(behaviour);
                self.answer(request, Reply::done());
            }
        }
    }

    pub(super) fn answer(&mut self, request: RequestId, reply: Reply) {
        self.actions.push(Action::Answer(request, reply));
    }

    /// Gives an answer, or none, after `delay`.
    fn answer_after(&mut self, now: Timestamp, delay: Duration, answer: Action) {
        if delay.is_zero() {
            self.actions.push(answer);
        } else {
            self.late_answers.entry(now + delay).or_default().push(answer);
        }
    }

    pub(super) fn answer_if_due(&mut self, now: Timestamp) {
        while let Some(due) = self.late_answers.first_entry().filter(|due| *due.key() <= now) {
            self.actions.extend(due.remove());
        }
    }

    /// Misbehaves like this from now on, and in no other way.
    fn behave(&mut self, behaviour: Behaviour) {
        if !behaviour.keeps_old_socket {
            self.leave_old_sockets();
        }
        self.behaviour = behaviour;
    }

    /// A refusal that was asked for leaves everything as it was.
    fn make_ready(&mut self, now: Timestamp, request: RequestId, ready: Ready) {
        let delay = self.behaviour.ready_delay();
        if !delay.is_zero() {
            Deed::ReadyLate.reach();
        }
        let reply = if let Some(refusal) = self.behaviour.next_ready_refusal() {
            Deed::ReadyFails.reach();
            refusal.of_ready()
        } else {
            let session = self.session_for(ready);
            let reply = Reply::ready(&session);
            if self.is_bound_like(&session) {
                Deed::BoundAgain.reach();
            }
            self.bind(session);
            reply
        };
        self.answer_after(now, delay, Action::Answer(request, reply));
    }

    fn session_for(&self, ready: Ready) -> Session {
        let known = self
            .session
            .as_ref()
            .filter(|session| session.session_id == ready.session_id)
            .map(|session| session.kilo_session_id.clone());
        Session {
            session_id: ready.session_id,
            kilo_session_id: ready
                .kilo_session_id
                .or(known)
                .unwrap_or_else(|| self.identifiers.kilo_session()),
            binding: ready.binding,
        }
    }

    fn is_bound_like(&self, session: &Session) -> bool {
        let bound = self.session.as_ref();
        bound.is_some_and(|bound| bound.is_bound_like(session))
    }

    /// Works for `session` from now on. Another binding than the present one ends all that belonged to
    /// that one.
    fn bind(&mut self, session: Session) {
        if !self.is_bound_like(&session) {
            if self.session.is_some() {
                Deed::Rebound.reach();
            } else {
                Deed::Bound.reach();
            }
            if self.behaviour.keeps_old_socket {
                self.keep_old_socket();
            }
            self.reset("the binding was replaced");
        }
        self.session = Some(session);
    }

    fn prompted(&mut self, now: Timestamp, request: RequestId, prompt: Prompt, mut binding: Binding) {
        if let Some(refusal) = self.behaviour.next_job_refusal() {
            Deed::JobFails.reach();
            let answer = Action::Answer(request, refusal.of_job());
            self.answer_after(now, self.behaviour.job_delay(), answer);
            return;
        }
        let Some(bound) = self.session.clone() else {
            Deed::NoSession.reach();
            self.answer(request, Refusal::NoSession.of_job());
            return;
        };
        binding.upstream_branch = binding.upstream_branch.or(bound.binding.upstream_branch.clone());
        self.bind(Session { binding, ..bound });
        self.arriving.push((request, prompt));
        match self.link {
            Link::Open(_) => self.take_arriving(now),
            Link::Opening { .. } => {}
            // There is somebody at the other end: no need to sit the pause out.
            Link::Pausing { pause, .. } => self.open(Some(pause)),
            Link::Closed => self.open(None),
        }
    }

    pub(super) fn take_arriving(&mut self, now: Timestamp) {
        for (request, prompt) in std::mem::take(&mut self.arriving) {
            let delay = self.behaviour.job_delay();
            if !delay.is_zero() {
                Deed::JobLate.reach();
            }
            let answer = if self.behaviour.loses_next_reply() {
                Deed::JobReplyLost.reach();
                Action::HangUp(request)
            } else {
                Action::Answer(request, Reply::sent(&prompt.message_id))
            };
            self.answer_after(now, delay, answer);
            self.turns.take(prompt);
        }
        self.begin_next_turn(now);
    }

    /// Another run than the bound one is not touched: the request may be late.
    fn abort_requested(&mut self, now: Timestamp, run: Option<&str>) -> Reply {
        Deed::Aborted.reach();
        let bound = self
            .session
            .as_ref()
            .map(|session| session.binding.wrapper_run_id.as_str());
        if bound.is_none() || run.is_some_and(|run| Some(run) != bound) {
            return Refusal::NoSession.of_job();
        }
        self.abort(now, ABORTED);
        Reply::ok(json!({ "status": "aborted" }))
    }

    fn status(&self) -> Reply {
        Reply::ok(json!({
            "status": if self.turns.is_idle() { "idle" } else { "busy" },
            "running": self.turns.running_message(),
            "waiting": self.turns.waiting_messages(),
            "connected": matches!(self.link, Link::Open(_)),
            "kiloSessionId": self.session.as_ref().map(|session| &session.kilo_session_id),
            "wrapperRunId": self.session.as_ref().map(|session| &session.binding.wrapper_run_id),
        }))
    }
}
