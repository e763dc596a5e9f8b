//! Steps about what the server does with a message: start, wrapper, turn, callback, retries, restart.

use std::time::Duration;

use http::Uri;
use serde_json::{Value, json};
use turnstile_events::observation::Observation;
use turnstile_fault::Fault;
use turnstile_judge::parties::{OBSERVER, RECEIVER, SERVER, WRAPPER};
use turnstile_profile::Profile;

use super::access::{said, status};
use super::contact::SOON;
use super::{Outcome, Prober, Session, shown};
use crate::script::HarnessError;
use crate::stage::client::Answer;

/// Longest wait for something that follows from an admission.
const LATER: Duration = Duration::from_secs(30);
/// Longest wait for a callback, and for all attempts of a delivery.
const LATEST: Duration = Duration::from_secs(60);
/// Lateness of a callback that a queue need not explain.
const PROMPT: Duration = Duration::from_secs(1);
/// How exactly delays are measured.
const EXACTNESS: Duration = Duration::from_millis(500);
/// The prompt of all messages: the agent answers with its last word.
const PROMPT_TEXT: &str = "__fake__:echo:probe";
/// Path of callbacks.
const CALLBACK: &str = "/probe";

impl Prober {
    /// Creates the session that most steps use, and finds out whether `start` takes a callback target.
    pub(super) fn start(&mut self) -> Result<Outcome, HarnessError> {
        let input = self.start_input(true);
        let answer = self.contact.call("start", input.clone())?;
        self.findings.profile.callback_at_start = status(&answer) == Some(200);
        if self.keep_session(&input["message"]["id"], &answer, true) {
            return Ok(Outcome::Pass("`start` takes a callback target".to_owned()));
        }
        let refused = said(&answer);
        let input = self.start_input(false);
        let answer = self.contact.call("start", input.clone())?;
        if self.keep_session(&input["message"]["id"], &answer, false) {
            return Ok(Outcome::Pass(format!(
                "`start` works without a callback target (with one: {refused}), so callback_at_start = false"
            )));
        }
        Ok(Outcome::Fail(
            format!("`start` was answered {}", said(&answer)),
            "expected 200 with a `cloudAgentSessionId` (protocol R2.49 to R2.53)".to_owned(),
        ))
    }

    /// Whether and where the server reaches the wrapper.
    pub(super) fn meet_wrapper(&mut self) -> Result<Outcome, HarnessError> {
        let asked = self
            .contact
            .wait_for(LATER, |party, observation| match observation {
                Observation::RequestReceived { path, .. } if party == WRAPPER => Some(path.clone()),
                _ => None,
            })?;
        let address = self.wrapper_address();
        if asked.is_none() {
            return Ok(Outcome::Fail(
                format!(
                    "nothing asked for a wrapper at {address} within {} s",
                    LATER.as_secs()
                ),
                format!(
                    "configure the server's wrapper as http://{address} (or http://{address}/SESSION), or set \
                     `wrapper.listen` to the address that it is configured with"
                ),
            ));
        }
        self.findings.sandboxes = self.contact.has_asked_below_path();
        Ok(Outcome::Pass(match self.findings.sandboxes {
            true => {
                format!("it reaches wrappers at http://{address}/SESSION, so capabilities = [\"sandboxes\"]")
            }
            false => format!("it reaches the wrapper at http://{address}"),
        }))
    }

