//! `turnstile token` and `turnstile ticket`: what a client of a server has to show, for any server whose secrets
//! are known.

use std::io::{self, Write as _};

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use turnstile::stage::client::USER;
use turnstile::tokens;

use super::exit::{Exit, complain};

/// For whom, and for how long.
#[derive(Args)]
pub(crate) struct Validity {
    /// The user
    #[arg(long, env = "TURNSTILE_USER", value_name = "USER", default_value = USER)]
    user: String,
    /// How long it is valid from now on, such as 30m or 24h
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    valid_for: SignedDuration,
}

impl Validity {
    /// When it ends; if that is beyond the end of time, it is said so.
    fn expiry(&self) -> Option<Timestamp> {
        let expiry = now().checked_add(self.valid_for).ok();
        if expiry.is_none() {
            complain("--valid-for leads beyond the end of time; give a shorter one");
        }
        expiry
    }
}

/// A token for a server's procedures.
#[derive(Args)]
pub(crate) struct TokenArguments {
    /// The secret under which the server's tokens are signed
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

/// A ticket for a session's stream.
#[derive(Args)]
pub(crate) struct TicketArguments {
    /// The session's id, as `start` returned it
    session: String,
    #[command(flatten)]
    ticket: TicketSecret,
}

/// What a ticket is made with.
#[derive(Args)]
pub(crate) struct TicketSecret {
    /// The secret under which the server's stream tickets are signed
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
    /// A ticket for that session's stream; if there cannot be one, it is said why.
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
    Ok(Exit::Held)
}

/// The machine's time: that of whoever shows the token.
#[expect(
    clippy::disallowed_methods,
    reason = "a token is for a server in the real world"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
