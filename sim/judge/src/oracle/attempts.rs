//! The queue of a session and the attempts to deliver its messages (protocol §4, §5), as the log and the wrapper show
//! them. This module judges nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::frames::RunEnd;
use super::history::{Call, Delivery, Fence, Preparation, SessionHistory, StreamEvent, WrapperAnswer};

/// The code of a delivery that the wrapper answered with 400 (protocol §4).
const BAD_REQUEST: &str = "BAD_REQUEST";

/// The messages of a session in the order in which they were queued.
pub(super) struct Queue<'a> {
    queued: Vec<Queued<'a>>,
}

/// A message that was queued.
pub(super) struct Queued<'a> {
    /// Its id.
    pub(super) message: &'a str,
    /// The event that queued it.
    pub(super) event: &'a StreamEvent,
    /// The event with which it left the queue; `None` if it never did.
    pub(super) left: Option<&'a StreamEvent>,
}

impl Queued<'_> {
    /// The latest time at which something was under way for it.
    pub(super) fn until(&self, session: &SessionHistory) -> Duration {
        let run = session.run;
        self.left.map_or(run.end, |left| left.at + run.time_error())
    }
}

impl<'a> Queue<'a> {
    pub(super) fn of(session: &SessionHistory<'a>) -> Self {
        let mut queued: Vec<Queued> = Vec::new();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for event in &session.kept {
            let Some(message) = event.message() else { continue };
            match places.get(message) {
                None if event.is_queued() => {
                    places.insert(message, queued.len());
                    queued.push(Queued {
                        message,
                        event,
                        left: None,
                    });
                }
                Some(place) if !event.is_queued() => {
                    queued[*place].left.get_or_insert(event);
                }
                _ => {}
            }
        }
        Self { queued }
    }

    /// The times at which messages were interrupted in the queue, by a user.
    pub(super) fn interrupted_at(&self) -> impl Iterator<Item = Duration> {
        let left = self.queued.iter().filter_map(|queued| queued.left);
        left.filter(|left| left.is_end() && left.data["completionSource"] == "interrupt")
            .map(|left| left.at)
    }

    /// The times at which each other message was queued and left the queue.
    pub(super) fn others<'q>(
        &'q self,
        message: &'q Queued<'a>,
    ) -> impl Iterator<Item = impl Iterator<Item = Duration>> + 'q {
        let others = self.all_but(message);
        others.map(|other| {
            [Some(other.event.at), other.left.map(|left| left.at)]
                .into_iter()
                .flatten()
        })
    }

    /// Whether another message than this one was in the queue at some time in that span.
    pub(super) fn has_other(&self, message: &Queued, from: Duration, until: Duration) -> bool {
        let is_then =
            |other: &Queued| other.event.at <= until && other.left.is_none_or(|left| left.at >= from);
        self.all_but(message).any(is_then)
    }

    fn all_but<'q>(&'q self, message: &'q Queued) -> impl Iterator<Item = &'q Queued<'a>> {
        self.queued
            .iter()
            .filter(|other| other.message != message.message)
    }

    /// All messages, each with the time from which it was the head of the queue. The time is `None` if an earlier
    /// message never left the queue, or if the log does not show which of two messages was earlier.
    pub(super) fn heads(
        &self,
        time_error: Duration,
    ) -> impl Iterator<Item = (&Queued<'a>, Option<Duration>)> {
        let mut earlier_left_at = Some(Duration::ZERO);
        self.queued.iter().enumerate().map(move |(place, queued)| {
            let is_tied = self.queued.iter().enumerate().any(|(other_place, other)| {
                other.event.at == queued.event.at
                    && (other_place < place) != (other.message < queued.message)
                    && other_place != place
            });
            let from = earlier_left_at.map(|left_at| left_at.max(queued.event.at));
            // The next message is not attempted in the same millisecond: the next drain runs a second later.
            earlier_left_at = queued
                .left
                .and_then(|left| Some(earlier_left_at?.max(left.at + time_error)));
            (queued, from.filter(|_| !is_tied))
        })
    }
}

/// One attempt to deliver a message: a request to get ready, and the turn.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    /// Time at which its first request reached the wrapper.
    pub(super) from: Duration,
    /// Time at which its last request did.
    pub(super) to: Duration,
    /// The earliest time at which the server may have known that it failed, if it did.
    pub(super) failed_from: Duration,
    /// The time by which the server certainly knew how it ended.
    pub(super) over_by: Duration,
    /// The time by which the server certainly knew how it ended, also if it could not read the answer and waited for the
    /// time-out.
    pub(super) over_at_last: Duration,
    /// The code with which the wrapper refused it.
    pub(super) code: Option<&'a str>,
    /// Whether the wrapper accepted the turn.
    pub(super) is_accepted: bool,
    /// Whether the server may have cut it short, so that it does not count (protocol §4).
    pub(super) may_be_cut_short: bool,
    has_turn: bool,
    awaits_turn: bool,
    fence: Option<&'a Fence>,
}

