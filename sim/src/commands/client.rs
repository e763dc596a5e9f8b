//! `turnstile client`.

use std::io;

use clap::Args;
use turnstile::client::{self, Client, ClientCase};
use turnstile::role::case::entries;

use super::exit::Exit;
use super::role::{Party, Role, RoleArguments};
use super::target::quoted;

/// Arguments of `turnstile client`.
#[derive(Args)]
pub(crate) struct ClientArguments {
    /// Command that starts the client: a program with arguments, for the shell
    #[arg(long, value_name = "COMMAND", required_unless_present_any = ["list", "rules"])]
    command: Option<String>,
    #[command(flatten)]
    role: RoleArguments,
}

/// Judges a client.
pub(crate) fn client(arguments: &ClientArguments) -> io::Result<Exit> {
    let role = Role {
        name: "client",
        rules: client::RULES,
        plays: entries(client::CASES, client::SEAM).collect(),
    };
    let Some(command) = &arguments.command else {
        return role.run(&arguments.role, None);
    };
    let client = Client {
        command: command.clone(),
        patience: *arguments.role.patience,
    };
    let party = Party {
        flags: format!(" --command {}", quoted(command)),
        is_shared: false,
        play: &|_, case: &&'static ClientCase| client.play(case),
    };
    role.run(&arguments.role, Some(&party))
}
