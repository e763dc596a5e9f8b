//! The JSON report of all plays.
//!
//! The format is this module's types, in the order of their fields. [`SCHEMA_VERSION`] increases when a reader of the
//! old format would misread the new one, not when a field is added. Apart from [`PlayReport::wall_us`], the same build,
//! scripts and seeds give the same report.

use std::io;
use std::time::Duration;

use serde::Serialize;
use turnstile_judge::recording::Unknown;
use turnstile_judge::rules::RuleId;
use turnstile_scenarios::{Entry, Seam, Surface};

use super::event::{Document, Event, Reporter};
use super::finding::LabelledFinding;
use super::style::Status;
use crate::curve::Curve;
use crate::standing::Listing;
use crate::suite::Played;

/// The version of the format.
pub const SCHEMA_VERSION: u32 = 2;

/// All plays, in the order in which they were added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JsonReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Counts of plays by outcome.
    pub counts: Counts,
    /// All plays.
    pub plays: Vec<PlayReport>,
    /// Skipped scenarios.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skips: Vec<SkipReport>,
    /// Entries of the baseline that no play has met. Absent without any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stale: Vec<StaleReport>,
}

/// Counts of plays by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All plays, without skipped scenarios.
    pub plays: usize,
    /// Plays without findings.
    pub passed: usize,
    /// Plays with findings.
    pub failed: usize,
    /// Plays in which the harness failed.
    pub errors: usize,
    /// Skipped scenarios.
    pub skipped: usize,
    /// Plays with findings that a baseline expects; not among `failed`. Absent without any.
    #[serde(skip_serializing_if = "is_zero")]
    pub expected_failures: usize,
    /// Plays without findings of which a baseline expects a failure, and stale entries of rules; not among `passed`.
    /// Absent without any.
    #[serde(skip_serializing_if = "is_zero")]
    pub unexpected_passes: usize,
}

/// A skipped scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkipReport {
    /// The scenario's id, with its surface.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The part of the system that it is about.
    pub seam: Seam,
    /// Why it was not played.
    pub reason: String,
}

/// The outcome of a play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// No findings.
    Passed,
    /// Findings.
    Failed,
    /// The harness failed, so there is no verdict on the server.
    Error,
    /// Findings that a baseline expects.
    ExpectedFailure,
    /// No findings, and a baseline expects some.
    UnexpectedPass,
}

/// What a baseline says of a play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BaselineReport {
    /// The reason of the entry.
    pub reason: String,
    /// The file and line of the entry.
    pub place: String,
    /// How often the scenario was played.
    pub plays: u32,
}

/// An entry of a baseline that no play has met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StaleReport {
    /// Its file and line.
    pub place: String,
    /// What it is about.
    pub subject: String,
}

/// One play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlayReport {
    /// The scenario's id, with its surface.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The part of the system that it is about.
    pub seam: Seam,
    /// The surface that it was played on.
    pub surface: Surface,
    /// The seed that it was played with.
    pub seed: u64,
    /// The mutant that it was played against. Absent for the unmodified server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
    /// Its outcome.
    pub outcome: Outcome,
    /// The entry of the baseline that is about it. Absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineReport>,
    /// The digest of its trace; none if the harness failed.
    pub digest: Option<String>,
    /// Virtual time up to the end of the last step, in microseconds; none if the harness failed.
    pub played_us: Option<u64>,
    /// Virtual time up to the judgement, in microseconds; none if the harness failed.
    pub elapsed_us: Option<u64>,
    /// Wall time on this machine, in microseconds: the only field that differs from run to run.
    pub wall_us: u64,
    /// The command that replays it.
    pub replay: String,
    /// The findings, in order of time.
    pub findings: Vec<FindingReport>,
    /// The warnings, in order of time: what a live server did a little too late. Absent without any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<FindingReport>,
    /// Rules that were not judged, because a recording lacks records. Absent without any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<UnknownReport>,
    /// The error of the harness; null otherwise.
    pub error: Option<String>,
    /// How likely one of the failures was from each moment on, as `turnstile why --json` writes it. Absent unless it was
    /// looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Curve>,
}

/// A rule that was not judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnknownReport {
    /// The oracle's name.
    pub rule: String,
    /// What is missing.
    pub reason: String,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingReport {
    /// The rule: an oracle's name, or the place in the script that expected something else.
    pub rule: String,
    /// The line of the step or expectation of the script. Absent for a rule for all runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Ids of the rules of the protocol that it violates; for a failed expectation, those that the script checks.
    /// Absent without any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protocol: Vec<RuleId>,
    /// The same text for the same finding of another run, whatever its seed, title and line.
    pub identity: String,
    /// When it was violated, or found to be: virtual time since the beginning, in microseconds.
    pub at_us: u64,
    /// The affected message; null if the finding is not about one.
    pub message: Option<MessageReport>,
    /// What happened, in one sentence, with the script's names for messages.
    pub text: String,
    /// The command that replays it, for tools that process findings one by one.
    pub replay: String,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageReport {
    /// Its id.
    pub id: String,
    /// Its name in the script; null if it has none.
    pub label: Option<String>,
}

impl Default for JsonReport {
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            counts: Counts::default(),
            plays: Vec::new(),
            skips: Vec::new(),
            stale: Vec::new(),
        }
    }
}

