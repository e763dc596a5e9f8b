//! Performs the actions of a plan, as inputs of the session.

use std::time::Duration;

use turnstile_reference::identity::{MessageId, WrapperRunId};
use turnstile_reference::legacy::model::execution::{self, Closing};
use turnstile_reference::session::admission::Admission;
use turnstile_reference::session::wrapper::{DeliveryFailure, FailureCode, IngestClaim, Run};
use turnstile_reference::session::{EnqueueError, Input, Reply, SocketId, frame};

use super::World;
use crate::session_properties::actions::{Action, Claim, Fate, Frame, Index, Intent, ReplyEnd, Report};
use crate::session_properties::frames::to_json;
use crate::session_properties::laws::Violation;
use crate::session_properties::setting::{PLAIN, admission, target, workspace};

/// The pause between two text deltas.
const STREAM_PAUSE: Duration = Duration::from_secs(20);

impl World {
    #[expect(clippy::too_many_lines, reason = "one arm for each action")]
    pub(super) fn act(&mut self, action: &Action) -> Result<(), Violation> {
        match action {
            Action::Admit { count, intent } => {
                for _ in 0..*count {
                    let admission = self.new_admission(*intent);
                    self.put(Input::Admit(Box::new(admission)))?;
                }
            }
            Action::Repeat { message, same } => {
                if let Some(id) = self.message(*message) {
                    // A prepared message has no recorded intent.
                    let Intent { variety, .. } = *self.intents.get(&id).unwrap_or(&PLAIN);
                    let variety = if *same { variety } else { (variety + 1) % 4 };
                    let intent = Intent { variety, gate: None };
                    self.put(Input::Admit(Box::new(admission(id, intent))))?;
                }
            }
            Action::Interrupt => {
                self.put(Input::Interrupt)?;
            }
            Action::Initiate => {
                self.put(Input::Initiate)?;
            }
            Action::Retarget(receiver) => {
                self.put(Input::SetCallbackTarget(receiver.map(target)))?;
            }
            Action::Delete => {
                self.put(Input::Delete)?;
            }
            Action::Listen => {
                self.put(Input::ClientConnected)?;
            }
            Action::NextDeadline => self.pass_to_deadline()?,
            Action::Pass(duration) => self.pass(*duration)?,
            Action::Late(duration) => {
                self.now += *duration;
                self.wake()?;
            }
            Action::Wake => self.wake()?,
            Action::Restart { away } => {
                // The fate is not about the decision of the restart.
                self.fate = Fate::Done;
                self.crash(*away)?;
            }
            Action::Stream { time, shows } => self.stream(*time, *shows)?,
            Action::Prepare { delivery } => {
                if let Some(place) = place(*delivery, self.deliveries.len()) {
                    self.prepare(place)?;
                }
            }
            Action::Report { delivery, report } => {
                if let Some(place) = place(*delivery, self.deliveries.len()) {
                    self.report(place, *report)?;
                }
            }
            Action::Serve { delivery } => {
                if let Some(place) = place(*delivery, self.deliveries.len()) {
                    self.serve(place, true)?;
                }
            }
            Action::Connect { run, claim } => {
                if let Some(place) = place(*run, self.runs.len()) {
                    let run = self.runs[place].clone();
                    self.connect(run, *claim)?;
                }
            }
            Action::ConnectImported { execution } => {
                let known = self.laws.executions();
                if let Some(place) = place(*execution, known.len()) {
                    self.connect_imported(known[place].clone())?;
                }
            }
            Action::Close { socket, closing } => {
                if let Some(place) = place(*socket, self.sockets.len()) {
                    let socket = self.sockets.remove(place);
                    let closing = closing.map(|(code, reason)| Closing {
                        code: Some(code),
                        reason: reason.to_owned(),
                    });
                    let closing = closing.unwrap_or_default();
                    self.put(Input::IngestClosed { socket, closing })?;
                }
            }
            Action::Send { socket, frame } => {
                if let Some(place) = place(*socket, self.sockets.len()) {
                    self.send(self.sockets[place], frame)?;
                }
            }
            Action::Answer {
                socket,
                message,
                end,
                then,
            } => {
                if let Some(place) = place(*socket, self.sockets.len()) {
                    self.answer(self.sockets[place], *message, *end, then.clone())?;
                }
            }
            Action::Queue { job, accepts } => {
                if let Some(place) = place(*job, self.jobs.len()) {
                    self.queue_answers(place, *accepts)?;
                }
            }
        }
        Ok(())
    }

    /// A turn of that intent with a fresh id.
    pub(super) fn new_admission(&mut self, intent: Intent) -> Admission {
        let id = MessageId::draw(self.now, &self.randomness);
        self.intents.insert(id.clone(), intent);
        admission(id, intent)
    }

