//! The process of a client under test: its orders, its lines, and the end of its standard error.

use std::collections::VecDeque;
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The number of last lines of standard error that a finding shows.
const LAST_LINES: usize = 12;
/// The longest line of a client, in bytes.
const LONGEST_LINE: u64 = 16 << 20;

/// A running client. It is killed when this is dropped.
pub(super) struct Process {
    child: Child,
    orders: ChildStdin,
    lines: mpsc::UnboundedReceiver<Line>,
    log: Arc<Mutex<VecDeque<String>>>,
    log_reader: JoinHandle<()>,
}

/// What a client printed.
#[derive(Debug)]
pub(super) enum Line {
    /// A JSON line.
    Json(Value),
    /// A line that is not JSON, with the error.
    Wrong(String),
}

impl Process {
    /// Starts a command with the shell.
    pub fn start(command: &str) -> io::Result<Self> {
        let mut child = Command::new("sh")
            .arg("-c")
            // The program replaces the shell, so that it gets the signal at the end.
            .arg(format!("exec {command}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("a pipe to the client is missing");
        let orders = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let (sender, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut reader = BufReader::new(stdout);
            loop {
                let mut line = Vec::new();
                let read = (&mut reader)
                    .take(LONGEST_LINE)
                    .read_until(b'\n', &mut line)
                    .await;
                if !matches!(read, Ok(1..)) {
                    return;
                }
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let parsed = serde_json::from_slice(&line).map_or_else(
                    |error| Line::Wrong(format!("{}: {error}", String::from_utf8_lossy(line.trim_ascii()))),
                    Line::Json,
                );
                if sender.send(parsed).is_err() {
                    return;
                }
            }
        });
        let log: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let kept = Arc::clone(&log);
        let log_reader = tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_back(line);
                if kept.len() > LAST_LINES {
                    kept.pop_front();
                }
            }
        });
        Ok(Self {
            child,
            orders,
            lines,
            log,
            log_reader,
        })
    }

    /// Sends an order. A client that has ended does not get it; its next line is missing then.
    pub async fn order(&mut self, order: &Value) {
        let line = format!("{order}\n");
        // The end of the client is noticed where its answer is awaited.
        let _ = self.orders.write_all(line.as_bytes()).await;
        let _ = self.orders.flush().await;
    }

    /// The next line; `None` once the client has closed its output.
    pub async fn line(&mut self) -> Option<Line> {
        self.lines.recv().await
    }

    /// Waits until the client has ended and its standard error is read.
    pub async fn ended(&mut self) {
        if !self.log_reader.is_finished() {
            // It ends with the log, and does not panic.
            let _ = (&mut self.log_reader).await;
        }
        // If its status cannot be read, the time limit ends the wait.
        if self.child.wait().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Why the client does not answer, in words, with the end of its standard error.
    pub fn condition(&mut self) -> String {
        let ended = match self.child.try_wait() {
            Ok(Some(status)) => format!("it ended ({status})"),
            Ok(None) => "it runs".to_owned(),
            Err(error) => error.to_string(),
        };
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        match log.is_empty() {
            true => ended,
            false => {
                let lines: Vec<&str> = log.iter().map(String::as_str).collect();
                format!("{ended}; standard error ends with: {}", lines.join(" | "))
            }
        }
    }
}