/// The attempts to deliver a message, in order. A request to get ready names no message: one at a time near the report of
/// the message before it, or of the end of this one, may be for another message.
pub(super) struct Attempts<'a> {
    all: Vec<Attempt<'a>>,
    /// Whether these are all attempts up to the time at which it left the queue.
    pub(super) is_whole: bool,
    /// Whether the first one may be for the message before it.
    is_first_open: bool,
    /// Whether the last one may be for the message after it.
    is_last_open: bool,
}

impl<'a> Attempts<'a> {
    /// What is found however the attempts are read that may be for another message.
    pub(super) fn find<T>(&self, find: impl Fn(&[Attempt<'a>]) -> Option<T>) -> Option<T> {
        let from = 0..=usize::from(self.is_first_open);
        let most = self.all.len();
        let found = from.flat_map(|from| {
            let until = most.saturating_sub(usize::from(self.is_last_open))..=most;
            until.map(move |until| (from, until))
        });
        let found = found
            .filter_map(|(from, until)| self.all.get(from..until))
            .map(find);
        found.collect::<Option<Vec<T>>>()?.into_iter().next()
    }
}

/// A request of an attempt.
struct Request<'a> {
    at: Duration,
    is_turn: bool,
    fence: Option<&'a Fence>,
    answer: Option<&'a WrapperAnswer>,
    is_success: bool,
    timeout: Duration,
}

/// The attempts to deliver a message that reached the wrapper from the time at which it was the head of the queue until it
/// left the queue, or to `limit` if that is earlier, or to the first time at which a fault, a user or the loss of a run may have
/// hidden one or cut one short; `None` if that was so from the beginning.
pub(super) fn attempts<'a>(
    session: &SessionHistory<'a>,
    queued: &Queued<'a>,
    head_from: Duration,
    limit: Option<Duration>,
) -> Option<Attempts<'a>> {
    let until = queued.until(session);
    let transit = session.run.max_transit();
    let looked_from = head_from.saturating_sub(transit);
    let disturbed_at = [
        limit,
        session.run.faults.wrappers_disrupted_from(looked_from, until),
        interrupted_from(session, looked_from, until),
        run_lost_from(session, head_from, until),
    ];
    let disturbed_at = disturbed_at.into_iter().flatten().min();
    // What was sent shortly before may not have arrived.
    let until = disturbed_at.map_or(until, |at| at.saturating_sub(transit));
    if until <= looked_from {
        return None;
    }
    // Before this time the message before it was the head.
    let open_from = head_from.saturating_sub(session.run.time_error());
    let mut attempts: Vec<Attempt> = Vec::new();
    for request in requests(session, queued.message, (open_from, head_from), until) {
        let unanswered_until = request.at + request.timeout;
        let answered_at = request.answer.map(|answer| answer.at);
        let failed_from = match answered_at {
            Some(at) => at.min(unanswered_until.saturating_sub(transit)).max(request.at),
            None if is_held_back(session, &request) => unanswered_until.saturating_sub(transit),
            None => request.at,
        };
        let over_by = answered_at.unwrap_or(Duration::MAX).min(unanswered_until) + transit;
        let code = request.answer.and_then(refusal);
        let over_at_last = if code.is_some() || request.is_success {
            over_by
        } else {
            unanswered_until + transit
        };
        let known = attempts
            .last_mut()
            .filter(|last| request.is_turn && last.awaits_turn);
        match known {
            Some(last) => {
                last.to = request.at;
                last.failed_from = failed_from;
                last.over_by = over_by;
                last.over_at_last = over_at_last;
                last.code = code;
                last.is_accepted = request.is_success;
                (last.has_turn, last.awaits_turn) = (true, false);
            }
            None => attempts.push(Attempt {
                from: request.at,
                to: request.at,
                failed_from,
                over_by,
                over_at_last,
                code,
                is_accepted: request.is_turn && request.is_success,
                may_be_cut_short: false,
                has_turn: request.is_turn,
                awaits_turn: !request.is_turn && request.is_success,
                fence: request.fence,
            }),
        }
    }
    let is_accepted_before = |place: usize| attempts[..place].iter().any(|attempt| attempt.is_accepted);
    let left_at = queued.left.map_or(Duration::MAX, |left| left.at);
    let is_after = |attempt: &Attempt| attempt.from > left_at && !attempt.has_turn;
    let first_after = attempts.iter().position(is_after);
    if let Some(place) = first_after.filter(|place| is_accepted_before(*place)) {
        attempts.truncate(place);
    }
    mark_cut_short(session, &mut attempts);
    Some(Attempts {
        is_whole: disturbed_at.is_none(),
        is_first_open: attempts
            .first()
            .is_some_and(|first| first.from < head_from && !first.has_turn),
        is_last_open: attempts.last().is_some_and(is_after),
        all: attempts,
    })
}