    /// Whether the wrapper reaches the ingest.
    pub(super) fn open_ingest(&mut self) -> Result<Outcome, HarnessError> {
        let id = self.session().id;
        let Some(url) = self.ingest_url(&id)? else {
            return Ok(Outcome::Fail(
                "the server sent the wrapper no `session.ingestUrl`".to_owned(),
                "expected `POST /session/ready` with the binding of the session (protocol R5.24)".to_owned(),
            ));
        };
        let first = self.ingest_result(&id)?;
        if first == Some(Ok(())) {
            return Ok(Outcome::Pass(format!("the wrapper opens {url}")));
        }
        let authority = url
            .parse::<Uri>()
            .ok()
            .and_then(|url| url.authority().map(ToString::to_string));
        let problem = match first {
            Some(Err(error)) => error,
            _ => "the ingest did not open".to_owned(),
        };
        let Some(authority) = authority.filter(|authority| Some(authority) != self.live.setup.alias.as_ref())
        else {
            return Ok(Outcome::Fail(
                format!("the wrapper cannot open {url}: {problem}"),
                "expected a WebSocket for the wrapper's token (protocol R2.4, R2.25)".to_owned(),
            ));
        };
        // The harness reaches the server by another name than the one in the URL.
        self.contact.stage.world.add_server_authority(&authority);
        let input = self.start_input(self.findings.profile.callback_at_start);
        let answer = self.contact.call("start", input.clone())?;
        self.keep_session(
            &input["message"]["id"],
            &answer,
            self.findings.profile.callback_at_start,
        );
        let id = self.session().id;
        self.contact.watch(&id)?;
        if self.ingest_url(&id)?.is_some() && self.ingest_result(&id)? == Some(Ok(())) {
            self.findings.ingest_authority = Some(authority.clone());
            return Ok(Outcome::Pass(format!(
                "the wrapper opens {url} at the address of the server, so ingest-authority = {authority:?}"
            )));
        }
        Ok(Outcome::Fail(
            format!("the wrapper cannot open {url}: {problem}"),
            "set the address of the ingest in the configuration of the server, or `ingest-authority`"
                .to_owned(),
        ))
    }

    /// Whether a message ends.
    pub(super) fn end_turn(&mut self) -> Result<Outcome, HarnessError> {
        let message = self.session().message;
        let ended = self
            .contact
            .wait_for(LATEST, |party, observation| end_of(&message, party, observation))?;
        Ok(match ended {
            Some((_, (true, _))) => Outcome::Pass("a message is delivered, and completed".to_owned()),
            Some((_, (false, frame))) => Outcome::Fail(
                format!("the message failed: {}", said(&Some((200, frame)))),
                "look at the log of the server; the wrapper answered as the protocol says".to_owned(),
            ),
            None => Outcome::Fail(
                format!(
                    "no end of the message on the stream within {} s",
                    LATEST.as_secs()
                ),
                "expected `cloud.message.completed` after the wrapper's `session.idle` (protocol R6.1)"
                    .to_owned(),
            ),
        })
    }

    /// Whether callbacks arrive, and how late.
    pub(super) fn call_back(&mut self) -> Result<Outcome, HarnessError> {
        if !self.session().has_callback
            && let Err(refused) = self.prepare_with_callback()?
        {
            return Ok(Outcome::Fail(
                format!("no session with a callback: {refused}"),
                "expected `prepareSession` and `initiateFromKilocodeSessionV2` with 200 (protocol R2.118)"
                    .to_owned(),
            ));
        }
        let message = self.session().message;
        let ended = self
            .contact
            .wait_for(LATEST, |party, observation| end_of(&message, party, observation))?;
        let arrived = self
            .contact
            .wait_for(LATEST, |party, observation| match observation {
                Observation::RequestReceived { body, .. } if party == RECEIVER => {
                    (body["messageId"] == *message).then_some(())
                }
                _ => None,
            })?;
        let reached_at = self.contact.stage.receiver.clone();
        let (Some((ended, _)), Some((arrived, ()))) = (ended, arrived) else {
            return Ok(Outcome::Fail(
                format!("no callback arrived at http://{reached_at} within {} s", LATEST.as_secs()),
                "set `receiver.listen`, and `receiver.reached-at` if the server reaches it at another authority; a server \
                 may refuse local addresses"
                    .to_owned(),
            ));
        };
        let late = arrived.saturating_sub(ended);
        if late <= PROMPT + self.live.profile.callback_latency {
            return Ok(Outcome::Pass(format!(
                "it arrives at http://{reached_at} after {}",
                shown(late)
            )));
        }
        // The next one may be later.
        self.findings.profile.callback_latency = Duration::from_secs(2 * late.as_secs() + 1);
        let latency = shown(self.findings.profile.callback_latency);
        Ok(Outcome::Pass(format!(
            "it arrives after {}, so callback_latency = {latency:?}",
            shown(late)
        )))
    }

