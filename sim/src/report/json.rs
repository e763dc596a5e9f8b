//! What came of all plays, as JSON for machines.
//!
//! The form is this module's types, in the order of their fields; [`SCHEMA_VERSION`] rises when a reader of
//! an older form would misread a newer one, not when a field is added. Apart from [`PlayReport::wall_us`] the
//! same build, scripts and seeds give the same report.

use std::io;
use std::time::Duration;

use serde::Serialize;
use turnstile_scenarios::{Entry, Seam, Surface};

use super::event::{Document, Event, Reporter};
use super::finding::ToldFinding;
use crate::script::Verdict;
use crate::suite::{self, Played};

/// The form of the report.
pub const SCHEMA_VERSION: u32 = 1;

/// All plays, in the order in which they were added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JsonReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// How many plays ended how.
    pub counts: Counts,
    /// Each of them.
    pub plays: Vec<PlayReport>,
    /// Each that was skipped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skips: Vec<SkipReport>,
}

/// How many plays ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All of them.
    pub plays: usize,
    /// Those in which all held.
    pub held: usize,
    /// Those in which something did not.
    pub broke: usize,
    /// Those in which the harness failed.
    pub failed: usize,
    /// Those that there were not; they are not among all of them.
    pub skipped: usize,
}

/// A play that there was not.
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

/// How a play ended, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All held.
    Held,
    /// Something did not.
    Broke,
    /// The harness failed: nothing is said about the server.
    Failed,
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
    /// How it ended.
    pub outcome: Outcome,
    /// The digest of its trace; none if the harness failed.
    pub digest: Option<String>,
    /// Virtual time up to the end of the last step, in microseconds; none if the harness failed.
    pub played_us: Option<u64>,
    /// Virtual time up to the judgement, in microseconds; none if the harness failed.
    pub elapsed_us: Option<u64>,
    /// How long it took on this machine, in microseconds: the one thing that differs from call to call.
    pub wall_us: u64,
    /// The command that plays it again.
    pub replay: String,
    /// What did not hold, in order of time.
    pub findings: Vec<FindingReport>,
    /// How the harness failed, if it did.
    pub error: Option<String>,
}

/// Something that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingReport {
    /// The rule: an oracle's name, or the place in the script that expected something else.
    pub rule: String,
    /// When it was broken, or found to be: virtual time since the beginning, in microseconds.
    pub at_us: u64,
    /// The message that it is about, if it is about one.
    pub message: Option<MessageReport>,
    /// What happened instead, in one sentence, with the script's names for messages.
    pub text: String,
    /// The command that plays it again, for whoever passes on this finding alone.
    pub replay: String,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageReport {
    /// Its id.
    pub id: String,
    /// What the script calls it; none if the script does not.
    pub label: Option<String>,
}

impl Default for JsonReport {
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            counts: Counts::default(),
            plays: Vec::new(),
            skips: Vec::new(),
        }
    }
}

impl JsonReport {
    fn add(&mut self, played: &Played, replay: &str) {
        let play = PlayReport::of(played, replay);
        self.counts.plays += 1;
        match play.outcome {
            Outcome::Held => self.counts.held += 1,
            Outcome::Broke => self.counts.broke += 1,
            Outcome::Failed => self.counts.failed += 1,
        }
        self.plays.push(play);
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

impl From<suite::Outcome<'_>> for Outcome {
    fn from(outcome: suite::Outcome) -> Self {
        match outcome {
            suite::Outcome::Passed(_) => Self::Held,
            suite::Outcome::Failed(_) => Self::Broke,
            suite::Outcome::HarnessFailed(_) => Self::Failed,
        }
    }
}

impl PlayReport {
    fn of(played: &Played, replay: &str) -> Self {
        let entry = played.play.entry;
        let verdict = played.verdict.as_ref().ok();
        let findings = verdict
            .map(|verdict| findings(verdict, replay))
            .unwrap_or_default();
        Self {
            id: entry.id.clone(),
            title: entry.scenario.title.clone(),
            seam: entry.scenario.seam,
            surface: entry.scenario.api.first(),
            seed: played.play.options.seed,
            outcome: played.outcome().into(),
            digest: verdict.map(|verdict| verdict.trace.digest().to_string()),
            played_us: verdict.map(|verdict| microseconds(verdict.played)),
            elapsed_us: verdict.map(|verdict| microseconds(verdict.elapsed)),
            wall_us: microseconds(played.wall),
            replay: replay.to_owned(),
            findings,
            error: played.verdict.as_ref().err().map(ToString::to_string),
        }
    }
}

fn findings(verdict: &Verdict, replay: &str) -> Vec<FindingReport> {
    let told = ToldFinding::all(verdict).map(|finding| FindingReport {
        rule: finding.rule.to_owned(),
        at_us: microseconds(finding.at),
        message: finding.message.map(|id| MessageReport {
            id: id.to_owned(),
            label: finding.label.map(str::to_owned),
        }),
        text: finding.text,
        replay: replay.to_owned(),
    });
    told.collect()
}

/// No run is so long that this is not exact.
fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::played::{add, entry, failed, played};

