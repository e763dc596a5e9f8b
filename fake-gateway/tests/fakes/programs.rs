//! Tests of the fakes as programs: they print their address and serve requests.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where its process does not do as expected"
)]

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use turnstile_seams::{http_client, real};

const GATEWAY: &str = env!("CARGO_BIN_EXE_fake-gateway");
const RECEIVER: &str = env!("CARGO_BIN_EXE_fake-receiver");
const WRAPPER: &str = env!("CARGO_BIN_EXE_fake-wrapper");

/// Longer than any step takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running fake. Dropping it kills the process.
struct Fake {
    child: Child,
    url: String,
    stderr: Receiver<String>,
}

/// The lines of an output, as they arrive.
fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Fake {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        let line = stdout.recv_timeout(PATIENCE).unwrap();
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Self { child, url, stderr }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let response = http_client::send(&real::seams().network, request).await.unwrap();
        let status = response.status().as_u16();
        let body = http_client::read_body(response).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        // The process may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn each_program_serves_at_its_printed_address_with_its_control_route() {
    let gateway = Fake::start(GATEWAY, &[]);
    let (status, models) = gateway
        .send(Method::GET, "/api/openrouter/models", &Value::Null)
        .await;
    assert_eq!(
        (status, &models["data"][0]["id"]),
        (200, &json!("fake-deterministic"))
    );
    assert_eq!(
        gateway
            .send(Method::POST, "/test/release?tag=none", &Value::Null)
            .await
            .0,
        404
    );

    let wrapper = Fake::start(WRAPPER, &["--gateway", &gateway.url]);
    assert_eq!(wrapper.send(Method::GET, "/health", &Value::Null).await.0, 200);
    assert_eq!(
        wrapper
            .send(Method::POST, "/test/behaviour", &json!({"deaf": true}))
            .await
            .0,
        204
    );

    let receiver = Fake::start(RECEIVER, &[]);
    let late = json!([{"status": 500}, {"status": 200, "delayMs": 1}]);
    assert_eq!(receiver.send(Method::POST, "/test/answers", &late).await.0, 204);
    assert_eq!(receiver.send(Method::POST, "/done", &json!({})).await.0, 500);
    assert_eq!(receiver.send(Method::POST, "/done", &json!({})).await.0, 200);
}

#[tokio::test]
async fn log_wire_prints_observations_as_json_lines() {
    let receiver = Fake::start(RECEIVER, &["--log-wire"]);
    let sent = json!({"messageId": "m"});
    assert_eq!(receiver.send(Method::POST, "/done", &sent).await.0, 200);
    let line: Value = serde_json::from_str(&receiver.stderr.recv_timeout(PATIENCE).unwrap()).unwrap();
    assert_eq!(
        (&line["party"], &line["saw"]),
        (&json!("receiver"), &json!("request-received"))
    );
    assert_eq!((&line["path"], &line["body"]), (&json!("/done"), &sent));
    assert!(line["at"].is_string());
}

#[test]
fn usage_errors_exit_with_2_and_an_address_in_use_with_1() {
    let gateway = Fake::start(GATEWAY, &[]);
    let address = gateway.url.trim_start_matches("http://");
    for (program, arguments, code, message) in [
        (
            WRAPPER,
            &["--gateway", "gateway"][..],
            2,
            "expected a base URL without a path, such as http://127.0.0.1:9100",
        ),
        (WRAPPER, &[], 2, "--gateway <URL>"),
        (
            RECEIVER,
            &["--listen", address],
            1,
            "error: cannot listen on 127.0.0.1:",
        ),
    ] {
        let output = Command::new(program).args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
    }
}
