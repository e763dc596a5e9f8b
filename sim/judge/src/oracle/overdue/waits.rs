//! The waits of one turn. Each returns the first limit that the turn outlived.

use std::time::Duration;

use super::limit;
use crate::oracle::fences::Fences;
use crate::oracle::frames::RunEnd;
use crate::oracle::history::{Fence, SessionHistory, StreamEvent, WrapperFrame, answer, kilo};
use crate::oracle::runs::{Run, is_pong};
use crate::rules::RuleId;

/// An accepted message and its run.
pub(in crate::oracle) struct Turn<'s, 'a> {
    session: &'s SessionHistory<'a>,
    pub(in crate::oracle) message: &'a str,
    sent: &'a StreamEvent,
    /// The fence of its run.
    pub(in crate::oracle) fence: &'a Fence,
    /// Its end; `None` if it never ended.
    pub(in crate::oracle) ended_at: Option<Duration>,
    /// Its end, or the end of the run of the harness.
    until: Duration,
}

/// A limit that a turn outlived.
pub(in crate::oracle) struct Overdue {
    /// The rule about the limit.
    pub(in crate::oracle) violated: RuleId,
    /// What began the wait, at `since`.
    pub(in crate::oracle) text: &'static str,
    pub(in crate::oracle) since: Duration,
    /// The latest end.
    pub(in crate::oracle) limit: Duration,
}

/// A span without a fault.
#[derive(Clone, Copy)]
struct Calm {
    /// From here on, every wait has begun at the latest.
    from: Duration,
    until: Duration,
}

impl<'s, 'a> Turn<'s, 'a> {
    /// The turn that an event begins; `None` if the wire does not show its run.
    pub(in crate::oracle) fn of(session: &'s SessionHistory<'a>, sent: &'a StreamEvent) -> Option<Self> {
        let message = sent.message()?;
        let fence = session.run_of(message, sent.at + session.run.time_error())?;
        let ended_at = session.end_of(message).map(|end| end.at);
        Some(Self {
            session,
            message,
            sent,
            fence,
            ended_at,
            until: ended_at.unwrap_or(session.run.end),
        })
    }

    /// The first limit that it outlived.
    pub(in crate::oracle) fn first_overdue(&self, fences: &Fences) -> Option<Overdue> {
        let run = Run::of(self.session, self.fence);
        let of_run = run.iter().flat_map(|run| {
            let spans = self.calm_spans(run).into_iter();
            spans.flat_map(|calm| {
                [
                    self.without_output(run, calm),
                    self.without_pong(run, calm),
                    self.unanswered_ping(run, calm),
                    self.without_socket(run, calm),
                    self.after_idle(calm),
                    self.after_reply(run, calm),
                ]
            })
        });
        let cut_off = run.as_ref().and_then(|run| self.cut_off(run));
        let after_run = [cut_off, self.replaced(fences), self.after_end_of_run(fences)];
        let overdue = of_run.chain(after_run).flatten();
        overdue.min_by_key(|overdue| overdue.limit)
    }

    /// The spans of the turn without a fault.
    fn calm_spans(&self, run: &Run) -> Vec<Calm> {
        let profile = &self.session.run.context.profile;
        let faults = &self.session.run.faults;
        let spans = faults
            .calm_spans(run.host(), Duration::ZERO, self.until)
            .into_iter();
        let spans = spans.map(|(from, until)| Calm {
            // After a restart the run is in its grace, and other waits begin with a socket inside it.
            from: if from > Duration::ZERO {
                from + profile.disconnect_grace + profile.resume_delay
            } else {
                from
            }
            .max(self.sent.at),
            until,
        });
        spans.filter(|calm| calm.from < calm.until).collect()
    }

