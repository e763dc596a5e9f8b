//! The faults of a run, as far as they excuse that a delivery failed, that a request failed, or that a wrapper did not do
//! its work.

use std::time::Duration;

use turnstile_fault::WrapperBehaviour;

use super::{Disruption, Faults, first_from};
use crate::parties::is_wrapper;

impl Faults {
    /// Whether a fault may have disrupted or delayed packets between any wrapper and the server in that time.
    pub fn may_have_disrupted_wrappers(&self, from: Duration, until: Duration) -> bool {
        self.wrappers_disrupted_from(from, until).is_some()
    }

    /// The first such time.
    pub fn wrappers_disrupted_from(&self, from: Duration, until: Duration) -> Option<Duration> {
        first_from(self.of_wrappers(), from, until)
    }

    /// Whether the server's store may have failed at some time in that span. A store whose disk has failed may need a
    /// restart.
    pub fn store_may_have_failed(&self, from: Duration, until: Duration) -> bool {
        self.store_may_have_failed_from(from, until).is_some()
    }

    /// The first such time.
    pub(super) fn store_may_have_failed_from(&self, from: Duration, until: Duration) -> Option<Duration> {
        let is_repaired = |ended: Duration| self.server_restarted_at(from) >= Some(ended);
        let failures = self.disk_failures.iter();
        let then = failures.filter(|(began, ended)| *began <= until && !ended.is_some_and(is_repaired));
        then.map(|(began, _)| (*began).max(from)).min()
    }

    /// The behaviours that a script had set for wrappers at some time in that span.
    pub fn misbehaviours(&self, from: Duration, until: Duration) -> impl Iterator<Item = &WrapperBehaviour> {
        let is_then = move |(began, ended, _): &&(Duration, Option<Duration>, Box<WrapperBehaviour>)| {
            *began <= until && ended.is_none_or(|ended| ended >= from)
        };
        self.misbehaviours
            .iter()
            .filter(is_then)
            .map(|(.., behaviour)| &**behaviour)
    }

    /// For how long every wrapper that a script lets misbehave holds its answer to a request back that arrives at that time;
    /// zero if it may answer or close the connection at once.
    pub fn answer_is_held_for(&self, at: Duration, is_turn: bool) -> Duration {
        let held = self.misbehaviours(at, at).map(|behaviour| {
            let delay = if is_turn {
                let job = behaviour.job.as_ref();
                job.filter(|job| job.lose_reply == 0 && job.answer.is_none() && job.reply.is_none())
                    .and_then(|job| job.delay)
            } else {
                let ready = behaviour.ready.as_ref();
                ready
                    .filter(|ready| ready.answer.is_none() && ready.reply.is_none())
                    .and_then(|ready| ready.delay)
            };
            delay.map_or(Duration::ZERO, |delay| *delay)
        });
        held.min().unwrap_or_default()
    }

    /// The spans of time in which a delivery may have failed without a sign. A fault that may have ended connections
    /// silently lasts until `hidden` after its end, because the server may wait for an answer; a stop of the server
    /// lasts until `resumed` after its start.
    pub fn spans_without_delivery(
        &self,
        hidden: Duration,
        resumed: Duration,
    ) -> impl Iterator<Item = (Duration, Duration)> {
        let disruptions = self.of_wrappers().map(move |disruption| {
            let after = match (disruption.is_fatal, &disruption.party) {
                (true, Some(_)) => hidden,
                (true, None) => resumed,
                (false, _) => Duration::ZERO,
            };
            (disruption.from, disruption.until, after)
        });
        let disk = self
            .disk_failures
            .iter()
            .map(move |(from, until)| (*from, *until, resumed));
        let spans = disruptions.chain(disk);
        spans.map(|(from, until, after)| (from, until.unwrap_or(Duration::MAX).saturating_add(after)))
    }

    /// The spans of time in which a fault may have hidden a request to a wrapper, or its answer from the server, or delayed it;
    /// the end of a fault that still lasts is the maximum.
    pub fn spans_without_requests(&self) -> impl Iterator<Item = (Duration, Duration)> {
        let on_the_way = self.of_wrappers().filter(|disruption| disruption.party.is_some());
        on_the_way.map(|disruption| (disruption.from, disruption.until.unwrap_or(Duration::MAX)))
    }

    /// The disruptions between the server and wrappers.
    fn of_wrappers(&self) -> impl Iterator<Item = &Disruption> {
        let is_of_wrapper = |disruption: &&Disruption| disruption.party.as_deref().is_none_or(is_wrapper);
        self.disruptions.iter().filter(is_of_wrapper)
    }
}
