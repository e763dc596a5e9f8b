//! `turnstile up`: executes the commands that it prints, on real sockets.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where its process does not do as expected"
)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use turnstile_seams::{http_client, real};

use crate::tool::{command, scratch};

/// Time limit for each line of output.
const LINE_TIMEOUT: Duration = Duration::from_secs(60);
/// The last line of the instructions.
const LAST_LINE: &str = "Press Ctrl-C here to stop.";

pub fn output(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let both = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(both).unwrap())
}

/// A running `turnstile up`, killed on drop.
pub struct Up {
    child: Child,
    lines: Receiver<String>,
    /// The printed instructions.
    instructions: Vec<String>,
}

impl Up {
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = command(&["up"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut up = Self {
            child,
            lines,
            instructions: Vec::new(),
        };
        while up.instructions.last().is_none_or(|line| line != LAST_LINE) {
            let line = up.line();
            up.instructions.push(line);
        }
        up
    }

    /// Returns the next line of output.
    fn line(&self) -> String {
        let line = self.lines.recv_timeout(LINE_TIMEOUT);
        line.expect("another line is printed in time")
    }

    /// Returns the rest of the instruction line with this prefix.
    pub fn word(&self, beginning: &str) -> &str {
        let mut found = self
            .instructions
            .iter()
            .filter_map(|line| line.strip_prefix(beginning));
        found
            .next()
            .unwrap_or_else(|| panic!("no line begins with {beginning:?}"))
    }

    /// The printed shell commands.
    fn commands(&self) -> String {
        let from = self
            .instructions
            .iter()
            .position(|line| line.starts_with("# Settings"))
            .unwrap();
        let lines = self.instructions[from..].iter().filter(|line| *line != LAST_LINE);
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// The URL of the server and of the page.
    pub fn server(&self) -> String {
        self.word("export TURNSTILE_SERVER=").to_owned()
    }

    /// Sends SIGINT and returns the exit status.
    fn end(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", "INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have exited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn call(server: &str, procedure: &str, token: &str, input: &Value) -> (u16, Value) {
    let request = Request::post(format!("{server}/trpc/{procedure}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(input.to_string())))
        .unwrap();
    let (status, _, body) = answer_to(request);
    (status, serde_json::from_slice(&body).unwrap())
}

/// Sends a request and returns status, headers and body of the answer.
pub fn answer_to(request: Request<Full<Bytes>>) -> (u16, HeaderMap, Bytes) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let response = http_client::forward(&real::seams().network, request)
            .await
            .unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = http_client::read_body(response).await.unwrap();
        (status, headers, body)
    })
}

#[test]
fn the_printed_settings_lead_to_a_streamed_reply_and_no_files_remain() {
    let up = Up::start(&[]);
    let server = up.word("export TURNSTILE_SERVER=").to_owned();
    let secret = up.word("export TURNSTILE_TICKET_SECRET=").to_owned();
    let receiver = up.word("receiver  ").split(',').next().unwrap().to_owned();
    let state = up.word("server    ").split_once("state in ").unwrap().1;
    let state = PathBuf::from(state.split(' ').next().unwrap());
    assert!(state.join("turnstile.redb").is_file(), "{}", state.display());

    let start = json!({
        "message": {"prompt": "__fake__:slow:3:1"},
        "agent": {"mode": "code", "model": "fake-deterministic"},
        "repository": {"type": "github", "repo": "acme/widgets"},
        "options": {"callbackTarget": {"url": format!("{receiver}/done")}},
    });
    let (status, begun) = call(&server, "start", up.word("TOKEN="), &start);
    assert_eq!(status, 200, "{begun}");
    let session = begun["result"]["data"]["cloudAgentSessionId"].as_str().unwrap();

    let stream = |more: &[&str]| {
        let mut command = command(&[
            "stream",
            session,
            "--server",
            &server,
            "--until",
            "cloud.message.completed",
        ]);
        output(command.args(more).env("TURNSTILE_TICKET_SECRET", &secret))
    };
    assert_eq!(
        stream(&["--text"]),
        (Some(0), "chunk-1 chunk-2 chunk-3 \n".to_owned())
    );
    let (code, frames) = stream(&["--from-id", "1"]);
    assert_eq!(code, Some(0), "{frames}");
    for line in frames.lines() {
        let frame: Value = serde_json::from_str(line).unwrap();
        assert_ne!(frame["eventId"], 1);
    }
    let callback = up.line();
    let callback: Value =
        serde_json::from_str(callback.strip_prefix("callback at /done: ").unwrap()).unwrap();
    assert_eq!(callback["lastAssistantMessageText"], "chunk-1 chunk-2 chunk-3");

    assert_eq!(up.end(), Some(0));
    assert!(!state.exists(), "{} is left", state.display());
}

#[test]
fn the_printed_commands_run_unchanged() {
    let is_installed = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !is_installed("curl") {
        println!("there is no curl: nothing was looked at");
        return;
    }
    let up = Up::start(&["--user", "it's me"]);
    let commands = up.commands();
    let commands = commands.replace("websocat ", ": websocat ");
    let bin = Path::new(env!("CARGO_BIN_EXE_turnstile")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(bin.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let (code, told) = output(
        Command::new("sh")
            .args(["-e", "-c", &commands])
            .env("PATH", path.unwrap()),
    );
    assert_eq!(code, Some(0), "{told}");
    let reply: String = (1..=10).map(|number| format!("chunk-{number} ")).collect();
    assert!(told.contains(&format!("{reply}\n")), "{told}");
    assert!(told.contains("\"delivery\":\"queued\""), "{told}");
    assert!(told.contains("\"text\":\"chunk-1 "), "{told}");
}

#[test]
fn tokens_are_signed_with_given_secrets() {
    let data = scratch("up-with-secrets");
    let data_name = data.to_str().unwrap();
    let up = Up::start(&[
        "--data",
        data_name,
        "--api-secret",
        "a",
        "--ticket-secret",
        "it's t",
    ]);
    let server = up.word("export TURNSTILE_SERVER=").to_owned();
    assert_eq!(up.word("export TURNSTILE_TICKET_SECRET="), r"'it'\''s t'");
    let token = |more: &[&str]| {
        let mut command = command(&["token", "--api-secret", "a"]);
        output(command.args(more)).1.trim().to_owned()
    };
    let nowhere = json!({"cloudAgentSessionId": "agent_00000000-0000-0000-0000-000000000000"});
    let status = |token: &str| call(&server, "getSession", token, &nowhere).0;
    assert_eq!(status(&token(&[])), 404);
    assert_eq!(status(&token(&["--user", "somebody", "--valid-for", "1h"])), 404);
    assert_eq!(status(&token(&["--valid-for=-1h"])), 401);

    let session = nowhere["cloudAgentSessionId"].as_str().unwrap();
    for (secret, told) in [
        ("it's t", "refused the stream: 404"),
        ("another", "refused the stream: 401"),
    ] {
        let arguments = ["stream", session, "--server", &server, "--ticket-secret", secret];
        let (code, text) = output(&mut command(&arguments));
        assert_eq!(code, Some(1));
        assert!(text.contains(told), "{text}");
    }
    let (code, text) = output(&mut command(&[
        "stream",
        session,
        "--server",
        "ftp://x",
        "--ticket-secret",
        "t",
    ]));
    assert_eq!(code, Some(2), "{text}");
    assert_eq!(up.end(), Some(0));
    assert!(data.join("turnstile.redb").is_file(), "what was given is kept");
}

#[test]
fn a_port_in_use_exits_with_3() {
    let up = Up::start(&[]);
    let port = up.word("export TURNSTILE_SERVER=").rsplit_once(':').unwrap().1;
    let (code, text) = output(&mut command(&["up", "--port", port]));
    assert_eq!(code, Some(3));
    assert!(
        text.contains(&format!("cannot listen at 127.0.0.1:{port}: ")),
        "{text}"
    );
}
