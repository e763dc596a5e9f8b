//! Up to when the observer certainly saw all of a session, and the beginnings of sessions that were removed before the harness
//! read their logs.
//!
//! The log of a removed session cannot be read. But until the removal the observer received every event, so the beginning of
//! the session can be judged like a run that ended then.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{History, LogUnread, SessionHistory, Stream, StreamStart, reader};
use crate::parties::OBSERVER;
use crate::trace::{Record, Trace};

/// The beginnings of sessions that were removed before the harness read their logs.
#[derive(Debug)]
pub(super) struct Beginnings {
    epoch: Timestamp,
    /// The records up to the last of their ends.
    records: Vec<Record>,
    /// Each session, with the end of its beginning.
    ends: Vec<(Arc<str>, Duration)>,
}

impl History {
    /// Remembers of this history's trace what each session needs whose log the harness did not receive: the records up to the
    /// time until which the observer certainly saw all of it.
    #[must_use]
    pub fn with_beginnings(mut self, trace: &Trace) -> Self {
        let unread = self.sessions.iter();
        let unread = unread.filter(|(_, notes)| matches!(notes.log, Some(Err(LogUnread))));
        let ends =
            unread.filter_map(|(id, _)| Some((Arc::clone(id), self.seen_until(id, self.removed_at(id))?)));
        let ends: Vec<(Arc<str>, Duration)> = ends.collect();
        self.beginnings = ends.iter().map(|(_, end)| *end).max().map(|last| {
            let records = up_to(trace.records(), last).to_vec();
            let epoch = trace.epoch();
            Box::new(Beginnings { epoch, records, ends })
        });
        self
    }

    /// Judges the beginning of each session that was removed before its log was read. `judge` receives one after the other,
    /// so that only one is in memory.
    pub(in crate::oracle) fn for_each_beginning(&self, mut judge: impl FnMut(&SessionHistory)) {
        let Some(beginnings) = &self.beginnings else {
            return;
        };
        for (id, end) in &beginnings.ends {
            let beginning = Self {
                context: self.context.clone(),
                // A machine reports that it was late when the time is over.
                stalls: self.stalls.clone(),
                end: *end,
                ..reader::read(beginnings.epoch, up_to(&beginnings.records, *end))
            };
            if beginning.sessions.contains_key(id) {
                judge(&SessionHistory::of(&beginning, id));
            }
        }
    }

    /// The time up to `by` until which the observer certainly received all events of a session on a stream from the first event
    /// on: what happened then was received at `by` at the latest. `None` if no such stream is old enough and has replayed.
    ///
    /// A stream that continues another one does not show which rows were overwritten between them (R9.29).
    pub(in crate::oracle) fn seen_until(&self, session: &str, by: Duration) -> Option<Duration> {
        // What a stream repeats of the time before it is received by then.
        let opened_by = by.checked_sub(self.max_order_time())?;
        let is_whole = |stream: &&Stream| {
            let is_of_session = *stream.party == *OBSERVER && *stream.session == *session;
            is_of_session && !stream.is_filtered && stream.from == StreamStart::After(0)
        };
        let old = self
            .streams
            .iter()
            .take_while(|stream| stream.opened_at <= opened_by);
        let seen = old
            .filter(is_whole)
            .filter_map(|stream| self.received_until(stream, by));
        seen.max()
    }

    /// The same of one stream. The server may have closed it without sending everything.
    fn received_until(&self, stream: &Stream, by: Duration) -> Option<Duration> {
        if stream.connected_at? > by {
            return None;
        }
        let is_open = stream.closed_at.is_none_or(|at| at >= by);
        let received_until = if is_open {
            by
        } else {
            self.shown(stream).last()?.event.at.min(by)
        };
        let disrupted_from = self.faults.may_have_disrupted_from(OBSERVER, stream.opened_at);
        Some(disrupted_from.map_or(received_until, |at| at.min(received_until)))
    }

    /// The time of the first request to remove a session, or of the end of the run.
    fn removed_at(&self, session: &str) -> Duration {
        let removals = self.calls.iter().filter(|call| {
            call.procedure == "deleteSession" && call.session() == Some(session) && !call.is_refused()
        });
        removals.map(|call| call.at).min().unwrap_or(self.end)
    }
}

