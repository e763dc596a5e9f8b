//! The page of one play: what a template shows of it, and the data of its timeline.

use std::collections::BTreeSet;

use serde::Serialize;
use turnstile_judge::rules::RuleId;
use turnstile_scenarios::Surface;

use super::moment::MomentView;
use crate::report::finding::LabelledFinding;
use crate::report::mark::Mark;
use crate::report::packed::Packer;
use crate::report::picture::Picture;
use crate::report::sequence::{Row, rows};
use crate::report::source::Source;
use crate::report::style::Status;
use crate::report::{Heading, name_of_seam, timeline};
use crate::script::Verdict;
use crate::suite::Played;

/// The number of rows of the sequence of a play that passed, and of one that failed.
const BRIEF: usize = 24;
const FULL: usize = 60;

/// What a page shows of a play.
#[derive(Debug, Serialize)]
pub(super) struct PlayPage {
    /// Its name in addresses.
    pub slug: String,
    /// Its name in the list of plays.
    pub name: String,
    /// The same without the mutant.
    pub short_name: String,
    /// The id of the scenario, which other surfaces, seeds and mutants share.
    pub scenario: String,
    pub title: String,
    pub about: String,
    pub seam: String,
    pub surface: &'static str,
    pub seed: u64,
    pub mutant: Option<String>,
    /// `passed`, `failed`, `error`, `expected` or `unexpected`.
    pub status: &'static str,
    /// Wall time in seconds.
    pub wall: String,
    /// Time up to the end of the last step, in seconds.
    pub played: String,
    pub replay: String,
    /// The error of the harness.
    pub error: Option<String>,
    /// What a baseline says of it.
    pub standing: Option<String>,
    /// The findings, each once, those of rules for all runs first.
    pub findings: Vec<FindingView>,
    /// From when on the failure was inevitable, if that was looked for and found.
    pub moment: Option<MomentView>,
    /// The rules of the protocol that failed steps and expectations check, without those of other findings.
    pub checked: Vec<RuleView>,
    pub warnings: Vec<FindingView>,
    /// The ids of the rules that the script names.
    pub rules: Vec<String>,
    pub file: String,
    pub source: Vec<SourceLine>,
    /// Whether the report has the data of its timeline.
    pub has_data: bool,
    pub is_generated: bool,
    pub sequence: Vec<Row>,
    /// The number of events in the timeline.
    pub events: usize,
    /// The packed data of the timeline, which also has the wire log. Written beside the page; empty without a timeline.
    #[serde(skip)]
    pub data: String,
}

/// A finding with what was expected.
#[derive(Debug, Serialize)]
pub(super) struct FindingView {
    /// Its place among all findings, which the timeline shows.
    pub index: usize,
    pub rule: String,
    pub line: Option<usize>,
    /// Seconds since the start.
    pub at: String,
    pub message: Option<String>,
    /// The line of the script, or the rule for all runs.
    pub expected: String,
    pub actual: String,
    pub protocol: Vec<RuleView>,
}

/// A rule of the protocol.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RuleView {
    pub id: String,
    pub text: String,
}

/// A line of the script.
#[derive(Debug, Serialize)]
pub(super) struct SourceLine {
    pub number: usize,
    pub text: String,
    pub is_failing: bool,
}

impl PlayPage {
    /// The page of a play. `packer` packs the data of its timeline.
    pub fn of(played: &Played, replay: &str, [name, slug]: [String; 2], packer: &mut Packer) -> Self {
        let entry = played.play.entry;
        let scenario = &entry.scenario;
        let source = Source::of(entry);
        let verdict = played.verdict.as_ref().ok();
        let mark = Mark::of(played);
        let mark = mark.as_ref();
        let findings = verdict.into_iter().flat_map(LabelledFinding::by_cause);
        let findings: Vec<FindingView> = findings
            .map(|(index, finding)| {
                // A mark is listed among the findings of the timeline.
                let is_after_mark = mark.is_some_and(|mark| mark.at < finding.at);
                FindingView::of(index + usize::from(is_after_mark), &finding, &source)
            })
            .collect();
        let heading = Heading::of(&played.play, replay);
        let (sequence, data, events) = verdict.map_or_else(Default::default, |verdict| {
            drawn(verdict, &heading, &source, played, mark, packer)
        });
        let number = |seconds: f64| format!("{seconds:.3}");
        Self {
            slug,
            short_name: short_name(&name, played),
            name,
            scenario: scenario_of(&entry.id, scenario.api.first()),
            title: scenario.title.clone(),
            about: scenario.about.clone(),
            seam: name_of_seam(scenario.seam),
            surface: scenario.api.first().name(),
            seed: played.play.options.seed,
            mutant: played.play.options.subject.mutant(),
            status: status(played),
            wall: number(played.wall.as_secs_f64()),
            played: verdict.map_or(String::new(), |verdict| number(verdict.played.as_secs_f64())),
            replay: replay.to_owned(),
            error: played.verdict.as_ref().err().map(ToString::to_string),
            standing: played.standing.sentence(),
            warnings: verdict
                .into_iter()
                .flat_map(LabelledFinding::warnings)
                .enumerate()
                .map(|(index, warning)| FindingView::of(index, &warning, &source))
                .collect(),
            rules: scenario.rules.iter().map(|rule| rule.value.to_string()).collect(),
            file: entry.path.display().to_string(),
            source: source_lines(&source, &findings),
            has_data: !data.is_empty(),
            moment: played
                .curve
                .as_ref()
                .map(|curve| MomentView::of(curve, verdict, mark)),
            checked: checked(&findings),
            is_generated: source.is_generated,
            sequence,
            findings,
            events,
            data,
        }
    }
}

