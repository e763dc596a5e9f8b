//! `turnstile wrapper`.

use std::io;

use axum::http::Uri;
use clap::Args;
use turnstile::wrapper::{self, Target, Wrapper};
use turnstile_scenarios::Lapse;

use super::arguments::RUNNER_OPTIONS;
use super::exit::Exit;
use super::role::{Party, Role, RoleArguments};
use super::target::quoted;

/// Arguments of `turnstile wrapper`.
#[derive(Args)]
pub(crate) struct WrapperArguments {
    /// Command that starts the wrapper: a program with arguments, for the shell
    ///
    /// Its environment has PORT, GATEWAY_URL and RECONNECT_PAUSES_MS.
    #[arg(long, value_name = "COMMAND", required_unless_present_any = ["list", "rules", "url"])]
    command: Option<String>,
    /// Base URL of a wrapper that runs already; one case is played at a time
    #[arg(long, value_name = "URL", conflicts_with = "command", requires = "gateway", value_parser = authority)]
    url: Option<String>,
    /// Address at which the gateway of that wrapper listens
    #[arg(long, value_name = "HOST:PORT", requires = "url")]
    gateway: Option<String>,
    /// The wrapper's pauses before its attempts to reconnect, separated by commas
    #[arg(
        long,
        value_name = "TIMES",
        value_delimiter = ',',
        default_value = "1s,2s,4s",
        help_heading = RUNNER_OPTIONS
    )]
    reconnect_pauses: Vec<Lapse>,
    #[command(flatten)]
    role: RoleArguments,
}

fn authority(url: &str) -> Result<String, &'static str> {
    let wrong = "expected a base URL without a path, such as http://127.0.0.1:9200";
    let url: Uri = url.parse().map_err(|_| wrong)?;
    let is_base = url.scheme_str() == Some("http") && url.path() == "/" && url.query().is_none();
    let authority = url.authority().filter(|_| is_base).ok_or(wrong)?;
    Ok(authority.to_string())
}

/// Judges a wrapper.
pub(crate) fn wrapper(arguments: &WrapperArguments) -> io::Result<Exit> {
    let role = Role {
        name: "wrapper",
        cases: wrapper::CASES,
        rules: wrapper::RULES,
        seam: wrapper::SEAM,
    };
    let (target, mut flags) = match (&arguments.command, &arguments.url, &arguments.gateway) {
        (Some(command), ..) => (
            Target::Command(command.clone()),
            format!(" --command {}", quoted(command)),
        ),
        (None, Some(authority), Some(gateway)) => (
            Target::Running {
                authority: authority.clone(),
                gateway: gateway.clone(),
            },
            format!(" --url http://{authority} --gateway {gateway}"),
        ),
        _ => return role.run(&arguments.role, None),
    };
    let pauses: Vec<String> = arguments
        .reconnect_pauses
        .iter()
        .map(|pause| quoted(&pause.to_string()))
        .collect();
    flags.push_str(&format!(" --reconnect-pauses {}", pauses.join(",")));
    let is_shared = matches!(target, Target::Running { .. });
    let wrapper = Wrapper {
        target,
        patience: *arguments.role.patience,
        reconnect_pauses: arguments.reconnect_pauses.iter().map(|pause| **pause).collect(),
    };
    let party = Party {
        flags,
        is_shared,
        play: &|case| wrapper.play(case),
    };
    role.run(&arguments.role, Some(&party))
}