    /// Whether `getSessionHealth` is a mutation.
    pub(super) fn ask_health(&mut self) -> Result<Outcome, HarnessError> {
        let input = json!({"cloudAgentSessionId": self.session().id});
        let posted = self.contact.call("getSessionHealth", input.clone())?;
        if status(&posted) == Some(200) {
            return Ok(Outcome::Pass("`getSessionHealth` is a mutation".to_owned()));
        }
        let got = self.contact.query("getSessionHealth", input, true)?;
        let seen = match status(&got) {
            Some(200) => "`getSessionHealth` is a query".to_owned(),
            _ => format!("`getSessionHealth` was answered {}", said(&posted)),
        };
        Ok(Outcome::Fail(
            seen,
            "it is a mutation (POST) by the protocol (R2.97): list the scenarios that fail in a baseline"
                .to_owned(),
        ))
    }

    /// How often, and after which delays, a delivery is tried that the wrapper refuses.
    pub(super) fn count_retries(&mut self) -> Result<Outcome, HarnessError> {
        self.contact
            .set_wrapper(json!({"ready": {"fail": {"code": "KILO_SERVER_FAILED"}}}))?;
        let input = self.start_input(false);
        let answer = self.contact.call("start", input.clone())?;
        if !self.keep_session(&input["message"]["id"], &answer, false) {
            return Ok(Outcome::Fail(
                format!("a second `start` was answered {}", said(&answer)),
                "expected 200: each user may have many sessions".to_owned(),
            ));
        }
        let Session { id, message, .. } = self.session();
        self.contact.watch(&id)?;
        let ended = self
            .contact
            .wait_for(LATEST, |party, observation| end_of(&message, party, observation))?;
        self.contact.set_wrapper(json!({}))?;
        let attempts: Vec<Duration> = self
            .contact
            .all(|party, observation| match observation {
                Observation::RequestReceived { path, body, .. } if party == WRAPPER => {
                    (path == READY && body["agentSessionId"] == *id).then_some(())
                }
                _ => None,
            })
            .into_iter()
            .map(|(at, ())| at)
            .collect();
        let delays: Vec<Duration> = attempts
            .windows(2)
            .map(|pair| rounded(pair[1].saturating_sub(pair[0])))
            .collect();
        let count = attempts.len();
        let times: Vec<String> = delays.iter().map(|delay| shown(*delay)).collect();
        if ended.is_none() {
            return Ok(Outcome::Fail(
                format!("{count} attempts within {} s ({}), and no end", LATEST.as_secs(), times.join(", ")),
                "set `delivery_retry_delays_cold` in `[profile]` to the delays of the server; it may try for longer than a \
                 probe waits"
                    .to_owned(),
            ));
        }
        let declared = &self.live.profile.delivery_retry_delays_cold;
        if is_near(&delays, declared) {
            return Ok(Outcome::Pass(format!(
                "{count} attempts, after {}",
                listed(&times)
            )));
        }
        self.findings.profile.delivery_retry_delays_cold = delays;
        Ok(Outcome::Pass(format!(
            "{count} attempts, after {}, so delivery_retry_delays_cold = {times:?}",
            listed(&times)
        )))
    }

