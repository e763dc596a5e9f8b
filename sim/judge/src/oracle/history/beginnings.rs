//! What the observer saw of sessions that were removed before the harness read their logs.
//!
//! The log of a removed session cannot be read. But until the removal the observer received every event, so the beginning of
//! the session can be judged like a run that ended then.

use std::time::Duration;

use super::{History, LogUnread, Stream, StreamStart, reader};
use crate::parties::OBSERVER;
use crate::trace::Trace;

impl History {
    /// Reads the trace of this history once more for each session whose log the harness did not receive: up to the time until
    /// which the observer certainly received all of its events.
    #[must_use]
    pub fn with_beginnings(mut self, trace: &Trace) -> Self {
        let unread = self.sessions.iter();
        let unread = unread.filter(|(_, notes)| matches!(notes.log, Some(Err(LogUnread))));
        let records = trace.records();
        let beginnings = unread.filter_map(|(id, _)| {
            let until = self.seen_until(id)?;
            let count = records.partition_point(|record| record.at < until);
            let beginning = Self {
                context: self.context.clone(),
                end: until,
                ..reader::read(trace.epoch(), &records[..count])
            };
            Some((id.clone(), beginning))
        });
        self.beginnings = beginnings.collect();
        self
    }

    /// The time until which the observer certainly received what its stream has of a session that goes on: until the end of
    /// the history, or of the stream, or the beginning of a fault that may still disrupt it.
    pub(in crate::oracle) fn watched_until(&self, session: &str) -> Duration {
        let mut streams = self.whole_streams_of_observer(session);
        let closed_at = streams.next_back().and_then(|stream| stream.closed_at);
        let disrupted_from = self.faults.disrupted_since(OBSERVER, self.end);
        let ends = closed_at.into_iter().chain(disrupted_from);
        ends.min().unwrap_or(self.end)
    }

    /// The streams with which the observer received all events of a session from the first one on.
    fn whole_streams_of_observer(&self, session: &str) -> impl DoubleEndedIterator<Item = &Stream> {
        self.streams.iter().filter(move |stream| {
            stream.party == OBSERVER && *stream.session == *session && stream.from == StreamStart::After(0)
        })
    }

    /// The time until which the observer certainly received all events of a session that was removed: the first request to
    /// remove it, or the end of the observer's first stream, or a fault that may have disrupted it.
    fn seen_until(&self, session: &str) -> Option<Duration> {
        let stream = self.whole_streams_of_observer(session).next()?;
        let removals = self.calls.iter().filter(|call| {
            call.procedure == "deleteSession" && call.session() == Some(session) && !call.is_refused()
        });
        let ends = [
            stream.closed_at,
            self.faults.disrupted_from(OBSERVER, stream.opened_at),
            removals.map(|call| call.at).min(),
        ];
        ends.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::{Fault, Link};

    use crate::oracle::written::Writer;
    use crate::parties::{OBSERVER, SERVER};

    const RULE: &str = "deliveries-are-on-time";

    /// The findings about a message that is delivered too early, in a session that is removed that many seconds later.
    fn removed_after(seconds: u64, happens_before: impl FnOnce(&mut Writer)) -> usize {
        let mut writer = Writer::started("m1").also_judged_by(RULE);
        happens_before(&mut writer);
        writer.at_once(|writer| {
            writer.queued("m1");
            writer.bound(1);
            writer.delivered_to("m1", 1);
            writer.sent("m1");
            writer.completed("m1");
            writer.wait(seconds);
            let removed = json!({"result": {"data": {"success": true}}});
            writer.answered("deleteSession", json!({"sessionId": "s"}), 200, removed);
        });
        let findings = writer.findings_without_log();
        findings.iter().filter(|finding| finding.rule == RULE).count()
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
        let link = Link::between(SERVER, OBSERVER);
        let breaks = |writer: &mut Writer| writer.world(WorldEvent::of(&Fault::black_hole(&link)));
        assert_eq!(removed_after(1, breaks), 0);
    }
}
