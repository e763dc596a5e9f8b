//! The essential events of a run as a short sequence of lines, independent of the format: requests, states of messages,
//! faults and findings. It is the quickest view of what happened, however long the run was.
//!
//! | file | content |
//! |---|---|
//! | `essential`, `named` | selects events, with their importance; events at the times that findings name |
//! | `text` | the sequence as lines of text |

mod essential;
mod named;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use turnstile_judge::parties::SERVER;

use self::essential::{essential, moments};
use self::named::NamedTimes;
pub(crate) use self::text::lines_up_to_finding;
pub(super) use self::text::{Row, rows};
use super::finding::LabelledFinding;
use super::mark::Mark;
use super::picture::Picture;
use crate::script::Verdict;

/// Lines for remarks about omissions.
const REMARKS: usize = 4;
/// The maximum number of findings in a sequence.
const FINDINGS: usize = 8;
/// How often the same line is shown before it counts as repeated.
const TIMES: usize = 2;

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// Omitted first.
    Low,
    /// Helps to understand the rest.
    Medium,
    /// The sequence would be misleading without it.
    High,
    /// Never omitted: a finding or a remark.
    Always,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    weight: Weight,
    /// Time since the start of the run.
    pub at: Duration,
    /// Where it is drawn.
    pub shape: Shape,
    /// What happened.
    pub text: String,
}

/// Where a line is drawn. Lanes are indices into [`Sequence::names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// From lane to lane.
    Arrow(usize, Look, usize),
    /// Over one lane or a range of lanes.
    Note(usize, usize),
    /// Over all lanes.
    Remark,
}

/// The kinds of arrows that look different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Look {
    /// A request, or the opening of a WebSocket.
    Request,
    /// A response, or the end of a WebSocket.
    Reply,
    /// A frame, or a chunk of a streamed response.
    Frame,
    /// A request that does not arrive.
    LostRequest,
    /// Anything else that does not arrive.
    Lost,
}

/// The essential events of a run.
pub(super) struct Sequence<'a> {
    /// The parties.
    pub names: &'a [String],
    /// The lines, in order of time.
    pub lines: Vec<Line>,
    /// The maximum number of lines, with one for each participant.
    limit: usize,
    /// The number of omitted events.
    omitted: usize,
}

impl<'a> Sequence<'a> {
    /// The whole run in at most `limit` lines with one for each participant, unless its findings need more.
    pub fn of(verdict: &Verdict, picture: &'a Picture, limit: usize) -> Self {
        let mut findings: Vec<LabelledFinding> = LabelledFinding::folded(verdict)
            .into_iter()
            .map(|(_, finding)| finding)
            .collect();
        let further = findings.len().saturating_sub(FINDINGS);
        findings.truncate(FINDINGS);
        let mut sequence = Self::between(verdict, picture, verdict.inspection_start, findings, limit);
        sequence.shorten(further);
        sequence
    }

    /// The run up to its first finding, without findings.
    fn up_to_finding(verdict: &Verdict, picture: &'a Picture, limit: usize) -> Self {
        let end = verdict.records_up_to_finding();
        let mut sequence = Self::between(verdict, picture, end, Vec::new(), limit);
        sequence.shorten(0);
        sequence
    }

    /// The lines of the first `end` records and of the findings.
    fn between(
        verdict: &Verdict,
        picture: &'a Picture,
        end: usize,
        findings: Vec<LabelledFinding>,
        limit: usize,
    ) -> Self {
        let mut lines = Vec::new();
        let mut named = NamedTimes::of(verdict);
        let mut omitted = 0;
        let mut findings = findings.into_iter().peekable();
        let mut times: BTreeMap<(Shape, String), usize> = BTreeMap::new();
        let arrivals: BTreeSet<usize> = arrivals(picture).collect();
        for (index, event) in picture.events[..end].iter().enumerate() {
            while let Some(finding) = findings.next_if(|finding| finding.at < event.record.at) {
                lines.push(broken(&finding));
            }
            let mut new_lines = moments(picture, index);
            new_lines.extend(essential(picture, event));
            if new_lines.is_empty() {
                new_lines.extend(named.line(event));
            }
            if new_lines.is_empty() && event.lane.is_some() && !arrivals.contains(&index) {
                omitted += 1;
            }
            for (weight, shape, text) in new_lines {
                let before = times.entry((shape, text.clone())).or_default();
                *before += 1;
                let is_repeated = *before > TIMES && weight < Weight::High;
                let at = event.record.at;
                lines.push(Line {
                    weight: if is_repeated { Weight::Low } else { weight },
                    at,
                    shape,
                    text,
                });
            }
        }
        lines.extend(findings.map(|finding| broken(&finding)));
        Self {
            names: picture.lanes.names(),
            lines,
            limit,
            omitted,
        }
    }

