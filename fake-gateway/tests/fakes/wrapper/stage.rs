//! A wrapper between a fake gateway and a test ingest, for the tests of the wrapper.

use axum::Router;
use axum::extract::ws::{Message, WebSocket};
use axum::extract::{Request, State, WebSocketUpgrade};
use axum::routing::any;
use fake_gateway::gateway::MODEL;
use fake_gateway::wrapper::{Wrapper, WrapperConfig};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use turnstile_seams::{http_server, real};

use crate::gateway;
use crate::stage::{Record, listen, post};

/// A wrapper between a fake gateway and a test ingest.
pub(super) struct Stage {
    pub(super) gateway_record: Record,
    pub(super) gateway: String,
    pub(super) record: Record,
    pub(super) wrapper: String,
    pub(super) ingest_url: String,
    pub(super) generation: u64,
    pub(super) ingests: mpsc::UnboundedReceiver<Ingest>,
}

/// The server's end of an ingest socket. Dropping it closes the connection without a close frame.
pub(super) struct Ingest {
    pub(super) path: String,
    pub(super) authorization: String,
    pub(super) socket: WebSocket,
}

impl Ingest {
    pub(super) async fn next(&mut self) -> Value {
        match self.socket.recv().await.unwrap().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?} instead of a frame"),
        }
    }

    /// The names of all events up to and including `last`.
    pub(super) async fn names_until(&mut self, last: &str) -> Vec<String> {
        let mut names = Vec::new();
        while names.last().is_none_or(|name| name != last) {
            names.push(name(&self.next().await));
        }
        names
    }

    pub(super) async fn say(&mut self, order: &Value) {
        self.socket.send(Message::text(order.to_string())).await.unwrap();
    }
}

pub(super) fn name(frame: &Value) -> String {
    let event = &frame["data"]["event"];
    event
        .as_str()
        .or(frame["streamEventType"].as_str())
        .unwrap()
        .to_owned()
}

impl Stage {
    /// Starts everything and makes the wrapper ready.
    pub(super) async fn ready() -> Self {
        let (gateway_record, gateway) = gateway::start().await;

        let (opened, ingests) = mpsc::unbounded_channel();
        let accept = async |State(opened): State<mpsc::UnboundedSender<Ingest>>,
                            upgrade: WebSocketUpgrade,
                            request: Request| {
            let path = request.uri().to_string();
            let authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
            upgrade.on_upgrade(async move |socket| {
                let _ = opened.send(Ingest {
                    path,
                    authorization,
                    socket,
                });
            })
        };
        let (listener, server) = listen().await;
        let router = Router::new()
            .route("/sessions/u/agent_1/ingest", any(accept))
            .with_state(opened);
        tokio::spawn(http_server::serve(listener, router));

        let (listener, wrapper) = listen().await;
        let record = Record::default();
        let config = WrapperConfig::new(format!("http://{gateway}"));
        tokio::spawn(Wrapper::new(config, real::seams(), record.probe()).serve(listener));

        let stage = Self {
            gateway_record,
            gateway,
            record,
            wrapper,
            ingest_url: format!("ws://{server}/sessions/u/agent_1/ingest"),
            generation: 3,
            ingests,
        };
        let (status, mut reply) = post(&stage.wrapper, "/session/ready", &stage.ready_body()).await;
        assert_eq!((status, &reply["status"]), (200, &json!("ready")));
        let kilo_session_id = reply["kiloSessionId"].clone();
        assert_eq!(
            reply["workspaceReady"].take(),
            json!({
                "workspacePath": "/w", "sandboxId": "sandbox-1", "sessionHome": "/h", "branchName": "topic",
                "kiloSessionId": kilo_session_id,
            })
        );
        assert_eq!(reply["kiloSessionId"].as_str().unwrap().len(), "ses_".len() + 26);
        stage
    }

    /// The body of `/session/ready`.
    pub(super) fn ready_body(&self) -> Value {
        json!({
            "agentSessionId": "agent_1",
            "userId": "u",
            "sandboxId": "sandbox-1",
            "workspace": { "workspacePath": "/w", "sessionHome": "/h", "branchName": "topic" },
            "materialized": { "env": {} },
            "session": self.binding(),
        })
    }

    pub(super) fn binding(&self) -> Value {
        json!({
            "ingestUrl": self.ingest_url,
            "workerAuthToken": "token",
            "wrapperRunId": "wr_1",
            "wrapperGeneration": self.generation,
            "wrapperConnectionId": "connection-1",
        })
    }

    /// The body of `/job/prompt`.
    pub(super) fn job(&self, message: Value, model: &str) -> Value {
        json!({
            "message": message,
            "agent": { "mode": "code", "model": { "providerID": "kilo", "modelID": model } },
            "finalization": { "autoCommit": true, "gateThreshold": "all" },
            "session": self.binding(),
        })
    }

    pub(super) async fn prompt(&self, id: &str, prompt: &str, model: &str) -> (u16, Value) {
        let body = self.job(json!({ "id": id, "prompt": prompt }), model);
        post(&self.wrapper, "/job/prompt", &body).await
    }

    pub(super) async fn behave(&self, behaviour: &Value) -> (u16, Value) {
        post(&self.wrapper, "/test/behaviour", behaviour).await
    }

    /// Sends a prompt and accepts the ingest socket that it opens.
    pub(super) async fn prompt_and_connect(&mut self, id: &str, prompt: &str) -> Ingest {
        let reply = self.prompt(id, prompt, MODEL).await;
        assert_eq!(reply, (200, json!({ "status": "sent", "messageId": id })));
        self.ingests.recv().await.unwrap()
    }
}
