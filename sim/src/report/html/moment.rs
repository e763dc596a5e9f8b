//! From when on a failure was inevitable, on the page of a play.

use serde::Serialize;

use crate::curve::{Curve, Moment};
use crate::report::mark::Mark;
use crate::script::Verdict;

/// Most events of the jump that are shown.
const EVENTS: usize = 20;

/// A curve, as a page shows it.
#[derive(Debug, Serialize)]
pub(super) struct MomentView {
    pub rule: String,
    pub message: Option<String>,
    /// A sentence without its end.
    pub conclusion: String,
    /// The place of the mark among the findings of the timeline; none if no moment stands out.
    pub mark: Option<usize>,
    /// The events of the jump.
    pub events: Vec<String>,
    /// The number of further events.
    pub more: usize,
    pub points: Vec<PointView>,
}

/// A moment of the curve.
#[derive(Debug, Serialize)]
pub(super) struct PointView {
    /// How many variations failed, of how many.
    pub count: String,
    pub bar: String,
    /// The last event up to then.
    pub event: String,
    /// Whether the jump ends there.
    pub is_jump: bool,
}

impl MomentView {
    /// The curve of a play with this verdict and mark.
    pub fn of(curve: &Curve, verdict: Option<&Verdict>, mark: Option<&Mark>) -> Self {
        let events = curve.jump.as_ref().map_or(&[][..], |jump| &jump.events);
        let findings = verdict.map_or(&[][..], |verdict| &verdict.findings);
        let point = |moment: &Moment| PointView {
            count: format!("{} of {}", moment.failed, moment.of),
            bar: moment.bar(),
            event: moment.event.clone(),
            is_jump: curve.rises_to(moment),
        };
        Self {
            rule: curve.rule.clone(),
            message: curve.message.clone(),
            conclusion: curve.conclusion(),
            mark: mark.map(|mark| findings.partition_point(|finding| finding.at <= mark.at)),
            events: events.iter().take(EVENTS).cloned().collect(),
            more: events.len().saturating_sub(EVENTS),
            points: curve.moments.iter().map(point).collect(),
        }
    }
}
