//! The session's own end: when it comes, what comes with it, and that nothing comes after it
//! (protocol §2, §7).

use std::collections::BTreeSet;

use jiff::Timestamp;
use turnstile_reference::session::wrapper::CLOSE_STALE;
use turnstile_reference::session::{CalendarMove, Effect, Input, Reply, SocketId, Writes};

use super::{Law, Observation, Violation, ensure};
use crate::session_properties::actions::{Origin, Setting};
use crate::session_properties::protocol::PROTOCOL;

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

/// What is known of the session's life.
#[derive(Debug)]
pub struct Life {
    over: bool,
    /// When it ends if nobody does anything any more. None until the first decision says so.
    expires_at: Option<Timestamp>,
    /// When that is noticed: a little later if the server was away then.
    due_at: Option<Timestamp>,
    /// The last that an older service did to it.
    left_at: Timestamp,
    /// Where the calendar has it.
    calendar_day: Option<i64>,
    /// What was owed when the present input came.
    was_wanted: bool,
    /// Sockets that were let in and not closed.
    sockets: BTreeSet<SocketId>,
}

impl Life {
    pub fn new(setting: &Setting, now: Timestamp) -> Self {
        let left_at = match &setting.origin {
            Origin::Started | Origin::Prepared { .. } => now,
            Origin::Imported(leftovers) => now - leftovers.age,
        };
        Self {
            over: false,
            expires_at: None,
            due_at: None,
            left_at,
            calendar_day: None,
            was_wanted: false,
            sockets: BTreeSet::new(),
        }
    }

    /// Whether the session has ended for everybody outside.
    pub fn is_over(&self) -> bool {
        self.over
    }

    pub fn crash(&mut self) {
        self.sockets.clear();
    }

    /// Judges what became of a session that was alive. It is wanted if something is owed, which forbids that
    /// it expires, or if there is a wrapper, which may put its end off.
    pub fn judge(&mut self, seen: &Observation, is_wanted: bool, is_owed: bool) -> Result<(), Violation> {
        self.follow_sockets(seen);
        ensure!(
            !matches!(seen.reply, Reply::NoSession),
            Law::Life,
            "{:?} was told that there is no session",
            seen.input
        );
        let was_wanted = std::mem::replace(&mut self.was_wanted, is_wanted);
        let ends = seen
            .effects
            .iter()
            .filter(|effect| **effect == Effect::EndStreams);
        let is_over = ends.count() > 0;
        match seen.input {
            Input::Delete => ensure!(is_over, Law::Life, "a deleted session still has its streams"),
            Input::Wake => {
                let is_due = self.due_at.is_some_and(|at| at <= seen.now);
                ensure!(
                    is_over && is_due && !is_owed || !is_over && (!is_due || is_wanted || was_wanted),
                    Law::Life,
                    "ended: {is_over}, with the end due at {:?}, at {}, owing: {is_owed}",
                    self.due_at,
                    seen.now
                );
                if is_due {
                    self.put_off(seen.now);
                }
            }
            Input::Resume => {
                let at = (self.left_at + PROTOCOL.session_lifetime).max(seen.now);
                let at = *self.expires_at.get_or_insert(at);
                let due_at = if at <= seen.now {
                    seen.now + PROTOCOL.resume_delay
                } else {
                    at
                };
                self.due_at = self.due_at.filter(|at| *at > seen.now).or(Some(due_at));
            }
            Input::Enqueued { .. } => {}
            _ if !seen.writes.is_empty() => self.put_off(seen.now),
            _ => {}
        }
        ensure!(
            seen.session.is_deleted() == is_over
                && (!is_over || matches!(seen.input, Input::Delete | Input::Wake)),
            Law::Life,
            "the streams ended: {is_over}; deleted: {}",
            seen.session.is_deleted()
        );
        self.over = is_over;
        if is_over {
            let last = seen
                .effects
                .iter()
                .skip_while(|effect| **effect != Effect::EndStreams);
            ensure!(
                !last
                    .skip(1)
                    .any(|effect| matches!(effect, Effect::Broadcast(_) | Effect::EndStreams)),
                Law::Life,
                "something is told to streams that have ended: {:?}",
                seen.effects
            );
            return Ok(());
        }
        self.judge_plan(seen)
    }

