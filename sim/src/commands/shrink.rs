//! `turnstile shrink`.

use std::fmt;
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::str::FromStr;

use clap::Args;
use turnstile::explore::{self, Failure, Progress, Shrunk};
use turnstile::live::{Outcome as LiveOutcome, Skip};
use turnstile::script::{Options, Verdict};
use turnstile::suite;
use turnstile::watch::Watch;
use turnstile_scenarios::Scenario;

use super::arguments::{RUNNER_OPTIONS, SERVER_OPTIONS, WatchArguments};
use super::exit::{Exit, print_error};
use super::interruption::Interruption;
use super::live_seeds::{LiveSeedArguments, LiveSeeds};
use super::output_file::OutputFile;
use super::progress::bar;
use super::seeds::{ServerArguments, Source, SourceArguments};

/// Arguments of `turnstile shrink`.
#[derive(Args)]
pub(crate) struct ShrinkArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// Write the script to FILE instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<OutputFile>,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    watch: WatchArguments,
    /// Of a live play, how often of how many times a smaller script must fail
    #[arg(long, value_name = "K/N", default_value = "2/3", requires = "live")]
    votes: Votes,
    #[command(flatten, next_help_heading = SERVER_OPTIONS)]
    server: ServerArguments,
    #[command(flatten)]
    live: LiveSeedArguments,
}

/// How often of how many times a script must fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Votes {
    needed: u32,
    of: u32,
}

/// The largest number of plays of one script.
const MOST_PLAYS: u32 = 100;

impl FromStr for Votes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(needed, of)| Some((needed.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((needed, of)) if (1..=of).contains(&needed) && of <= MOST_PLAYS => Ok(Self { needed, of }),
            _ => Err(format!(
                "{text:?} is not a number of plays of at most {MOST_PLAYS}, such as 2/3"
            )),
        }
    }
}

impl fmt::Display for Votes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.needed, self.of)
    }
}

impl Votes {
    /// Plays until enough plays fail, and returns the last of them, or `None` once too many do not.
    fn count<T>(self, mut fails: impl FnMut() -> Option<T>) -> Option<T> {
        let (mut failed, mut passed) = (0, 0);
        while passed <= self.of - self.needed {
            match fails() {
                None => passed += 1,
                Some(failure) => {
                    failed += 1;
                    if failed == self.needed {
                        return Some(failure);
                    }
                }
            }
        }
        None
    }
}

/// Shrinks a failing scenario.
pub(crate) fn shrink(arguments: &ShrinkArguments) -> io::Result<Exit> {
    let (entry, seed, subject) = match arguments.source.against(&arguments.server, Ok(())) {
        Ok(found) => found,
        Err(exit) => return Ok(exit),
    };
    let scenario = entry.scenario;
    let interruption = Interruption::listen();
    let mutant = arguments.server.flags();
    // One play after another: each decides what is played next.
    let jobs = Some(NonZeroUsize::MIN);
    match arguments.live.seeds(interruption, jobs, subject, &mutant) {
        Ok(None) => {}
        Ok(Some(live)) => return shrink_live(arguments, &live, scenario, seed, interruption),
        Err(error) => {
            print_error(&error);
            return Ok(Exit::Usage);
        }
    }
    let options = Options {
        seed,
        subject,
        watch: Some(arguments.watch.watch(interruption)),
        ..Options::default()
    };
    let verdict = match suite::play_safely(&scenario, options) {
        Ok(verdict) => verdict,
        Err(error) => {
            print_error(&format!("harness error: {error}"));
            return Ok(interruption.exit(Exit::Harness));
        }
    };
    // Every smaller script that is kept fails, so a check of each would double the time. The result is checked when it is
    // played.
    let options = Options {
        subject: subject.unchecked(),
        ..options
    };
    let Some(failure) = Failure::of(verdict) else {
        return Ok(nothing_to_shrink(arguments));
    };
    let fails = |candidate: &Scenario, rule: &str| explore::fails_simulated(candidate, rule, options);
    let shrunk = shrunk(&scenario, failure, fails, interruption);
    interruption.begin_to_write();
    conclude(arguments, &scenario, &shrunk, seed, interruption, None)
}

fn nothing_to_shrink(arguments: &ShrinkArguments) -> Exit {
    print_error(&format!("{} passes: nothing to shrink", arguments.source.source));
    Exit::Usage
}

