//! One run as a Mermaid sequence diagram, for a comment on a change: requests, states of messages, faults and findings.
//!
//! It shows the essential events (`essential`) in Mermaid's syntax (`syntax`) and the number of omitted ones. `timeline`
//! shows all events.

mod essential;
mod syntax;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use turnstile_judge::parties::SERVER;

use self::essential::{essential, moments};
use self::syntax::{comment, escaped, identifiers, wrapped};
use super::Heading;
use super::event::{Document, Event, Reporter};
use super::finding::LabelledFinding;
use super::picture::Picture;
use crate::script::Verdict;

/// The maximum number of lines of a diagram, unless its findings need more.
const LINES: usize = 60;
/// Lines for the head of a diagram and for remarks about omissions.
const FRAME: usize = 6;
/// The maximum number of findings in a diagram.
const FINDINGS: usize = 8;
/// How often the same line is shown before it counts as repeated.
const TIMES: usize = 2;

/// The diagrams of all plays.
#[derive(Debug, Default)]
pub struct MermaidReport {
    diagrams: String,
}

impl Reporter for MermaidReport {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        if let Event::Played { played, replay } = *event
            && let Ok(verdict) = &played.verdict
        {
            let heading = Heading::of(&played.play, replay);
            self.diagrams.push_str(&sequence(verdict, &heading));
        }
        Ok(())
    }
}

impl Document for MermaidReport {
    fn name(&self) -> &'static str {
        "diagram"
    }

    fn write(self: Box<Self>, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(self.diagrams.as_bytes())
    }
}

/// The diagram of a run.
pub fn sequence(verdict: &Verdict, heading: &Heading) -> String {
    let picture = Picture::of(verdict);
    let diagram = Diagram::of(verdict, &picture);
    diagram.written(heading)
}

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Omitted first.
    Low,
    /// Helps to understand the rest.
    Medium,
    /// The diagram would be misleading without it.
    High,
    /// Never omitted: a finding or a remark.
    Always,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    weight: Weight,
    at: Duration,
    shape: Shape,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    /// From lane to lane, with Mermaid's syntax for that kind of arrow.
    Arrow(usize, &'static str, usize),
    /// Over one lane or a range of lanes.
    Note(usize, usize),
    /// Over all lanes.
    Remark,
}

struct Diagram<'a> {
    names: &'a [String],
    lines: Vec<Line>,
    /// The number of omitted events.
    omitted: usize,
}

