//! A server's process, and a client of it.

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
/// Nothing here takes longer on any machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long tokens are valid: on a fast clock too, longer than any test.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 365);
const SECRETS: [&str; 6] = [
    "--api-secret",
    "a",
    "--ticket-secret",
    "t",
    "--internal-api-key",
    "k",
];

/// How a process ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A server at work. Dropping it kills it.
pub struct Server {
    child: Child,
    pub url: String,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

/// An empty place for a directory of that name.
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

/// Calls the program with arguments with which it does not start.
pub fn fail(arguments: &[&str]) -> Ended {
    let output = program().args(arguments).output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The same with all that it needs besides.
pub fn fail_with_secrets(arguments: &[&str]) -> Ended {
    let others: &[&str] = if arguments.contains(&"--listen") {
        &["--wrapper-url", "http://127.0.0.1:9"]
    } else {
        &["--wrapper-url", "http://127.0.0.1:9", "--listen", "127.0.0.1:0"]
    };
    fail(&[&SECRETS, others, arguments].concat())
}

/// The lines of an output, as they come.
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
    /// Starts it, and waits until it says where it is.
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
        let Ok(line) = stdout.recv_timeout(PATIENCE) else {
            let log: Vec<String> = stderr.try_iter().collect();
            panic!("the server does not start: {log:?}");
        };
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{line}");
        Self {
            child,
            url,
            stdout,
            stderr,
        }
    }

    /// Sends it the signal of that name.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for a line of its log that has this in it.
    pub fn log_line(&self, text: &str) -> String {
        loop {
            let line = self.stderr.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no line of the log has {text:?} in it"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// As a machine does that is short of memory.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let collect = |lines: &Receiver<String>| {
            let mut text = String::new();
            // An output ends with its process.
            while let Ok(line) = lines.recv_timeout(PATIENCE) {
                text.push_str(&line);
                text.push('\n');
            }
            text
        };
        let stdout = collect(&self.stdout);
        let stderr = collect(&self.stderr);
        let code = self.child.wait().unwrap().code();
        assert_eq!(stdout, "", "its first line is its only one");
        Ended { code, stdout, stderr }
    }

    /// Calls a procedure as [`USER`]: the status, and the data or the error.
    pub async fn call(&self, procedure: &str, input: &Value) -> (u16, Value) {
        let token = token(real::seams().clock.now());
        let request = Request::post(format!("{}/trpc/{procedure}", self.url))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(input.to_string())))
            .unwrap();
        let network = real::seams().network;
        let (status, body) = in_time(async {
            let response = http_client::send(&network, request).await.unwrap();
            let status = response.status().as_u16();
            (status, http_client::read_body(response).await.unwrap())
        })
        .await;
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        let part = if status == 200 {
            &mut body["result"]["data"]
        } else {
            &mut body["error"]
        };
        (status, part.take())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub async fn in_time<F: Future>(future: F) -> F::Output {
    let clock = real::seams().clock;
    clock.timeout(PATIENCE, future).await.expect("it comes in time")
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
