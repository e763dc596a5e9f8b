//! Checks that each expectation can be met.

use std::collections::BTreeMap;

use super::Checker;
use crate::draft::Element;
use crate::expectation::{
    BadgeWord, Callback, Delivery, Expectation, IngestOutcome, Milestone, Outcome, Source, Terminal,
};
use crate::name::Label;
use crate::place::{At, Spot};
use crate::wait::Moment;
use crate::watcher::Watcher;

impl Checker<'_, '_> {
    pub(super) fn expectations(&mut self, expectations: &[Element<Expectation>]) {
        for expectation in expectations {
            if let Element::Read(At { value, spot }) = expectation {
                self.expectation(value, *spot);
            }
        }
    }

    fn expectation(&mut self, expectation: &Expectation, spot: Spot) {
        match expectation {
            Expectation::Order(milestones) => self.order(milestones, spot),
            Expectation::Message(outcome) => {
                self.admitted(&outcome.of);
                if let Some(contradiction) = contradiction(outcome) {
                    self.report.add(spot, contradiction);
                }
            }
            Expectation::Deliveries(deliveries) => self.admitted(&deliveries.of),
            Expectation::Callback(callback) => self.callback(callback, spot),
            Expectation::Callbacks(0) | Expectation::Gateway(_) => {}
            Expectation::Callbacks(_) => self.callbacks(spot),
            Expectation::Stream(count) => {
                if let Watcher::Client(name) = &count.client.value {
                    self.check_watcher(name, count.client.spot);
                }
                match &count.of {
                    // Seeing no event of a refused message is a valid expectation.
                    Some(label) if count.bounds.at_most == Some(0) => _ = self.known(label),
                    Some(label) => self.admitted(label),
                    None => {}
                }
                if let Some(has) = &count.has {
                    self.check_labels(has.labels(), has.spot);
                }
            }
            Expectation::Badge(badge) => {
                self.check_watcher(&badge.client, badge.client.spot);
                if badge.is == BadgeWord::None {
                    self.known(&badge.of);
                } else {
                    self.admitted(&badge.of);
                }
            }
            Expectation::Snapshot(snapshot) => {
                self.check_watcher(&snapshot.client, snapshot.client.spot);
                for At { value, spot } in &snapshot.shows {
                    self.milestone(value, *spot);
                }
            }
            Expectation::Ingest(outcome) => self.ingest_outcome(outcome),
        }
    }

    fn milestone(&mut self, milestone: &Milestone, spot: Spot) {
        self.admitted(&At {
            value: milestone.of.clone(),
            spot,
        });
    }

    fn ingest_outcome(&mut self, outcome: &IngestOutcome) {
        let Some(socket) = self.known_ingest(&outcome.of) else {
            return;
        };
        let line = socket.introduced.line;
        match outcome.refused {
            None if socket.refused => self.report.add(
                outcome.of.spot,
                format_args!(
                    "`{}` is expected to be refused (line {line}), so it never opens",
                    outcome.of.value
                ),
            ),
            Some(_) if !socket.refused => self.report.add(
                outcome.of.spot,
                format_args!(
                    "`{}` is expected to open (line {line}): set its `reply` there to expect a refusal",
                    outcome.of.value
                ),
            ),
            _ => {}
        }
    }

    /// Checks that each state is about an admitted message and follows the earlier state of the same message.
    fn order(&mut self, milestones: &[At<Milestone>], spot: Spot) {
        if milestones.len() < 2 {
            self.report.add(spot, "`order` needs at least two moments");
        }
        let mut reached: BTreeMap<&Label, Moment> = BTreeMap::new();
        for At { value, spot } in milestones {
            self.milestone(value, *spot);
            let earlier = reached.insert(&value.of, value.moment);
            if let Some(earlier) = earlier.filter(|earlier| earlier.rank() >= value.moment.rank()) {
                self.report.add(
                    *spot,
                    format_args!(
                        "`{value}` cannot follow `{earlier} {}`: a message is queued, then sent, then ends, \
                         each at most once",
                        value.of
                    ),
                );
            }
        }
    }

    fn callback(&mut self, callback: &Callback, spot: Spot) {
        if let Some(has) = &callback.has {
            self.check_labels(has.labels(), has.spot);
        }
        if callback.times > 0 {
            self.admitted_or_execution(&callback.r#for);
            self.callbacks(spot);
        } else {
            self.known(&callback.r#for);
        }
        if callback.times == 0 && callback.describes_one() {
            self.report.add(
                spot,
                "with `times: 0` there is no callback, so nothing can be expected of its content",
            );
        }
        let is_timed = callback.at.is_some() || callback.after.is_some() || callback.before.is_some();
        if callback.times == 0 && callback.requests.is_none_or(|requests| requests == 0) && is_timed {
            self.report.add(
                spot,
                "without a request there is no time for `at`, `after` or `before`",
            );
        }
        if let (Some(after), Some(before)) = (callback.after, callback.before)
            && after > before
        {
            self.report.add(
                spot,
                format_args!("`after` ({after}) is later than `before` ({before})"),
            );
        }
        if callback
            .requests
            .is_some_and(|requests| requests < callback.times)
        {
            self.report.add(
                spot,
                "`requests` counts all requests, so it cannot be less than `times`",
            );
        }
        if callback.text.is_some() && !matches!(callback.status, None | Some(Terminal::Completed)) {
            self.report
                .add(spot, "only the callback of a completed message has a `text`");
        }
    }
}

/// Why no message can end like this (PROTOCOL.md §9); `None` if one can.
fn contradiction(outcome: &Outcome) -> Option<&'static str> {
    let completed = outcome.is == Terminal::Completed;
    if completed && (outcome.reason.is_some() || outcome.error.is_some()) {
        return Some("a completed message has no `reason` and no `error`");
    }
    if completed && (outcome.accepted == Some(false) || outcome.delivery == Some(Delivery::Queued)) {
        return Some("a completed message was accepted, and its `delivery` is `sent`");
    }
    let is_exhausted = outcome
        .source
        .is_none_or(|source| source == Source::DeliveryFailure);
    if outcome.attempts.is_some() && (outcome.is != Terminal::Failed || !is_exhausted) {
        return Some("only a message that failed with `source: delivery_failure` has `attempts`");
    }
    match (outcome.accepted, outcome.delivery) {
        (Some(false), Some(Delivery::Sent)) | (Some(true), Some(Delivery::Queued)) => {
            Some("`delivery` is `sent` for an accepted message and `queued` otherwise")
        }
        _ => None,
    }
}