/// The name of a play without its mutant.
fn short_name(name: &str, played: &Played) -> String {
    let mutant = played.play.options.subject.mutant();
    let end = mutant.map(|mutant| format!(" (breaking {mutant})"));
    let short = end.and_then(|end| name.strip_suffix(&end));
    short.unwrap_or(name).to_owned()
}

/// The id of a scenario without its surface.
fn scenario_of(id: &str, surface: Surface) -> String {
    let base = id.strip_suffix(&format!(" ({surface})"));
    base.unwrap_or(id).to_owned()
}

/// The rules that failed steps and expectations check, each once, without those of other findings.
fn checked(findings: &[FindingView]) -> Vec<RuleView> {
    let of_rules = findings.iter().filter(|finding| finding.line.is_none());
    let mut shown: BTreeSet<&str> = of_rules
        .flat_map(|finding| &finding.protocol)
        .map(|rule| &*rule.id)
        .collect();
    let of_scripts = findings.iter().filter(|finding| finding.line.is_some());
    of_scripts
        .flat_map(|finding| &finding.protocol)
        .filter(|rule| shown.insert(&rule.id))
        .cloned()
        .collect()
}

fn drawn(
    verdict: &Verdict,
    heading: &Heading,
    source: &Source,
    played: &Played,
    mark: Option<&Mark>,
    packer: &mut Packer,
) -> (Vec<Row>, String, usize) {
    let picture = Picture::of(verdict);
    let sequence = rows(
        verdict,
        &picture,
        if verdict.findings.is_empty() { BRIEF } else { FULL },
        mark,
    );
    let events = picture.events.len();
    let scenario = &played.play.entry.scenario;
    let data = timeline::Data::to_pack(verdict, picture, heading, source, scenario).marking(mark);
    (sequence, packer.pack(&data), events)
}

fn source_lines(source: &Source, findings: &[FindingView]) -> Vec<SourceLine> {
    let lines = source.lines.iter().zip(1..);
    let is_failing = |number| findings.iter().any(|finding| finding.line == Some(number));
    lines
        .map(|(text, number)| SourceLine {
            number,
            text: text.clone(),
            is_failing: is_failing(number),
        })
        .collect()
}

/// The word of a status in a page and its style.
fn status(played: &Played) -> &'static str {
    match Status::of(played) {
        Status::Pass => "passed",
        Status::Fail => "failed",
        Status::Error => "error",
        Status::ExpectedFailure => "expected",
        Status::UnexpectedPass => "unexpected",
        Status::Skip => "skipped",
    }
}

impl FindingView {
    fn of(index: usize, finding: &LabelledFinding, source: &Source) -> Self {
        Self {
            index,
            rule: finding.rule.clone(),
            line: finding.line(),
            at: format!("{:.6}", finding.at.as_secs_f64()),
            message: finding.label.clone().or_else(|| finding.message.clone()),
            expected: source.expected(finding),
            actual: finding.text.clone(),
            protocol: finding.protocol.iter().map(|id| RuleView::of(*id)).collect(),
        }
    }
}

impl RuleView {
    pub fn of(id: RuleId) -> Self {
        Self {
            id: id.to_string(),
            text: id.rule().map_or(String::new(), |rule| rule.text.clone()),
        }
    }
}
