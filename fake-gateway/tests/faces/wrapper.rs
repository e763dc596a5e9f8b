use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::extract::{Request, State, WebSocketUpgrade};
use axum::routing::any;
use fake_gateway::gateway::MODEL;
use fake_gateway::observation::{ClosedBy, Sight};
use fake_gateway::wrapper::{Wrapper, WrapperConfig};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use turnstile_seams::{http_server, real};

use crate::gateway;
use crate::stage::{Record, get, listen, post};

/// A wrapper between a gateway and a stand-in for the server's ingest.
struct Stage {
    gateway_record: Record,
    gateway: String,
    record: Record,
    wrapper: String,
    ingest_url: String,
    ingests: mpsc::UnboundedReceiver<Ingest>,
}

/// The server's end of one ingest socket. Dropping it drops the connection without a goodbye.
struct Ingest {
    path: String,
    authorization: String,
    socket: WebSocket,
}

impl Ingest {
    async fn next(&mut self) -> Value {
        match self.socket.recv().await.unwrap().unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?} instead of a frame"),
        }
    }

    /// The names of all events up to and with `last`.
    async fn names_until(&mut self, last: &str) -> Vec<String> {
        let mut names = Vec::new();
        while names.last().is_none_or(|name| name != last) {
            names.push(name(&self.next().await));
        }
        names
    }

    async fn say(&mut self, order: &Value) {
        self.socket.send(Message::text(order.to_string())).await.unwrap();
    }
}

fn name(frame: &Value) -> String {
    let event = &frame["data"]["event"];
    event
        .as_str()
        .or(frame["streamEventType"].as_str())
        .unwrap()
        .to_owned()
}

impl Stage {
    /// Everything started, and the wrapper ready.
    async fn ready() -> Self {
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
        let config = WrapperConfig {
            gateway_url: format!("http://{gateway}"),
        };
        tokio::spawn(Wrapper::new(config, real::seams(), record.witness()).serve(listener));

        let stage = Self {
            gateway_record,
            gateway,
            record,
            wrapper,
            ingest_url: format!("ws://{server}/sessions/u/agent_1/ingest"),
            ingests,
        };
        let ready = json!({
            "cloudAgentSessionId": "agent_1",
            "userId": "u",
            "agent": { "mode": "code", "model": MODEL },
            "session": stage.binding(),
        });
        let (status, reply) = post(&stage.wrapper, "/session/ready", &ready).await;
        assert_eq!((status, &reply["status"]), (200, &json!("ready")));
        assert_eq!(reply["kiloSessionId"].as_str().unwrap().len(), "ses_".len() + 26);
        stage
    }

    fn binding(&self) -> Value {
        json!({
            "ingestUrl": self.ingest_url,
            "workerAuthToken": "token",
            "wrapperRunId": "wr_1",
            "wrapperGeneration": 3,
            "wrapperConnectionId": "connection-1",
        })
    }

    async fn prompt(&self, id: &str, prompt: &str, model: &str) -> (u16, Value) {
        let body = json!({
            "message": { "id": id, "prompt": prompt },
            "agent": { "mode": "code", "model": model },
            "finalization": { "autoCommit": true, "gateThreshold": "all" },
            "session": self.binding(),
        });
        post(&self.wrapper, "/job/prompt", &body).await
    }

    /// Prompts, and takes the ingest that is opened for it.
    async fn prompt_and_connect(&mut self, id: &str, prompt: &str) -> Ingest {
        let reply = self.prompt(id, prompt, MODEL).await;
        assert_eq!(reply, (200, json!({ "status": "sent", "messageId": id })));
        self.ingests.recv().await.unwrap()
    }
}

