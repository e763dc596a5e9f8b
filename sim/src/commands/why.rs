//! `turnstile why`.

use std::io::{self, BufWriter};
use std::ops::ControlFlow;

use clap::Args;
use turnstile::report::{Document as _, Event, Reporter as _, TimelineReport, replay_of_play};
use turnstile::script::{Options, Verdict};
use turnstile::suite::{self, Play, Played};
use turnstile::watch::Watch;
use turnstile::why::{Curve, Effort, NoCurve, curve, write_curve};

use super::arguments::{
    FILTER_OPTIONS, JobsArguments, REPORTER_OPTIONS, RUNNER_OPTIONS, SERVER_OPTIONS, WatchArguments,
};
use super::exit::{Exit, ignore_broken_pipe, print_error};
use super::interruption::Interruption;
use super::output_file::{OutputFile, check_distinct};
use super::progress::progress_bar;
use super::seeds::{ServerArguments, SourceArguments};

/// Arguments of `turnstile why`.
#[derive(Args)]
pub(crate) struct WhyArguments {
    #[command(flatten)]
    source: SourceArguments,
    /// Explain the first violation of this oracle [default: the first violation of any]
    #[arg(long, value_name = "NAME", help_heading = FILTER_OPTIONS)]
    oracle: Option<String>,
    /// Variations of what follows each moment of the curve, at least the probes
    #[arg(long, value_name = "N", default_value_t = Effort::VARIATIONS, help_heading = RUNNER_OPTIONS,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    variations: u32,
    /// Most moments at which to look for the cause
    #[arg(long, value_name = "N", default_value_t = Effort::MOMENTS, help_heading = RUNNER_OPTIONS,
        value_parser = clap::value_parser!(u32).range(2..=10_000))]
    moments: u32,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    jobs: JobsArguments,
    #[command(flatten, next_help_heading = RUNNER_OPTIONS)]
    watch: WatchArguments,
    /// Write the curve as JSON; `-` is standard output
    #[arg(long, value_name = "FILE", help_heading = REPORTER_OPTIONS, value_parser = OutputFile::or_stdout())]
    json: Option<OutputFile>,
    /// Write an interactive timeline (HTML) in which the moment is marked
    #[arg(long, value_name = "FILE", help_heading = REPORTER_OPTIONS)]
    timeline: Option<OutputFile>,
    #[command(flatten, next_help_heading = SERVER_OPTIONS)]
    server: ServerArguments,
}

/// Draws how likely a failure is from each moment on.
pub(crate) fn why(arguments: &WhyArguments) -> io::Result<Exit> {
    let outputs = [
        ("--json", arguments.json.as_ref()),
        ("--timeline", arguments.timeline.as_ref()),
    ];
    let outputs = check_distinct(&outputs);
    let (entry, seed, subject) = match arguments.source.against(&arguments.server, outputs) {
        Ok(found) => found,
        Err(exit) => return Ok(exit),
    };
    let interruption = Interruption::listen();
    let options = Options {
        seed,
        subject,
        watch: Some(arguments.watch.watch(interruption)),
        ..Options::default()
    };
    let mut played = suite::play_timed(Play {
        entry: &entry,
        options,
    });
    let verdict = match &played.verdict {
        Ok(verdict) => verdict,
        Err(error) => {
            print_error(&format!("harness error: {error}"));
            return Ok(interruption.exit(Exit::Harness));
        }
    };
    let effort = Effort {
        variations: arguments.variations,
        moments: arguments.moments,
        jobs: arguments.jobs.simulated(),
    };
    let bar = progress_bar(effort.most());
    let oracle = arguments.oracle.as_deref();
    let drawn = curve_of(&played.play, verdict, oracle, effort, interruption, |looked_at| {
        bar.set_position(looked_at as u64);
    });
    bar.finish_and_clear();
    interruption.begin_to_write();
    let exit = match drawn {
        Ok(curve) => {
            played.curve = Some(curve.clone());
            write(arguments, &curve, &played)?
        }
        Err(NoCurve::Interrupted) => Exit::Harness,
        Err(error) => {
            print_error(&format!("{}: {error}", arguments.source.source));
            Exit::Usage
        }
    };
    Ok(interruption.exit(exit))
}

/// Draws the curve of the first violation of `oracle`, or else of any oracle, in the verdict of a play. Calls `progress` with
/// the number of moments looked at.
pub(crate) fn curve_of(
    play: &Play,
    verdict: &Verdict,
    oracle: Option<&str>,
    effort: Effort,
    interruption: Interruption,
    mut progress: impl FnMut(usize),
) -> Result<Curve, NoCurve> {
    // A check of every variation would double the time, and the play itself was checked.
    let options = Options {
        subject: play.options.subject.unchecked(),
        ..play.options
    };
    curve(
        &play.entry.scenario,
        options,
        verdict,
        oracle,
        effort,
        |looked_at| {
            progress(looked_at);
            match interruption.is_asked_for() || Watch::has_too_many_abandoned() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        },
    )
}

/// Writes what was asked for. That is success: a failure is what was to be explained.
fn write(arguments: &WhyArguments, curve: &Curve, played: &Played) -> io::Result<Exit> {
    let mut is_written = true;
    if let Some(file) = &arguments.json {
        is_written &= file.write("the curve", |out| {
            serde_json::to_writer_pretty(&mut *out, curve)?;
            writeln!(out)
        });
    }
    if let Some(file) = &arguments.timeline {
        let mut timeline = Box::new(TimelineReport::new(1));
        timeline.report(&Event::Played {
            played,
            replay: &replay_of_play(&played.play),
        })?;
        is_written &= file.write("the timeline", |out| timeline.write(out));
    }
    let is_for_machines = arguments.json.as_ref().is_some_and(OutputFile::is_stdout);
    let out: Box<dyn io::Write> = match is_for_machines {
        true => Box::new(anstream::stderr()),
        false => Box::new(anstream::stdout()),
    };
    ignore_broken_pipe(write_curve(&mut BufWriter::new(out), curve))?;
    Ok(if is_written { Exit::Passed } else { Exit::Harness })
}
