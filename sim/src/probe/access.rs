//! Steps about addresses and secrets: is the server there, and which secret is which.

use serde_json::{Value, json};
use turnstile_events::observation::Observation;
use turnstile_judge::parties::{OBSERVER, Secrets};
use turnstile_scenarios::shortened;

use super::contact::SOON;
use super::{Outcome, Prober};
use crate::script::HarnessError;
use crate::stage::client::Answer;

/// A session that no server has.
const NO_SESSION: &str = "agent_00000000-0000-4000-8000-000000000000";
/// The number of characters of an answer that are shown.
const SHOWN: usize = 200;
/// The procedure that answers without a token.
const HEALTH: &str = "health";

impl Prober {
    /// Whether it speaks the protocol at all.
    pub(super) fn reach(&mut self) -> Result<Outcome, HarnessError> {
        let answer = self.contact.query(HEALTH, Value::Null, false)?;
        let Some((status, body)) = &answer else {
            let error = self.contact.last_error();
            let advice = "it accepts connections and does not answer HTTP: is this the port of the server?";
            return Ok(Outcome::Fail(error, advice.to_owned()));
        };
        let data = &body["result"]["data"];
        if *status == 200 && data["status"] == "ok" {
            let version = data["version"].as_str().unwrap_or("unknown");
            return Ok(Outcome::Pass(format!("it answers `{HEALTH}`, version {version}")));
        }
        let advice = "expected 200 with {\"result\": {\"data\": {\"status\": \"ok\"}}}: is this the URL of the server, without a path? \
                      (protocol R2.1, R2.63)";
        Ok(Outcome::Fail(
            format!("`GET /trpc/{HEALTH}` was answered {}", said(&answer)),
            advice.to_owned(),
        ))
    }

    /// Whether it takes users' tokens that are signed with the API secret, or with another one that was given.
    pub(super) fn try_user_token(&mut self) -> Result<Outcome, HarnessError> {
        let input = json!({"cloudAgentSessionId": NO_SESSION});
        let answer = self.contact.query("getSession", input.clone(), true)?;
        match status(&answer) {
            Some(404) => return Ok(Outcome::Pass("the API secret signs users' tokens".to_owned())),
            Some(401 | 403) => {}
            _ => {
                let seen = format!(
                    "`getSession` of an unknown session was answered {}",
                    said(&answer)
                );
                let advice = "expected 404 NOT_FOUND (protocol R2.12)";
                return Ok(Outcome::Fail(seen, advice.to_owned()));
            }
        }
        let secrets = self.live.secrets.clone();
        let others = [
            ("ticket secret", &secrets.ticket),
            ("internal API key", &secrets.internal_api_key),
        ];
        for (name, secret) in others {
            let swapped = Secrets {
                api: secret.clone(),
                ..secrets.clone()
            };
            let answer =
                self.contact
                    .call_with(swapped, "interruptSession", json!({"sessionId": NO_SESSION}))?;
            if !matches!(status(&answer), Some(401 | 403) | None) {
                let seen = format!("the API secret is refused, and the {name} is accepted in its place");
                return Ok(Outcome::Fail(
                    seen,
                    "the two are swapped: correct `[secrets]`".to_owned(),
                ));
            }
        }
        let seen = format!("the API secret is refused: {}", said(&answer));
        let advice = "set `secrets.api` (or TURNSTILE_TARGET_API_SECRET) to the secret with which the server checks users' \
                      tokens: HS256, claims `kiloUserId`, `version: 3`, `exp` (protocol R2.24)";
        Ok(Outcome::Fail(seen, advice.to_owned()))
    }

    /// Whether it takes the key of internal procedures.
    pub(super) fn try_internal_key(&mut self) -> Result<Outcome, HarnessError> {
        let input = self.prepare_input(None);
        let answer = self.contact.call("prepareSession", input.clone())?;
        self.keep_session(&input["initialMessageId"], &answer, false);
        Ok(match status(&answer) {
            Some(200) => Outcome::Pass("`prepareSession` takes the internal API key".to_owned()),
            Some(401 | 403) => Outcome::Fail(
                format!("`prepareSession` was answered {}", said(&answer)),
                "set `secrets.internal-api-key` (or TURNSTILE_TARGET_INTERNAL_API_KEY) to the key that the server expects \
                 in the header `x-internal-api-key` (protocol R2.28)"
                    .to_owned(),
            ),
            Some(404) => Outcome::Fail(
                format!("`prepareSession` was answered {}", said(&answer)),
                "the server has no V2 procedures: scenarios `… (legacy)` will fail".to_owned(),
            ),
            _ => Outcome::Fail(
                format!("`prepareSession` was answered {}", said(&answer)),
                "expected 200 with a `cloudAgentSessionId` (protocol R2.64)".to_owned(),
            ),
        })
    }

    /// Whether the stream takes tickets that are signed with the ticket secret.
    pub(super) fn open_stream(&mut self) -> Result<Outcome, HarnessError> {
        let session = self.session();
        self.contact.watch(&session.id)?;
        let id = session.id;
        let opened = self
            .contact
            .wait_for(SOON, |party, observation| match observation {
                Observation::SocketOpened { path, .. } if party == OBSERVER && path.contains(&id) => {
                    Some(Ok(()))
                }
                Observation::SocketRefused {
                    path, status, error, ..
                } if party == OBSERVER && path.contains(&id) => Some(Err((*status, error.clone()))),
                _ => None,
            })?;
        Ok(match opened {
            Some((_, Ok(()))) => Outcome::Pass("the ticket secret signs stream tickets".to_owned()),
            Some((_, Err((Some(401 | 403), error)))) => Outcome::Fail(
                format!("the stream was refused: {error}"),
                "set `secrets.ticket` (or TURNSTILE_TARGET_TICKET_SECRET) to the secret with which the server checks \
                 stream tickets (protocol R2.26)"
                    .to_owned(),
            ),
            Some((_, Err((_, error)))) => Outcome::Fail(
                format!("the stream did not open: {error}"),
                "expected a WebSocket at /stream (protocol R2.3)".to_owned(),
            ),
            None => Outcome::Fail(
                "the stream did not open".to_owned(),
                "expected a WebSocket at /stream (protocol R2.3)".to_owned(),
            ),
        })
    }
}

/// The status of an answer.
pub(super) fn status(answer: &Answer) -> Option<u16> {
    answer.as_ref().map(|(status, _)| *status)
}

/// An answer for people.
pub(super) fn said(answer: &Answer) -> String {
    match answer {
        None => "not at all".to_owned(),
        Some((status, body)) => {
            let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{status} {}", shortened(&line, SHOWN))
        }
    }
}
