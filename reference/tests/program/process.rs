//! The server's process, and a client of it.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt as _, Claims, Header};
use serde_json::{Value, json};
use turnstile_seams::{ClockExt as _, http_client, real};

pub const USER: &str = "user-1";
/// The time-out of every wait; no step takes longer on any machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// The validity of tokens: longer than any test, also on a fast clock.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 365);
const SECRETS: [&str; 6] = [
    "--api-secret",
    "a",
    "--ticket-secret",
    "t",
    "--internal-api-key",
    "k",
];

/// The output and the exit status of a process.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A running server, killed when dropped.
pub struct Server {
    child: Child,
    pub url: String,
    /// The URL of its test clock, if it has one.
    test_clock: Option<String>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// The path of a data directory of that name, which does not exist yet.
pub fn data(name: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("program").join(name);
    match std::fs::remove_dir_all(&data) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", data.display()),
        _ => data,
    }
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnstile-server"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TURNSTILE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the program with arguments that make it fail.
pub fn fail(arguments: &[&str]) -> Ended {
    let output = program().args(arguments).output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Like [`fail`], with valid values for all other settings.
pub fn fail_with_secrets(arguments: &[&str]) -> Ended {
    let others: &[&str] = if arguments.contains(&"--listen") {
        &["--wrapper-url", "http://127.0.0.1:9"]
    } else {
        &["--wrapper-url", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"]
    };
    fail(&[&SECRETS, others, arguments].concat())
}

/// Returns the lines of an output as they are written.
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

impl Server {
    /// Starts the server and waits for its `listening` line.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut child = program()
            .args(SECRETS)
            .args(["--listen", "127.0.0.1:0"])
            .arg("--data")
            .arg(data)
            .args(arguments)
            .spawn()
            .unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        let next_line = || {
            stdout.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                let log: Vec<String> = stderr.try_iter().collect();
                panic!("the server does not start: {log:?}");
            })
        };
        let mut line = next_line();
        let test_clock = line.strip_prefix("test clock on ").map(str::to_owned);
        if test_clock.is_some() {
            line = next_line();
        }
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{line}");
        Self {
            child,
            url,
            test_clock,
            stdout,
            stderr,
        }
    }

    /// Sends the signal of that name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for a log line that contains `text`.
    pub fn log_line(&self, text: &str) -> String {
        loop {
            let line = self.stderr.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no log line contains {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Kills the process without warning, as an operating system does that is out of memory.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the process to end.
    pub fn end(mut self) -> Ended {
        let collect = |lines: &Receiver<String>| {
            let mut text = String::new();
            // The output is closed when the process ends.
            while let Ok(line) = lines.recv_timeout(PATIENCE) {
                text.push_str(&line);
                text.push('\n');
            }
            text
        };
        let stdout = collect(&self.stdout);
        let stderr = collect(&self.stderr);
        let code = self.child.wait().unwrap().code();
        assert_eq!(stdout, "", "only one line of output");
        Ended { code, stdout, stderr }
    }

    /// Asks the test clock. Returns the status and the answer.
    pub async fn advance(&self, request: &Value) -> (u16, Value) {
        let url = format!("{}/test/advance", self.test_clock.as_ref().unwrap());
        let body = Full::new(Bytes::from(request.to_string()));
        sent(Request::post(url).body(body).unwrap()).await
    }

    /// Calls a procedure as [`USER`]. Returns the status, and the data or the error.
    pub async fn call(&self, procedure: &str, input: &Value) -> (u16, Value) {
        let token = token(real::seams().clock.now());
        let request = Request::post(format!("{}/trpc/{procedure}", self.url))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(input.to_string())))
            .unwrap();
        let (status, mut body) = sent(request).await;
        let part = if status == 200 {
            &mut body["result"]["data"]
        } else {
            &mut body["error"]
        };
        (status, part.take())
    }
}

/// Sends a request. Returns the status and the body.
async fn sent(request: Request<Full<Bytes>>) -> (u16, Value) {
    let network = real::seams().network;
    let (status, body) = in_time(async {
        let response = http_client::send(&network, request).await.unwrap();
        let status = response.status().as_u16();
        (status, http_client::read_body(response).await.unwrap())
    })
    .await;
    (status, serde_json::from_slice(&body).unwrap())
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub async fn in_time<F: Future>(future: F) -> F::Output {
    let clock = real::seams().clock;
    clock.timeout(PATIENCE, future).await.expect("completed in time")
}

fn token(now: Timestamp) -> String {
    let exp = (now + TOKEN_LIFETIME).as_second();
    sign(&json!({"kiloUserId": USER, "version": 3, "exp": exp}), "a")
}

pub fn ticket(session: &str, now: Timestamp) -> String {
    let exp = (now + TOKEN_LIFETIME).as_second();
    let claims = json!({"type": "stream_ticket", "userId": USER, "cloudAgentSessionId": session, "exp": exp});
    sign(&claims, "t")
}

fn sign(claims: &Value, secret: &str) -> String {
    let token = Hs256.token(&Header::empty(), &Claims::new(claims), &Hs256Key::new(secret));
    token.unwrap()
}