    /// The first gap between restarts of a wait, in a calm span, that is longer than the wait.
    fn gap(
        &self,
        restarts: impl Iterator<Item = Duration>,
        calm: Calm,
        wait: Duration,
        (violated, text): (RuleId, &'static str),
    ) -> Option<Overdue> {
        let mut restarts: Vec<Duration> = restarts.filter(|at| *at < calm.until).collect();
        restarts.sort_unstable();
        let mut since = calm.from;
        for restart in restarts.into_iter().chain([calm.until]) {
            if restart > limit(self.session, since, wait) {
                return Some(Overdue {
                    violated,
                    text,
                    since,
                    limit: limit(self.session, since, wait),
                });
            }
            since = since.max(restart);
        }
        None
    }

    /// Times that restart the waits for output and for a pong: acceptances and new sockets.
    fn restarts(&self, run: &Run<'_, 'a>) -> impl Iterator<Item = Duration> {
        let sent = self.session.sent.iter();
        sent.map(|event| event.at).chain(openings(run))
    }

    /// No meaningful output (R7.4).
    fn without_output(&self, run: &Run<'_, 'a>, calm: Calm) -> Option<Overdue> {
        let profile = &self.session.run.context.profile;
        let output = run.frames().filter(|(_, frame)| frame.is_meaningful);
        let restarts = output.map(|(_, frame)| frame.at).chain(self.restarts(run));
        // A restart extends the deadline, because not all output is recorded (R7.32).
        let is_extended = self
            .session
            .run
            .faults
            .may_have_stopped_server(Duration::ZERO, calm.until);
        let extension = if is_extended {
            profile.output_record_interval
        } else {
            Duration::ZERO
        };
        let wait = profile.no_output_timeout + extension;
        let began = (RuleId::named("R7.4"), "its wrapper sent its last output");
        self.gap(restarts, calm, wait, began)
    }

    /// The first time without a ping, while the run had a socket, that is longer than the interval (R7.2).
    pub(in crate::oracle) fn without_ping(&self, run: &Run<'_, 'a>) -> Option<Overdue> {
        let wait = self.session.run.context.profile.ping_interval;
        let signs = run
            .frames()
            .filter(|(_, frame)| frame.is_meaningful || is_pong(frame));
        let signs: Vec<Duration> = signs.map(|(_, frame)| frame.at).collect();
        let spans = self.calm_spans(run).into_iter();
        let mut overdue = spans.filter_map(|calm| {
            let restarts = signs.iter().copied().chain(self.restarts(run)).chain(run.pings());
            let began = (RuleId::named("R7.2"), "its wrapper gave its last sign of life");
            let overdue = self.gap(restarts, calm, wait, began)?;
            let is_connected = !self.has_gap_of_sockets(run, &overdue)
                && run.without_socket_since(overdue.limit).is_none()
                && !run.may_have_ended_silently(overdue.limit);
            is_connected.then_some(overdue)
        });
        overdue.next()
    }

    /// A finished reply to the message (R6.2), on a socket that stays open.
    fn after_reply(&self, run: &Run<'_, 'a>, calm: Calm) -> Option<Overdue> {
        let replies = run.frames().filter(|(ingest, frame)| {
            let limit = limit(self.session, frame.at, Duration::ZERO);
            let is_last = run
                .sockets()
                .iter()
                .all(|socket| socket.opened_at <= ingest.opened_at || socket.opened_at > limit);
            let is_open = ingest.closed_at.is_none_or(|closed_at| closed_at > limit)
                && !run.may_have_ended_silently(limit);
            let is_calm = frame.at >= calm.from && limit < calm.until;
            is_calm && is_open && is_last && self.is_finished_reply(frame)
        });
        let mut overdue = replies.map(|(_, frame)| Overdue {
            violated: RuleId::named("R6.2"),
            text: "its wrapper sent its finished reply",
            since: frame.at,
            limit: limit(self.session, frame.at, Duration::ZERO),
        });
        overdue.next()
    }

    /// Whether a frame is a finished reply of the assistant to the message.
    fn is_finished_reply(&self, frame: &WrapperFrame) -> bool {
        let answered = kilo(&frame.name, &frame.data).and_then(answer);
        answered
            .is_some_and(|(message, info)| message == self.message && !info["time"]["completed"].is_null())
    }

    /// Neither output nor a pong (R7.2, R7.3).
    fn without_pong(&self, run: &Run<'_, 'a>, calm: Calm) -> Option<Overdue> {
        let profile = &self.session.run.context.profile;
        let signs = run
            .frames()
            .filter(|(_, frame)| frame.is_meaningful || is_pong(frame));
        let restarts = signs.map(|(_, frame)| frame.at).chain(self.restarts(run));
        let wait = profile.ping_interval + profile.pong_timeout;
        let began = (RuleId::named("R7.2"), "its wrapper gave its last sign of life");
        self.gap(restarts, calm, wait, began)
    }

    /// A ping without a pong (R7.3).
    fn unanswered_ping(&self, run: &Run<'_, 'a>, calm: Calm) -> Option<Overdue> {
        let wait = self.session.run.context.profile.pong_timeout;
        let pings = run.pings().filter(|ping| (calm.from..calm.until).contains(ping));
        let mut overdue = pings.map(|ping| Overdue {
            violated: RuleId::named("R7.3"),
            text: "a ping reached its wrapper",
            since: ping,
            limit: limit(self.session, ping, wait),
        });
        overdue.find(|ping| {
            // A pong that was under way counts as well, and so does a socket that may have restarted the wait.
            let from = ping.since.saturating_sub(2 * self.session.run.max_transit());
            let is_in_wait = |at: &Duration| (from..=ping.limit).contains(at);
            let mut pongs = run.frames().filter(|(_, frame)| is_pong(frame));
            let is_answered = pongs.any(|(_, frame)| is_in_wait(&frame.at));
            let is_restarted =
                self.restarts(run).any(|at| is_in_wait(&at)) || self.has_gap_of_sockets(run, ping);
            ping.limit < calm.until && !is_answered && !is_restarted
        })
    }

    /// Whether the run was without a socket at some time of a wait, so that the grace may have cancelled it.
    fn has_gap_of_sockets(&self, run: &Run<'_, 'a>, wait: &Overdue) -> bool {
        let closings = run.sockets().iter().filter_map(|socket| socket.closed_at);
        run.without_socket_since(wait.since).is_some()
            || closings
                .into_iter()
                .any(|at| (wait.since..=wait.limit).contains(&at))
    }

    /// No socket for the grace (R7.1, R7.18). An opening that the wrapper gave up restarts it.
    fn without_socket(&self, run: &Run<'_, 'a>, calm: Calm) -> Option<Overdue> {
        let grace = self.session.run.context.profile.disconnect_grace;
        let closings = run.sockets().iter().filter_map(|socket| socket.closed_at);
        let times = closings.chain(run.lost_openings());
        let times = times.filter(|at| (calm.from..calm.until).contains(at));
        let times = [calm.from].into_iter().chain(times);
        let mut overdue = times.filter_map(|time| {
            run.without_socket_since(time)?;
            let limit = limit(self.session, time, grace);
            let is_restarted = openings(run).any(|opened_at| time < opened_at && opened_at <= limit);
            let is_over = limit < calm.until && !is_restarted;
            (is_over && !run.may_have_ended_silently(limit)).then_some(Overdue {
                violated: RuleId::named("R7.1"),
                text: "its run had no socket",
                since: time,
                limit,
            })
        });
        overdue.next()
    }

    /// No socket for the grace (R7.1), because a reset ended all connections and nothing of the wrapper reached the server
    /// since. Both ends notice a reset at once.
    fn cut_off(&self, run: &Run) -> Option<Overdue> {
        let grace = self.session.run.context.profile.disconnect_grace;
        let faults = &self.session.run.faults;
        // The fault that cuts the wrapper off may begin a moment after the reset.
        let moment = self.session.run.max_transit();
        let mut resets = faults.resets(run.host(), self.until).filter_map(|reset_at| {
            let limit = limit(self.session, reset_at, grace);
            let cut_off_from = reset_at + moment;
            let is_judged = reset_at > self.sent.at
                && limit < self.until
                && faults.is_cut_off(run.host(), cut_off_from, limit)
                && !faults.may_have_stopped_server(reset_at, limit)
                && !openings(run).any(|at| (reset_at..=limit).contains(&at));
            is_judged.then_some(Overdue {
                violated: RuleId::named("R7.1"),
                text: "a reset ended its connections, and its wrapper was cut off from then on; the reset came",
                since: reset_at,
                limit,
            })
        });
        resets.next()
    }

    /// The root is idle and the message has no answer (R7.5, R6.40).
    fn after_idle(&self, calm: Calm) -> Option<Overdue> {
        let wait = self.session.run.context.profile.idle_reconciliation_delay;
        let is_own =
            |idle: &StreamEvent| idle.id > self.sent.id || self.session.was_taken_before(self.message, idle);
        let idles = self.session.root_idles.iter().copied();
        let idles = idles.filter(|event| is_own(event));
        let mut overdue = idles.filter_map(|idle| {
            // After a change of the clock back, the wait begins again with the restart.
            let is_repeated = self.session.run.faults.clock().went_back(idle.at, calm.from);
            let rest = if is_repeated { wait } else { Duration::ZERO };
            let limit = limit(self.session, idle.at, wait).max(limit(self.session, calm.from, rest));
            // Before the search for a cancellation, which is long.
            if self.session.roots().len() != 1 || limit >= calm.until {
                return None;
            }
            // The log is in order of id.
            let after = self.session.kept.partition_point(|event| event.id <= idle.id);
            let is_cancelled = self.session.kept[after..].iter().any(|event| {
                let is_other = || event.is_sent() && event.message() != Some(self.message);
                event.at <= limit && (is_other() || is_busy(event))
            });
            (!is_cancelled).then_some(Overdue {
                violated: RuleId::named("R7.5"),
                text: "the root was idle",
                since: idle.at,
                limit,
            })
        });
        overdue.next()
    }

    /// A later run was allocated, so its own had ended (R7.12, R7.13).
    fn replaced(&self, fences: &Fences) -> Option<Overdue> {
        let since = fences.replaced_at(self.fence.generation);
        let limit = since
            .saturating_add(self.session.run.time_error())
            .max(self.sent.at);
        (limit < self.until).then_some(Overdue {
            violated: RuleId::named("R7.12"),
            text: "the wrapper received a later run",
            since,
            limit,
        })
    }

    /// Its run has ended (R6.31, R6.34).
    fn after_end_of_run(&self, fences: &Fences) -> Option<Overdue> {
        let since = fences.ended_at(self.fence.generation)?;
        // `complete_settles` judges what a `complete` leaves.
        let mut ends = self.session.kept.iter().filter(|event| event.at == since);
        if ends.any(|event| RunEnd::of_event(event).is_some_and(RunEnd::is_complete)) {
            return None;
        }
        let limit = since.max(self.sent.at) + self.session.run.time_error();
        (limit < self.until).then_some(Overdue {
            violated: RuleId::named("R6.31"),
            text: "its run had ended",
            since,
            limit,
        })
    }
}

/// The times at which sockets of a run were opened, or may have been.
fn openings(run: &Run) -> impl Iterator<Item = Duration> {
    let opened = run.sockets().iter().map(|socket| socket.opened_at);
    opened.chain(run.lost_openings())
}

/// Whether an event reports that kilo is busy.
fn is_busy(event: &StreamEvent) -> bool {
    let status = kilo(&event.name, &event.data);
    matches!(status, Some(("session.status", properties)) if properties["status"]["type"] == "busy")
}