    /// Whether a restart keeps the sessions.
    pub(super) fn restart(&mut self) -> Result<Outcome, HarnessError> {
        if !self.live.offers.contains(&turnstile_fault::Capability::Crash) {
            return Ok(Outcome::Skip(
                "no restart command: scenarios with crashes will be skipped".to_owned(),
            ));
        }
        self.contact.stage.world.apply(&Fault::crash(SERVER))?;
        if let Err(HarnessError::NoServer(error)) = self.contact.run(Duration::ZERO, |_| true) {
            return Ok(Outcome::Fail(error, "correct `restart-command`".to_owned()));
        }
        let input = json!({"cloudAgentSessionId": self.session().id});
        let answer = self.contact.query("getSession", input, true)?;
        if status(&answer) == Some(200) {
            return Ok(Outcome::Pass(
                "the server restarts, and keeps its sessions".to_owned(),
            ));
        }
        Ok(Outcome::Fail(
            format!("after the restart `getSession` was answered {}", said(&answer)),
            "the restart command must start the server on the same data".to_owned(),
        ))
    }

    /// Deletes all sessions. The answers do not matter.
    pub(super) fn clean_up(&mut self) -> Result<(), HarnessError> {
        for session in std::mem::take(&mut self.sessions) {
            for procedure in ["interruptSession", "deleteSession"] {
                self.contact.call(procedure, json!({"sessionId": session.id}))?;
            }
        }
        Ok(())
    }

    /// The session that was created last.
    pub(super) fn session(&self) -> Session {
        let none = Session {
            id: String::new(),
            message: String::new(),
            has_callback: false,
        };
        self.sessions.last().cloned().unwrap_or(none)
    }

    /// Keeps the session that an answer names. Returns whether there is one.
    pub(super) fn keep_session(&mut self, message: &Value, answer: &Answer, has_callback: bool) -> bool {
        let Some((200, body)) = answer else { return false };
        let Some(id) = body["result"]["data"]["cloudAgentSessionId"].as_str() else {
            return false;
        };
        self.sessions.push(Session {
            id: id.to_owned(),
            message: message.as_str().unwrap_or_default().to_owned(),
            has_callback,
        });
        true
    }

    /// Creates a session with a callback as V2 clients do. The inner error is what was answered instead.
    fn prepare_with_callback(&mut self) -> Result<Result<(), String>, HarnessError> {
        let receiver = self.contact.stage.receiver.clone();
        let input = self.prepare_input(Some(&receiver));
        let answer = self.contact.call("prepareSession", input.clone())?;
        if !self.keep_session(&input["initialMessageId"], &answer, true) {
            return Ok(Err(said(&answer)));
        }
        let id = self.session().id;
        self.contact.watch(&id)?;
        let input = json!({"cloudAgentSessionId": id});
        let answer = self.contact.call("initiateFromKilocodeSessionV2", input)?;
        Ok(match status(&answer) {
            Some(200) => Ok(()),
            _ => Err(said(&answer)),
        })
    }

    fn start_input(&self, with_callback: bool) -> Value {
        let mut options = json!({"createdOnPlatform": "turnstile"});
        if with_callback {
            options["callbackTarget"] =
                json!({"url": format!("http://{}{CALLBACK}", self.contact.stage.receiver)});
        }
        json!({
            "message": {"prompt": PROMPT_TEXT, "id": self.contact.stage.observer().draw_message_id()},
            "agent": {"mode": "code", "model": "fake-deterministic"},
            "repository": {"type": "github", "repo": "turnstile/example"},
            "options": options,
        })
    }

    pub(super) fn prepare_input(&self, receiver: Option<&str>) -> Value {
        let mut input = json!({
            "prompt": PROMPT_TEXT,
            "mode": "code",
            "model": "fake-deterministic",
            "githubRepo": "turnstile/example",
            "createdOnPlatform": "turnstile",
            "initialMessageId": self.contact.stage.observer().draw_message_id(),
        });
        if let Some(receiver) = receiver {
            input["callbackTarget"] = json!({"url": format!("http://{receiver}{CALLBACK}")});
        }
        input
    }

