//! What `turnstile client` and `turnstile wrapper` share: selecting, listing and playing cases.

use std::io::{self, Write as _};
use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::ControlFlow;

use clap::Args;
use turnstile::report::{Event, program};
use turnstile::role::rule::RoleRule;
use turnstile::script::{HarnessError, Options, Verdict};
use turnstile::suite::{self, Play, Played};
use turnstile::workers;
use turnstile_scenarios::{Entry, Lapse};

use super::arguments::{
    FILTER_OPTIONS, PartyJobsArguments, REPORTER_OPTIONS, RUNNER_OPTIONS, ShownArguments,
};
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
    jobs: PartyJobsArguments,
    #[command(flatten, next_help_heading = REPORTER_OPTIONS)]
    shown: ShownArguments,
    #[command(flatten)]
    reports: ReportArguments,
    #[command(flatten)]
    baseline: BaselineArguments,
}

/// A role: what its parties must do, and the plays that show whether they do.
pub(crate) struct Role<T> {
    /// The name of the command.
    pub(crate) name: &'static str,
    pub(crate) rules: &'static [RoleRule],
    /// The plays, with what is needed to play them.
    pub(crate) plays: Vec<(Entry, T)>,
}

/// A party under test.
pub(crate) struct Party<'a, T> {
    /// The options that describe it on a command line.
    pub(crate) flags: String,
    /// Whether only one play is possible at a time.
    pub(crate) is_shared: bool,
    /// Plays one of the role's plays.
    pub(crate) play: &'a (dyn Fn(&Entry, &T) -> Result<Verdict, HarnessError> + Sync),
}

impl<T: Sync> Role<T> {
    /// Lists what the arguments ask for, or plays what is selected.
    pub(crate) fn run(&self, arguments: &RoleArguments, party: Option<&Party<T>>) -> io::Result<Exit> {
        let selected = self.selected(arguments.filter.as_deref());
        if arguments.rules {
            for rule in self.rules {
                writeln!(anstream::stdout(), "{:<32} {}", rule.name, rule.rule)?;
            }
            return Ok(Exit::Passed);
        }
        if selected.is_empty() {
            let (name, filter) = (self.name, arguments.filter.as_deref().unwrap_or_default());
            print_error(&format!(
                "no case matches {filter:?}; `turnstile {name} --list` shows all ids"
            ));
            return Ok(Exit::Usage);
        }
        let Some(party) = party.filter(|_| !arguments.list) else {
            for (entry, _) in selected {
                writeln!(anstream::stdout(), "{:<40} {}", entry.id, entry.scenario.title)?;
            }
            return Ok(Exit::Passed);
        };
        let is_known = |id: &str| self.plays.iter().any(|(entry, _)| entry.id == id);
        let is_complete = selected.len() == self.plays.len();
        let expectations = arguments
            .reports
            .check()
            .and_then(|()| arguments.baseline.expectations(is_known, is_complete));
        match expectations {
            Ok(expectations) => self.play(arguments, party, &selected, &expectations),
            Err(error) => {
                print_error(&error);
                Ok(Exit::Usage)
            }
        }
    }

    /// All plays whose id contains the filter, or the one that it names exactly.
    fn selected(&self, filter: Option<&str>) -> Vec<&(Entry, T)> {
        let plays = self.plays.iter();
        let is_exact = plays.clone().any(|(entry, _)| Some(entry.id.as_str()) == filter);
        let matches = |entry: &Entry| match filter {
            Some(filter) if is_exact => entry.id == filter,
            Some(filter) => entry.id.contains(filter),
            None => true,
        };
        plays.filter(|(entry, _)| matches(entry)).collect()
    }

    /// Plays what is selected, as often as asked.
    fn play(
        &self,
        arguments: &RoleArguments,
        party: &Party<T>,
        selected: &[&(Entry, T)],
        expectations: &Expectations,
    ) -> io::Result<Exit> {
        let interruption = Interruption::listen();
        let times = arguments.times.get() as usize;
        let count = selected.len().saturating_mul(times);
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
        let plays = (0..times).flat_map(|_| selected.iter());
        workers::in_order(
            plays.take_while(|_| !interruption.is_asked_for()),
            jobs,
            |(entry, what)| {
                let play = || played(party, entry, what);
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

fn played<'a, T>(party: &Party<T>, entry: &'a Entry, what: &T) -> Played<'a> {
    let started = now();
    let verdict = suite::safely(|| (party.play)(entry, what));
    let play = Play {
        entry,
        options: Options::default(),
    };
    Played::new(play, verdict, started.elapsed())
}
