//! `turnstile shrink`.

use std::io::{self, Write as _};
use std::ops::ControlFlow;

use clap::Args;
use turnstile::explore::{self, Progress, Shrunk};
use turnstile::script::{Options, Verdict};
use turnstile::suite;
use turnstile::watch::Watch;
use turnstile_scenarios::Scenario;

use super::arguments::{RUNNER_OPTIONS, SERVER_OPTIONS, WatchArguments};
use super::exit::{Exit, print_error};
use super::interruption::Interruption;
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
    #[command(flatten, next_help_heading = SERVER_OPTIONS)]
    server: ServerArguments,
}

/// Shrinks a failing scenario.
pub(crate) fn shrink(arguments: &ShrinkArguments) -> io::Result<Exit> {
    let found = arguments
        .source
        .scenario()
        .and_then(|found| Ok((found, arguments.server.subject()?)));
    let ((scenario, seed), subject) = match found {
        Ok(found) => found,
        Err(error) => {
            print_error(&error);
            return Ok(Exit::Usage);
        }
    };
    let interruption = Interruption::listen();
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
    let source = &arguments.source.source;
    // Every smaller script that is kept fails, so a check of each would double the time. The result is checked when it is
    // played.
    let options = Options {
        subject: subject.unchecked(),
        ..options
    };
    let shrunk = shrunk(&scenario, verdict, options, interruption);
    interruption.begin_to_write();
    let Some(shrunk) = shrunk else {
        print_error(&format!("{source} passes: nothing to shrink"));
        return Ok(Exit::Usage);
    };
    let origin = match source {
        Source::Seed(seed) => format!("seed {seed}"),
        Source::File(_) => format!("{:?} with seed {seed}", scenario.title),
    };
    let script = explore::as_script(&shrunk, &origin, seed);
    let stopped = if shrunk.is_stopped { ", stopped early" } else { "" };
    anstream::eprintln!(
        "{} fails with {} of {} steps, after {} plays{stopped}",
        shrunk.rule,
        script.steps.len(),
        scenario.steps.len(),
        shrunk.tried
    );
    Ok(interruption.exit(write(arguments, &script.to_yaml(), seed)?))
}

/// Shrinks with a progress bar until no smaller scenario fails, or until Ctrl-C. `None` if the scenario passes.
fn shrunk(
    scenario: &Scenario,
    verdict: Verdict,
    options: Options,
    interruption: Interruption,
) -> Option<Shrunk> {
    let bar = bar(None, "{spinner} {msg}, {elapsed}");
    let steps = scenario.steps.len();
    let shrunk = explore::shrink(scenario, verdict, options, |progress: Progress| {
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
            anstream::eprintln!("replay: turnstile replay {} --seed {seed}{flags}", file.display());
        }
    }
    Ok(Exit::Passed)
}
