//! The end of a session: when it happens, its effects, and that nothing happens afterwards (protocol §2, §7).

use std::collections::BTreeSet;

use jiff::Timestamp;
use turnstile_reference::session::wrapper::CLOSE_STALE;
use turnstile_reference::session::{CalendarMove, Effect, Input, Reply, SocketId, Writes};

use super::{Law, Observation, Violation, ensure};
use crate::session_properties::actions::{Origin, Setting};
use crate::session_properties::protocol::PROTOCOL;

const SECONDS_OF_A_DAY: i64 = 24 * 60 * 60;

/// The state of the session's life.
#[derive(Debug)]
pub struct Life {
    over: bool,
    /// The time at which it expires without further activity. `None` before the first decision.
    expires_at: Option<Timestamp>,
    /// The time at which the expiry is due: later if the server was down at that time.
    due_at: Option<Timestamp>,
    /// The last change by the older service.
    left_at: Timestamp,
    /// The day in the calendar.
    calendar_day: Option<i64>,
    /// Whether something was pending before the current input.
    was_wanted: bool,
    /// The open sockets.
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

    /// Whether the session has ended for all other parties.
    pub fn is_over(&self) -> bool {
        self.over
    }

    pub fn crash(&mut self) {
        self.sockets.clear();
    }

    /// Judges a decision of a live session. `is_owed` is whether something is pending, which prevents expiry.
    /// `is_wanted` is also true if there is a run, which may postpone it.
    pub fn judge(&mut self, seen: &Observation, is_wanted: bool, is_owed: bool) -> Result<(), Violation> {
        self.follow_sockets(seen);
        ensure!(
            !matches!(seen.reply, Reply::NoSession),
            Law::Life,
            "{:?} was answered with \"no session\"",
            seen.input
        );
        let was_wanted = std::mem::replace(&mut self.was_wanted, is_wanted);
        let ends = seen
            .effects
            .iter()
            .filter(|effect| **effect == Effect::EndStreams);
        let is_over = ends.count() > 0;
        match seen.input {
            Input::Delete => ensure!(is_over, Law::Life, "a deletion did not end the streams"),
            Input::Wake => {
                let is_due = self.due_at.is_some_and(|at| at <= seen.now);
                ensure!(
                    is_over && is_due && !is_owed || !is_over && (!is_due || is_wanted || was_wanted),
                    Law::Life,
                    "ended: {is_over}, expiry due at {:?}, now {}, pending: {is_owed}",
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
                "events for streams that have ended: {:?}",
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

    /// A live session has a deadline for its end, and a day in the calendar.
    fn judge_plan(&mut self, seen: &Observation) -> Result<(), Violation> {
        let next = seen.session.next_deadline();
        ensure!(
            next.is_some() && next <= self.due_at,
            Law::Life,
            "the next deadline is {next:?}, but the expiry is due at {:?}",
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
            "the calendar has the session on {:?}, but it expires on {day:?}",
            self.calendar_day
        );
        Ok(())
    }

    /// Deadlines that passed while the server was down are due shortly after its start.
    fn judge_resumed(&self, seen: &Observation) -> Result<(), Violation> {
        let next = seen.session.next_deadline();
        ensure!(
            next.is_none_or(|next| next > seen.now),
            Law::Supervision,
            "after a restart at {} the next deadline is {next:?}",
            seen.now
        );
        Ok(())
    }

    /// Judges a decision after the end of the session.
    pub fn judge_afterlife(&mut self, seen: &Observation) -> Result<(), Violation> {
        if let (Some((socket, ..)), Reply::NoSession) = (seen.frame(), seen.reply) {
            // The fence is stale; a socket that was already closed with that code need not be closed again.
            let closes = seen.effects == [Effect::Close(socket, CLOSE_STALE)];
            let was_closed = !self.sockets.contains(&socket);
            ensure!(
                seen.writes.is_empty() && (closes || was_closed && seen.effects.is_empty()),
                Law::StaleFence,
                "a frame after the end of the session led to {:?} and {:?}",
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
            "after the end of the session {:?} led to {:?}, {:?} and {:?}",
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
