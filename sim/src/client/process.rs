//! The lines of a client under test: the orders that it reads and the JSON lines that it prints.

use std::io;

use serde_json::Value;
use tokio::sync::mpsc;

use crate::role::process::{Log, Process};

/// A running client. It is killed when this is dropped.
pub(super) struct ClientProcess {
    process: Process,
    lines: mpsc::UnboundedReceiver<Line>,
}

/// What a client printed.
#[derive(Debug)]
pub(super) enum Line {
    /// A JSON line.
    Json(Value),
    /// A line that is not JSON, with the error.
    Wrong(String),
}

impl ClientProcess {
    /// Starts a command with the shell.
    pub fn start(command: &str) -> io::Result<Self> {
        let (sender, lines) = mpsc::unbounded_channel();
        let process = Process::start(command, &[], Log::default(), move |line| {
            let parsed = serde_json::from_slice(line).map_or_else(
                |error| Line::Wrong(format!("{}: {error}", String::from_utf8_lossy(line.trim_ascii()))),
                Line::Json,
            );
            sender.send(parsed).is_ok()
        })?;
        Ok(Self { process, lines })
    }

    /// Sends an order. A client that has ended does not get it; its next line is missing then.
    pub async fn order(&mut self, order: &Value) {
        self.process.write_line(&order.to_string()).await;
    }

    /// The next line; `None` once the client has closed its output.
    pub async fn line(&mut self) -> Option<Line> {
        self.lines.recv().await
    }

    /// Waits until the client has ended and its standard error is read.
    pub async fn ended(&mut self) {
        self.process.ended().await;
    }

    /// Why the client does not answer, in words, with the end of its standard error.
    pub fn condition(&mut self) -> String {
        self.process.condition()
    }
}
