//! A wrapper that accepts turns and never runs them.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;
use turnstile_seams::websocket::{self, WebSocket};
use turnstile_seams::{http_server, real};

use super::process::in_time;

pub struct Wrapper {
    pub url: String,
    /// The binding from `/session/ready`, or null before it.
    binding: watch::Receiver<Value>,
}

impl Wrapper {
    pub async fn start() -> Self {
        let listener = real::seams().network.listen("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.authority());
        let (bind, binding) = watch::channel(Value::Null);
        let router = Router::new()
            .route("/session/ready", post(ready))
            .route("/job/prompt", post(take))
            .with_state(bind);
        tokio::spawn(http_server::serve(listener, router));
        Self { url, binding }
    }

    /// Opens the ingest of its binding.
    pub async fn open_ingest(&self, session: &str) -> WebSocket {
        let mut binding = self.binding.clone();
        let binding = in_time(binding.wait_for(Value::is_object)).await.unwrap().clone();
        let text = |name: &str| binding[name].as_str().unwrap().to_owned();
        let url = format!(
            "{}?wrapperRunId={}&kiloSessionId=ses_1&sessionId={session}&wrapperGeneration={}&wrapperConnectionId={}",
            text("ingestUrl"),
            text("wrapperRunId"),
            binding["wrapperGeneration"],
            text("wrapperConnectionId"),
        );
        let token = format!("Bearer {}", text("workerAuthToken"));
        let network = real::seams().network;
        websocket::open(&*network, &url.parse().unwrap(), Some(&token))
            .await
            .unwrap()
    }
}

async fn ready(State(bind): State<watch::Sender<Value>>, Json(body): Json<Value>) -> Json<Value> {
    bind.send_replace(body["session"].clone());
    Json(json!({
        "status": "ready",
        "kiloSessionId": "ses_1",
        "workspaceReady": {
            "workspacePath": "/w", "sandboxId": "s", "sessionHome": "/h", "branchName": "main", "kiloSessionId": "ses_1",
        },
    }))
}

async fn take(Json(body): Json<Value>) -> Json<Value> {
    Json(json!({"status": "sent", "messageId": body["message"]["id"]}))
}