/// The records before `end`.
fn up_to(records: &[Record], end: Duration) -> &[Record] {
    let count = records.partition_point(|record| record.at < end);
    &records[..count]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{Fault, Link, Place};

    use crate::oracle::Finding;
    use crate::oracle::written::Writer;
    use crate::parties::{OBSERVER, SERVER};

    const RULE: &str = "deliveries-are-on-time";

    /// A session in which a message will be delivered too early.
    fn started() -> Writer {
        Writer::started("m1").also_judged_by(RULE)
    }

    fn delivers_early(writer: &mut Writer) {
        writer.queued("m1");
        delivers(writer);
    }

    fn delivers(writer: &mut Writer) {
        writer.bound(1);
        writer.delivered_to("m1", 1);
        writer.sent("m1");
        writer.completed("m1");
    }

    fn removes(writer: &mut Writer) {
        let removed = json!({"result": {"data": {"success": true}}});
        writer.answered("deleteSession", json!({"sessionId": "s"}), 200, removed);
    }

    fn count(findings: Vec<Finding>) -> usize {
        findings.iter().filter(|finding| finding.rule == RULE).count()
    }

    /// The findings about a message that is delivered too early, in a session that is removed that many seconds later.
    fn removed_after(seconds: u64, happens_before: impl FnOnce(&mut Writer)) -> usize {
        let mut writer = started();
        happens_before(&mut writer);
        writer.at_once(|writer| {
            delivers_early(writer);
            writer.wait(seconds);
            removes(writer);
        });
        count(writer.findings_without_log())
    }

    #[test]
    fn a_removed_session_is_judged_up_to_its_removal() {
        assert_eq!(removed_after(1, |_| {}), 1);
    }

    #[test]
    fn what_explains_the_last_events_before_a_removal_may_be_on_its_way() {
        assert_eq!(removed_after(0, |_| {}), 0);
    }

    #[test]
    fn nothing_is_judged_that_the_observer_may_not_have_seen() {
        assert_eq!(removed_after(1, breaks_stream), 0);
    }

    #[test]
    fn a_machine_that_was_late_before_a_removal_may_say_so_afterwards() {
        let removed = |stalled_us: Option<u64>| {
            let mut writer = started();
            writer.in_real_time(Duration::from_millis(50));
            writer.at_once(|writer| writer.queued("m1"));
            writer.wait(4);
            writer.at_once(delivers);
            writer.wait(2);
            writer.is_at_the_moment(removes);
            writer.wait(1);
            if let Some(stalled_us) = stalled_us {
                writer.world(WorldEvent::Stalled { stalled_us });
            }
            count(writer.findings_without_log())
        };
        assert_eq!([None, Some(6_000_000)].map(removed), [1, 0]);
    }

    /// The findings about a message that is delivered too early, in a play that is cut short that many milliseconds later.
    fn cut_after(milliseconds: u64, happens_before_delivery: impl FnOnce(&mut Writer)) -> usize {
        let mut writer = started();
        writer.is_at_the_moment(|writer| {
            writer.queued("m1");
            happens_before_delivery(writer);
            delivers(writer);
        });
        writer.wait_ms(milliseconds);
        count(writer.findings_when_cut_short())
    }

    fn breaks_stream(writer: &mut Writer) {
        let link = Link::between(SERVER, OBSERVER);
        writer.world(WorldEvent::of(&Fault::black_hole(&link)));
        writer.wait_ms(1);
        writer.world(WorldEvent::Ended {
            place: Place::EveryLink,
        });
    }

    #[test]
    fn a_play_that_is_cut_short_is_judged_up_to_its_last_moments() {
        assert_eq!(
            [1, 1000].map(|milliseconds| cut_after(milliseconds, |_| {})),
            [0, 1]
        );
    }

    #[test]
    fn a_stream_that_a_fault_broke_shows_nothing_more_although_it_is_over() {
        assert_eq!(cut_after(1000, breaks_stream), 0);
    }

    #[test]
    fn a_stream_that_has_not_replayed_everything_shows_nothing_certain() {
        let before_replay = |writer: &mut Writer| {
            writer.client_leaves(OBSERVER);
            writer.client_opens(OBSERVER, 0);
        };
        assert_eq!(cut_after(1000, before_replay), 0);
        let after_replay = |writer: &mut Writer| {
            before_replay(writer);
            writer.client_receives(OBSERVER, 0);
            writer.client_is_connected(OBSERVER);
        };
        assert_eq!(cut_after(1000, after_replay), 1);
    }

    #[test]
    fn a_stream_that_continues_another_one_may_lack_what_was_overwritten_between_them() {
        let continues = |writer: &mut Writer| {
            writer.client_leaves(OBSERVER);
            writer.client_opens(OBSERVER, 1);
            writer.client_is_connected(OBSERVER);
        };
        assert_eq!(cut_after(1000, continues), 0);
    }

    #[test]
    fn a_stream_that_the_server_closed_may_lack_the_last_events() {
        let mut writer = started();
        writer.at_once(delivers_early);
        writer.client_leaves(OBSERVER);
        writer.wait(1);
        assert_eq!(count(writer.findings_when_cut_short()), 0);
    }
}
