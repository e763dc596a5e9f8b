//! The reference server as a separate process.

use std::process::ExitCode;

use clap::Args;
use turnstile_judge::parties::Secrets;
use turnstile_reference::program;
use turnstile_reference::server::{Config, Hooks};
use turnstile_seams::Seams;
use turnstile_world::live::StartedServer;

use super::exit::{Exit, print_error};
use super::seeds::ServerArguments;

/// Arguments of `turnstile server`.
#[derive(Args)]
pub(crate) struct ServerProgramArguments {
    #[command(flatten)]
    program: program::Arguments,
    #[command(flatten)]
    server: ServerArguments,
}

/// Runs the reference server, or a mutant of it, until a signal ends it.
pub(crate) fn serve(arguments: ServerProgramArguments) -> ExitCode {
    let subject = match arguments.server.subject() {
        Ok(subject) => subject,
        Err(error) => {
            print_error(&error);
            return ExitCode::from(Exit::Usage as u8);
        }
    };
    let adapt = move |config: &mut Config, hooks: &mut Hooks, seams: &mut Seams| {
        subject.set_up(config, hooks, seams);
    };
    program::run_adapted(arguments.program, Box::new(adapt))
}

/// Describes how to start the reference server from this program itself, with these secrets. `flags` select a mutant.
pub(crate) fn reference_server(secrets: &Secrets, flags: &str) -> Result<StartedServer, String> {
    let program = std::env::current_exe();
    let secret = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let flags = flags.split_whitespace().map(str::to_owned);
    Ok(StartedServer {
        program: program.map_err(|error| format!("cannot find the path of this program: {error}"))?,
        arguments: std::iter::once("server".to_owned()).chain(flags).collect(),
        environment: vec![
            secret("TURNSTILE_API_SECRET", &secrets.api),
            secret("TURNSTILE_TICKET_SECRET", &secrets.ticket),
            secret("TURNSTILE_INTERNAL_API_KEY", &secrets.internal_api_key),
        ],
    })
}