/// Shrinks a scenario that fails against a live server, often enough.
fn shrink_live(
    arguments: &ShrinkArguments,
    live: &LiveSeeds,
    scenario: Scenario,
    seed: u64,
    interruption: Interruption,
) -> io::Result<Exit> {
    let scenario = match arguments.source.source {
        Source::Seed(seed) => live.scenario(seed),
        Source::File(_) => scenario,
    };
    let votes = arguments.votes;
    let failure = match first_failure(live, &scenario, votes.of) {
        Ok(Some(failure)) => failure,
        Ok(None) => return Ok(nothing_to_shrink(arguments)),
        Err((exit, error)) => {
            print_error(&error);
            return Ok(interruption.exit(exit));
        }
    };
    let fails = |candidate: &Scenario, rule: &str| {
        votes.count(|| match live.play(candidate) {
            LiveOutcome::Played(Ok(verdict)) => Some(*verdict).filter(|verdict| verdict.violates(rule)),
            _ => None,
        })
    };
    if fails(&scenario, &failure.rule).is_none() {
        let source = &arguments.source.source;
        print_error(&format!("{source} fails too rarely for --votes {votes}"));
        return Ok(interruption.exit(Exit::Usage));
    }
    let shrunk = shrunk(&scenario, failure, fails, interruption);
    interruption.begin_to_write();
    let simulated = live.is_in_simulation(&shrunk.scenario, &shrunk.failure.rule);
    conclude(arguments, &scenario, &shrunk, seed, interruption, Some(simulated))
}

/// The first failure of so many plays; or why there is none, with the exit status.
fn first_failure(live: &LiveSeeds, scenario: &Scenario, of: u32) -> Result<Option<Failure>, (Exit, String)> {
    for _ in 0..of {
        match live.play(scenario) {
            LiveOutcome::Played(Ok(verdict)) => {
                if let Some(failure) = Failure::of(*verdict) {
                    return Ok(Some(failure));
                }
            }
            LiveOutcome::Played(Err(error)) => {
                return Err((Exit::Harness, format!("harness error: {error}")));
            }
            LiveOutcome::Skipped(reason) => {
                return Err((Exit::Usage, format!("it cannot be played: it {reason}")));
            }
            LiveOutcome::Postponed => {
                return Err((
                    Exit::Usage,
                    format!("it cannot be played: it {}", Skip::TestClock),
                ));
            }
        }
    }
    Ok(None)
}

/// Writes the script and says what it does.
fn conclude(
    arguments: &ShrinkArguments,
    scenario: &Scenario,
    shrunk: &Shrunk,
    seed: u64,
    interruption: Interruption,
    in_simulation: Option<bool>,
) -> io::Result<Exit> {
    let source = &arguments.source.source;
    let origin = match source {
        Source::Seed(seed) => format!("seed {seed}"),
        Source::File(_) => format!("{:?} with seed {seed}", scenario.title),
    };
    let script = explore::as_script(shrunk, &origin, seed);
    let stopped = if shrunk.is_stopped { ", stopped early" } else { "" };
    anstream::eprintln!(
        "{} fails with {} of {} steps, after {} plays{stopped}",
        shrunk.failure.rule,
        script.steps.len(),
        scenario.steps.len(),
        shrunk.tried
    );
    if let Some(shows_the_same) = in_simulation {
        anstream::eprintln!("{}", explore::in_simulation(shows_the_same));
    }
    Ok(interruption.exit(write(arguments, &script.to_yaml(), seed)?))
}

/// Shrinks with a progress bar until no smaller scenario fails, or until Ctrl-C.
fn shrunk(
    scenario: &Scenario,
    failure: Failure,
    fails: impl FnMut(&Scenario, &str) -> Option<Verdict>,
    interruption: Interruption,
) -> Shrunk {
    let bar = bar(None, "{spinner} {msg}, {elapsed}");
    let steps = scenario.steps.len();
    let shrunk = explore::shrink(scenario, failure, fails, |progress: Progress| {
        bar.set_message(format!(
            "{} of {steps} steps left, {} plays; Ctrl-C keeps the best so far",
            progress.steps, progress.tried
        ));
        bar.tick();
        if interruption.is_asked_for() || Watch::has_too_many_abandoned() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    bar.finish_and_clear();
    shrunk
}

/// Writes the script to the file or standard output. That is success: a failure is what was asked for.
fn write(arguments: &ShrinkArguments, script: &str, seed: u64) -> io::Result<Exit> {
    match &arguments.output {
        None => anstream::stdout().write_all(script.as_bytes())?,
        Some(file) => {
            if !file.write("the script", |out| out.write_all(script.as_bytes())) {
                return Ok(Exit::Harness);
            }
            let flags = arguments.server.flags();
            let file = file.display();
            match arguments.live.live {
                false => anstream::eprintln!("replay: turnstile replay {file} --seed {seed}{flags}"),
                true => {
                    let flags = flags + &arguments.live.flags();
                    anstream::eprintln!("replay: turnstile shrink --live {file} --votes 1/1{flags}");
                }
            }
        }
    }
    Ok(Exit::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn votes_end_once_they_are_decided() {
        let votes: Votes = "2/3".parse().expect("votes");
        let count = |results: &[bool]| {
            let mut left = results.iter();
            let failed = votes.count(|| left.next().filter(|fails| **fails));
            (failed.is_some(), left.len())
        };
        assert_eq!(count(&[true, true, false]), (true, 1));
        assert_eq!(count(&[true, false, true]), (true, 0));
        assert_eq!(count(&[false, false, true]), (false, 1));
        for wrong in ["0/3", "4/3", "2", "1/101", "a/b"] {
            assert!(wrong.parse::<Votes>().is_err(), "{wrong}");
        }
    }
}