    fn written() -> String {
        let good = entry(
            "- start: { as: first, say: echo:one }\n- await: { callback: first }",
            "",
        );
        let bad = entry(
            "- start: { as: first, say: idle }",
            "- message: { of: first, is: failed }",
        );
        let mut report = JsonReport::default();
        add(
            &mut report,
            played(&good, 3),
            "turnstile replay good.yaml --seed 3",
        );
        add(&mut report, played(&bad, 0), "turnstile replay bad.yaml");
        add(&mut report, failed(&good), "turnstile replay good.yaml");
        let mut out = Vec::new();
        let written = Box::new(report).write(&mut out);
        written.expect("memory can be written to");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    /// Without what changes whenever anything does.
    fn masked(report: &str) -> String {
        let mask = |line: &str| {
            let known = [("\"digest\": \"", "(digest)"), ("\"id\": \"msg_", "(id)")];
            let found = known
                .into_iter()
                .find(|(start, _)| line.trim_start().starts_with(start));
            let (name, _) = line.split_once(": ").unwrap_or((line, ""));
            found.map_or(line.to_owned(), |(_, mask)| format!("{name}: \"{mask}\","))
        };
        report.lines().map(mask).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_came_of_each_play_is_told_the_same_each_time() {
        let report = written();
        assert_eq!(report, written());
        insta::assert_snapshot!(masked(&report), @r#"
        {
          "schema_version": 1,
          "counts": {
            "plays": 3,
            "held": 1,
            "broke": 1,
            "failed": 1,
            "skipped": 0
          },
          "plays": [
            {
              "id": "suite/turn/some",
              "title": "a turn & its <end>",
              "seam": "turn",
              "surface": "unified",
              "seed": 3,
              "outcome": "held",
              "digest": "(digest)",
              "played_us": 1034897,
              "elapsed_us": 1801039066,
              "wall_us": 12000,
              "replay": "turnstile replay good.yaml --seed 3",
              "findings": [],
              "error": null
            },
            {
              "id": "suite/turn/some",
              "title": "a turn & its <end>",
              "seam": "turn",
              "surface": "unified",
              "seed": 0,
              "outcome": "broke",
              "digest": "(digest)",
              "played_us": 6157,
              "elapsed_us": 1800011741,
              "wall_us": 12000,
              "replay": "turnstile replay bad.yaml",
              "findings": [
                {
                  "rule": "expectation at line 8",
                  "at_us": 1028742,
                  "message": {
                    "id": "(id)",
                    "label": "first"
                  },
                  "text": "`first` ended with status \"completed\", not \"failed\"",
                  "replay": "turnstile replay bad.yaml"
                }
              ],
              "error": null
            },
            {
              "id": "suite/turn/some",
              "title": "a turn & its <end>",
              "seam": "turn",
              "surface": "unified",
              "seed": 0,
              "outcome": "failed",
              "digest": null,
              "played_us": null,
              "elapsed_us": null,
              "wall_us": 12000,
              "replay": "turnstile replay good.yaml",
              "findings": [],
              "error": "the harness's own gateway does not come to rest"
            }
          ]
        }
        "#);
    }
}