#[tokio::test]
async fn a_prompt_leads_to_the_events_of_a_whole_turn_and_the_ingest_is_left() {
    let mut stage = Stage::ready().await;
    let mut ingest = stage.prompt_and_connect("msg_1", "__fake__:echo:hi").await;
    assert_eq!(ingest.authorization, "Bearer token");
    assert!(
        ingest.path.contains("?wrapperRunId=wr_1&kiloSessionId=ses_"),
        "{}",
        ingest.path
    );
    assert!(
        ingest
            .path
            .ends_with("&sessionId=agent_1&wrapperGeneration=3&wrapperConnectionId=connection-1")
    );

    let expected = [
        "session.status",
        "message.updated",
        "message.updated",
        "message.part.delta",
        "message.part.updated",
        "message.updated",
        "session.status",
        "session.idle",
        "autocommit_started",
        "autocommit_completed",
        "complete",
    ];
    assert_eq!(ingest.names_until("complete").await, expected);
    let Message::Close(Some(CloseFrame { code, .. })) = ingest.socket.recv().await.unwrap().unwrap() else {
        panic!("no close frame");
    };
    assert_eq!(code, 1000);

    let sent = stage.record.sights().into_iter().filter_map(|sight| match sight {
        Sight::FrameSent { frame, .. } => Some(name(&frame)),
        _ => None,
    });
    assert_eq!(sent.collect::<Vec<_>>(), expected);
    assert_eq!(get(&stage.wrapper, "/job/status").await["status"], "idle");
}

#[tokio::test]
async fn an_ingest_that_was_cut_is_resumed_with_what_it_missed() {
    let mut stage = Stage::ready().await;
    let mut ingest = stage.prompt_and_connect("msg_1", "__fake__:gate:hold").await;
    gateway::until_engaged(&stage.gateway, "hold").await;
    for _ in ["busy", "user", "assistant"] {
        ingest.next().await;
    }
    drop(ingest);
    let lost = |sight: &Sight| {
        matches!(
            sight,
            Sight::SocketClosed {
                by: ClosedBy::Lost,
                ..
            }
        )
    };
    stage.record.until(lost).await;
    post(&stage.gateway, "/test/release?tag=hold", &Value::Null).await;

    let mut ingest = stage.ingests.recv().await.unwrap();
    let names = ingest.names_until("complete").await;
    assert_eq!(
        names[..3],
        ["wrapper_resumed", "message.part.delta", "message.part.updated"]
    );
}

#[tokio::test]
async fn a_kill_drops_the_gateway_call_and_a_ping_is_answered() {
    let mut stage = Stage::ready().await;
    let mut ingest = stage.prompt_and_connect("msg_1", "__fake__:gate:hold").await;
    gateway::until_engaged(&stage.gateway, "hold").await;
    ingest.say(&json!({ "type": "ping" })).await;
    assert_eq!(ingest.names_until("pong").await.len(), 4);
    ingest.say(&json!({ "type": "kill", "signal": "SIGTERM" })).await;
    let names = ingest.names_until("session.idle").await;
    assert_eq!(names, ["interrupted", "session.status", "session.idle"]);

    stage
        .gateway_record
        .until(|sight| matches!(sight, Sight::PeerGone { .. }))
        .await;
    let nobody = json!({ "tags": [], "liveResponses": 0 });
    assert_eq!(get(&stage.gateway, "/test/waiters").await, nobody);
}

#[tokio::test]
async fn what_the_gateway_says_against_a_turn_reaches_the_ingest() {
    let mut stage = Stage::ready().await;
    let mut ingest = stage.prompt_and_connect("msg_1", "__fake__:error:no money").await;
    let error = loop {
        let error = ingest.next().await["data"]["info"]["error"].take();
        if !error.is_null() {
            break error;
        }
    };
    assert_eq!(
        error,
        json!({ "name": "APIError", "data": { "message": "no money" } })
    );
    ingest.names_until("complete").await;

    assert_eq!(stage.prompt("msg_2", "__fake__:echo:hi", "other").await.0, 200);
    assert_eq!(ingest.names_until("session.error").await.len(), 3);
    let fatal = ingest.next().await;
    assert_eq!(fatal["streamEventType"], "error");
    let text = "Model not found: other";
    assert_eq!(
        fatal["data"],
        json!({ "fatal": true, "message": text, "error": text })
    );
}
