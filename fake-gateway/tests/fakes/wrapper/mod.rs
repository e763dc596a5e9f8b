//! Tests of the fake wrapper over loopback sockets.

mod stage;

use axum::extract::ws::{CloseFrame, Message};
use fake_gateway::gateway::MODEL;
use fake_gateway::wrapper::WrapperConfig;
use http::Method;
use serde_json::{Value, json};
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_seams::http_client;

use self::stage::{Ingest, Stage, name};
use crate::gateway;
use crate::stage::{get, post, send};

#[tokio::test]
async fn a_prompt_causes_the_events_of_a_turn_and_then_the_ingest_is_closed() {
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

    let sent = stage
        .record
        .observations()
        .into_iter()
        .filter_map(|observation| match observation {
            Observation::FrameSent { frame, .. } => Some(name(&frame)),
            _ => None,
        });
    assert_eq!(sent.collect::<Vec<_>>(), expected);
    let status = get(&stage.wrapper, "/job/status").await;
    let expected = json!({ "state": "idle", "sessionId": "agent_1", "pendingMessages": [] });
    assert_eq!(status, expected);
}

#[tokio::test]
async fn a_lost_ingest_resumes_with_the_missed_events() {
    let mut stage = Stage::ready().await;
    let mut ingest = stage.prompt_and_connect("msg_1", "__fake__:gate:hold").await;
    gateway::until_engaged(&stage.gateway, "hold").await;
    for _ in ["busy", "user", "assistant"] {
        ingest.next().await;
    }
    drop(ingest);
    let lost = |observation: &Observation| {
        matches!(
            observation,
            Observation::SocketClosed {
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
        .until(|observation| matches!(observation, Observation::PeerGone { .. }))
        .await;
    let nobody = json!({ "tags": [], "liveResponses": 0 });
    assert_eq!(get(&stage.gateway, "/test/waiters").await, nobody);
}

#[tokio::test]
async fn errors_of_the_gateway_are_reported_to_the_ingest() {
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

#[tokio::test]
async fn an_invalid_behaviour_is_rejected_and_changes_nothing() {
    let stage = Stage::ready().await;
    let fail = json!({ "job": { "fail": { "code": "SEND_ERROR" } } });
    assert_eq!(stage.behave(&fail).await, (204, Value::Null));
    let (status, refusal) = stage
        .behave(&json!({ "job": { "fail": { "code": "BUSY" } } }))
        .await;
    assert_eq!((status, &refusal["error"]), (400, &json!("INVALID_REQUEST")));
    let message = refusal["message"].as_str().unwrap();
    assert!(
        message.contains("job.fail.code") && message.contains("BUSY"),
        "{message}"
    );

    let (status, refusal) = stage.prompt("msg_1", "__fake__:idle", MODEL).await;
    assert_eq!((status, &refusal["error"]), (500, &json!("SEND_ERROR")));
    let is_of_side_door = |observation: &Observation| matches!(observation, Observation::RequestReceived { path, .. } if path.starts_with("/test/"));
    assert!(!stage.record.observations().iter().any(is_of_side_door));
}

#[tokio::test]
async fn a_lost_reply_closes_the_connection_and_the_turn_runs() {
    let mut stage = Stage::ready().await;
    stage.behave(&json!({ "job": { "lose-reply": 1 } })).await;
    let body = stage.job(json!({ "id": "msg_1", "prompt": "__fake__:echo:hi" }), MODEL);
    let answer = send(&stage.wrapper, Method::POST, "/job/prompt", &body).await;
    assert!(answer.is_err(), "{answer:?}");
    let mut ingest = stage.ingests.recv().await.unwrap();
    ingest.names_until("complete").await;

    // The exchange was neither answered nor abandoned by its peer.
    let is_end = |observation: &Observation| {
        matches!(
            observation,
            Observation::ReplySent { exchange: 2, .. } | Observation::PeerGone { exchange: 2 }
        )
    };
    assert!(!stage.record.observations().iter().any(is_end));
    assert_eq!(stage.prompt("msg_1", "__fake__:echo:hi", MODEL).await.0, 200);
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test runs in real time, and waits for what must not come"
)]
#[tokio::test]
async fn an_odd_answer_is_not_json_and_an_endless_one_never_ends() {
    let mut stage = Stage::ready().await;
    let body = stage.job(json!({ "id": "msg_1", "prompt": "__fake__:idle" }), MODEL);
    for (kind, status, text) in [
        ("html-502", 502, "<html>"),
        ("truncated", 200, "{"),
        ("empty", 200, ""),
    ] {
        stage.behave(&json!({ "job": { "answer": kind } })).await;
        let response = send(&stage.wrapper, Method::POST, "/job/prompt", &body)
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), status, "{kind}");
        let read = http_client::read_body(response).await.unwrap();
        let read = String::from_utf8(read.to_vec()).unwrap();
        assert!(read.starts_with(text), "{kind}: {read}");
        assert!(serde_json::from_str::<Value>(&read).is_err(), "{kind}: {read}");
    }
    stage
        .ingests
        .recv()
        .await
        .unwrap()
        .names_until("session.idle")
        .await;

    stage.behave(&json!({ "job": { "answer": "endless" } })).await;
    let response = send(&stage.wrapper, Method::POST, "/job/prompt", &body)
        .await
        .unwrap();
    let reading = http_client::read_body(response);
    let read = tokio::time::timeout(std::time::Duration::from_millis(50), reading).await;
    assert!(read.is_err(), "{read:?}");
}

#[tokio::test]
async fn an_ingest_that_is_given_up_is_opened_again() {
    let stage = Stage::ready().await;
    stage.behave(&json!({ "abandons-opening": 2 })).await;
    assert_eq!(stage.prompt("msg_1", "__fake__:idle", MODEL).await.0, 200);
    let is_given_up =
        |observation: &&Observation| matches!(observation, Observation::SocketRefused { status: None, .. });
    assert_eq!(stage.record.observations().iter().filter(is_given_up).count(), 2);
}

#[tokio::test]
async fn half_of_a_surrogate_pair_is_an_escape_on_the_wire() {
    let mut stage = Stage::ready().await;
    stage.behave(&json!({ "lone-surrogate": true })).await;
    let mut ingest = stage.prompt_and_connect("msg_1", "__fake__:echo:hi").await;
    loop {
        let Message::Text(text) = ingest.socket.recv().await.unwrap().unwrap() else {
            panic!("no such frame");
        };
        if text.contains("cut ") {
            assert!(text.contains(r"cut \ud83d"), "{text}");
            break;
        }
    }
}

#[tokio::test]
async fn a_kept_socket_gets_the_turns_of_the_next_binding() {
    let mut stage = Stage::ready().await;
    stage
        .behave(&json!({ "keeps-old-socket": true, "complete": { "never": true } }))
        .await;
    let mut old = stage.prompt_and_connect("msg_1", "__fake__:idle").await;
    old.names_until("session.idle").await;
    stage.generation = 4;
    assert_eq!(stage.prompt("msg_2", "__fake__:echo:hi", MODEL).await.0, 200);

    let (mut stale, mut current) = (
        stage.ingests.recv().await.unwrap(),
        stage.ingests.recv().await.unwrap(),
    );
    if stale.path.contains("Generation=4") {
        std::mem::swap(&mut stale, &mut current);
    }
    assert!(stale.path.contains("Generation=3"), "{}", stale.path);
    assert!(current.path.contains("Generation=4"), "{}", current.path);
    let reply = async |ingest: &mut Ingest| {
        ingest.names_until("message.part.updated").await;
        ingest.next().await
    };
    assert_eq!(reply(&mut old).await, reply(&mut current).await);
}

#[tokio::test]
async fn a_command_runs_like_a_prompt() {
    for (arguments, expected) in [("__fake__:echo:hi", Some("hi")), ("the tests", None)] {
        let mut stage = Stage::ready().await;
        let command = json!({
            "command": "review", "args": arguments, "messageId": "msg_1", "session": stage.binding(),
        });
        let reply = post(&stage.wrapper, "/job/command", &command).await;
        assert_eq!(reply, (200, json!({ "status": "sent", "result": {} })));
        let mut ingest = stage.ingests.recv().await.unwrap();
        let (mut text, mut error) = (None, Value::Null);
        loop {
            let frame = ingest.next().await;
            match name(&frame).as_str() {
                "message.part.updated" => text = frame["data"]["part"]["text"].as_str().map(str::to_owned),
                "message.updated" => error = frame["data"]["info"]["error"].clone(),
                "complete" => break,
                _ => {}
            }
        }
        assert_eq!((text.as_deref(), error), (expected, Value::Null), "{arguments}");
    }
}

#[tokio::test]
async fn a_failed_command_and_a_failed_preparation_have_codes_of_their_own() {
    let stage = Stage::ready().await;
    let behaviour = json!({
        "job": { "fail": { "code": "SEND_ERROR" } }, "ready": { "fail": { "code": "WORKSPACE_SETUP_FAILED" } },
    });
    stage.behave(&behaviour).await;
    let command = json!({ "command": "review", "messageId": "msg_1", "session": stage.binding() });
    let (status, refusal) = post(&stage.wrapper, "/job/command", &command).await;
    assert_eq!((status, &refusal["error"]), (500, &json!("COMMAND_ERROR")));

    let (status, refusal) = post(&stage.wrapper, "/session/ready", &stage.ready_body()).await;
    assert_eq!(
        (status, &refusal["error"], &refusal["retryable"]),
        (503, &json!("WORKSPACE_SETUP_FAILED"), &json!(true))
    );
    let (status, refusal) = post(&stage.wrapper, "/session/ready", &json!({})).await;
    assert_eq!(
        (status, &refusal["error"], &refusal["retryable"]),
        (400, &json!("INVALID_REQUEST"), &json!(false))
    );
}

#[tokio::test]
async fn health_and_status_name_the_work() {
    let mut stage = Stage::ready().await;
    let idle = get(&stage.wrapper, "/health").await;
    let expected = json!({
        "healthy": true, "state": "idle", "version": WrapperConfig::VERSION, "sessionId": "agent_1", "pendingMessages": 0,
    });
    assert_eq!(idle, expected);

    stage.prompt_and_connect("msg_1", "__fake__:gate:hold").await;
    stage.prompt("msg_2", "__fake__:idle", MODEL).await;
    let active = get(&stage.wrapper, "/health").await;
    assert_eq!(
        (&active["state"], &active["pendingMessages"]),
        (&json!("active"), &json!(2))
    );
    let status = get(&stage.wrapper, "/job/status").await;
    let expected = json!({
        "state": "active", "sessionId": "agent_1", "pendingMessages": ["msg_1", "msg_2"],
    });
    assert_eq!(status, expected);
}

#[tokio::test]
async fn a_tool_loop_is_one_turn_with_a_message_for_each_answer() {
    let mut stage = Stage::ready().await;
    let mut ingest = stage.prompt_and_connect("msg_1", "__fake__:tools:2:done").await;
    let (mut finished, mut tools, mut texts) = (Vec::new(), 0, Vec::new());
    loop {
        let frame = ingest.next().await;
        let data = &frame["data"];
        match name(&frame).as_str() {
            "message.updated" if data["info"]["time"]["completed"].is_number() => {
                assert_eq!(data["info"]["parentID"], "msg_1");
                finished.push(data["info"]["id"].clone());
            }
            "message.part.updated" if data["part"]["type"] == "tool" => tools += 1,
            "message.part.updated" => texts.push(data["part"]["text"].as_str().unwrap().to_owned()),
            "session.idle" => break,
            _ => {}
        }
    }
    finished.dedup();
    assert_eq!((finished.len(), tools), (3, 2));
    assert_eq!(texts, ["step-1 ", "step-2 ", "done"]);
    ingest.names_until("complete").await;
}

#[tokio::test]
async fn a_snapshot_is_sent_on_request() {
    let mut stage = Stage::ready().await;
    let mut ingest = stage.prompt_and_connect("msg_1", "__fake__:gate:hold").await;
    gateway::until_engaged(&stage.gateway, "hold").await;
    for _ in ["busy", "user", "assistant"] {
        ingest.next().await;
    }
    ingest.say(&json!({ "type": "request_snapshot" })).await;
    let names = ingest.names_until("session.status").await;
    assert_eq!(names, ["message.updated", "message.updated", "session.status"]);
}