    fn put_off(&mut self, now: Timestamp) {
        self.expires_at = Some(now + PROTOCOL.session_lifetime);
        self.due_at = self.expires_at;
    }

    /// A session that lives will end, and the calendar has the day.
    fn judge_plan(&mut self, seen: &Observation) -> Result<(), Violation> {
        let next = seen.session.next_deadline();
        ensure!(
            next.is_some() && next <= self.due_at,
            Law::Life,
            "the next deadline is {next:?}, and the end is due at {:?}",
            self.due_at
        );
        if matches!(seen.input, Input::Resume) {
            self.judge_resumed(seen)?;
        }
        if let Some(CalendarMove { from, to }) = seen.writes.calendar {
            ensure!(
                from == self.calendar_day,
                Law::Life,
                "the calendar has the session on {:?}, not on {from:?}",
                self.calendar_day
            );
            self.calendar_day = Some(to);
        }
        let day = self
            .expires_at
            .map(|at| at.as_second().div_euclid(SECONDS_OF_A_DAY));
        ensure!(
            day == self.calendar_day,
            Law::Life,
            "the calendar has the session on {:?}, and it ends on {day:?}",
            self.calendar_day
        );
        Ok(())
    }

    /// What was due while the server was away waits for a moment.
    fn judge_resumed(&self, seen: &Observation) -> Result<(), Violation> {
        let next = seen.session.next_deadline();
        ensure!(
            next.is_none_or(|next| next > seen.now),
            Law::Supervision,
            "a restart at {} has something due at {next:?}",
            seen.now
        );
        Ok(())
    }

    /// Judges what is made of an input of a session that is over.
    pub fn judge_afterlife(&mut self, seen: &Observation) -> Result<(), Violation> {
        if let (Some((socket, ..)), Reply::NoSession) = (seen.frame(), seen.reply) {
            // Its fence is not current any more; a socket that was told so need not be told again.
            let closes = seen.effects == [Effect::Close(socket, CLOSE_STALE)];
            let was_closed = !self.sockets.contains(&socket);
            ensure!(
                seen.writes.is_empty() && (closes || was_closed && seen.effects.is_empty()),
                Law::StaleFence,
                "a frame for a session that is over led to {:?} and {:?}",
                seen.effects,
                seen.writes
            );
            self.follow_sockets(seen);
            return Ok(());
        }
        self.follow_sockets(seen);
        if matches!(seen.input, Input::Resume) {
            self.judge_resumed(seen)?;
        }
        let Writes {
            metadata,
            core: _,
            messages: _,
            executions: _,
            events,
            forgotten_entities,
            calendar,
            removal: _,
        } = seen.writes;
        let is_quiet = !metadata && events.is_empty() && forgotten_entities.is_empty() && calendar.is_none();
        let is_own = matches!(seen.input, Input::Resume | Input::Wake | Input::Enqueued { .. });
        let hands_over_only = seen
            .effects
            .iter()
            .all(|effect| matches!(effect, Effect::Enqueue(_)));
        ensure!(
            if is_own {
                matches!(seen.reply, Reply::None) && is_quiet && hands_over_only
            } else {
                matches!(seen.reply, Reply::NoSession) && seen.writes.is_empty() && seen.effects.is_empty()
            },
            Law::Life,
            "for a session that is over {:?} led to {:?}, {:?} and {:?}",
            seen.input,
            seen.reply,
            seen.writes,
            seen.effects
        );
        Ok(())
    }

    fn follow_sockets(&mut self, seen: &Observation) {
        match (seen.input, seen.reply) {
            (
                Input::IngestOpened { socket, .. } | Input::ImportedIngestOpened { socket, .. },
                Reply::Ingest(Ok(())),
            ) => {
                self.sockets.insert(*socket);
            }
            (Input::IngestClosed { socket, .. }, _) => {
                self.sockets.remove(socket);
            }
            _ => {}
        }
        for effect in seen.effects {
            if let Effect::Close(socket, _) = effect {
                self.sockets.remove(socket);
            }
        }
    }
}
