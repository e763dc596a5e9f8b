//! What a case can do and expect: a client's process, a played server, and the events of a session.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::Observation;
use turnstile_judge::parties::SERVER;
use turnstile_seams::ClockExt as _;

use super::Client;
use super::comparison::{self, Difference};
use super::model::{Model, SESSION};
use super::process::{ClientProcess, Line};
use super::rules::{RESUMES, RUNS};
use super::server::{Called, Opened, Server};
use crate::role::case::Step;
use crate::role::record::Record;
use crate::role::socket::Cut;
use crate::role::{CALM, STARTING};
use crate::script::Verdict;

/// The party of the client under test.
const CLIENT: &str = "client";
/// The ticket of every stream, and the token of every call. The played server does not check them by signature.
const TICKET: &str = "ticket-of-the-harness";
pub(super) const TOKEN: &str = "token-of-the-harness";
/// The close code of a server that ends.
pub(super) const GOING_AWAY: u16 = 1001;
/// How long the end of standard error is awaited after the end of the output.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Time between two reports while a view is awaited.
const REPORT_INTERVAL: Duration = Duration::from_millis(15);

/// A case in progress.
pub struct Stage {
    pub(super) record: Record,
    pub(super) model: Model,
    pub(super) server: Server,
    process: ClientProcess,
    patience: Duration,
    /// The session that the client was given.
    pub(super) session: Value,
    /// Number of the open stream.
    stream: Option<usize>,
    /// Number of streams that were awaited.
    awaited: usize,
    /// The cursor of the client in the last view that was as expected.
    cursor: u64,
}

impl Stage {
    /// Starts the server and the client.
    pub(super) async fn start(client: &Client) -> io::Result<Self> {
        Ok(Self {
            record: Record::begin(),
            model: Model::default(),
            server: Server::start()?,
            process: ClientProcess::start(&client.command)?,
            patience: client.patience,
            session: json!({}),
            stream: None,
            awaited: 0,
            cursor: 0,
        })
    }

    /// Ends the client, and returns the verdict.
    pub(super) async fn finish(mut self) -> Verdict {
        if self.record.is_clean() {
            self.order(json!({"do": "exit"})).await;
            let clock = self.record.seams.clock.clone();
            let patience = self.patience * STARTING;
            let ended = clock.timeout(patience, async { while self.process.line().await.is_some() {} });
            if ended.await.is_err() {
                let text = format!(
                    "the client did not end within {} s of `exit`",
                    patience.as_secs_f64()
                );
                self.record.find(&RUNS, text);
            }
        }
        self.record.into_verdict()
    }

    async fn order(&mut self, order: Value) {
        self.record.step(order.to_string());
        self.process.order(&order).await;
    }

    /// Orders the client to connect, with a fetched session, and waits for its stream.
    pub(super) async fn connect(&mut self, session: Value) -> Step {
        let authority = self.server.authority();
        self.session = session.clone();
        self.order(json!({
            "do": "connect",
            "stream": format!("ws://{authority}/stream?cloudAgentSessionId={SESSION}&ticket={TICKET}"),
            "session": session,
        }))
        .await;
        self.reconnected().await
    }

    /// Orders the client to send a message.
    pub(super) async fn send(&mut self, id: &str, text: &str) {
        let authority = self.server.authority();
        self.order(json!({
            "do": "send", "url": format!("http://{authority}/trpc/send"), "token": TOKEN,
            "cloudAgentSessionId": SESSION, "id": id, "text": text,
        }))
        .await;
    }

    /// How long the client has to open a stream. Before the first one, its interpreter starts.
    fn time_for_stream(&self) -> Duration {
        match self.awaited {
            0 => self.patience * STARTING,
            _ => self.patience,
        }
    }

    /// Waits for the next stream of the client that is not refused, checks its request, and sends it what a new
    /// connection gets.
    pub(super) async fn reconnected(&mut self) -> Step {
        let mut refused = Vec::new();
        let opened = loop {
            let Some(opened) = self.next_stream().await? else {
                let seconds = self.time_for_stream().as_secs_f64();
                let text = format!(
                    "the client opened no stream within {seconds} s; {}",
                    self.process.condition()
                );
                return self.record.violated(&RESUMES, text);
            };
            if !opened.is_refused {
                break opened;
            }
            refused.push(opened);
        };
        for opened in refused.iter().chain([&opened]) {
            self.check_request(opened)?;
        }
        self.stream = Some(self.awaited - 1);
        let frames = self.model.connection(opened.from().unwrap_or_default());
        self.write(frames);
        Ok(())
    }

    /// The next stream; `None` if the client has ended or opens none in time.
    async fn next_stream(&mut self) -> Step<Option<Opened>> {
        let clock = self.record.seams.clock.clone();
        let patience = self.time_for_stream();
        let server = self.server.clone();
        let number = self.awaited;
        let opening = async {
            loop {
                if let Some(opened) = server.opened().get(number).cloned() {
                    return opened;
                }
                server.news().await;
            }
        };
        let opened = tokio::select! {
            biased;
            opened = clock.timeout(patience, opening) => opened.ok(),
            () = self.process.ended() => None,
        };
        let Some(opened) = opened else {
            return Ok(None);
        };
        self.awaited += 1;
        self.record.observe(
            SERVER,
            match opened.is_refused {
                false => Observation::SocketOpened {
                    socket: self.awaited as u64,
                    to: CLIENT.to_owned(),
                    path: opened.path.clone(),
                    credentials: Credentials::Own,
                },
                true => Observation::SocketRefused {
                    socket: self.awaited as u64,
                    to: CLIENT.to_owned(),
                    path: opened.path.clone(),
                    credentials: Credentials::Own,
                    status: Some(503),
                    error: "refused by the harness".to_owned(),
                },
            },
        );
        Ok(Some(opened))
    }