    fn stream(&mut self, time: Duration, shows: bool) -> Result<(), Violation> {
        let mut left = time;
        while !left.is_zero() {
            let pause = left.min(STREAM_PAUSE);
            left -= pause;
            self.pass(pause)?;
            let Some(socket) = self.laws.current_socket() else {
                continue;
            };
            if self.pings > 0 {
                self.pings = 0;
                self.send(socket, &Frame::Pong)?;
            }
            if shows && self.laws.current_socket() == Some(socket) {
                self.send(socket, &Frame::Delta)?;
            }
        }
        Ok(())
    }

    /// Reports a ready workspace. False if the delivery must not continue, or the server crashed.
    fn prepare(&mut self, place: usize) -> Result<bool, Violation> {
        let run = self.deliveries[place].run.id.clone();
        let workspace = workspace();
        let reply = self.put(Input::Prepared { run, workspace })?;
        Ok(matches!(reply, Some(Reply::Proceed(true))))
    }

    pub(super) fn report(&mut self, place: usize, report: Report) -> Result<(), Violation> {
        let delivery = self.deliveries.remove(place);
        let (message, run) = (delivery.message.id, delivery.run.id);
        let result = match report {
            Report::Taken => Ok(()),
            Report::Retryable => Err(DeliveryFailure::new(FailureCode::SandboxConnectFailed, "no")),
            Report::Permanent => Err(DeliveryFailure::new(FailureCode::BadRequest, "no")),
        };
        self.put(Input::Delivered { message, run, result })?;
        Ok(())
    }

    /// Completes a delivery, and opens the wrapper's socket if it `connects`.
    pub(super) fn serve(&mut self, place: usize, connects: bool) -> Result<(), Violation> {
        let run = self.deliveries[place].run.clone();
        if !self.prepare(place)? {
            // The host cancels the delivery, unless a crash already ended it.
            if place < self.deliveries.len() {
                self.report(place, Report::Retryable)?;
            }
            return Ok(());
        }
        if connects && self.laws.current_run() == Some(&run) && self.laws.current_socket().is_none() {
            self.connect(run, Claim::True)?;
        }
        if place < self.deliveries.len() {
            self.report(place, Report::Taken)?;
        }
        Ok(())
    }

    pub(super) fn connect(&mut self, mut run: Run, claim: Claim) -> Result<(), Violation> {
        match claim {
            Claim::True => {}
            Claim::OtherGeneration => run.fence.generation += 1,
            Claim::OtherConnection => run.fence.connection = self.randomness.uuid(),
            Claim::OtherRun => run.id = WrapperRunId::draw(&self.randomness),
        }
        let claim = IngestClaim {
            run: run.id,
            fence: run.fence,
        };
        self.open(|socket| Input::IngestOpened { socket, claim })
    }

    pub(super) fn connect_imported(&mut self, execution: execution::Id) -> Result<(), Violation> {
        self.open(|socket| Input::ImportedIngestOpened { socket, execution })
    }

    fn open(&mut self, opened: impl FnOnce(SocketId) -> Input) -> Result<(), Violation> {
        self.last_socket += 1;
        let socket = self.last_socket;
        if let Some(Reply::Ingest(Ok(()))) = self.put(opened(socket))? {
            self.sockets.push(socket);
        }
        Ok(())
    }

    pub(super) fn send(&mut self, socket: SocketId, frame: &Frame) -> Result<(), Violation> {
        let Some((stream_event_type, data)) = to_json(frame, |index| self.message(index)) else {
            return Ok(());
        };
        self.put(Input::IngestEvent {
            socket,
            frame: frame::Frame::read(stream_event_type.to_owned(), data),
        })?;
        Ok(())
    }

    pub(super) fn answer(
        &mut self,
        socket: SocketId,
        message: Index,
        end: ReplyEnd,
        then: Option<Frame>,
    ) -> Result<(), Violation> {
        let assistant = 0;
        let part = Frame::Part {
            message,
            assistant,
            part: 0,
            content: Some("done "),
        };
        let reply = Frame::Reply {
            message,
            assistant,
            end,
        };
        let frames = [Some(part), Some(reply), then];
        for frame in frames.iter().flatten() {
            if self.sockets.contains(&socket) {
                self.send(socket, frame)?;
            }
        }
        Ok(())
    }

    pub(super) fn queue_answers(&mut self, place: usize, accepts: bool) -> Result<(), Violation> {
        let owner = self.jobs.remove(place).owner;
        let result = if accepts {
            Ok(())
        } else {
            Err(EnqueueError::new("the queue is away"))
        };
        self.put(Input::Enqueued { owner, result })?;
        Ok(())
    }

    fn message(&self, index: Index) -> Option<MessageId> {
        let messages = self.laws.messages();
        let place = usize::from(index).checked_rem(messages.len())?;
        Some(messages[place].clone())
    }
}

/// The position of an index in a list of `count` elements, where the last one is the most likely.
fn place(index: Index, count: usize) -> Option<usize> {
    usize::from(index).checked_rem(count).map(|back| count - 1 - back)
}
