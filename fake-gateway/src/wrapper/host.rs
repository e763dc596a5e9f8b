//! The only place where a wrapper acts: it hands what happens to the lifecycle and performs what that
//! decides, in order.
//!
//! It decides nothing itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use turnstile_seams::Seams;

use super::ask::{Ask, Reply};
use super::identifiers::Identifiers;
use super::ingest::IngestSocket;
use super::kilo::GatewayClient;
use super::lifecycle::{Action, Input, Lifecycle, RequestId};
use crate::observation::Witness;

/// What reaches the host.
pub(super) enum Arrival {
    /// A request, and where its answer goes.
    Asked(Ask, oneshot::Sender<Reply>),
    /// Something that one of the host's own tasks reports.
    Happened(Input),
}

/// An ingest socket's task.
struct IngestTask {
    frames: UnboundedSender<Value>,
    abort: AbortHandle,
}

/// One running wrapper.
pub(super) struct Host {
    seams: Seams,
    witness: Witness,
    gateway: GatewayClient,
    lifecycle: Lifecycle,
    arrivals: UnboundedReceiver<Arrival>,
    /// For the tasks; it also keeps `arrivals` open.
    reports: UnboundedSender<Arrival>,
    last_request: u64,
    answers: BTreeMap<RequestId, oneshot::Sender<Reply>>,
    /// There is one at a time; what is left of earlier ones ends by itself.
    ingest: Option<IngestTask>,
    turn: Option<AbortHandle>,
    tasks: JoinSet<()>,
}

impl Host {
    /// A wrapper that knows nothing yet, and the way to it.
    pub(super) fn new(
        seams: Seams,
        witness: Witness,
        gateway_url: String,
    ) -> (Self, UnboundedSender<Arrival>) {
        let (reports, arrivals) = mpsc::unbounded_channel();
        let host = Self {
            gateway: GatewayClient {
                url: gateway_url,
                seams: seams.clone(),
                witness: witness.clone(),
            },
            lifecycle: Lifecycle::new(Identifiers::new(seams.randomness.clone())),
            seams,
            witness,
            arrivals,
            reports: reports.clone(),
            last_request: 0,
            answers: BTreeMap::new(),
            ingest: None,
            turn: None,
            tasks: JoinSet::new(),
        };
        (host, reports)
    }

    /// Lives for ever.
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
            for action in self.lifecycle.handle(self.seams.clock.now(), input) {
                self.perform(action);
            }
        }
    }

    fn receive(&mut self, arrival: Arrival) -> Input {
        match arrival {
            Arrival::Happened(input) => input,
            Arrival::Asked(ask, answer) => {
                self.last_request += 1;
                let request = RequestId(self.last_request);
                self.answers.insert(request, answer);
                Input::Asked(request, ask)
            }
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Answer(request, reply) => {
                let answer = self.answers.remove(&request).expect("a request is answered once");
                // Whoever asked may be gone.
                let _ = answer.send(reply);
            }
            Action::Open { link, url, token } => {
                let socket = IngestSocket {
                    link,
                    seams: self.seams.clone(),
                    witness: self.witness.clone(),
                    report: self.reporter(),
                };
                let (frames, unwritten) = mpsc::unbounded_channel();
                let abort = self.tasks.spawn(socket.run(url, token, unwritten));
                self.ingest = Some(IngestTask { frames, abort });
            }
            Action::Send(_, frame) => {
                if let Some(ingest) = &self.ingest {
                    // A socket that has ended reports it, and the frame is still in the buffer.
                    let _ = ingest.frames.send(frame);
                }
            }
            // Without its sender, the task writes what it has and closes the socket.
            Action::Close(_) => self.ingest = None,
            Action::Abandon(_) => {
                if let Some(ingest) = self.ingest.take() {
                    ingest.abort.abort();
                }
            }
            Action::StartTurn(turn, prompt) => {
                let report = self.reporter();
                let call = self
                    .gateway
                    .clone()
                    .run(prompt, move |progress| report(Input::Turned(turn, progress)));
                self.turn = Some(self.tasks.spawn(call));
            }
            Action::StopTurn(_) => {
                if let Some(call) = self.turn.take() {
                    call.abort();
                }
            }
        }
    }

    fn reporter(&self) -> impl Fn(Input) + Send + Sync + 'static {
        let reports = self.reports.clone();
        move |input| {
            // A host that is gone needs no reports.
            let _ = reports.send(Arrival::Happened(input));
        }
    }
}

/// A panic in a task is a broken invariant of the wrapper as a whole.
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
