//! `turnstile shrink`.

use std::io::{self, Write as _};
use std::ops::ControlFlow;

use clap::Args;
use turnstile::explore::{self, Progress};
use turnstile::script::Options;
use turnstile::suite;
use turnstile_scenarios::Surface;

use super::exit::{Exit, complain};
use super::interruption::Interruption;
use super::output_file::OutputFile;
use super::progress::bar;
use super::seeds::{ServerArguments, Source};

/// What is made smaller, and where to.
#[derive(Args)]
pub(crate) struct ShrinkArguments {
    /// A seed, or a script in which something breaks
    #[arg(value_name = "SEED|FILE")]
    source: Source,
    /// The seed that a script is played with; 0 if left out
    #[arg(long)]
    seed: Option<u64>,
    /// The surface that a script is played on; the first of its surfaces if left out
    #[arg(long, value_name = "SURFACE")]
    api: Option<Surface>,
    /// Write the script to a file instead of showing it
    #[arg(long, short, value_name = "FILE")]
    output: Option<OutputFile>,
    #[command(flatten)]
    server: ServerArguments,
}

/// Makes a scenario in which something breaks as small as it goes.
pub(crate) fn shrink(arguments: &ShrinkArguments) -> io::Result<Exit> {
    let found = arguments
        .source
        .scenario(arguments.seed, arguments.api)
        .and_then(|found| Ok((found, arguments.server.sabotage()?)));
    let ((scenario, seed), sabotage) = match found {
        Ok(found) => found,
        Err(error) => {
            complain(&error);
            return Ok(Exit::Usage);
        }
    };
    let options = Options {
        seed,
        sabotage,
        ..Options::default()
    };
    let verdict = match suite::play_safely(&scenario, options) {
        Ok(verdict) => verdict,
        Err(error) => {
            complain(&format!("the harness failed: {error}"));
            return Ok(Exit::Harness);
        }
    };
    let bar = bar(None, "{spinner} {msg}, {elapsed}");
    let interruption = Interruption::listen();
    let steps_before = scenario.steps.len();
    let shrunk = explore::shrink(&scenario, verdict, options, |progress: Progress| {
        bar.set_message(format!(
            "{} of {steps_before} steps are left, {} scenarios tried; Ctrl-C takes the best so far",
            progress.steps, progress.tried
        ));
        bar.tick();
        if interruption.is_asked_for() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    bar.finish_and_clear();
    let Some(shrunk) = shrunk else {
        complain(&format!(
            "all holds in {}: there is nothing to shrink",
            arguments.source
        ));
        return Ok(Exit::Usage);
    };
    let origin = match &arguments.source {
        Source::Seed(seed) => format!("seed {seed}"),
        Source::File(_) => format!("{:?} with seed {seed}", scenario.title),
    };
    let script = explore::as_script(&shrunk, &origin);
    let text = script.to_yaml();
    let stopped = if shrunk.is_stopped {
        ", stopped before it was done"
    } else {
        ""
    };
    anstream::eprintln!(
        "{} breaks in {} of {steps_before} steps, after {} scenarios{stopped}",
        shrunk.rule,
        script.steps.len(),
        shrunk.tried
    );
    match &arguments.output {
        None => anstream::stdout().write_all(text.as_bytes())?,
        Some(file) => {
            if !file.write("the script", |out| out.write_all(text.as_bytes())) {
                return Ok(Exit::Harness);
            }
            let flags = arguments.server.flags();
            anstream::eprintln!("replay: turnstile replay {} --seed {seed}{flags}", file.display());
        }
    }
    Ok(Exit::Broke)
}
