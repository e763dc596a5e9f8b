//! Expectations about message events, ends and delivery attempts.

use std::time::Duration;

use serde_json::json;
use turnstile_judge::oracle::Severity;
use turnstile_judge::oracle::history::StreamEvent;
use turnstile_scenarios::{At, Deliveries, Delivery, Label, Milestone, Outcome};

use super::{Checker, Wrong, secs, terminal_name};
use crate::script::view::moment_of_event;

/// Maximum rounding error of times that the server reports in whole milliseconds.
const REPORTED_TIME_ERROR: Duration = Duration::from_millis(1);

impl Checker<'_> {
    pub(super) fn order(&self, milestones: &[At<Milestone>]) -> Option<Wrong> {
        let mut events = self.history.kept_events();
        events.retain(|event| event.message().is_some());
        // Each session has its own log, so order events of several sessions by time.
        events.sort_by_key(|event| event.at);
        let mut from = 0;
        for At {
            value: Milestone { moment, of },
            ..
        } in milestones
        {
            let id = self.id(of);
            let is_it = |event: &&StreamEvent| {
                event.message() == id && moment_of_event(&event.name, &event.data) == Some(*moment)
            };
            match events[from..].iter().position(&is_it) {
                Some(found) => from += found + 1,
                None => {
                    let text = match events.iter().position(is_it) {
                        Some(_) => format!("`{moment} {of}` came too early for its place in the order"),
                        None => format!("`{moment} {of}` never came"),
                    };
                    return self.wrong(Some(of), text);
                }
            }
        }
        None
    }

    pub(super) fn message(&self, expected: &Outcome) -> Option<Wrong> {
        let label = &expected.of.value;
        let id = self.id(label);
        let events = self.history.kept_events();
        let Some(end) = events
            .iter()
            .find(|event| event.is_end() && event.message() == id)
        else {
            return self.wrong(Some(label), format!("`{label}` has not ended"));
        };
        let wanted = [
            ("status", Some(json!(terminal_name(expected.is)))),
            ("reason", expected.reason.map(|reason| json!(reason))),
            ("completionSource", expected.source.map(|source| json!(source))),
            ("accepted", expected.accepted.map(|accepted| json!(accepted))),
            (
                "delivery",
                expected.delivery.map(|delivery: Delivery| json!(delivery)),
            ),
            ("attempts", expected.attempts.map(|attempts| json!(attempts))),
        ];
        // The finding has the time of the end.
        let wrong = |text: String| {
            Some(Wrong {
                at: self.history.first_seen(end),
                message: id.map(str::to_owned),
                text,
                severity: Severity::Violation,
            })
        };
        for (field, wanted) in wanted {
            if let Some(wanted) = wanted.filter(|wanted| end.data[field] != *wanted) {
                return wrong(format!(
                    "`{label}` ended with {field} {}, not {wanted}",
                    end.data[field]
                ));
            }
        }
        let error = end.data["error"].as_str().unwrap_or_default();
        let wanted = expected
            .error
            .as_deref()
            .filter(|wanted| !error.contains(wanted))?;
        wrong(format!(
            "`{label}` ended with error {error:?}, which does not contain {wanted:?}"
        ))
    }

    pub(super) fn deliveries(&self, expected: &Deliveries) -> Option<Wrong> {
        let label = &expected.of.value;
        let attempts = self.attempts(label);
        let times = || attempts.iter().map(|at| secs(*at)).collect::<Vec<_>>().join(", ");
        if attempts.len() != expected.times as usize {
            let text = format!(
                "delivery of `{label}` was attempted {} times, not {}: at {}",
                attempts.len(),
                expected.times,
                times()
            );
            return self.wrong(Some(label), text);
        }
        // Compare the distance to the previous attempt, so that the durations of attempts do not add up.
        let mut wanted_before = Duration::ZERO;
        for (pair, wanted) in attempts.windows(2).zip(&expected.at) {
            let (gap, wanted_gap) = (pair[1] - pair[0], **wanted - wanted_before);
            if gap.abs_diff(wanted_gap) > self.tolerance {
                let text = format!(
                    "`{label}` was tried again {} after the attempt before, not {}: at {}",
                    secs(gap),
                    secs(wanted_gap),
                    times()
                );
                return match gap.checked_sub(wanted_gap) {
                    Some(excess) => self.late(Some(label), excess, text),
                    None => self.wrong(Some(label), text),
                };
            }
            wanted_before = **wanted;
        }
        None
    }

    /// Times of delivery attempts at the wrapper: a turn, or a failed preparation while that message was first in the
    /// queue.
    fn attempts(&self, label: &Label) -> Vec<Duration> {
        let Some(id) = self.id(label) else {
            return Vec::new();
        };
        let turns = self.history.deliveries.iter();
        let turns = turns
            .filter(|delivery| delivery.message == *id)
            .map(|delivery| delivery.at);
        let preparations = self.history.preparations.iter();
        let failed = preparations.filter(|preparation| {
            let session = preparation.session.as_deref();
            !preparation.is_ready()
                && session.is_some_and(|session| self.first_waiting(session, preparation.at) == Some(id))
        });
        let mut attempts: Vec<_> = turns.chain(failed.map(|preparation| preparation.at)).collect();
        attempts.sort_unstable();
        attempts
    }

    /// The first queued message of a session at a moment.
    fn first_waiting(&self, session: &str, at: Duration) -> Option<&str> {
        let mut waiting: Vec<&str> = Vec::new();
        let events = self.history.kept_events().into_iter();
        for event in events.filter(|event| *event.session == *session) {
            match (event.message(), event.is_queued()) {
                (Some(message), true) if event.at <= at => waiting.push(message),
                (Some(message), false) if event.at + REPORTED_TIME_ERROR <= at => {
                    waiting.retain(|it| *it != message);
                }
                _ => {}
            }
        }
        waiting.first().copied()
    }
}
