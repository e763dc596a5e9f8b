//! `turnstile probe`.

use std::io::{self, Write as _};

use clap::Args;
use turnstile::probe::{self, Declaration, Findings, Outcome, Step, write_target};
use turnstile::report::Status;
use turnstile::script::HarnessError;
use turnstile_scenarios::printable;

use super::exit::{Exit, print_error, usage_error};
use super::interruption::Interruption;
use super::live_server::probed;
use super::output_file::OutputFile;
use super::target::TargetArguments;

/// Arguments of `turnstile probe`.
#[derive(Args)]
pub(crate) struct ProbeArguments {
    /// Write the file that describes the target, for `run --live --config`
    #[arg(long, value_name = "FILE")]
    output: Option<OutputFile>,
    #[command(flatten)]
    target: TargetArguments,
}

/// Probes a server and prints each step.
pub(crate) fn probe(arguments: &ProbeArguments) -> io::Result<Exit> {
    let target = match arguments.target.target() {
        Ok(Some(target)) => target,
        Ok(None) => return Ok(usage_error("probe needs a server: set --target or --config")),
        Err(error) => return Ok(usage_error(&error)),
    };
    let declared = target.declared.clone();
    let mut out = anstream::stdout();
    let mut printed = Ok(());
    let mut print = |step: &Step| {
        let result = write_step(&mut out, step);
        printed = std::mem::replace(&mut printed, Ok(())).and(result);
    };
    let server = match target.find() {
        Ok(server) => server,
        Err(error) => {
            probe::unreachable(&error, print);
            printed?;
            return Ok(Exit::Failed);
        }
    };
    let interruption = Interruption::listen();
    let live = match probed(target, server, interruption) {
        Ok(live) => live,
        Err(error) => return Ok(usage_error(&error)),
    };
    let probed = probe::probe(&live, &mut print);
    printed?;
    interruption.begin_to_write();
    match probed {
        Ok(findings) => conclude(arguments, &declared, &findings),
        Err(HarnessError::Interrupted) => {
            Interruption::note();
            Ok(interruption.exit(Exit::Harness))
        }
        Err(error) => {
            print_error(&error.to_string());
            Ok(Exit::Harness)
        }
    }
}

/// Prints the result and writes the file.
fn conclude(arguments: &ProbeArguments, declared: &Declaration, findings: &Findings) -> io::Result<Exit> {
    let failed = findings.failed.len();
    let exit = if failed == 0 { Exit::Passed } else { Exit::Failed };
    if let Some(file) = &arguments.output {
        let text = write_target(declared, findings);
        if !file.write("the description of the target", |out| {
            out.write_all(text.as_bytes())
        }) {
            return Ok(Exit::Harness);
        }
        let file = file.display();
        writeln!(
            anstream::stdout(),
            "wrote {file}; next: turnstile run --live --config {file}"
        )?;
    }
    Ok(exit)
}

fn write_step(out: &mut impl io::Write, step: &Step) -> io::Result<()> {
    let (status, text) = match &step.outcome {
        Outcome::Pass(text) => (Status::Pass, text),
        Outcome::Fail(text, _) => (Status::Fail, text),
        Outcome::Skip(text) => (Status::Skip, text),
    };
    writeln!(out, "{} {:<16} {}", status, step.name, printable(text))?;
    if let Outcome::Fail(_, advice) = &step.outcome {
        writeln!(out, "{:>13}{:<16} {}", "", "", printable(advice))?;
    }
    out.flush()
}
