//! The reference server as a separate process.

use turnstile_judge::parties::Secrets;
use turnstile_world::live::StartedServer;

/// Describes how to start the reference server from this program itself, with these secrets.
pub(crate) fn reference_server(secrets: &Secrets) -> Result<StartedServer, String> {
    let program = std::env::current_exe();
    let secret = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Ok(StartedServer {
        program: program.map_err(|error| format!("cannot find the path of this program: {error}"))?,
        arguments: vec!["server".to_owned()],
        environment: vec![
            secret("TURNSTILE_API_SECRET", &secrets.api),
            secret("TURNSTILE_TICKET_SECRET", &secrets.ticket),
            secret("TURNSTILE_INTERNAL_API_KEY", &secrets.internal_api_key),
        ],
    })
}