/// Whether a request without an answer certainly failed with its time-out: its wrapper held the answer back for
/// longer, and did not end its run during this time (R6.31).
fn is_held_back(session: &SessionHistory, request: &Request) -> bool {
    let faults = &session.run.faults;
    let until = request.at + request.timeout;
    let mut frames = session.wrapper_frames();
    faults.answer_is_held_for(request.at, request.is_turn) >= request.timeout
        && !frames
            .any(|(_, frame)| (request.at..=until).contains(&frame.at) && RunEnd::of_frame(frame).is_some())
}

/// The requests of the attempts to deliver a message, in order of arrival: from `head_from` on, and from `open_from` on those
/// that are not certainly for another message.
fn requests<'a>(
    session: &SessionHistory<'a>,
    message: &str,
    (open_from, head_from): (Duration, Duration),
    until: Duration,
) -> Vec<Request<'a>> {
    let profile = &session.run.context.profile;
    let is_for_another = |prepared: &Preparation| {
        let next = session
            .preparations
            .iter()
            .map(|next| next.at)
            .find(|at| *at > prepared.at);
        let is_its_turn = |turn: &Delivery| turn.at >= prepared.at && next.is_none_or(|next| turn.at < next);
        let mut turns = session.deliveries.iter();
        turns.any(|turn| is_its_turn(turn) && turn.message != message)
    };
    let prepared = session
        .preparations
        .iter()
        .filter(|prepared| (open_from..=until).contains(&prepared.at))
        .filter(|prepared| prepared.at >= head_from || !is_for_another(prepared))
        .map(|prepared: &&'a Preparation| Request {
            at: prepared.at,
            is_turn: false,
            fence: prepared.fence.as_ref(),
            answer: prepared.answer.as_ref(),
            is_success: prepared.is_ready(),
            timeout: profile.wrapper_ready_timeout,
        });
    let delivered = session
        .deliveries
        .iter()
        .filter(|delivery| delivery.at <= until && delivery.message == message)
        .map(|delivery: &&'a Delivery| Request {
            at: delivery.at,
            is_turn: true,
            fence: delivery.fence.as_ref(),
            answer: delivery.answer.as_ref(),
            is_success: delivery.is_accepted(),
            timeout: profile.wrapper_job_timeout,
        });
    let mut requests: Vec<Request> = prepared.chain(delivered).collect();
    requests.sort_by_key(|request| (request.at, request.is_turn));
    requests
}

/// The code of the failure that an answer of the wrapper causes, as far as the wire shows it.
fn refusal(answer: &WrapperAnswer) -> Option<&str> {
    if answer.status == 400 {
        return Some(BAD_REQUEST);
    }
    answer.code().filter(|_| !answer.is_success())
}

/// Marks the attempts that may not count: the run existed before the attempt, and it was released before the next one.
fn mark_cut_short(session: &SessionHistory, attempts: &mut [Attempt]) {
    let existed_before = |fence: &Fence, at: Duration| {
        let is_earlier = |binding: &&&super::history::Binding| binding.at < at && binding.fence == *fence;
        session.bindings.iter().any(|binding| is_earlier(&binding))
    };
    for place in 1..attempts.len() {
        let next = attempts[place].fence;
        let attempt = &mut attempts[place - 1];
        attempt.may_be_cut_short = attempt
            .fence
            .is_some_and(|fence| Some(fence) != next && existed_before(fence, attempt.from));
    }
}

/// The first time of that span at which the loss of a run ended messages.
fn run_lost_from(session: &SessionHistory, from: Duration, until: Duration) -> Option<Duration> {
    let lost = session
        .ends
        .iter()
        .filter(|end| end.data["completionSource"] == "wrapper_failure");
    let then = lost.map(|end| end.at).filter(|at| (from..=until).contains(at));
    then.min().map(|at| at.saturating_sub(session.run.time_error()))
}

/// The first time of that span at which a user may have interrupted the session. The requests of an interrupted delivery
/// may still arrive afterwards.
fn interrupted_from(session: &SessionHistory, from: Duration, until: Duration) -> Option<Duration> {
    let interrupts = session
        .calls
        .iter()
        .filter(|call| matches!(call.procedure.as_str(), "interruptSession" | "deleteSession"));
    let is_then = |call: &&&Call| {
        let is_over = call.reply.as_ref().is_some_and(|(at, ..)| *at < from);
        call.at <= until && !is_over
    };
    interrupts.filter(is_then).map(|call| call.at.max(from)).min()
}
