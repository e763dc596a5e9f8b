//! `turnstile wrapper`.

use std::io;

use axum::http::Uri;
use clap::Args;
use turnstile::role::case::entries;
use turnstile::wrapper::{self, Target, Wrapper, WrapperCase, whole_turns};
use turnstile_judge::parties::Secrets;
use turnstile_scenarios::Lapse;

use super::arguments::RUNNER_OPTIONS;
use super::built_in;
use super::exit::{Exit, print_error};
use super::reference_server::reference_server;
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

/// What is played with a wrapper.
enum Play {
    /// A case, in which the harness is the server.
    Case(&'static WrapperCase),
    /// A scenario with the reference server.
    Whole,
}

fn role() -> Result<Role<Play>, String> {
    let library = built_in::library().map_err(|errors| errors.to_string())?;
    let cases = entries(wrapper::CASES, wrapper::SEAM).map(|(entry, case)| (entry, Play::Case(case)));
    let whole = whole_turns(&library)
        .into_iter()
        .map(|entry| (entry, Play::Whole));
    Ok(Role {
        name: "wrapper",
        rules: wrapper::RULES,
        plays: cases.chain(whole).collect(),
    })
}

/// Judges a wrapper.
pub(crate) fn wrapper(arguments: &WrapperArguments) -> io::Result<Exit> {
    let role = match role() {
        Ok(role) => role,
        Err(error) => {
            print_error(&error);
            return Ok(Exit::Harness);
        }
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
    let server = match reference_server(&Secrets::default(), "") {
        Ok(server) => server,
        Err(error) => {
            print_error(&error);
            return Ok(Exit::Harness);
        }
    };
    let wrapper = Wrapper {
        target,
        patience: *arguments.role.patience,
        reconnect_pauses: arguments.reconnect_pauses.iter().map(|pause| **pause).collect(),
    };
    let party = Party {
        flags,
        is_shared,
        play: &|entry, play| match play {
            Play::Case(case) => wrapper.play(case),
            Play::Whole => wrapper.play_whole(&entry.scenario, &server),
        },
    };
    role.run(&arguments.role, Some(&party))
}
