//! The ingest connection: opening, losing, reopening and closing it (R11.23, R11.29–R11.31).
//!
//! What is sent on the connection is decided elsewhere.

use jiff::Timestamp;

use super::{Action, Command, Lifecycle, Link, LinkFailure, LinkId};
use crate::coverage::FakeEvent;
use crate::wrapper::events;
use crate::wrapper::reply::Refusal;

/// HTTP status of a refusal for a stale fence.
const STALE_STATUS: u16 = 409;

/// Close code for a stale fence.
const STALE_CLOSE_CODE: u16 = 4401;

/// Reason of `interrupted` after a `kill`.
const KILLED: &str = "killed by the server";

impl Lifecycle {
    /// Opens an ingest socket, for the first time or after the pause with this index.
    pub(super) fn open(&mut self, pause: Option<usize>) {
        let gives_up = self.behaviour.abandons_next_opening();
        if gives_up {
            FakeEvent::OpeningAbandoned.hit();
        }
        let link = self.dial(gives_up);
        self.link = Link::Opening {
            link,
            pause,
            gives_up,
        };
    }

    /// Requests an ingest socket for the current binding.
    pub(super) fn dial(&mut self, gives_up: bool) -> LinkId {
        let session = self.session.as_ref().expect("an ingest belongs to a session");
        self.last_link += 1;
        let link = LinkId(self.last_link);
        self.actions.push(Action::Open {
            link,
            url: session.ingest_url(),
            token: session.binding.worker_auth_token.clone(),
            gives_up,
        });
        link
    }

    pub(super) fn link_opened(&mut self, now: Timestamp, opened: LinkId) {
        if self.old_sockets.take_opened(opened) {
            return;
        }
        let Link::Opening { link, pause, .. } = self.link else {
            return;
        };
        if link != opened {
            return;
        }
        self.drop_complete_before_new_prompts();
        self.link = Link::Open(link);
        if pause.is_some() {
            self.resume(now, link);
        } else {
            self.buffer.open();
        }
        self.announce(now);
        self.accept_pending_prompts(now);
    }

    /// Announces the commands if they changed, and for a new run the preparation before them.
    pub(super) fn announce(&mut self, now: Timestamp) {
        let commands = self.behaviour.commands.clone();
        if self.announced.is_none()
            && let Some(preparing) = self.behaviour.preparing.clone()
        {
            FakeEvent::PreparingReported.hit();
            self.emit(now, events::preparing(&preparing.step, &preparing.message));
        }
        if !commands.is_empty() && self.announced.as_ref() != Some(&commands) {
            FakeEvent::CommandsAnnounced.hit();
            self.emit(now, events::commands(&commands));
        }
        self.announced = Some(commands);
    }

    /// Sends `wrapper_resumed` and the buffered frames on the reopened ingest (R11.30).
    fn resume(&mut self, now: Timestamp, link: LinkId) {
        if self.behaviour.loses_buffer || self.behaviour.silent {
            if self.behaviour.loses_buffer && !self.buffer.is_empty() {
                FakeEvent::BufferLost.hit();
            }
            self.buffer.discard();
        }
        if self.behaviour.silent {
            self.buffer.open();
            return;
        }
        if !self.buffer.is_empty() {
            FakeEvent::IngestResumed.hit();
        }
        let announce = |buffered, lost| events::frame(now, events::resumed(buffered, lost));
        let frames = self.buffer.resume(self.behaviour.copies(), announce).cloned();
        self.actions.extend(frames.map(|frame| Action::Send(link, frame)));
    }

    pub(super) fn link_failed(&mut self, now: Timestamp, failed: LinkId, failure: &LinkFailure) {
        if self.old_sockets.take_ended(failed) {
            return;
        }
        let Link::Opening {
            link,
            pause,
            gives_up,
        } = self.link
        else {
            return;
        };
        if link != failed {
            return;
        }
        if gives_up && failure.status.is_none() {
            self.open(pause);
            return;
        }
        self.link = Link::Closed;
        self.refuse_pending_prompts(&failure.error);
        // A failed first attempt refuses only the prompts that waited for it; the next prompt tries again.
        let Some(pause) = pause else { return };
        let next = pause + 1;
        if failure.status == Some(STALE_STATUS) && next < self.reconnect_pauses.len() {
            self.give_up_stale();
        } else {
            self.pause(now, next);
        }
    }

