//! The wrapper's shell: passes inputs to the lifecycle and performs the resulting actions in order.
//!
//! It makes no decisions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use turnstile_events::observation::Probe;
use turnstile_seams::Seams;

use super::WrapperConfig;
use super::identifiers::Identifiers;
use super::ingest::IngestSocket;
use super::interception::Interceptor;
use super::kilo::GatewayClient;
use super::lifecycle::{Action, Input, Lifecycle, LinkId, RequestId};
use super::queue::FrameQueue;
use super::reply::Reply;
use super::request::Request;

/// The reply to a request; `None` closes the connection without an answer.
pub(super) type Answer = Option<Reply>;

/// An input of the host.
pub(super) enum Arrival {
    /// A request, and the channel for its answer.
    Request(Box<Request>, oneshot::Sender<Answer>),
    /// A report from a task of the host.
    Input(Input),
}

struct IngestTask {
    frames: FrameQueue,
    abort: AbortHandle,
}

/// A running wrapper.
pub(super) struct Host {
    seams: Seams,
    probe: Probe,
    gateway: GatewayClient,
    lifecycle: Lifecycle,
    interceptor: Arc<dyn Interceptor>,
    arrivals: UnboundedReceiver<Arrival>,
    /// Sender for the tasks; it also keeps `arrivals` open.
    reports: UnboundedSender<Arrival>,
    /// The time after which an opening is given up, where the lifecycle gives it up.
    abandons_after: Duration,
    last_request: u64,
    answers: BTreeMap<RequestId, oneshot::Sender<Answer>>,
    /// Sockets that have neither ended nor been released. A released socket's task finishes without
    /// supervision.
    ingests: BTreeMap<LinkId, IngestTask>,
    turn: Option<AbortHandle>,
    tasks: JoinSet<()>,
}

impl Host {
    /// A wrapper without a session, and the sender for its requests.
    pub(super) fn new(
        seams: Seams,
        probe: Probe,
        config: WrapperConfig,
        interceptor: Arc<dyn Interceptor>,
    ) -> (Self, UnboundedSender<Arrival>) {
        let (reports, arrivals) = mpsc::unbounded_channel();
        let host = Self {
            gateway: GatewayClient {
                url: config.gateway_url,
                seams: seams.clone(),
                probe: probe.clone(),
            },
            lifecycle: Lifecycle::new(
                Identifiers::new(seams.randomness.clone()),
                config.version,
                config.latency,
                config.reconnect_pauses,
                config.buffer,
            ),
            interceptor,
            seams,
            probe,
            arrivals,
            reports: reports.clone(),
            abandons_after: config.abandons_after,
            last_request: 0,
            answers: BTreeMap::new(),
            ingests: BTreeMap::new(),
            turn: None,
            tasks: JoinSet::new(),
        };
        (host, reports)
    }

    /// Runs without end.
    pub(super) async fn run(mut self) {
        loop {
            let deadline = self.lifecycle.next_deadline();
            let input = tokio::select! {
                biased;
                Some(ended) = self.tasks.join_next() => {
                    pass_panic_on(ended);
                    continue;
                }
                Some(arrival) = self.arrivals.recv() => self.receive(arrival),
                () = wait_until(&self.seams, deadline) => Input::Due,
            };
            let written_on = match &input {
                Input::FrameWritten(link) => Some(*link),
                _ => None,
            };
            for action in self.decide(input) {
                self.perform(action);
            }
            // The next frame is written after the actions, which may drop it.
            if let Some(ingest) = written_on.and_then(|link| self.ingests.get_mut(&link)) {
                ingest.frames.written();
            }
        }
    }

    fn decide(&mut self, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        for input in self.interceptor.inputs(input) {
            actions.extend(self.lifecycle.handle(self.seams.clock.now(), input));
        }
        self.interceptor.actions(actions)
    }

    fn receive(&mut self, arrival: Arrival) -> Input {
        match arrival {
            Arrival::Input(input) => {
                if let Input::LinkFailed(link, _) | Input::LinkLost(link, _) = &input {
                    self.ingests.remove(link);
                }
                input
            }
            Arrival::Request(request, answer) => {
                self.last_request += 1;
                let id = RequestId(self.last_request);
                self.answers.insert(id, answer);
                Input::Request(id, request)
            }
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Answer(request, reply) => self.answer(request, Some(reply)),
            Action::HangUp(request) => self.answer(request, None),
            Action::Open {
                link,
                url,
                token,
                gives_up,
            } => {
                let socket = IngestSocket {
                    link,
                    seams: self.seams.clone(),
                    probe: self.probe.clone(),
                    gives_up_after: gives_up.then_some(self.abandons_after),
                    interceptor: self.interceptor.clone(),
                    report: self.reporter(),
                };
                let (frames, unwritten) = FrameQueue::new();
                // The future of a task is copied several times before the task starts, and these are large.
                let abort = self.tasks.spawn(Box::pin(socket.run(url, token, unwritten)));
                self.ingests.insert(link, IngestTask { frames, abort });
            }
            Action::Send(link, frame) => {
                if let Some(ingest) = self.ingests.get_mut(&link) {
                    ingest.frames.push(frame);
                }
            }
            Action::DropComplete(link) => {
                if let Some(ingest) = self.ingests.get_mut(&link) {
                    ingest.frames.drop_complete();
                }
            }
            Action::Close(link) => {
                if let Some(ingest) = self.ingests.remove(&link) {
                    ingest.frames.close();
                }
            }
            Action::Abandon(link) => {
                if let Some(ingest) = self.ingests.remove(&link) {
                    ingest.abort.abort();
                }
            }
            Action::StartTurn(turn, prompt) => {
                let report = self.reporter();
                let call = self
                    .gateway
                    .clone()
                    .run(prompt, move |progress| report(Input::Progress(turn, progress)));
                self.turn = Some(self.tasks.spawn(Box::pin(call)));
            }
            Action::StopTurn(_) => {
                if let Some(call) = self.turn.take() {
                    call.abort();
                }
            }
        }
    }

    fn answer(&mut self, request: RequestId, answer: Answer) {
        let answered = self.answers.remove(&request).expect("a request is answered once");
        // The requester may have disconnected.
        let _ = answered.send(answer);
    }

    fn reporter(&self) -> impl Fn(Input) + Send + Sync + 'static {
        let reports = self.reports.clone();
        move |input| {
            // The host may have ended.
            let _ = reports.send(Arrival::Input(input));
        }
    }
}

/// Propagates the panic of a task: it is a broken invariant of the whole wrapper.
fn pass_panic_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

async fn wait_until(seams: &Seams, deadline: Option<Timestamp>) {
    match deadline {
        Some(deadline) => seams.clock.sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
