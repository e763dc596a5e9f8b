//! The coverage report: the status of every mark and of every kind of fault. It is printed as JSON, or as text by
//! `terminal`.

use std::borrow::Cow;

use serde::Serialize;
use turnstile_judge::rules::RuleId;

use super::waivers::waiver_for;
use super::{FaultGroup, Mark, Survey};

/// The sections of the protocol that have marks, with their subjects.
const SECTIONS: [(u8, &str); 10] = [
    (2, "HTTP"),
    (3, "admission"),
    (4, "drain, retry, exhaustion"),
    (5, "wrapper and ingest"),
    (6, "settlement"),
    (7, "supervision"),
    (8, "callback outbox"),
    (9, "stream and replay"),
    (10, "legacy records"),
    (11, "the fakes"),
];

/// The name of the group of scenarios without faults.
const NO_FAULT: &str = "none";

/// The coverage of the protocol.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The number of scenarios.
    pub scenarios: usize,
    /// The number of plays, with all seeds.
    pub plays: usize,
    /// Scenarios with findings, with their seeds.
    pub broken: Vec<(String, u64)>,
    /// Scenarios in which the harness failed, with their seeds.
    pub failed: Vec<(String, u64)>,
    /// The sections of the protocol.
    pub sections: Vec<Section>,
    /// Every mark, by section.
    pub marks: Vec<MarkReport>,
    /// Every kind of fault by section, preceded by the scenarios without faults.
    pub faults: Vec<Fault>,
}

/// A section of the protocol.
#[derive(Debug, Serialize)]
pub struct Section {
    /// Its number.
    pub section: u8,
    /// Its subject.
    pub subject: &'static str,
    /// The number of its marks that were hit.
    pub hit: usize,
    /// The number of its marks.
    pub marks: usize,
}

/// A mark.
#[derive(Debug, Serialize)]
pub struct MarkReport {
    /// The section of the protocol that it belongs to.
    pub section: u8,
    /// The list that it is in.
    pub list: &'static str,
    /// The rules of the protocol that it is about.
    pub rules: &'static [RuleId],
    /// Its description.
    pub text: &'static str,
    /// The number of scenarios that hit it.
    pub scenarios: usize,
    /// Its status.
    pub status: MarkStatus,
    /// Why it is not expected to be hit, if it is waived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiver: Option<&'static str>,
}

/// The status of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkStatus {
    /// Hit by a scenario.
    Hit,
    /// Not hit, with a waiver.
    Waived,
    /// Not hit, without a waiver.
    NotHit,
    /// Hit despite a waiver.
    StaleWaiver,
}

/// A kind of fault, or the absence of faults.
#[derive(Debug, Serialize)]
pub struct Fault {
    /// Its name.
    pub fault: Cow<'static, str>,
    /// The number of scenarios with it.
    pub scenarios: usize,
    /// The number of scenarios with it that hit a mark of each section, in the order of [`Report::sections`].
    pub by_section: Vec<usize>,
}

impl Report {
    /// The report of a survey.
    pub fn of(survey: &Survey) -> Self {
        let marks: Vec<MarkReport> = Mark::all()
            .into_iter()
            .map(|mark| MarkReport::of(mark, survey))
            .collect();
        let section = |(section, subject)| {
            let of_section = || marks.iter().filter(move |mark| mark.section == section);
            Section {
                section,
                subject,
                hit: of_section().filter(|mark| mark.scenarios > 0).count(),
                marks: of_section().count(),
            }
        };
        let faults = [None].into_iter().chain(FaultGroup::all().map(Some));
        Self {
            scenarios: survey.scenarios(),
            plays: survey.plays,
            broken: survey.broken.iter().cloned().collect(),
            failed: survey.failed.iter().cloned().collect(),
            sections: SECTIONS.into_iter().map(section).collect(),
            faults: faults.map(|fault| Fault::of(fault, survey)).collect(),
            marks,
        }
    }

    /// The marks with a status.
    pub fn with_status(&self, status: MarkStatus) -> impl Iterator<Item = &MarkReport> {
        self.marks.iter().filter(move |mark| mark.status == status)
    }

    /// The kinds of faults without a scenario.
    pub fn unused_faults(&self) -> impl Iterator<Item = &str> {
        let tried = |fault: &&Fault| fault.scenarios > 0 || fault.fault == NO_FAULT;
        let unused_faults = self.faults.iter().filter(move |fault| !tried(fault));
        unused_faults.map(|fault| &*fault.fault)
    }

    /// Whether there are no gaps and no stale waivers.
    pub fn is_complete(&self) -> bool {
        self.marks.iter().all(|mark| mark.status.is_good()) && self.unused_faults().next().is_none()
    }
}

impl MarkReport {
    fn of(mark: Mark, survey: &Survey) -> Self {
        let (scenarios, waiver) = (survey.hitting(mark), waiver_for(mark));
        let status = match (scenarios, waiver) {
            (0, None) => MarkStatus::NotHit,
            (0, Some(_)) => MarkStatus::Waived,
            (_, None) => MarkStatus::Hit,
            (_, Some(_)) => MarkStatus::StaleWaiver,
        };
        Self {
            section: mark.section(),
            list: mark.list(),
            rules: mark.rules(),
            text: mark.text(),
            scenarios,
            status,
            waiver,
        }
    }
}

impl MarkStatus {
    /// Whether it needs no change of scenarios or waivers.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Hit | Self::Waived)
    }
}

impl Fault {
    fn of(fault: Option<FaultGroup>, survey: &Survey) -> Self {
        let in_section = |(section, _)| survey.with_in(fault, section);
        Self {
            fault: fault.map_or(NO_FAULT.into(), FaultGroup::name),
            scenarios: survey.with(fault),
            by_section: SECTIONS.into_iter().map(in_section).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_belongs_to_a_listed_section() {
        for mark in Mark::all() {
            let section = mark.section();
            assert!(
                SECTIONS.iter().any(|(listed, _)| *listed == section),
                "{}",
                mark.text()
            );
        }
    }

    #[test]
    fn without_plays_every_mark_without_a_waiver_is_missing() {
        let report = Report::of(&Survey::default());
        assert!(!report.is_complete());
        assert_eq!(report.with_status(MarkStatus::Hit).count(), 0);
        assert_eq!(report.with_status(MarkStatus::StaleWaiver).count(), 0);
        let (waived, not_hit) = (
            report.with_status(MarkStatus::Waived).count(),
            report.with_status(MarkStatus::NotHit).count(),
        );
        assert_eq!(waived + not_hit, Mark::all().len());
        assert!(not_hit > 0);
        assert_eq!(report.unused_faults().count(), FaultGroup::all().count());
    }
}
