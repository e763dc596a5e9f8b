//! Failures as workflow commands of GitHub Actions, which shows them as annotations.

use std::io;

use super::event::{Document, Event, Reporter};
use super::finding::LabelledFinding;
use super::stale_sentence;
use crate::standing::Standing;
use crate::suite::{Outcome, Played};

/// GitHub shows at most ten errors of a step.
const ERRORS: usize = 10;

/// Collects failed plays and writes one command for each.
#[derive(Debug, Default)]
pub struct AnnotationsReport {
    commands: Vec<String>,
    /// Failures beyond those that are shown.
    others: usize,
}

impl AnnotationsReport {
    fn add(&mut self, played: &Played) {
        let text = match (played.outcome(), &played.standing) {
            (Outcome::Passed(_), Standing::UnexpectedPass(_)) => played.standing.sentence(),
            (Outcome::Passed(_), _) | (Outcome::Failed(_), Standing::ExpectedFailure(_)) => return,
            (Outcome::Failed(verdict), _) => LabelledFinding::by_cause(verdict)
                .first()
                .map(|(_, finding)| format!("{}: {}", finding.headline(), finding.text)),
            (Outcome::HarnessFailed(error), _) => Some(format!("harness error: {error}")),
        };
        self.add_error(&played.play.entry.id, &text.unwrap_or_default());
    }

    fn add_error(&mut self, title: &str, text: &str) {
        if self.commands.len() == ERRORS {
            self.others += 1;
            return;
        }
        let (title, text) = (property(title), escaped(text));
        self.commands.push(format!("::error title={title}::{text}"));
    }
}

impl Reporter for AnnotationsReport {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Played { played, .. } => self.add(played),
            Event::Stale { place, subject } => {
                self.add_error(place, &stale_sentence(subject));
            }
            Event::Skipped { .. } | Event::Finished { .. } => {}
        }
        Ok(())
    }
}

impl Document for AnnotationsReport {
    fn name(&self) -> &'static str {
        "list of annotations"
    }

    fn write(self: Box<Self>, out: &mut dyn io::Write) -> io::Result<()> {
        for command in &self.commands {
            writeln!(out, "{command}")?;
        }
        match self.others {
            0 => Ok(()),
            others => writeln!(out, "{others} more scenarios failed; see the summary"),
        }
    }
}

/// A text in the form that GitHub decodes.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text as the value of a property.
fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::played::{add, entry, failed, played};

    #[test]
    fn each_failure_is_an_error_and_the_number_is_limited() {
        let good = entry("- start: { as: first, say: idle }", "");
        let bad = entry("- start: { as: first, say: idle }", "- callbacks: 7");
        let mut report = AnnotationsReport::default();
        add(&mut report, played(&good, 0), "again");
        add(&mut report, failed(&good), "again");
        for seed in 0..12 {
            add(&mut report, played(&bad, seed), "again");
        }
        let mut out = Vec::new();
        Box::new(report)
            .write(&mut out)
            .expect("memory can be written to");
        let text = String::from_utf8(out).expect("it is UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), ERRORS + 1);
        assert_eq!(
            lines[0],
            "::error title=suite/turn/some::harness error: the harness's own gateway does not come to rest"
        );
        assert!(
            lines[1].starts_with("::error title=suite/turn/some::expectation at line 8 at "),
            "{}",
            lines[1]
        );
        assert_eq!(lines[ERRORS], "3 more scenarios failed; see the summary");
        assert_eq!(property("50%: a,b\nc"), "50%25%3A a%2Cb%0Ac");
    }
}
