//! `turnstile-server` as a process: settings, output, signals, and restarts after a kill.

#![expect(clippy::unwrap_used, reason = "a test fails if its process misbehaves")]

mod callbacks;
mod process;
mod wrapper;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use turnstile_seams::real::{self, Pace};
use turnstile_seams::websocket::{self, Message, WebSocket};

use process::{Ended, Server, data, fail, in_time, ticket};
use wrapper::Wrapper;

/// A URL at which no wrapper listens.
const NO_WRAPPER: [&str; 2] = ["--wrapper-url", "http://127.0.0.1:9"];

fn start_input(message: &str) -> Value {
    json!({
        "message": {"prompt": "hello", "id": message},
        "agent": {"mode": "code", "model": "m"},
        "repository": {"type": "github", "repo": "acme/widgets"},
    })
}

const MESSAGE: &str = "msg_0123456789abABCDEFGHIJKLMN";

#[test]
fn setting_errors_are_reported_together_with_status_2() {
    let ended = fail(&[
        "--listen",
        "nowhere",
        "--wrapper-url",
        "https://w",
        "--speed",
        "3",
    ]);
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.stdout, "");
    for expected in [
        "error: --listen (TURNSTILE_LISTEN) is \"nowhere\", which is not an address; give a host and a port",
        "error: --data (TURNSTILE_DATA) is missing: give the directory",
        "error: --api-secret (TURNSTILE_API_SECRET) is missing",
        "error: --ticket-secret (TURNSTILE_TICKET_SECRET) is missing",
        "error: --internal-api-key (TURNSTILE_INTERNAL_API_KEY) is missing",
        "error: --wrapper-url (TURNSTILE_WRAPPER_URL) is \"https://w\": the scheme is https; only plain http is supported",
        "error: --speed-since (TURNSTILE_SPEED_SINCE) is missing: --speed requires it",
    ] {
        assert!(
            ended.stderr.contains(expected),
            "{expected} is not in:\n{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn a_server_that_cannot_start_prints_the_reason_with_status_1() {
    let data = data("cannot-start");
    let first = Server::start(&data, &NO_WRAPPER);
    let address = first.url.trim_start_matches("http://").to_owned();
    let other = data.join("other").display().to_string();
    let same = data.display().to_string();
    let file = data.join("a-file");
    std::fs::write(&file, "{]").unwrap();
    let file = file.display().to_string();
    let in_file = format!("{file}/data");
    for (more, expected) in [
        (
            vec!["--listen", &address, "--data", &other],
            format!("cannot listen at {address}: "),
        ),
        (
            vec!["--data", &same],
            format!("{same} is in use by another server"),
        ),
        (
            vec!["--data", &in_file],
            format!("the data directory {in_file} cannot be created: "),
        ),
        (
            vec!["--data", &other, "--import", &file],
            format!("{file}:1:2: invalid JSON"),
        ),
    ] {
        let Ended { code, stdout, stderr } = process::fail_with_secrets(&more);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{more:?}: {stderr}");
        assert!(
            stderr.contains(&format!("error: {expected}")),
            "{expected} is not in:\n{stderr}"
        );
    }
}

#[tokio::test]
async fn it_listens_on_the_printed_address_and_a_signal_ends_it_with_status_0() {
    for signal in ["TERM", "INT"] {
        let server = Server::start(&data("signals"), &NO_WRAPPER);
        let (status, health) = server.call("health", &Value::Null).await;
        assert_eq!((status, &health["status"]), (200, &json!("ok")));
        server.signal(signal);
        assert_eq!(server.end().code, Some(0), "SIG{signal}");
    }
}

#[tokio::test]
async fn acknowledged_messages_survive_a_kill() {
    let data = data("killed");
    let mut server = Server::start(&data, &NO_WRAPPER);
    let (status, begun) = server.call("start", &start_input(MESSAGE)).await;
    assert_eq!(status, 200, "{begun}");
    let session = begun["cloudAgentSessionId"].as_str().unwrap();
    server.kill();

    let server = Server::start(&data, &NO_WRAPPER);
    let query = json!({"cloudAgentSessionId": session});
    let (status, session_view) = server.call("getSession", &query).await;
    assert_eq!((status, &session_view["sessionId"]), (200, &json!(session)));
    let again = json!({"cloudAgentSessionId": session, "message": {"prompt": "hello", "id": MESSAGE}});
    let (status, acknowledged) = server.call("send", &again).await;
    assert_eq!((status, &acknowledged["delivery"]), (200, &json!("queued")));
    let other = json!({"cloudAgentSessionId": session, "message": {"prompt": "bye", "id": MESSAGE}});
    assert_eq!(server.call("send", &other).await.0, 400, "the message is known");
}

#[tokio::test]
async fn a_test_clock_moves_the_time_and_a_restart_keeps_it() {
    let data = data("test-clock");
    let arguments = [&NO_WRAPPER[..], &["--test-clock", "127.0.0.1:0"]].concat();
    let mut server = Server::start(&data, &arguments);
    let time = async |server: &Server| -> Timestamp {
        let (_, health) = server.call("health", &Value::Null).await;
        health["timestamp"].as_str().unwrap().parse().unwrap()
    };
    let before = time(&server).await;
    let (status, answer) = server.advance(&json!({"ms": 30_000})).await;
    assert_eq!((status, &answer["advancedMs"]), (200, &json!(30_000)), "{answer}");
    assert!(time(&server).await >= before + SignedDuration::from_secs(30));
    // A message is due for delivery one second after its admission.
    let (status, begun) = server.call("start", &start_input(MESSAGE)).await;
    assert_eq!(status, 200, "{begun}");
    let (_, answer) = server.advance(&json!({"ms": 0})).await;
    assert!(answer["nextMs"].as_u64().unwrap() <= 1000, "{answer}");
    let (status, _) = server.advance(&json!({"minutes": 1})).await;
    assert_eq!(status, 400);
    server.kill();
    let server = Server::start(&data, &arguments);
    let (_, answer) = server.advance(&json!({"ms": 0})).await;
    assert_eq!(answer["advancedMs"], json!(30_000));
}

#[tokio::test]
async fn a_session_of_an_older_service_is_imported_once() {
    let data = data("import");
    let session = "agent_0e25b4bc-4a3d-4a63-8d9f-2ce7c2c11111";
    std::fs::create_dir_all(&data).unwrap();
    let file = data.join("import.json");
    let record = json!({"version": 1, "timestamp": 1_790_000_000_000_u64, "sessionId": session, "userId": process::USER,
        "prompt": "p", "mode": "code", "model": "m", "githubRepo": "acme/widgets"});
    let session_file = json!({"user": process::USER, "record": record});
    std::fs::write(&file, session_file.to_string()).unwrap();
    let file = file.display().to_string();
    let arguments = [&NO_WRAPPER[..], &["--import", &file]].concat();
    let query = json!({"cloudAgentSessionId": session});
    let mut server = Server::start(&data, &arguments);
    let (status, session_view) = server.call("getSession", &query).await;
    assert_eq!(
        (status, &session_view["mode"]),
        (200, &json!("code")),
        "{session_view}"
    );
    let deleted = server.call("deleteSession", &json!({"sessionId": session})).await;
    assert_eq!(deleted.0, 200);
    server.kill();
    let server = Server::start(&data, &arguments);
    assert_eq!(server.call("getSession", &query).await.0, 404, "it stays deleted");
}

#[tokio::test]
async fn a_clean_exit_closes_sockets_with_1001_and_the_next_start_begins_the_grace() {
    let data = data("orderly");
    let wrapper = Wrapper::start().await;
    let pace = Pace {
        since: real::seams().clock.now(),
        times: 20,
    };
    let (speed, since) = (pace.times.to_string(), pace.since.to_string());
    let arguments = [
        "--wrapper-url",
        &wrapper.url,
        "--speed",
        &speed,
        "--speed-since",
        &since,
    ];
    let server = Server::start(&data, &arguments);
    let (status, begun) = server.call("start", &start_input(MESSAGE)).await;
    assert_eq!(status, 200, "{begun}");
    let session = begun["cloudAgentSessionId"].as_str().unwrap();
    let mut stream = open_stream(&server, session, &pace).await;
    let mut ingest = wrapper.open_ingest(session).await;
    until(&mut stream, "cloud.message.sent").await;

    server.signal("TERM");
    assert_eq!(closed_with(&mut stream).await, Some(1001));
    assert_eq!(closed_with(&mut ingest).await, Some(1001));
    assert_eq!(server.end().code, Some(0));

    let restart = pace.at(real::seams().clock.now());
    let server = Server::start(&data, &arguments);
    let mut stream = open_stream(&server, session, &pace).await;
    let failed = until(&mut stream, "cloud.message.failed").await;
    assert_eq!(failed["data"]["reason"], "wrapper_disconnected");
    let at: Timestamp = failed["timestamp"].as_str().unwrap().parse().unwrap();
    let grace = SignedDuration::from_secs(10);
    assert!(at >= restart + grace, "started at {restart}, given up at {at}");
}

async fn open_stream(server: &Server, session: &str, pace: &Pace) -> WebSocket {
    let ticket = ticket(session, pace.at(real::seams().clock.now()));
    let authority = server.url.trim_start_matches("http://");
    let url = format!("ws://{authority}/stream?cloudAgentSessionId={session}&ticket={ticket}");
    let network = real::seams().network;
    websocket::open(&*network, &url.parse().unwrap(), None)
        .await
        .unwrap()
}

/// Returns the next event of that type.
async fn until(stream: &mut WebSocket, event_type: &str) -> Value {
    in_time(async {
        while let Some(Ok(message)) = stream.next().await {
            if let Message::Text(text) = message {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["streamEventType"] == event_type {
                    return frame;
                }
            }
        }
        panic!("the stream ended before {event_type}");
    })
    .await
}

async fn closed_with(socket: &mut WebSocket) -> Option<u16> {
    in_time(async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code.into());
            }
        }
        None
    })
    .await
}

#[tokio::test]
async fn a_second_signal_does_not_wait_for_pending_requests() {
    let server = Server::start(&data("second-signal"), &NO_WRAPPER);
    // An incomplete request is pending for as long as the server waits.
    let authority = server.url.trim_start_matches("http://");
    let mut slow = real::seams().network.connect(authority).await.unwrap();
    let head = "POST /trpc/health HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut slow, head.as_bytes())
        .await
        .unwrap();
    assert_eq!(server.call("health", &Value::Null).await.0, 200);
    server.signal("TERM");
    server.log_line("server ending");
    server.signal("TERM");
    assert_eq!(server.end().code, Some(130));
}
