//! The operator's callback settings.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use turnstile_seams::{http_server, real};

use super::process::{Server, data, in_time};
use super::{MESSAGE, start_input};

/// Starts a wrapper that refuses every turn, and a callback receiver that forwards each callback and answers 500.
async fn wrapper_and_receiver() -> (String, mpsc::UnboundedReceiver<Value>) {
    let listener = real::seams().network.listen("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.authority());
    let (received, callbacks) = mpsc::unbounded_channel();
    let router = Router::new()
        .route("/session/ready", post(refuse))
        .route("/callback", post(receive))
        .with_state(received);
    tokio::spawn(http_server::serve(listener, router));
    (url, callbacks)
}

async fn refuse() -> Json<Value> {
    Json(json!({"status": "error", "error": {"code": "INVALID_REQUEST", "message": "no"}}))
}

async fn receive(
    State(received): State<mpsc::UnboundedSender<Value>>,
    Json(body): Json<Value>,
) -> StatusCode {
    received.send(body).unwrap();
    StatusCode::INTERNAL_SERVER_ERROR
}

/// Multi-threaded, because waiting for the log blocks a thread while the wrapper and the receiver answer.
#[tokio::test(flavor = "multi_thread")]
async fn callbacks_wait_for_a_server_with_a_queue_and_are_attempted_as_configured() {
    let (url, mut callbacks) = wrapper_and_receiver().await;
    let data = data("callbacks");
    let since = real::seams().clock.now().to_string();
    let common = ["--wrapper-url", &url, "--speed", "20", "--speed-since", &since];
    let mut input = start_input(MESSAGE);
    input["options"] = json!({"callbackTarget": {"url": format!("{url}/callback")}});

    let server = Server::start(&data, &[&common[..], &["--callback-queue", "off"]].concat());
    let (status, begun) = server.call("start", &input).await;
    assert_eq!(status, 200, "{begun}");
    let stored = server.log_line("callback stored");
    assert!(
        stored.contains("the callback queue rejected the job: this server has no callback queue"),
        "{stored}"
    );
    server.signal("TERM");
    assert_eq!(server.end().code, Some(0));
    assert!(callbacks.try_recv().is_err(), "no callback was sent");

    let settings = ["--callback-attempts", "2", "--callback-retry", "1s"];
    let server = Server::start(&data, &[&common[..], &settings].concat());
    for _ in 0..2 {
        let callback = in_time(callbacks.recv()).await.unwrap();
        assert_eq!(
            (&callback["messageId"], &callback["status"]),
            (&json!(MESSAGE), &json!("failed"))
        );
    }
    let given_up = server.log_line("callback given up: no attempts left");
    assert!(given_up.contains("attempt=2"), "{given_up}");
    assert!(callbacks.try_recv().is_err(), "no third attempt");
}