    /// Omits the least important lines until the rest is short enough. `findings` further findings are only counted.
    fn shorten(&mut self, findings: usize) {
        for weight in [Weight::Low, Weight::Medium] {
            if self.excess() > 0 {
                let before = self.lines.len();
                self.lines.retain(|line| line.weight > weight);
                self.omitted += before - self.lines.len();
            }
        }
        if self.excess() > 0 {
            self.omit_the_middle();
        }
        if findings > 0 {
            self.remark(format!("{findings} more findings"));
        }
        if self.omitted > 0 {
            self.remark(format!("{} minor events omitted", self.omitted));
        }
    }

    /// The number of lines above the limit.
    fn excess(&self) -> usize {
        (self.lines.len() + self.participants().len() + REMARKS).saturating_sub(self.limit)
    }

    /// Omits lines between the start and the end of the run. Findings stay.
    fn omit_the_middle(&mut self) {
        let excess = self.excess();
        let start = (self.limit / 3).min(self.lines.len());
        let lines = std::mem::take(&mut self.lines);
        let mut left = 0;
        for (index, line) in lines.into_iter().enumerate() {
            if index < start || left > excess || line.weight == Weight::Always {
                self.lines.push(line);
                continue;
            }
            // The mark of the gap is one line too.
            if left == 0 {
                self.remark("…".to_owned());
            }
            left += 1;
        }
        self.omitted += left;
    }

    fn remark(&mut self, text: String) {
        let at = self.lines.last().map_or(Duration::ZERO, |line| line.at);
        self.lines.push(Line {
            weight: Weight::Always,
            at,
            shape: Shape::Remark,
            text,
        });
    }

    /// Adds a line for a mark: after the events of its moment, before the findings of that time.
    fn add_mark(&mut self, mark: &Mark) {
        let is_later = |line: &Line| line.at > mark.at || line.at == mark.at && line.shape == Shape::Remark;
        let place = self.lines.iter().position(is_later).unwrap_or(self.lines.len());
        let Mark { at, title, text } = mark;
        let line = Line {
            weight: Weight::Always,
            at: *at,
            shape: Shape::Remark,
            text: format!("⚑ {title} ({:.3} s): {text}", at.as_secs_f64()),
        };
        self.lines.insert(place, line);
    }

    /// The lanes of all lines, in order.
    pub fn participants(&self) -> Vec<usize> {
        let is_there = |lane: &usize| {
            self.lines.iter().any(|line| match line.shape {
                Shape::Arrow(from, _, to) | Shape::Note(from, to) => [from, to].contains(lane),
                Shape::Remark => false,
            })
        };
        let mut there: Vec<usize> = (0..self.names.len()).filter(is_there).collect();
        if there.is_empty() {
            there.extend(self.names.iter().position(|name| name == SERVER));
        }
        there
    }
}

/// Indices of records that are the end of an earlier record's arrow, which are not drawn again.
fn arrivals(picture: &Picture) -> impl Iterator<Item = usize> {
    let arrows = picture.events.iter().filter_map(|event| event.arrow.as_ref());
    arrows.filter_map(|arrow| arrow.arrives)
}

fn broken(finding: &LabelledFinding) -> Line {
    let about = finding
        .label
        .as_ref()
        .map(|label| format!(" ({label})"))
        .unwrap_or_default();
    let at = format!("{:.3}", finding.at.as_secs_f64());
    Line {
        weight: Weight::Always,
        at: finding.at,
        shape: Shape::Remark,
        text: format!("✖ {}{about} failed at {at} s: {}", finding.rule, finding.text),
    }
}
