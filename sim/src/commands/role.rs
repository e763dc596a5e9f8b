//! What `turnstile client` and `turnstile wrapper` share: selecting, listing and playing cases.

use std::io::{self, Write as _};
use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::ControlFlow;

use clap::Args;
use turnstile::report::{Event, program};
use turnstile::role::case::{Case, entries};
use turnstile::role::rule::RoleRule;
use turnstile::script::{HarnessError, Options, Verdict};
use turnstile::suite::{self, Play, Played};
use turnstile::workers;
use turnstile_scenarios::{Entry, Lapse, Seam};

use super::arguments::{FILTER_OPTIONS, JobsArguments, REPORTER_OPTIONS, RUNNER_OPTIONS, ShownArguments};
use super::baseline::{BaselineArguments, Expectations};
use super::clock::now;
use super::exit::{Exit, print_error};
use super::interruption::Interruption;
use super::report_files::ReportArguments;
use super::reporting::{Remembering, Reporting};

/// Arguments of a command that judges a party of a role.
#[derive(Args)]
pub(crate) struct RoleArguments {
    /// Select cases whose id contains FILTER; an exact id selects only that case
    #[arg(help_heading = None::<&str>)]
    filter: Option<String>,
    /// List the cases
    #[arg(long, help_heading = FILTER_OPTIONS)]
    list: bool,
    /// List the rules
    #[arg(long, help_heading = FILTER_OPTIONS, conflicts_with = "list")]
    rules: bool,
    /// Longest time for a single step of the party; its start may take six times as long
    #[arg(long, value_name = "DURATION", default_value = "10s", help_heading = RUNNER_OPTIONS)]
    pub(crate) patience: Lapse,
    /// Play every case this many times
    #[arg(long, value_name = "N", default_value_t = NonZeroU32::MIN, help_heading = RUNNER_OPTIONS)]
    times: NonZeroU32,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    jobs: JobsArguments,
    #[command(flatten, next_help_heading = REPORTER_OPTIONS)]
    shown: ShownArguments,
    #[command(flatten)]
    reports: ReportArguments,
    #[command(flatten)]
    baseline: BaselineArguments,
}

/// A role: the cases and rules of its parties, and how one of them is played.
pub(crate) struct Role<S: 'static> {
    /// The name of the command.
    pub(crate) name: &'static str,
    pub(crate) cases: &'static [Case<S>],
    pub(crate) rules: &'static [RoleRule],
    /// The seam of the cases, for reports.
    pub(crate) seam: Seam,
}

/// A party under test.
pub(crate) struct Party<'a, S: 'static> {
    /// The options that describe it on a command line.
    pub(crate) flags: String,
    /// Whether only one case can be played at a time.
    pub(crate) is_shared: bool,
    /// Plays a case.
    pub(crate) play: &'a (dyn Fn(&'static Case<S>) -> Result<Verdict, HarnessError> + Sync),
}

impl<S> Role<S> {
    /// Lists what the arguments ask for, or plays the selected cases. `party` is called before the first play.
    pub(crate) fn run(&self, arguments: &RoleArguments, party: Option<&Party<S>>) -> io::Result<Exit> {
        let filter = arguments.filter.as_deref();
        let cases = entries(self.cases, self.seam, filter);
        if arguments.rules {
            for rule in self.rules {
                writeln!(anstream::stdout(), "{:<32} {}", rule.name, rule.rule)?;
            }
            return Ok(Exit::Passed);
        }
        if cases.is_empty() {
            let (name, filter) = (self.name, filter.unwrap_or_default());
            print_error(&format!(
                "no case matches {filter:?}; `turnstile {name} --list` shows all ids"
            ));
            return Ok(Exit::Usage);
        }
        let Some(party) = party.filter(|_| !arguments.list) else {
            for (case, _) in &cases {
                writeln!(anstream::stdout(), "{:<40} {}", case.id, case.title)?;
            }
            return Ok(Exit::Passed);
        };
        let is_known = |id: &str| self.cases.iter().any(|case| case.id == id);
        let is_complete = cases.len() == self.cases.len();
        let expectations = arguments
            .reports
            .check()
            .and_then(|()| arguments.baseline.expectations(is_known, is_complete));
        match expectations {
            Ok(expectations) => self.play(arguments, party, &cases, &expectations),
            Err(error) => {
                print_error(&error);
                Ok(Exit::Usage)
            }
        }
    }

    /// Plays the cases, as often as asked.
    fn play(
        &self,
        arguments: &RoleArguments,
        party: &Party<S>,
        cases: &[(&'static Case<S>, Entry)],
        expectations: &Expectations,
    ) -> io::Result<Exit> {
        let interruption = Interruption::listen();
        let times = arguments.times.get() as usize;
        let count = cases.len().saturating_mul(times);
        let terminal = arguments
            .shown
            .terminal(arguments.reports.terminal())
            .with_clock("real");
        let files = arguments.reports.files(count, false, arguments.shown.detail());
        let mut reporting = Reporting::start(
            count,
            terminal,
            files,
            expectations.follow(),
            Remembering::Nothing,
        );
        let bar = reporting.bar();
        let jobs = match party.is_shared {
            true => NonZeroUsize::MIN,
            false => arguments.jobs.count(),
        };
        let plays = (0..times).flat_map(|_| cases.iter());
        workers::in_order(
            plays.take_while(|_| !interruption.is_asked_for()),
            jobs,
            |(case, entry)| {
                let play = || played(party, case, entry);
                expectations.judge(play(), |_| Some(play()))
            },
            |count| bar.set_position(count as u64),
            |played| {
                let (name, id) = (self.name, &played.play.entry.id);
                reporting.report(&Event::Played {
                    replay: &format!("{} {name} {id}{}", program(), party.flags),
                    played: &played,
                });
                ControlFlow::Continue(())
            },
        );
        reporting.finish(interruption)
    }
}

fn played<'a, S>(party: &Party<S>, case: &'static Case<S>, entry: &'a Entry) -> Played<'a> {
    let started = now();
    let verdict = suite::safely(|| (party.play)(case));
    let play = Play {
        entry,
        options: Options::default(),
    };
    Played::new(play, verdict, started.elapsed())
}
