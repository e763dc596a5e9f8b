//! Expected failures on the command line: `--baseline`, `--update-baseline` and `--max-skipped`.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use turnstile::baseline::{Baseline, Update};
use turnstile::report::{Event, Summary};
use turnstile::suite::Played;
use turnstile_scenarios::{LARGEST_FILE, read_file};

use super::exit::{Exit, print_error};

/// What is expected of the server under test.
#[derive(Args)]
#[command(next_help_heading = "Expectation options")]
pub(crate) struct BaselineArguments {
    /// File with expected failures; an unexpected failure and an unexpected pass both fail the run
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Change the file of --baseline to what the run shows, and keep its comments and reasons
    #[arg(long, requires = "baseline")]
    update_baseline: bool,
    /// Fail the run if more than this share of the scenarios is skipped
    #[arg(long, value_name = "PERCENT")]
    max_skipped: Option<Percentage>,
}

/// A share of the scenarios, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Percentage(usize);

impl FromStr for Percentage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).parse();
        let number = number.ok().filter(|number| *number <= 100);
        number
            .map(Self)
            .ok_or_else(|| "expected a number from 0 to 100, such as 40%".to_owned())
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}%", self.0)
    }
}

/// What is expected of the plays of a run.
#[derive(Debug, Default)]
pub(crate) struct Expectations {
    baseline: Option<Baseline>,
    updates: bool,
    max_skipped: Option<Percentage>,
    /// Whether the run plays all scenarios.
    is_complete: bool,
}

impl BaselineArguments {
    /// Whether there is a file, for which the other scenarios matter.
    pub(crate) fn has_file(&self) -> bool {
        self.baseline.is_some()
    }

    /// Reads the file. `is_known` says whether a scenario exists, and `is_complete` whether all of them are played.
    ///
    /// # Errors
    ///
    /// The error in the file, as a text.
    pub(crate) fn expectations(
        &self,
        is_known: impl Fn(&str) -> bool,
        is_complete: bool,
    ) -> Result<Expectations, String> {
        let baseline = self.baseline.as_ref().map(|file| {
            if self.update_baseline && !file.exists() {
                return Ok(Baseline::empty(file));
            }
            let text = read_file(file, LARGEST_FILE).map_err(|error| {
                let hint = match file.exists() {
                    true => "",
                    false => "; --update-baseline writes a new one",
                };
                format!("cannot read {} (--baseline): {error}{hint}", file.display())
            })?;
            let baseline = Baseline::parse(&text, file).map_err(|problem| problem.to_string())?;
            let checked = baseline.check_scenarios(&is_known);
            checked.map(|()| baseline).map_err(|problem| problem.to_string())
        });
        Ok(Expectations {
            baseline: baseline.transpose()?,
            updates: self.update_baseline,
            max_skipped: self.max_skipped,
            is_complete,
        })
    }
}

impl Expectations {
    /// Says what is expected of a play. A flaky one is repeated with `again`; the argument is the number of plays before.
    pub(crate) fn judge<'a>(
        &self,
        first: Played<'a>,
        again: impl FnMut(u32) -> Option<Played<'a>>,
    ) -> Played<'a> {
        match &self.baseline {
            Some(baseline) => baseline.judge(first, again),
            None => first,
        }
    }

    /// Follows a run.
    pub(crate) fn follow(&self) -> Following<'_> {
        Following {
            expectations: self,
            update: self.baseline.as_ref().map(Update::new),
        }
    }
}

/// A run in comparison with what is expected.
pub(crate) struct Following<'a> {
    expectations: &'a Expectations,
    update: Option<Update<'a>>,
}

impl Following<'_> {
    /// Takes a play.
    pub(crate) fn add(&mut self, played: &Played) {
        if let Some(update) = &mut self.update {
            update.add(played);
        }
    }

    /// The entries that no play has met, unless the file is updated.
    pub(crate) fn stale(&self) -> Vec<Stale> {
        let (Some(update), Some(baseline)) = (&self.update, &self.expectations.baseline) else {
            return Vec::new();
        };
        if self.expectations.updates {
            return Vec::new();
        }
        let stale = update.review().stale(self.expectations.is_complete);
        let stale = stale.into_iter().map(|entry| Stale {
            place: baseline.place(entry),
            subject: entry.subject(),
        });
        stale.collect()
    }

    /// Changes the file if that was asked for, and returns the exit status of the run.
    pub(crate) fn conclude(&self, summary: &Summary, exit: Exit) -> Exit {
        let Expectations {
            baseline,
            updates,
            max_skipped,
            is_complete,
        } = self.expectations;
        let exit = match (baseline, &self.update) {
            (Some(baseline), Some(update)) if *updates => match write(baseline, update, *is_complete) {
                Ok(()) if exit == Exit::Failed => Exit::Passed,
                Ok(()) => exit,
                Err(error) => {
                    print_error(&error);
                    Exit::Harness
                }
            },
            _ => exit,
        };
        let all = summary.all();
        match max_skipped.filter(|most| summary.skipped * 100 > most.0 * all) {
            None => exit,
            Some(most) => {
                let skipped = summary.skipped;
                let share = skipped * 100 / all;
                print_error(&format!(
                    "{skipped} of {all} scenarios were skipped ({share}%), and --max-skipped allows {most}: declare what \
                     the server can do, or allow more"
                ));
                if exit == Exit::Passed { Exit::Failed } else { exit }
            }
        }
    }
}

/// An entry that no play has met.
pub(crate) struct Stale {
    /// Its file and line.
    place: String,
    /// What it is about.
    subject: String,
}

impl Stale {
    /// The event that reports it.
    pub(crate) fn event(&self) -> Event<'_> {
        Event::Stale {
            place: &self.place,
            subject: &self.subject,
        }
    }
}

/// Writes the changed file, and prints what was done.
fn write(baseline: &Baseline, update: &Update, is_complete: bool) -> Result<(), String> {
    let file = baseline.file().display();
    let text = update.text(is_complete);
    let text = text.map_err(|error| format!("cannot change {file}: {error}"))?;
    let Some(text) = text else {
        anstream::eprintln!("{file} is up to date");
        return Ok(());
    };
    fs::write(baseline.file(), text).map_err(|error| format!("cannot write {file}: {error}"))?;
    anstream::eprintln!("updated {file}: replace each reason that begins with \"not reviewed\" by your own");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_may_have_its_sign() {
        assert_eq!("40%".parse(), Ok(Percentage(40)));
        assert_eq!("0".parse(), Ok(Percentage(0)));
        for wrong in ["101%", "-1", "many", "", "%"] {
            assert!(wrong.parse::<Percentage>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn too_many_skipped_scenarios_fail_the_run() {
        let exit = |skipped, max_skipped| {
            let expectations = Expectations {
                max_skipped,
                ..Expectations::default()
            };
            let summary = Summary {
                passed: 10 - skipped,
                skipped,
                ..Summary::default()
            };
            expectations.follow().conclude(&summary, Exit::Passed)
        };
        let most = Some(Percentage(40));
        assert_eq!(exit(4, most), Exit::Passed);
        assert_eq!(exit(5, most), Exit::Failed);
        assert_eq!(exit(10, None), Exit::Passed);
        assert_eq!(exit(10, Some(Percentage(100))), Exit::Passed);
    }
}