    /// Waits before an attempt to reconnect, or gives up after the last one.
    fn pause(&mut self, now: Timestamp, pause: usize) {
        if let Some(&length) = self.reconnect_pauses.get(pause) {
            let until = now + length;
            self.link = Link::Pausing { until, pause };
        } else {
            FakeEvent::GaveUp.hit();
            self.give_up();
        }
    }

    pub(super) fn link_lost(&mut self, now: Timestamp, code: Option<u16>) {
        FakeEvent::IngestLost.hit();
        self.buffer.lose_connection();
        self.link = Link::Closed;
        if code == Some(STALE_CLOSE_CODE) {
            self.give_up_stale();
        } else if self.leave_at.is_some() && self.buffer.is_empty() {
            // The ingest was about to be closed, and no frame is left.
            self.leave_at = None;
        } else if !self.pending_prompts.is_empty() {
            // The server is reachable.
            self.open(Some(0));
        } else {
            self.pause(now, 0);
        }
    }

    pub(super) fn reconnect_if_due(&mut self, now: Timestamp) {
        if let Link::Pausing { until, pause } = self.link
            && until <= now
        {
            FakeEvent::IngestReconnecting.hit();
            self.open(Some(pause));
        }
    }

    pub(super) fn leave_if_due(&mut self, now: Timestamp) {
        if let Link::Open(link) = self.link
            && self.leave_at.is_some_and(|leave_at| leave_at <= now)
            && self.buffer.is_empty()
        {
            FakeEvent::IngestClosed.hit();
            self.leave_at = None;
            self.link = Link::Closed;
            self.actions.push(Action::Close(link));
        }
    }

    fn give_up_stale(&mut self) {
        FakeEvent::GaveUpStale.hit();
        self.give_up();
    }

    /// Ends all work and drops the binding (R11.31).
    fn give_up(&mut self) {
        self.reset("the wrapper gave its binding up");
        self.session = None;
    }

    /// Ends all work of the current binding.
    pub(super) fn reset(&mut self, why: &str) {
        match std::mem::replace(&mut self.link, Link::Closed) {
            Link::Open(link) => self.actions.push(Action::Close(link)),
            Link::Opening { link, .. } => self.actions.push(Action::Abandon(link)),
            Link::Pausing { .. } | Link::Closed => {}
        }
        let ended = self.turns.forget();
        self.stop(ended);
        self.buffer.restart();
        self.last_error = None;
        self.finalizing = None;
        self.announced = None;
        self.leave_at = None;
        self.refuse_pending_prompts(why);
    }

    fn refuse_pending_prompts(&mut self, why: &str) {
        for pending in std::mem::take(&mut self.pending_prompts) {
            FakeEvent::NoConnection.hit();
            self.answer(pending.request, Refusal::Connection(why.to_owned()).of_job());
        }
    }

    pub(super) fn handle_command(&mut self, now: Timestamp, command: Command) {
        match command {
            Command::Ping => self.answer_ping(now),
            Command::Kill => {
                let event = if !self.is_at_work() {
                    FakeEvent::KilledIdle
                } else {
                    FakeEvent::Killed
                };
                event.hit();
                self.abort(now, KILLED);
            }
            Command::RequestSnapshot => {
                FakeEvent::SnapshotSent.hit();
                self.report_state(now);
            }
        }
    }

    /// Answers a ping. A pong is not an event of a turn: a silent wrapper sends it too, and old sockets do
    /// not get it.
    fn answer_ping(&mut self, now: Timestamp) {
        if self.behaviour.deaf {
            FakeEvent::Deaf.hit();
            return;
        }
        FakeEvent::Pong.hit();
        for _ in 0..self.behaviour.copies() {
            self.send(events::frame(now, events::pong()).into());
        }
    }
}
