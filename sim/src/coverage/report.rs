//! The coverage report: the status of every mark and of every kind of fault. It is printed as JSON, or as text by
//! `terminal`.

use std::borrow::Cow;

use serde::Serialize;
use turnstile_judge::rules::RuleId;

use super::argued::argument_for;
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
    pub rows: Vec<Row>,
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
    pub reached: usize,
    /// The number of its marks.
    pub rows: usize,
}

/// A mark.
#[derive(Debug, Serialize)]
pub struct Row {
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
    pub standing: Standing,
    /// Why it is not expected to be hit, if it is waived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<&'static str>,
}

/// The status of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Hit by a scenario.
    Reached,
    /// Not hit, with a waiver.
    Argued,
    /// Not hit, without a waiver.
    Unexplained,
    /// Hit despite a waiver.
    Stale,
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
        let rows: Vec<Row> = Mark::all()
            .into_iter()
            .map(|mark| Row::of(mark, survey))
            .collect();
        let section = |(section, subject)| {
            let of_section = || rows.iter().filter(move |row| row.section == section);
            Section {
                section,
                subject,
                reached: of_section().filter(|row| row.scenarios > 0).count(),
                rows: of_section().count(),
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
            rows,
        }
    }

    /// The marks with a status.
    pub fn standing(&self, standing: Standing) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.standing == standing)
    }

    /// The kinds of faults without a scenario.
    pub fn untried(&self) -> impl Iterator<Item = &str> {
        let tried = |fault: &&Fault| fault.scenarios > 0 || fault.fault == NO_FAULT;
        let untried = self.faults.iter().filter(move |fault| !tried(fault));
        untried.map(|fault| &*fault.fault)
    }

    /// Whether there are no gaps and no stale waivers.
    pub fn is_complete(&self) -> bool {
        self.rows.iter().all(|row| row.standing.is_good()) && self.untried().next().is_none()
    }
}

impl Row {
    fn of(mark: Mark, survey: &Survey) -> Self {
        let (scenarios, argument) = (survey.reaching(mark), argument_for(mark));
        let standing = match (scenarios, argument) {
            (0, None) => Standing::Unexplained,
            (0, Some(_)) => Standing::Argued,
            (_, None) => Standing::Reached,
            (_, Some(_)) => Standing::Stale,
        };
        Self {
            section: mark.section(),
            list: mark.list(),
            rules: mark.rules(),
            text: mark.text(),
            scenarios,
            standing,
            argument,
        }
    }
}

impl Standing {
    /// Whether it needs no change of scenarios or waivers.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Reached | Self::Argued)
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
        assert_eq!(report.standing(Standing::Reached).count(), 0);
        assert_eq!(report.standing(Standing::Stale).count(), 0);
        let (argued, unexplained) = (
            report.standing(Standing::Argued).count(),
            report.standing(Standing::Unexplained).count(),
        );
        assert_eq!(argued + unexplained, Mark::all().len());
        assert!(unexplained > 0);
        assert_eq!(report.untried().count(), FaultGroup::all().count());
    }
}
