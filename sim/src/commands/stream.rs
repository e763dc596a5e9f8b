//! `turnstile stream`: prints the stream of a session of a running server.

mod reply_text;
mod until;

use std::io::{self, Write as _};

use clap::Args;
use futures_util::StreamExt as _;
use http::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::runtime::Builder;
use turnstile_seams::error_chain::with_sources;
use turnstile_seams::websocket::{self, Message, OpenError, WebSocketError};
use turnstile_seams::{ClockExt as _, Seams, real};

use self::reply_text::ReplyText;
use self::until::Until;
use super::exit::{Exit, print_error};
use super::tokens::TicketSecret;

/// Arguments of `turnstile stream`.
#[derive(Args)]
pub(crate) struct StreamArguments {
    /// Session id, as returned by `start`
    session: String,
    /// URL of the server
    #[arg(
        long,
        env = "TURNSTILE_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:8787"
    )]
    server: Uri,
    /// Replay stored events after this event id
    #[arg(long, value_name = "ID", default_value_t = 0)]
    from_id: u64,
    /// Exit after the first event of this type, such as cloud.message.completed; with status 1 if a message fails and
    /// no other is pending
    #[arg(long, value_name = "TYPE")]
    until: Option<String>,
    /// Print only the text of replies
    #[arg(long)]
    text: bool,
    #[command(flatten)]
    ticket: TicketSecret,
}

/// Prints the frames of a session's stream as lines until the server closes it.
pub(crate) fn stream(arguments: &StreamArguments) -> io::Result<Exit> {
    let Some(ticket) = arguments.ticket.ticket(&arguments.session) else {
        return Ok(Exit::Usage);
    };
    let Some(url) = url(arguments, &ticket) else {
        print_error(&format!(
            "{} is not a valid server URL; expected, for example, http://127.0.0.1:8787",
            arguments.server
        ));
        return Ok(Exit::Usage);
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(listen(&url, arguments))
}

/// The stream's URL; `None` if the server's URL is invalid.
fn url(arguments: &StreamArguments, ticket: &str) -> Option<Uri> {
    let authority = arguments.server.authority()?;
    let is_plain = matches!(arguments.server.scheme_str(), Some("http" | "ws"));
    let session = utf8_percent_encode(&arguments.session, NON_ALPHANUMERIC);
    let from_id = arguments.from_id;
    let url =
        format!("ws://{authority}/stream?cloudAgentSessionId={session}&fromId={from_id}&ticket={ticket}");
    is_plain.then(|| url.parse().ok()).flatten()
}

async fn listen(url: &Uri, arguments: &StreamArguments) -> io::Result<Exit> {
    let mut until = arguments.until.as_deref().map(Until::new);
    let Seams { network, clock, .. } = real::seams();
    let mut socket = match websocket::open(&*network, url, None).await {
        Ok(socket) => socket,
        Err(OpenError::Refused { status, body }) => {
            let text = String::from_utf8_lossy(&body);
            print_error(&format!("the server refused the stream: {status}: {text}"));
            return Ok(Exit::Failed);
        }
        Err(error) => {
            print_error(&with_sources(&error));
            return Ok(Exit::Failed);
        }
    };
    let mut replies = arguments.text.then(ReplyText::default);
    let error = loop {
        let message = match until.as_ref().and_then(Until::patience) {
            None => socket.next().await,
            Some((patience, failure)) => match clock.timeout(patience, socket.next()).await {
                Ok(message) => message,
                Err(_) => {
                    print_error(failure);
                    return Ok(Exit::Failed);
                }
            },
        };
        match message {
            Some(Ok(Message::Text(text))) => {
                let frame: Value = serde_json::from_str(&text).unwrap_or_default();
                let mut stdout = io::stdout().lock();
                match &mut replies {
                    Some(replies) => write!(stdout, "{}", replies.take(&frame))?,
                    None => writeln!(stdout, "{text}")?,
                }
                stdout.flush()?;
                if until.as_mut().is_some_and(|until| until.take(&frame)) {
                    return Ok(Exit::Passed);
                }
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or_else(String::new, |frame| format!(" with {}", u16::from(frame.code)));
                anstream::eprintln!("the server closed the stream{code}");
                // The awaited event did not arrive.
                return Ok(until.map_or(Exit::Passed, |_| Exit::Failed));
            }
            Some(Ok(_)) => {}
            Some(Err(WebSocketError::ConnectionClosed)) | None => break String::new(),
            Some(Err(error)) => break format!(": {error}"),
        }
    };
    print_error(&format!("the connection ended without a close frame{error}"));
    Ok(Exit::Failed)
}
