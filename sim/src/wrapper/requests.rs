//! Requests of a case to its wrapper, and the form of their answers.

use axum::http::{Method, Request};
use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::{Observation, body_as_value};
use turnstile_judge::parties::WRAPPER;
use turnstile_seams::{ClockExt as _, http_client};

use super::rules::{HEALTH, JOB, READY, RUNS, STATUS, STOPS};
use super::stage::Stage;
use crate::role::case::Step;
use crate::role::rule::RoleRule;

/// The answer to a request.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub body: Value,
}

impl Stage {
    pub(super) async fn try_request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, String> {
        self.exchange(&self.wrapper, method, path, body).await
    }

    async fn exchange(
        &self,
        authority: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, String> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{authority}{path}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(text)))
            .map_err(|error| error.to_string())?;
        let seams = &self.record.seams;
        let exchange = async {
            let response = http_client::send(&seams.network, request).await?;
            let status = response.status().as_u16();
            Ok::<_, http_client::HttpError>((status, http_client::read_body(response).await?))
        };
        match seams.clock.timeout(self.patience, exchange).await {
            Ok(Ok((status, body))) => Ok(Reply {
                status,
                body: body_as_value(&body),
            }),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", self.patience.as_secs_f64())),
        }
    }

    /// Sends a request to the wrapper. It must be answered.
    pub(super) async fn request(&mut self, method: Method, path: &str, body: Option<Value>) -> Step<Reply> {
        let number = self.probe.next_exchange();
        self.probe.observe(Observation::RequestSent {
            exchange: number,
            to: WRAPPER.to_owned(),
            method: method.to_string(),
            path: path.to_owned(),
            credentials: Credentials::Own,
            body: body.clone().unwrap_or_default(),
        });
        let name = format!("{method} {path}");
        match self.try_request(method, path, body.as_ref()).await {
            Ok(Reply { status, body }) => {
                self.probe.observe(Observation::ReplyReceived {
                    exchange: number,
                    status,
                    body: body.clone(),
                });
                Ok(Reply { status, body })
            }
            Err(error) => {
                self.probe.observe(Observation::NoReply {
                    exchange: number,
                    error: error.clone(),
                });
                let text = format!("`{name}` is not answered: {error}{}", self.condition().await);
                self.record.violated(&RUNS, text)
            }
        }
    }

    pub(super) async fn post(&mut self, path: &str, body: Value) -> Step<Reply> {
        self.request(Method::POST, path, Some(body)).await
    }

    /// The answer to `GET /health`, whose form is checked.
    pub(super) async fn health(&mut self) -> Step<Value> {
        let Reply { status, body } = self.request(Method::GET, "/health", None).await?;
        let is_well_formed = status == 200
            && body["healthy"] == true
            && (body["state"] == "active" || body["state"] == "idle")
            && body["version"].is_string()
            && body["pendingMessages"].is_number();
        match is_well_formed {
            true => Ok(body),
            false => self.record.violated(
                &HEALTH,
                format!(
                    "`GET /health` answers {status} {body}, not 200 with `healthy`, `state`, `version` and `pendingMessages`"
                ),
            ),
        }
    }

    /// The answer to `GET /job/status`, whose form is checked.
    pub(super) async fn status(&mut self) -> Step<Value> {
        let Reply { status, body } = self.request(Method::GET, "/job/status", None).await?;
        let ids = body["pendingMessages"].as_array();
        let is_well_formed = status == 200
            && (body["state"] == "active" || body["state"] == "idle")
            && ids.is_some_and(|ids| ids.iter().all(Value::is_string));
        match is_well_formed {
            true => Ok(body),
            false => {
                let text = format!(
                    "`GET /job/status` answers {status} {body}, not 200 with `state` and `pendingMessages`"
                );
                self.record.violated(&STATUS, text)
            }
        }
    }

    /// Makes the wrapper ready for the current binding.
    pub(super) async fn ready(&mut self) -> Step {
        let body = self.session.ready();
        self.ready_with(body).await
    }

    /// Makes the wrapper ready with that body, and checks the answer.
    pub(super) async fn ready_with(&mut self, asked: Value) -> Step {
        let Reply { status, body } = self.post("/session/ready", asked.clone()).await?;
        let kilo = body["kiloSessionId"].as_str().filter(|kilo| !kilo.is_empty());
        let Some(kilo) = kilo.filter(|_| status == 200 && body["status"] == "ready") else {
            let text =
                format!("`/session/ready` answers {status} {body}, not 200 `ready` with `kiloSessionId`");
            return self.record.violated(&READY, text);
        };
        let mut places = asked["workspace"].clone();
        places["sandboxId"] = asked["sandboxId"].clone();
        places["kiloSessionId"] = json!(kilo);
        for name in [
            "workspacePath",
            "sandboxId",
            "sessionHome",
            "branchName",
            "kiloSessionId",
        ] {
            let (seen, expected) = (&body["workspaceReady"][name], &places[name]);
            if seen != expected {
                let text = format!("`workspaceReady.{name}` is {seen}, not {expected}");
                return self.record.violated(&READY, text);
            }
        }
        self.session.kilo = kilo.to_owned();
        Ok(())
    }

    /// Sends a prompt with further fields in its body. It must be answered `sent`.
    pub(super) async fn prompt_with(&mut self, id: &str, text: &str, further: Value) -> Step {
        let mut body = self.session.prompt(&json!({"id": id, "prompt": text}));
        if let (Some(body), Value::Object(further)) = (body.as_object_mut(), further) {
            body.extend(further);
        }
        let reply = self.post("/job/prompt", body).await?;
        self.is_sent(&reply, id)
    }

    /// Sends a prompt.
    pub(super) async fn prompt(&mut self, id: &str, text: &str) -> Step {
        self.prompt_with(id, text, json!({})).await
    }

    pub(super) fn is_sent(&mut self, reply: &Reply, id: &str) -> Step {
        let Reply { status, body } = reply;
        if *status == 200 && body["status"] == "sent" && body["messageId"] == id {
            return Ok(());
        }
        let text = format!("a prompt is answered {status} {body}, not 200 `sent` with `messageId` {id}");
        self.record.violated(&JOB, text)
    }

    /// Aborts the work of the session. It must be answered `aborted`.
    pub(super) async fn abort(&mut self) -> Step {
        let abort = self.session.abort();
        let Reply { status, body } = self.post("/job/abort", abort).await?;
        if status == 200 && body["status"] == "aborted" {
            return Ok(());
        }
        let text = format!("an abort is answered {status} {body}, not 200 `aborted`");
        self.record.violated(&STOPS, text)
    }

    /// Checks that a job was refused with this status and code.
    pub(super) fn is_refused(&mut self, rule: &RoleRule, reply: &Reply, status: u16, code: &str) -> Step {
        let Reply { status: seen, body } = reply;
        if *seen == status && body["error"] == code && body["message"].is_string() {
            return Ok(());
        }
        let text = format!("the answer is {seen} {body}, not {status} with `error` {code} and a `message`");
        self.record.violated(rule, text)
    }

    /// Asks the gateway, over its control routes.
    pub(super) async fn ask_gateway(&mut self, method: Method, path: &str) -> Value {
        let answer = self.exchange(&self.gateway, method, path, None).await;
        // The gateway is part of the harness; what it does not say is missing where it is awaited.
        answer.map(|reply| reply.body).unwrap_or_default()
    }
}
