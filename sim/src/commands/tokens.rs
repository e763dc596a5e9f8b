//! `turnstile token` and `turnstile ticket`: credentials for a server whose secrets are known.

use std::io::{self, Write as _};

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use turnstile::stage::identity::USER;
use turnstile::tokens;

use super::exit::{Exit, print_error};

/// User and lifetime of a credential.
#[derive(Args)]
pub(crate) struct Validity {
    /// User id
    #[arg(long, env = "TURNSTILE_USER", value_name = "USER", default_value = USER)]
    user: String,
    /// Lifetime, such as 30m or 24h
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    valid_for: SignedDuration,
}

impl Validity {
    /// The time of expiry. Prints an error if it cannot be represented.
    fn expiry(&self) -> Option<Timestamp> {
        let expiry = now().checked_add(self.valid_for).ok();
        if expiry.is_none() {
            print_error("--valid-for is too long");
        }
        expiry
    }
}

/// Arguments of `turnstile token`.
#[derive(Args)]
pub(crate) struct TokenArguments {
    /// Secret of the server's user tokens
    #[arg(
        long,
        env = "TURNSTILE_API_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    api_secret: String,
    #[command(flatten)]
    validity: Validity,
}

/// Arguments of `turnstile ticket`.
#[derive(Args)]
pub(crate) struct TicketArguments {
    /// Session id, as returned by `start`
    session: String,
    #[command(flatten)]
    ticket: TicketSecret,
}

/// Arguments for signing a ticket.
#[derive(Args)]
pub(crate) struct TicketSecret {
    /// Secret of the server's stream tickets
    #[arg(
        long,
        env = "TURNSTILE_TICKET_SECRET",
        value_name = "SECRET",
        hide_env_values = true
    )]
    ticket_secret: String,
    #[command(flatten)]
    validity: Validity,
}

impl TicketSecret {
    /// A ticket for the stream of a session. Prints an error before it returns `None`.
    pub(super) fn ticket(&self, session: &str) -> Option<String> {
        let expiry = self.validity.expiry()?;
        Some(tokens::stream_ticket(
            &self.validity.user,
            session,
            expiry,
            &self.ticket_secret,
        ))
    }
}

/// Prints a token for a server's procedures.
pub(crate) fn token(arguments: &TokenArguments) -> io::Result<Exit> {
    let expiry = arguments.validity.expiry();
    print(expiry.map(|expiry| tokens::user_token(&arguments.validity.user, expiry, &arguments.api_secret)))
}

/// Prints a ticket for a session's stream.
pub(crate) fn ticket(arguments: &TicketArguments) -> io::Result<Exit> {
    print(arguments.ticket.ticket(&arguments.session))
}

fn print(token: Option<String>) -> io::Result<Exit> {
    let Some(token) = token else {
        return Ok(Exit::Usage);
    };
    writeln!(io::stdout(), "{token}")?;
    Ok(Exit::Passed)
}

/// The time of this machine.
#[expect(
    clippy::disallowed_methods,
    reason = "a token is for a server in the real world"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
