//! Handles requests, and decides when to answer them (R5.24–R5.40, R5.71–R5.82).
//!
//! The effects of accepted turns are decided elsewhere.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use turnstile_fault::OddAnswer;

use super::{Action, Lifecycle, Link, RequestId};
use crate::coverage::FakeEvent;
use crate::wrapper::behaviour::Behaviour;
use crate::wrapper::binding::{Binding, Session};
use crate::wrapper::reply::{Refusal, Reply};
use crate::wrapper::request::{Prompt, Ready, Request};

/// Reason of `interrupted` after `/job/abort`.
const ABORTED: &str = "aborted over HTTP";

impl Lifecycle {
    pub(super) fn handle_request(&mut self, now: Timestamp, id: RequestId, request: Request) {
        match request {
            Request::Ready(ready) => self.make_ready(now, id, ready),
            Request::Prompt(prompt, binding) => self.handle_prompt(now, id, prompt, binding),
            Request::Abort(run) => {
                let reply = self.handle_abort(now, run.as_deref());
                self.answer(id, reply);
            }
            Request::Status => {
                FakeEvent::StatusReported.hit();
                let reply = self.status();
                self.answer(id, reply);
            }
            Request::Health => {
                let reply = self.health();
                self.answer(id, reply);
            }
            Request::SetBehaviour(behaviour) => {
                self.set_behaviour(now, behaviour);
                self.answer(id, Reply::done());
            }
        }
    }

    pub(super) fn answer(&mut self, request: RequestId, reply: Reply) {
        self.actions.push(Action::Answer(request, reply));
    }

    /// Answers, or hangs up, after `delay`.
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

    /// Replaces the configured misbehaviour.
    fn set_behaviour(&mut self, now: Timestamp, behaviour: Behaviour) {
        if !behaviour.keeps_old_socket {
            self.close_old_sockets();
        }
        self.behaviour = behaviour;
        self.heartbeat_at = None;
        if matches!(self.link, Link::Open(_)) {
            self.announce(now);
        }
    }

