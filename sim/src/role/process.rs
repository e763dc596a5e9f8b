//! The process of a party under test, and the end of what it printed for people.

use std::collections::VecDeque;
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

/// The number of last lines that a finding shows.
const LAST_LINES: usize = 12;
/// The longest line of a party, in bytes.
const LONGEST_LINE: u64 = 16 << 20;

/// The last lines that a process printed for people.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    /// Adds a line.
    pub fn push(&self, line: &[u8]) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(String::from_utf8_lossy(line.trim_ascii()).into_owned());
        if lines.len() > LAST_LINES {
            lines.pop_front();
        }
    }

    fn text(&self) -> Option<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        (!lines.is_empty()).then(|| lines.join(" | "))
    }
}

/// A running party. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    log: Log,
    log_reader: JoinHandle<()>,
}

impl Process {
    /// Starts a command with the shell, with further variables in its environment. `on_line` gets each line of standard
    /// output, and returns whether it wants more; `log` gets standard error.
    pub fn start(
        command: &str,
        environment: &[(&str, String)],
        log: Log,
        on_line: impl FnMut(&[u8]) -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let mut child = Command::new("sh")
            .arg("-c")
            // The program replaces the shell, so that it gets the signal at the end.
            .arg(format!("exec {command}"))
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let missing = || io::Error::other("a pipe to the process is missing");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        tokio::spawn(read_lines(stdout, on_line));
        let kept = log.clone();
        let log_reader = tokio::spawn(read_lines(stderr, move |line| {
            kept.push(line);
            true
        }));
        Ok(Self {
            child,
            stdin,
            log,
            log_reader,
        })
    }

    /// Writes a line to standard input. A process that has ended does not get it, which is noticed where its answer is
    /// awaited.
    pub async fn write_line(&mut self, line: &str) {
        let _ = self.stdin.write_all(format!("{line}\n").as_bytes()).await;
        let _ = self.stdin.flush().await;
    }

    /// Waits until the process has ended and its standard error is read.
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

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits for the last lines of a process that has ended.
    pub async fn settle(&mut self) {
        if self.has_ended() {
            self.ended().await;
        }
    }

    /// Whether the process runs, in words, with the end of its log.
    pub fn condition(&mut self) -> String {
        let ended = match self.child.try_wait() {
            Ok(Some(status)) => format!("it ended ({status})"),
            Ok(None) => "it runs".to_owned(),
            Err(error) => error.to_string(),
        };
        match self.log.text() {
            Some(log) => format!("{ended}; standard error ends with: {log}"),
            None => ended,
        }
    }
}

/// Reads lines that are not blank until the end, or until `on_line` wants no more.
async fn read_lines(output: impl AsyncRead + Unpin, mut on_line: impl FnMut(&[u8]) -> bool) {
    let mut reader = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        let read = (&mut reader)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .await;
        if !matches!(read, Ok(1..)) {
            return;
        }
        if !line.trim_ascii().is_empty() && !on_line(&line) {
            return;
        }
    }
}