    /// The ingest URL that the server sends to the wrapper of a session.
    fn ingest_url(&mut self, id: &str) -> Result<Option<String>, HarnessError> {
        let sent = self
            .contact
            .wait_for(LATER, |party, observation| match observation {
                Observation::RequestReceived { path, body, .. } if party == WRAPPER && path == READY => {
                    let url = body["session"]["ingestUrl"].as_str();
                    url.filter(|_| body["agentSessionId"] == *id).map(str::to_owned)
                }
                _ => None,
            })?;
        Ok(sent.map(|(_, url)| url))
    }

    /// Whether the wrapper of a session opened its ingest, or the error.
    fn ingest_result(&mut self, id: &str) -> Result<Option<Result<(), String>>, HarnessError> {
        let opened = self
            .contact
            .wait_for(SOON, |party, observation| match observation {
                Observation::SocketOpened { path, .. } if party == WRAPPER && path.contains(id) => {
                    Some(Ok(()))
                }
                Observation::SocketRefused { path, error, .. } if party == WRAPPER && path.contains(id) => {
                    Some(Err(error.clone()))
                }
                _ => None,
            })?;
        Ok(opened.map(|(_, result)| result))
    }

    fn wrapper_address(&self) -> String {
        self.live
            .setup
            .front
            .map_or_else(String::new, |address| address.to_string())
    }
}

/// The path at which the server prepares a wrapper.
const READY: &str = "/session/ready";

/// Whether a message completed, and the event, if this is its end on the stream.
fn end_of(message: &str, party: &str, observation: &Observation) -> Option<(bool, Value)> {
    let Observation::FrameReceived { frame, .. } = observation else {
        return None;
    };
    if party != OBSERVER || frame["data"]["messageId"] != *message {
        return None;
    }
    match frame["streamEventType"].as_str()? {
        "cloud.message.completed" => Some((true, Value::clone(frame))),
        "cloud.message.failed" => Some((false, Value::clone(frame))),
        _ => None,
    }
}

/// A delay in tenths of a second, or in seconds if it is near to that.
fn rounded(delay: Duration) -> Duration {
    let seconds = Duration::from_secs(delay.as_secs_f64().round() as u64);
    if delay.abs_diff(seconds) <= EXACTNESS / 2 {
        return seconds;
    }
    Duration::from_millis((delay.as_secs_f64() * 10.0).round() as u64 * 100)
}

/// Whether measured delays agree with declared ones.
fn is_near(measured: &[Duration], declared: &[Duration]) -> bool {
    measured.len() == declared.len()
        && measured
            .iter()
            .zip(declared)
            .all(|(measured, declared)| measured.abs_diff(*declared) <= EXACTNESS)
}

fn listed(times: &[String]) -> String {
    match times {
        [] => "no retry".to_owned(),
        times => format!("pauses of {}", times.join(", ")),
    }
}

/// The fields of a profile that differ from the protocol's, as lines of a file.
pub(super) fn changed_fields(profile: &Profile) -> Vec<String> {
    let (Ok(Value::Object(values)), Ok(defaults)) = (
        serde_json::to_value(profile),
        serde_json::to_value(Profile::default()),
    ) else {
        return Vec::new();
    };
    let changed = values
        .into_iter()
        .filter(|(name, value)| defaults[name] != *value);
    // Flags, numbers, texts and lists of texts are written alike in JSON and TOML.
    changed.map(|(name, value)| format!("{name} = {value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_rounded_and_compared_with_some_leeway() {
        let milliseconds = Duration::from_millis;
        assert_eq!(rounded(milliseconds(2_012)), milliseconds(2_000));
        assert_eq!(rounded(milliseconds(2_480)), milliseconds(2_500));
        assert!(is_near(&[milliseconds(2_300)], &[milliseconds(2_000)]));
        assert!(!is_near(&[milliseconds(2_300)], &[milliseconds(4_000)]));
        assert!(!is_near(&[], &[milliseconds(2_000)]));
    }
}