impl<'a> Diagram<'a> {
    fn of(verdict: &Verdict, picture: &'a Picture) -> Self {
        let names = picture.lanes.names();
        let mut lines = Vec::new();
        let mut omitted = 0;
        let mut findings = LabelledFinding::all(verdict).take(FINDINGS).peekable();
        let mut times: BTreeMap<(Shape, String), usize> = BTreeMap::new();
        let arrivals: BTreeSet<usize> = arrivals(picture).collect();
        for (index, event) in picture.events[..verdict.inspection_start].iter().enumerate() {
            while let Some(finding) = findings.next_if(|finding| finding.at < event.record.at) {
                lines.push(broken(&finding));
            }
            let mut new_lines = moments(picture, index);
            new_lines.extend(essential(picture, event));
            if new_lines.is_empty() && event.lane.is_some() && !arrivals.contains(&index) {
                omitted += 1;
            }
            for (weight, shape, text) in new_lines {
                let before = times.entry((shape.clone(), text.clone())).or_default();
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
        let mut diagram = Self {
            names,
            lines,
            omitted,
        };
        diagram.shorten(verdict.findings.len());
        diagram
    }

    /// Omits the least important lines until the rest is short enough.
    fn shorten(&mut self, findings: usize) {
        for weight in [Weight::Low, Weight::Medium] {
            if self.is_too_long() {
                let before = self.lines.len();
                self.lines.retain(|line| line.weight > weight);
                self.omitted += before - self.lines.len();
            }
        }
        if self.is_too_long() {
            self.omit_the_middle();
        }
        if findings > FINDINGS {
            self.remark(format!("{} more findings", findings - FINDINGS));
        }
        if self.omitted > 0 {
            self.remark(format!("{} minor events omitted", self.omitted));
        }
    }

    fn is_too_long(&self) -> bool {
        self.excess() > 0
    }

    /// The number of lines above the limit.
    fn excess(&self) -> usize {
        (self.lines.len() + self.participants().len() + FRAME).saturating_sub(LINES)
    }

    /// Omits lines between the start and the end of the run. Findings stay.
    fn omit_the_middle(&mut self) {
        let excess = self.excess();
        let start = (LINES / 3).min(self.lines.len());
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

    /// The lanes of all lines, in order.
    fn participants(&self) -> Vec<usize> {
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

    fn written(&self, heading: &Heading) -> String {
        let participants = self.participants();
        let names = identifiers(self.names);
        let mut text = format!(
            "sequenceDiagram\n    %% {}\n    title {}\n",
            comment(heading.replay),
            escaped(heading.title)
        );
        for lane in &participants {
            let (name, shown) = (&names[*lane], &self.names[*lane]);
            let line = if name == shown {
                format!("    participant {name}\n")
            } else {
                format!("    participant {name} as {}\n", escaped(shown))
            };
            text.push_str(&line);
        }
        let over = |from: usize, to: usize| match from == to {
            true => names[from].clone(),
            false => format!("{},{}", names[from.min(to)], names[from.max(to)]),
        };
        let all_lanes = over(participants[0], participants[participants.len() - 1]);
        for line in &self.lines {
            let words = escaped(&line.text).replace('\n', "<br/>");
            let at = line.at.as_secs_f64();
            let line = match line.shape {
                Shape::Arrow(from, arrow, to) => {
                    format!("    {}{arrow}{}: {at:.3} s {words}\n", names[from], names[to])
                }
                Shape::Note(from, to) => format!("    Note over {}: {at:.3} s {words}\n", over(from, to)),
                Shape::Remark => format!("    Note over {all_lanes}: {words}\n"),
            };
            text.push_str(&line);
        }
        text
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
        text: wrapped(&format!(
            "✖ {}{about} failed at {at} s: {}",
            finding.rule, finding.text
        )),
    }
}

#[cfg(test)]
mod tests {
    use turnstile_judge::oracle::{Finding, Severity};
    use turnstile_scenarios::Surface;

    use super::*;
    use crate::report::played::{entry, played};

    const HEADING: Heading = Heading {
        title: "a cut & its effects",
        id: "suite/turn/some",
        surface: Surface::Unified,
        seed: 0,
        replay: "turnstile replay some.yaml --seed 0",
    };

    #[test]
    fn a_short_run_is_shown_with_its_faults_ends_and_findings() {
        let entry = entry(
            "- start: { as: first, say: gate:hold }\n- await: { gate: hold }\n\
             - cut: { between: [wrapper, server], for: 2s }\n- queue: { is: refuses, for: 40s }\n\
             - release: hold\n- await: { message: first, is: completed }\n\
             - crash: { party: server, restart-after: 1s }\n- await: { callback: first, within: 2m }",
            "- message: { of: first, is: failed }",
        );
        let verdict = played(&entry, 0).verdict.expect("the harness works");
        insta::assert_snapshot!(sequence(&verdict, &HEADING), @r#"
        sequenceDiagram
            %% turnstile replay some.yaml --seed 0
            title a cut #38; its effects
            participant client
            participant receiver
            participant server
            participant wrapper
            participant gateway
            client->>server: 0.000 s start first
            server-->>client: 0.006 s 200 queued
            server->>wrapper: 1.008 s session/ready
            wrapper-->>server: 1.008 s 200 ready
            server->>wrapper: 1.012 s job/prompt first
            wrapper->>server: 1.017 s ingest opened
            wrapper-->>server: 1.017 s 200 sent
            Note over server: 1.020 s first sent
            wrapper->>gateway: 1.023 s api/openrouter/chat/completions
            Note over server,wrapper: 1.027 s cut wrapper ↔ server
            Note over server: 1.027 s queue: #123; for: 40s, is: refuses #125;
            Note over gateway: 1.027 s release: hold
            wrapper-)server: 1.031 s complete
            wrapper-->>server: 1.281 s closed 1000
            Note over server,wrapper: 3.027 s healed wrapper ↔ server
            Note over server: 3.028 s first completed
            Note over server: 3.028 s server crashes
            Note over client,gateway: ✖ expectation at line 15 (first) failed at 3.028 s: `first`<br/>ended with status "completed", not "failed"
            Note over server: 4.028 s server restarts
            server->>receiver: 63.031 s callback first completed
            receiver-->>server: 63.031 s 200
            Note over client,gateway: 42 minor events omitted
        "#);
    }

    #[test]
    fn a_long_run_is_shortened_and_its_findings_are_kept() {
        let steps: String = (0..60)
            .map(|number| format!("- send: {{ as: m{number}, say: idle }}\n- wait: 5s\n"))
            .collect();
        let entry = entry(
            &format!("- start: {{ as: first, say: idle }}\n{steps}"),
            "- callbacks: 7",
        );
        let mut verdict = played(&entry, 0).verdict.expect("the harness works");
        let in_the_middle = Finding {
            rule: "some-rule".to_owned(),
            protocol: Vec::new(),
            at: verdict.played / 2,
            message: None,
            text: "a finding in the middle".to_owned(),
            severity: Severity::Violation,
        };
        verdict.findings.insert(0, in_the_middle);
        let diagram = sequence(&verdict, &HEADING);
        assert!(diagram.lines().count() <= LINES, "{diagram}");
        for part in ["start first", "✖ some-rule", "m59", "7", "minor events omitted"] {
            assert!(diagram.contains(part), "{part}: {diagram}");
        }
    }
}
