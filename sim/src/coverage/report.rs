//! What a survey comes to: all marks with how they stand, all kinds of faults, and what is missing.
//!
//! As JSON it is for machines; `terminal` says it to people.

use std::borrow::Cow;

use serde::Serialize;

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

/// What the scenarios that have no fault in them go by.
const NO_FAULT: &str = "none";

/// All that a survey found.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How many scenarios were played.
    pub scenarios: usize,
    /// How often, with all seeds together.
    pub plays: usize,
    /// Scenarios in which something did not hold, with their seeds.
    pub broken: Vec<(String, u64)>,
    /// Scenarios in which the harness failed, with their seeds.
    pub failed: Vec<(String, u64)>,
    /// The sections of the protocol.
    pub sections: Vec<Section>,
    /// Every mark, by section.
    pub rows: Vec<Row>,
    /// Every kind of fault, with where it struck; before them the scenarios without any.
    pub faults: Vec<Fault>,
}

/// A section of the protocol.
#[derive(Debug, Serialize)]
pub struct Section {
    /// Its number.
    pub section: u8,
    /// Its subject.
    pub subject: &'static str,
    /// How many of its rows were reached.
    pub reached: usize,
    /// How many rows it has.
    pub rows: usize,
}

/// A mark.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The section of the protocol that it belongs to.
    pub section: u8,
    /// The list that it is in.
    pub list: &'static str,
    /// What it says.
    pub text: &'static str,
    /// How many scenarios came by it.
    pub scenarios: usize,
    /// How it stands.
    pub standing: Standing,
    /// Why nothing is expected to come by it, if that is argued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<&'static str>,
}

/// How a mark stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Some scenario came by it.
    Reached,
    /// None did, and there is an argument for that.
    Argued,
    /// None did, and nobody says why.
    Unexplained,
    /// Some scenario did, and there is an argument why none could.
    Stale,
}

/// A kind of fault, or none.
#[derive(Debug, Serialize)]
pub struct Fault {
    /// Its name.
    pub fault: Cow<'static, str>,
    /// How many scenarios have it.
    pub scenarios: usize,
    /// How many of them came by any row of a section, for each section as [`Report::sections`] has them.
    pub by_section: Vec<usize>,
}

impl Report {
    /// What a survey comes to.
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

    /// The rows that stand so.
    pub fn standing(&self, standing: Standing) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.standing == standing)
    }

    /// The kinds of faults that no scenario has.
    pub fn untried(&self) -> impl Iterator<Item = &str> {
        let tried = |fault: &&Fault| fault.scenarios > 0 || fault.fault == NO_FAULT;
        let untried = self.faults.iter().filter(move |fault| !tried(fault));
        untried.map(|fault| &*fault.fault)
    }

    /// Whether everything was reached that should be, and nothing that should not.
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
            text: mark.text(),
            scenarios,
            standing,
            argument,
        }
    }
}

impl Standing {
    /// Whether that is as it should be.
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
    fn every_mark_belongs_to_a_section_that_is_told_of() {
        for mark in Mark::all() {
            let section = mark.section();
            assert!(
                SECTIONS.iter().any(|(told, _)| *told == section),
                "{}",
                mark.text()
            );
        }
    }

    #[test]
    fn where_nothing_was_played_everything_is_missing_that_is_not_argued() {
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