    /// Makes the wrapper ready. A configured failure changes nothing else.
    fn make_ready(&mut self, now: Timestamp, request: RequestId, ready: Ready) {
        let delay = self.behaviour.ready_delay();
        if !delay.is_zero() {
            FakeEvent::ReadyLate.hit();
        }
        if let Some(given) = self.behaviour.next_given_ready() {
            FakeEvent::GivenReply.hit();
            self.answer_after(now, delay, Action::Answer(request, given));
            return;
        }
        let odd = self.behaviour.next_odd_ready();
        mark_odd(odd);
        let reply = if odd == Some(OddAnswer::Html502) {
            Reply::done()
        } else if let Some(refusal) = self.behaviour.next_ready_refusal() {
            FakeEvent::ReadyFails.hit();
            refusal.of_ready()
        } else {
            let session = self.session_for(ready);
            let reply = Reply::ready(&session);
            if self.is_bound_like(&session) {
                FakeEvent::BoundAgain.hit();
            }
            self.bind(session);
            reply
        };
        self.answer_after(now, delay, Action::Answer(request, reply.made_odd(odd)));
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
            places: ready.places,
            binding: ready.binding,
        }
    }

    fn is_bound_like(&self, session: &Session) -> bool {
        let bound = self.session.as_ref();
        bound.is_some_and(|bound| bound.is_bound_like(session))
    }

    /// Starts to work for `session`. A different binding ends all work of the previous one.
    fn bind(&mut self, session: Session) {
        if !self.is_bound_like(&session) {
            if self.session.is_some() {
                FakeEvent::Rebound.hit();
            } else {
                FakeEvent::Bound.hit();
            }
            if self.behaviour.keeps_old_socket {
                self.keep_old_socket();
            }
            self.reset("the binding was replaced");
        }
        self.session = Some(session);
    }

    fn handle_prompt(&mut self, now: Timestamp, request: RequestId, prompt: Prompt, mut binding: Binding) {
        if let Some(given) = self.behaviour.next_given_job() {
            FakeEvent::GivenReply.hit();
            let answer = Action::Answer(request, given);
            self.answer_after(now, self.behaviour.job_delay(), answer);
            return;
        }
        let odd = self.behaviour.next_odd_job();
        mark_odd(odd);
        if odd == Some(OddAnswer::Html502) {
            let answer = Action::Answer(request, Reply::done().made_odd(odd));
            self.answer_after(now, self.behaviour.job_delay(), answer);
            return;
        }
        if let Some(refusal) = self.behaviour.next_job_refusal() {
            FakeEvent::JobFails.hit();
            let reply = refusal.of_kind(prompt.kind).of_job();
            let answer = Action::Answer(request, reply.made_odd(odd));
            self.answer_after(now, self.behaviour.job_delay(), answer);
            return;
        }
        let Some(bound) = self.session.clone() else {
            FakeEvent::NoSession.hit();
            self.answer(request, Refusal::NoSession.of_job());
            return;
        };
        binding.upstream_branch = binding.upstream_branch.or(bound.binding.upstream_branch.clone());
        self.bind(Session { binding, ..bound });
        self.pending_prompts.push(PendingPrompt { request, prompt, odd });
        match self.link {
            Link::Open(_) => self.accept_pending_prompts(now),
            Link::Opening { .. } => {}
            // The server is reachable, so do not wait for the end of the pause.
            Link::Pausing { pause, .. } => self.open(Some(pause)),
            Link::Closed => self.open(None),
        }
    }

    /// Accepts the pending prompts. A `complete` that is being written cannot be dropped any more, so they wait until it
    /// is written (R11.52).
    pub(super) fn accept_pending_prompts(&mut self, now: Timestamp) {
        if self.buffer.is_writing_complete() {
            return;
        }
        self.drop_complete_before_new_prompts();
        for PendingPrompt { request, prompt, odd } in std::mem::take(&mut self.pending_prompts) {
            let delay = self.behaviour.job_delay();
            if !delay.is_zero() {
                FakeEvent::JobLate.hit();
            }
            let answer = if self.behaviour.loses_next_reply() {
                FakeEvent::JobReplyLost.hit();
                Action::HangUp(request)
            } else {
                let reply = Reply::sent(prompt.kind, &prompt.message_id);
                Action::Answer(request, reply.made_odd(odd))
            };
            self.answer_after(now, delay, answer);
            if !self.turns.has_taken(&prompt.message_id) {
                if self.finalizing.is_some() && self.behaviour.loses_prompts() {
                    FakeEvent::PromptLost.hit();
                    continue;
                }
                self.note_new_work();
            }
            self.turns.take(now, prompt);
        }
        self.begin_next_turn(now);
    }

    /// A prompt was accepted: the ingest stays open for it.
    fn note_new_work(&mut self) {
        if self.leave_at.take().is_some() {
            FakeEvent::BusyAgain.hit();
        }
        if self.finalizing.is_some() {
            FakeEvent::PromptWhileFinalizing.hit();
        }
    }

    /// Drops a `complete` that was not sent if a prompt is about to be accepted (R11.52).
    pub(super) fn drop_complete_before_new_prompts(&mut self) {
        let mut prompts = self.pending_prompts.iter().map(|pending| &pending.prompt);
        if prompts.any(|prompt| !self.turns.has_taken(&prompt.message_id)) && self.buffer.discard_complete() {
            FakeEvent::CompleteDropped.hit();
            if let Link::Open(link) = self.link {
                self.actions.push(Action::DropComplete(link));
            }
        }
    }

    /// Aborts the turns of the bound run. Another run is refused, because the request may be late (R5.35).
    fn handle_abort(&mut self, now: Timestamp, run: Option<&str>) -> Reply {
        FakeEvent::Aborted.hit();
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

    /// The answer to `/health` (R5.24).
    fn health(&self) -> Reply {
        Reply::ok(json!({
            "healthy": true,
            "state": self.state(),
            "version": self.version,
            "sessionId": self.session.as_ref().map(|session| &session.session_id),
            "pendingMessages": self.turns.pending().count(),
        }))
    }

    /// The answer to `/job/status` (R5.26).
    fn status(&self) -> Reply {
        let mut status = json!({
            "state": self.state(),
            "pendingMessages": self.turns.pending().collect::<Vec<_>>(),
        });
        if let Some(session) = &self.session {
            status["sessionId"] = json!(session.session_id);
        }
        if let Some(error) = &self.last_error {
            status["lastError"] = json!(error);
        }
        Reply::ok(status)
    }

    fn state(&self) -> &'static str {
        if self.is_at_work() { "active" } else { "idle" }
    }
}

/// A prompt to accept and answer later.
pub(super) struct PendingPrompt {
    pub(super) request: RequestId,
    prompt: Prompt,
    /// The form of the answer.
    odd: Option<OddAnswer>,
}

fn mark_odd(odd: Option<OddAnswer>) {
    if odd.is_some() {
        FakeEvent::OddAnswer.hit();
    }
}
