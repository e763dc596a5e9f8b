//! The moments of failures in a report: `--why`.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use clap::Args;
use turnstile::suite::{Outcome, Played};
use turnstile::why::{Effort, explained_rule};

use super::arguments::REPORTER_OPTIONS;
use super::interruption::Interruption;
use super::why::curve_of;

/// The default number of variations, as a text.
const DEFAULT: &str = "24";
const _: () = assert!(Effort::VARIATIONS == 24, "the text says something else");

/// Whether failures are explained.
#[derive(Args)]
pub(crate) struct ExplanationArguments {
    /// Show in the report from when on the first failure of each kind was inevitable
    ///
    /// Takes some seconds for each kind. As `turnstile why`, it plays N variations [default: 24] of what follows each moment
    /// of the curve.
    #[arg(long, value_name = "N", help_heading = REPORTER_OPTIONS, requires = "report", conflicts_with = "live",
        num_args = 0..=1, require_equals = true, default_missing_value = DEFAULT,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    why: Option<u32>,
}

impl ExplanationArguments {
    /// Explains failures on `jobs` threads until an interruption, if that is asked for.
    pub(crate) fn explainer(&self, jobs: NonZeroUsize, interruption: Interruption) -> Explainer {
        let effort = self.why.map(|variations| Effort {
            variations,
            moments: Effort::MOMENTS,
            jobs,
        });
        Explainer {
            effort,
            interruption,
            explained: BTreeSet::new(),
        }
    }
}

/// Finds from when on failures were inevitable: of each rule that a server breaks, for the first play.
pub(crate) struct Explainer {
    /// `None` if nothing is explained.
    effort: Option<Effort>,
    interruption: Interruption,
    /// Mutants and rules.
    explained: BTreeSet<(Option<String>, String)>,
}

impl Explainer {
    /// Draws the curve of a play, if it is the first failure of its kind, and no baseline expects it.
    pub(crate) fn explain(&mut self, played: &mut Played) {
        let (Some(effort), Outcome::Failed(verdict)) = (self.effort, played.outcome()) else {
            return;
        };
        if self.interruption.is_asked_for() {
            return;
        }
        let Some(rule) = explained_rule(verdict).filter(|_| played.is_red()) else {
            return;
        };
        let mutant = played.play.options.subject.mutant();
        if self.explained.insert((mutant, rule)) {
            // Without a curve the run was interrupted, and the report says that it is partial.
            played.curve = curve_of(&played.play, verdict, None, effort, self.interruption, |_| ()).ok();
        }
    }
}
