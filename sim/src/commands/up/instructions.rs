//! The instructions of `turnstile up`: addresses, and commands to copy.

use std::io::{self, Write as _};
use std::path::Path;

use jiff::SignedDuration;
use turnstile::report::program;
use turnstile::tokens;

use super::super::tokens::now;

/// The lifetime of the printed token.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// The values that the instructions contain.
pub(super) struct Instructions<'a> {
    pub(super) server: &'a str,
    pub(super) receiver: &'a str,
    pub(super) directory: &'a Path,
    pub(super) is_temporary: bool,
    pub(super) user: &'a str,
    pub(super) api_secret: &'a str,
    pub(super) ticket_secret: &'a str,
}

impl Instructions<'_> {
    pub(super) fn print(&self) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(self.text().as_bytes())?;
        stdout.flush()
    }

    fn text(&self) -> String {
        let Self {
            server,
            receiver,
            user,
            ..
        } = self;
        let directory = self.directory.display();
        let kept = if self.is_temporary {
            "removed on exit"
        } else {
            "kept"
        };
        let token = tokens::user_token(user, now() + TOKEN_LIFETIME, self.api_secret);
        let user = quoted(user);
        let ticket_secret = quoted(self.ticket_secret);
        let turnstile = program();
        let headers = r#"-H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json'"#;
        format!(
            r##"server    http://{server}, state in {directory} ({kept})
page      http://{server}/ shows sessions, and has buttons for faults
receiver  http://{receiver}, prints callbacks here

Each session has a wrapper and a gateway of its own; the gateway echoes prompts, or follows a directive in them.
Pages of this machine may use the server: http://{server}/up/token has a token, and
http://{server}/up/ticket?cloudAgentSessionId=… a ticket for a stream.

In another terminal, in the same folder:

# Settings; the token is valid for 24 h.
export TURNSTILE_SERVER=http://{server}
export TURNSTILE_USER={user}
export TURNSTILE_TICKET_SECRET={ticket_secret}
TOKEN={token}

# Start a session with a message. `slow:10:200` makes the gateway reply in 10 chunks, 200 ms apart.
SESSION=$(curl -sS "$TURNSTILE_SERVER/trpc/start" {headers} -d '{{
  "message": {{ "prompt": "__fake__:slow:10:200" }},
  "agent": {{ "mode": "code", "model": "fake-deterministic" }},
  "repository": {{ "type": "github", "repo": "acme/widgets" }},
  "options": {{ "callbackTarget": {{ "url": "http://{receiver}/done" }} }}
}}' | sed 's/.*"cloudAgentSessionId":"\([^"]*\)".*/\1/') && echo "$SESSION"

# Print the reply as it arrives. Without --text the frames are printed, and without --until the command runs
# until Ctrl-C.
{turnstile} stream "$SESSION" --text --until cloud.message.completed

# Send another message. Without a directive, the reply is the beginning of the prompt.
curl -sS "$TURNSTILE_SERVER/trpc/send" {headers} \
  -d '{{ "cloudAgentSessionId": "'"$SESSION"'", "message": {{ "prompt": "Hello, is anybody there?" }} }}'; echo

# Replay the stream from the beginning (needs websocat).
TICKET=$({turnstile} ticket "$SESSION")
websocat "ws://{server}/stream?cloudAgentSessionId=$SESSION&ticket=$TICKET"

# Get the latest reply without a stream.
curl -sS "$TURNSTILE_SERVER/trpc/getLatestAssistantMessage" {headers} \
  -d '{{ "cloudAgentSessionId": "'"$SESSION"'" }}'; echo

Press Ctrl-C here to stop.
"##
        )
    }
}

/// Quotes a text as one shell word.
fn quoted(text: &str) -> String {
    let is_plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_plain {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