    /// Checks the parameters of a stream. Its starting point is the cursor of the last view, or an event after it.
    fn check_request(&mut self, opened: &Opened) -> Step {
        for (name, value) in [("cloudAgentSessionId", SESSION), ("ticket", TICKET)] {
            if opened.parameter(name) != Some(value) {
                let text = format!(
                    "the stream was opened with {}, not with the given `{name}`",
                    opened.path
                );
                return self.record.violated(&RESUMES, text);
            }
        }
        let (least, most) = (self.cursor, self.model.last());
        match opened.from() {
            Some(from) if (least..=most).contains(&from) => Ok(()),
            _ => {
                let path = &opened.path;
                let text = format!("the stream was opened with {path}; the cursor is from {least} to {most}");
                self.record.violated(&RESUMES, text)
            }
        }
    }

    /// Writes frames to the open stream. Without one they are only in the model.
    pub(super) fn write(&mut self, frames: Vec<Value>) {
        let Some(stream) = self.stream else {
            return;
        };
        for frame in &frames {
            let (socket, frame) = (stream as u64 + 1, frame.clone().into());
            self.record
                .observe(SERVER, Observation::FrameSent { socket, frame });
        }
        self.server.write(stream, frames);
    }

    /// Makes an event in the model and writes it.
    pub(super) fn emit(&mut self, event: impl FnOnce(&mut Model) -> Value) {
        let frame = event(&mut self.model);
        self.write(vec![frame]);
    }

    /// Announces a cut to the client and ends its stream.
    pub(super) async fn cut(&mut self, cut: Cut) {
        self.order(json!({"do": "cut-follows"})).await;
        let Some(stream) = self.stream.take() else {
            return;
        };
        self.record.cut(CLIENT, stream as u64 + 1, cut);
        self.server.end(stream, cut);
    }

    /// Waits until the client's view is what follows from the events.
    pub(super) async fn shows_everything(&mut self) -> Step {
        self.shows(comparison::difference).await?;
        self.cursor = self.model.last();
        Ok(())
    }

    /// Waits until a view has no difference.
    pub(super) async fn shows(
        &mut self,
        differs: impl Fn(&Value, &Model, &Value) -> Option<Difference>,
    ) -> Step {
        let deadline = self.record.seams.clock.now() + self.patience;
        loop {
            let view = self.view().await?;
            if let Some((rule, text)) = comparison::malformed(&view) {
                return self.record.violated(rule, text);
            }
            let Some((rule, text)) = differs(&view, &self.model, &self.session) else {
                return Ok(());
            };
            if self.record.seams.clock.now() >= deadline {
                return self.record.violated(rule, text);
            }
            self.record.seams.clock.sleep(REPORT_INTERVAL).await;
        }
    }

    /// Asks the client for its view.
    async fn view(&mut self) -> Step<Value> {
        self.process.order(&json!({"do": "report"})).await;
        let clock = self.record.seams.clock.clone();
        let patience = self.patience;
        let waiting = async {
            loop {
                match self.process.line().await {
                    Some(Line::Json(mut line)) if line["view"].is_object() => return Ok(line["view"].take()),
                    Some(Line::Json(_)) => {}
                    Some(Line::Wrong(line)) => {
                        return Err(format!("the client printed a line that is not JSON: {line}"));
                    }
                    None => return Err("the client does not answer `report`".to_owned()),
                }
            }
        };
        let answered = clock.timeout(patience, waiting).await;
        match answered {
            Ok(Ok(view)) => Ok(view),
            Ok(Err(text)) => {
                // Without an end there is no last word on standard error.
                let _ = clock.timeout(LAST_WORDS, self.process.ended()).await;
                let text = format!("{text}; {}", self.process.condition());
                self.record.violated(&RUNS, text)
            }
            Err(_) => {
                let seconds = patience.as_secs_f64();
                let condition = self.process.condition();
                self.record.violated(
                    &RUNS,
                    format!("the client did not answer `report` within {seconds} s; {condition}"),
                )
            }
        }
    }

    /// Waits until the client has made that many calls.
    pub(super) async fn calls(&mut self, count: usize) -> Option<Vec<Called>> {
        let clock = self.record.seams.clock.clone();
        let server = self.server.clone();
        let waiting = async {
            while server.calls().len() < count {
                server.news().await;
            }
        };
        let waited = clock.timeout(self.patience, waiting).await;
        waited.ok().map(|()| self.server.calls())
    }

    /// Lets the short time of an absence pass.
    pub(super) async fn calm(&self) {
        self.record.seams.clock.sleep(CALM).await;
    }
}
