//! Whether each expectation can hold at all.

use std::collections::BTreeMap;

use super::Picture;
use crate::expectation::{Callback, Delivery, Expectation, Milestone, Outcome, Terminal, Watcher};
use crate::name::Label;
use crate::parse::Element;
use crate::place::{At, Spot};
use crate::wait::Moment;

impl Picture<'_, '_> {
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
            Expectation::Callback(callback) => self.callback(callback, spot),
            Expectation::Callbacks(0) | Expectation::Gateway(_) => {}
            Expectation::Callbacks(_) => self.callbacks(spot),
            Expectation::Stream(count) => {
                if let Watcher::Client(name) = &count.client.value
                    && let Some(client) = self.client(name, count.client.spot)
                    && !client.opened
                    && !self.may_be_mentioned(name)
                {
                    self.report.add(
                        count.client.spot,
                        format_args!("`{name}` never opens a stream, so it sees nothing"),
                    );
                }
                match &count.of {
                    // That nothing is seen of it is just what is to be expected of a refused message.
                    Some(label) if count.bounds.at_most == Some(0) => _ = self.known(label),
                    Some(label) => self.admitted(label),
                    None => {}
                }
            }
        }
    }

    /// Each milestone must be about a message, and later than the one before it of the same message.
    fn order(&mut self, milestones: &[At<Milestone>], spot: Spot) {
        if milestones.len() < 2 {
            self.report.add(spot, "an order has at least two moments");
        }
        let mut reached: BTreeMap<&Label, Moment> = BTreeMap::new();
        for At { value, spot } in milestones {
            self.admitted(&At {
                value: value.of.clone(),
                spot: *spot,
            });
            let earlier = reached.insert(&value.of, value.moment);
            if let Some(earlier) = earlier.filter(|earlier| earlier.rank() >= value.moment.rank()) {
                self.report.add(
                    *spot,
                    format_args!(
                        "`{value}` never comes after `{earlier} {}`: a message is queued, then sent, then ends, \
                         each at most once",
                        value.of
                    ),
                );
            }
        }
    }

    fn callback(&mut self, callback: &Callback, spot: Spot) {
        if callback.times > 0 {
            self.admitted(&callback.r#for);
            self.callbacks(spot);
        } else {
            self.known(&callback.r#for);
        }
        if callback.times == 0
            && (callback.status.is_some() || callback.text.is_some() || callback.error.is_some())
        {
            self.report.add(
                spot,
                "a callback that comes 0 times has no `status`, `text` or `error`",
            );
        }
        if callback
            .requests
            .is_some_and(|requests| requests < callback.times)
        {
            self.report.add(
                spot,
                "`requests` counts every request, so it is not less than `times`",
            );
        }
        if callback.text.is_some() && !matches!(callback.status, None | Some(Terminal::Completed)) {
            self.report
                .add(spot, "only the callback of a completed message has a `text`");
        }
    }
}

/// Why no message can end like that, if none can (protocol §9).
fn contradiction(outcome: &Outcome) -> Option<&'static str> {
    let completed = outcome.is == Terminal::Completed;
    if completed && (outcome.reason.is_some() || outcome.error.is_some()) {
        return Some("a completed message has no `reason` and no `error`");
    }
    if completed && (outcome.accepted == Some(false) || outcome.delivery == Some(Delivery::Queued)) {
        return Some("a completed message was accepted, and its delivery is sent");
    }
    match (outcome.accepted, outcome.delivery) {
        (Some(false), Some(Delivery::Sent)) | (Some(true), Some(Delivery::Queued)) => {
            Some("`delivery` is sent if the message was ever accepted, and queued if not")
        }
        _ => None,
    }
}