impl JsonReport {
    fn add(&mut self, played: &Played, replay: &str) {
        let play = PlayReport::of(played, replay);
        self.counts.plays += 1;
        match play.outcome {
            Outcome::Passed => self.counts.passed += 1,
            Outcome::Failed => self.counts.failed += 1,
            Outcome::Error => self.counts.errors += 1,
            Outcome::ExpectedFailure => self.counts.expected_failures += 1,
            Outcome::UnexpectedPass => self.counts.unexpected_passes += 1,
        }
        self.plays.push(play);
    }

    fn add_stale(&mut self, place: &str, subject: &str) {
        self.counts.unexpected_passes += 1;
        self.stale.push(StaleReport {
            place: place.to_owned(),
            subject: subject.to_owned(),
        });
    }

    fn skip(&mut self, entry: &Entry, reason: &str) {
        self.counts.skipped += 1;
        self.skips.push(SkipReport {
            id: entry.id.clone(),
            title: entry.scenario.title.clone(),
            seam: entry.scenario.seam,
            reason: reason.to_owned(),
        });
    }
}

impl Reporter for JsonReport {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        match *event {
            Event::Played { played, replay } => self.add(played, replay),
            Event::Skipped { entry, reason } => self.skip(entry, reason),
            Event::Stale { place, subject } => self.add_stale(place, subject),
            Event::Finished { .. } => {}
        }
        Ok(())
    }
}

impl Document for JsonReport {
    fn name(&self) -> &'static str {
        "JSON report"
    }

    fn write(self: Box<Self>, mut out: &mut dyn io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut out, &*self)?;
        out.write_all(b"\n")
    }
}

/// Whether a count that is mostly zero is left out.
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl From<Status> for Outcome {
    fn from(status: Status) -> Self {
        match status {
            Status::Pass => Self::Passed,
            Status::Fail => Self::Failed,
            Status::ExpectedFailure => Self::ExpectedFailure,
            Status::UnexpectedPass => Self::UnexpectedPass,
            // A play is not skipped.
            Status::Error | Status::Skip => Self::Error,
        }
    }
}

impl From<&Listing> for BaselineReport {
    fn from(listing: &Listing) -> Self {
        Self {
            reason: listing.reason.clone(),
            place: listing.place.clone(),
            plays: listing.plays,
        }
    }
}

impl PlayReport {
    fn of(played: &Played, replay: &str) -> Self {
        let entry = played.play.entry;
        let verdict = played.verdict.as_ref().ok();
        let reports = |found: Vec<LabelledFinding>| {
            let found = found.into_iter();
            found.map(|found| report(found, entry, replay)).collect()
        };
        let findings = verdict.into_iter().flat_map(LabelledFinding::all);
        let warnings = verdict.into_iter().flat_map(LabelledFinding::warnings);
        let unknown = verdict.into_iter().flat_map(|verdict| &verdict.unknown);
        Self {
            id: entry.id.clone(),
            title: entry.scenario.title.clone(),
            seam: entry.scenario.seam,
            surface: entry.scenario.api.first(),
            seed: played.play.options.seed,
            mutant: played.play.options.subject.mutant(),
            outcome: Status::of(played).into(),
            baseline: played.standing.listing().map(BaselineReport::from),
            digest: verdict.map(|verdict| verdict.trace.digest().to_string()),
            played_us: verdict.map(|verdict| microseconds(verdict.played)),
            elapsed_us: verdict.map(|verdict| microseconds(verdict.elapsed)),
            wall_us: microseconds(played.wall),
            replay: replay.to_owned(),
            findings: reports(findings.collect()),
            warnings: reports(warnings.collect()),
            unknown: unknown.map(UnknownReport::from).collect(),
            error: played.verdict.as_ref().err().map(ToString::to_string),
            why: played.curve.clone(),
        }
    }
}

impl From<&Unknown> for UnknownReport {
    fn from(unknown: &Unknown) -> Self {
        Self {
            rule: unknown.oracle.to_owned(),
            reason: unknown.reason.clone(),
        }
    }
}

fn report(finding: LabelledFinding, entry: &Entry, replay: &str) -> FindingReport {
    FindingReport {
        line: finding.line(),
        identity: finding.identity(entry),
        rule: finding.rule,
        protocol: finding.protocol,
        at_us: microseconds(finding.at),
        message: finding.message.map(|id| MessageReport {
            id,
            label: finding.label,
        }),
        text: finding.text,
        replay: replay.to_owned(),
    }
}

/// Exact for any run shorter than half a million years.
fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
