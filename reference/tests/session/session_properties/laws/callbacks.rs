//! The idle batch, the body of callbacks, and their submission to the queue (protocol §8).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_reference::identity::{MessageId, WrapperRunId};
use turnstile_reference::legacy::model::execution::{self, Execution};
use turnstile_reference::legacy::model::{name_execution, name_execution_after};
use turnstile_reference::model::metadata::{CallbackTarget, GateThreshold};
use turnstile_reference::session::wrapper::Run;
use turnstile_reference::session::{CallbackJob, CallbackOwner, Input, Reply, Session};

use super::executions;
use super::ledger::Ledger;
use super::{Law, MessageEvent, Observation, Sender, Violation, ensure};
use crate::session_properties::actions::Setting;
use crate::session_properties::protocol::PROTOCOL;
use crate::session_properties::setting::BRANCH;

/// The state of batches and callbacks.
#[derive(Debug)]
pub struct Callbacks {
    gate_of_session: bool,
    /// The callback target of messages that are admitted now.
    target: Option<CallbackTarget>,
    /// The callback targets of messages.
    targets: BTreeMap<MessageId, CallbackTarget>,
    batch: Option<Batch>,
    idle: bool,
    branch: Option<String>,
    gate_results: BTreeMap<MessageId, String>,
    /// The texts of the parts of assistant messages, by message, then part.
    texts: BTreeMap<String, BTreeMap<String, String>>,
    /// The assistant messages that answer a turn, by kilo's id.
    assistants: BTreeMap<String, Assistant>,
    /// The messages that executions of an older service answer.
    asked: BTreeMap<execution::Id, MessageId>,
    callbacks: BTreeMap<CallbackOwner, Callback>,
    resumed_at: Option<Timestamp>,
    /// Whether the current input may finalize the batch without an idle.
    needs_no_idle: bool,
    /// The terminal event of a run, if the current input is one.
    terminal: Option<Terminal>,
}

/// The terminal event of a run.
#[derive(Debug)]
struct Terminal {
    run: WrapperRunId,
    gate_result: Option<String>,
}

#[derive(Debug)]
struct Assistant {
    /// The turn.
    answers: MessageId,
    is_finished: bool,
    /// The number of assistant messages that appeared before it.
    place: usize,
}

#[derive(Debug)]
struct Batch {
    representative: MessageId,
    gate_released: bool,
}

/// The callback of a finalized batch or an ended execution.
#[derive(Debug)]
struct Callback {
    target: CallbackTarget,
    body: Value,
    /// Whether it was submitted at least once.
    handed: bool,
    /// Whether the queue accepted it.
    taken: bool,
    /// Whether a submission is pending.
    under_way: bool,
    retry_at: Option<Timestamp>,
}

impl Callbacks {
    pub fn new(setting: &Setting, session: &Session, executions: &[Execution]) -> Self {
        let asked = executions.iter().filter_map(|execution| {
            let message = execution.message_id.clone()?;
            Some((execution.id().clone(), message))
        });
        Self {
            gate_of_session: setting.gate.is_some_and(|gate| gate != GateThreshold::Off),
            target: session.metadata().callback.clone(),
            targets: BTreeMap::new(),
            batch: None,
            idle: false,
            branch: setting.branch.then(|| BRANCH.to_owned()),
            gate_results: BTreeMap::new(),
            texts: BTreeMap::new(),
            assistants: BTreeMap::new(),
            asked: asked.collect(),
            callbacks: BTreeMap::new(),
            resumed_at: None,
            needs_no_idle: false,
            terminal: None,
        }
    }

    pub fn crash(&mut self) {
        for callback in self.callbacks.values_mut() {
            callback.under_way = false;
        }
    }

    pub fn take_input(&mut self, seen: &Observation, sender: Option<&Sender>, ledger: &Ledger) {
        let run = sender.and_then(Sender::run);
        self.terminal = None;
        self.needs_no_idle = match seen.input {
            Input::Interrupt => {
                matches!(seen.reply, Reply::Interrupt(report) if report.interrupted > 0)
            }
            Input::Delete => true,
            Input::IngestEvent { .. } => run.is_some() && seen.is_terminal_event(),
            _ => false,
        };
        match seen.input {
            Input::Resume => self.resumed_at = Some(seen.now),
            Input::SetCallbackTarget(target) => self.target.clone_from(target),
            Input::Enqueued { owner, result } => {
                if let Some(callback) = self.callbacks.get_mut(owner) {
                    callback.under_way = false;
                    callback.taken |= result.is_ok();
                    callback.retry_at = result.is_err().then(|| seen.now + PROTOCOL.enqueue_retry_delay);
                }
            }
            _ => {}
        }
        if sender.is_some() {
            self.take_frame(seen);
        }
        if let Some(run) = run {
            self.take_frame_of_run(seen, run, ledger);
        }
    }

    /// Handles frames of all senders that count.
    fn take_frame(&mut self, seen: &Observation) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match seen.kilo() {
            Some(("message.part.updated", properties)) => {
                let part = &properties["part"];
                let parts = self.texts.entry(text(&part["messageID"])).or_default();
                if part["type"] == "text" {
                    parts.insert(text(&part["id"]), text(&part["text"]));
                } else {
                    parts.remove(&text(&part["id"]));
                }
            }
            Some(("message.part.removed", properties)) => {
                let parts = self.texts.entry(text(&properties["messageID"])).or_default();
                parts.remove(&text(&properties["partID"]));
            }
            Some(("message.updated", properties)) => {
                let info = &properties["info"];
                let answers = info["parentID"].as_str().map(str::parse::<MessageId>);
                if let (true, Some(Ok(answers))) = (info["role"] == "assistant", answers) {
                    let next = self.assistants.len();
                    let id = text(&info["id"]);
                    let place = self.assistants.get(&id).map_or(next, |known| known.place);
                    let is_finished = !info["error"].is_null() || !info["time"]["completed"].is_null();
                    let assistant = Assistant {
                        answers,
                        is_finished,
                        place,
                    };
                    self.assistants.insert(id, assistant);
                }
            }
            _ => {}
        }
        if let Some((_, "complete", data)) = seen.frame()
            && let Some(branch) = data["currentBranch"].as_str()
        {
            self.branch = Some(branch.to_owned());
        }
    }

    fn take_frame_of_run(&mut self, seen: &Observation, run: &Run, ledger: &Ledger) {
        if let Some(("session.idle", properties)) = seen.kilo() {
            self.idle |= properties["sessionID"].as_str() == ledger.kilo_session.as_deref();
        }
        if !seen.is_terminal_event() {
            return;
        }
        let (_, name, data) = seen.frame().expect("the input is a frame");
        let gate_result = data["gateResult"].as_str().filter(|_| name == "complete");
        self.terminal = Some(Terminal {
            run: run.id.clone(),
            gate_result: gate_result.map(str::to_owned),
        });
        self.release_gate(ledger);
    }

    /// The terminal event of a run ends the wait of its representative for a gate result.
    fn release_gate(&mut self, ledger: &Ledger) {
        let (Some(batch), Some(terminal)) = (&mut self.batch, &self.terminal) else {
            return;
        };
        if ledger.turn(&batch.representative).sent_by.as_ref() != Some(&terminal.run) {
            return;
        }
        batch.gate_released = true;
        if let Some(result) = &terminal.gate_result {
            self.gate_results
                .entry(batch.representative.clone())
                .or_insert_with(|| result.clone());
        }
    }

    pub fn take_message_event(&mut self, id: &MessageId, event: &MessageEvent, ledger: &Ledger) {
        match event {
            MessageEvent::Queued => {
                if let Some(target) = &self.target {
                    self.targets.insert(id.clone(), target.clone());
                }
            }
            MessageEvent::Sent => self.idle = ledger.early_idle.is_some(),
            MessageEvent::Ended(end) => {
                self.needs_no_idle |= end.source == "delivery_failure";
                if self.targets.contains_key(id) {
                    self.batch = Some(Batch {
                        representative: id.clone(),
                        gate_released: false,
                    });
                    self.release_gate(ledger);
                }
            }
        }
    }

    /// The run is lost, so no idle and no gate result will come from it.
    pub fn take_loss(&mut self) {
        self.needs_no_idle = true;
        if let Some(batch) = &mut self.batch {
            batch.gate_released = true;
        }
    }

    pub fn take_job(
        &mut self,
        seen: &Observation,
        job: &CallbackJob,
        ledger: &Ledger,
    ) -> Result<(), Violation> {
        let owner = &job.owner;
        if let (false, Some(id)) = (self.callbacks.contains_key(owner), owner.message()) {
            self.close_batch(id, ledger)?;
            if let Some(target) = self.targets.get(id).cloned() {
                let body = self.body_of_message(id, seen, ledger);
                self.add(owner.clone(), target, body);
            }
        }
        let Some(callback) = self.callbacks.get_mut(owner) else {
            return Err(Violation::new(
                Law::Batch,
                format!("{job:?} has no owner with a pending callback"),
            ));
        };
        ensure!(
            callback.target == job.target && callback.body == job.body,
            Law::CallbackBody,
            "{} to {} should be {} to {}",
            job.body,
            job.target.url,
            callback.body,
            callback.target.url
        );
        let is_due = match callback.retry_at {
            Some(retry_at) => retry_at <= seen.now,
            // A submission may have been pending when the server crashed.
            None => !callback.handed || self.resumed_at.is_some(),
        };
        ensure!(
            !callback.taken && !callback.under_way && is_due,
            Law::CallbackRetry,
            "at {} the callback {callback:?} of {owner} is submitted again",
            seen.now
        );
        callback.handed = true;
        callback.under_way = true;
        Ok(())
    }

    /// An execution ended. Its callback goes to the session's current target.
    pub fn add_for_execution(
        &mut self,
        seen: &Observation,
        execution: &Execution,
        end: executions::End,
        ledger: &Ledger,
    ) {
        let Some(target) = self.target.clone() else {
            return;
        };
        let completed = end.status == "completed";
        let is_own = |answered: &MessageId| {
            let mut others = self.asked.iter().filter(|(other, _)| *other != execution.id());
            !ledger.knows(answered) && !others.any(|(_, asked)| asked == answered)
        };
        let text = self.latest_text(is_own).filter(|_| completed);
        let mut body = self.body(seen, ledger, end.status, end.error, end.gate, text);
        if let Some(message) = &execution.message_id {
            body["messageId"] = json!(message);
            body["idempotencyKey"] = json!(message);
        }
        name_execution(execution, &mut body);
        self.add(CallbackOwner::Imported(execution.id().clone()), target, body);
    }

    fn add(&mut self, owner: CallbackOwner, target: CallbackTarget, body: Value) {
        let callback = Callback {
            target,
            body,
            handed: false,
            taken: false,
            under_way: false,
            retry_at: None,
        };
        self.callbacks.insert(owner, callback);
    }

    fn close_batch(&mut self, id: &MessageId, ledger: &Ledger) -> Result<(), Violation> {
        ensure!(
            self.is_closable(ledger)
                && self
                    .batch
                    .as_ref()
                    .is_some_and(|batch| batch.representative == *id),
            Law::Batch,
            "the batch {:?} is finalized with {id}; idle {}, needs no idle {}, {}",
            self.batch,
            self.idle,
            self.needs_no_idle,
            ledger.describe_pending()
        );
        self.batch = None;
        Ok(())
    }

    /// Whether all conditions of finalizing hold.
    fn is_closable(&self, ledger: &Ledger) -> bool {
        let Some(batch) = &self.batch else { return false };
        let id = &batch.representative;
        let completed = ledger
            .turn(id)
            .end
            .as_ref()
            .is_some_and(|end| end.status == "completed");
        let awaits_gate = completed
            && ledger.wants_gate(id, self.gate_of_session)
            && !batch.gate_released
            && ledger.run.is_some();
        ledger.all_ended() && !awaits_gate && (self.idle || self.needs_no_idle || ledger.run.is_none())
    }

    fn body_of_message(&self, id: &MessageId, seen: &Observation, ledger: &Ledger) -> Value {
        let end = ledger.turn(id).end.clone();
        let end = end.expect("every message has ended, as checked before");
        let text = self.latest_text(|answered| answered == id);
        let text = text.filter(|_| end.status == "completed");
        let gate = self.gate_results.get(id).cloned();
        let mut body = self.body(seen, ledger, &end.status, end.error, gate, text);
        body["messageId"] = json!(id);
        body["idempotencyKey"] = json!(id);
        name_execution_after(id, &mut body);
        body
    }

    /// The text of the latest finished assistant message of the turns that `is_own` names, else of the latest one.
    fn latest_text(&self, is_own: impl Fn(&MessageId) -> bool) -> Option<String> {
        let own = self
            .assistants
            .iter()
            .filter(|(_, assistant)| is_own(&assistant.answers));
        let (latest, _) = own.max_by_key(|(_, assistant)| (assistant.is_finished, assistant.place))?;
        let parts = self.texts.get(latest).into_iter().flat_map(BTreeMap::values);
        Some(parts.map(String::as_str).collect::<String>().trim().to_owned())
    }

    fn body(
        &self,
        seen: &Observation,
        ledger: &Ledger,
        status: &str,
        error: Option<String>,
        gate: Option<String>,
        text: Option<String>,
    ) -> Value {
        let session = &seen.session.metadata().identity.session_id;
        let mut body = json!({"sessionId": session, "cloudAgentSessionId": session, "status": status});
        for (key, value) in [
            ("errorMessage", error),
            ("lastSeenBranch", self.branch.clone()),
            ("kiloSessionId", ledger.kilo_session.clone()),
            ("gateResult", gate),
            ("lastAssistantMessageText", text),
        ] {
            if let Some(value) = value {
                body[key] = Value::String(value);
            }
        }
        body
    }

    /// Judges that nothing is overdue.
    pub fn conclude(&self, seen: &Observation, ledger: &Ledger) -> Result<(), Violation> {
        ensure!(
            !self.is_closable(ledger),
            Law::Batch,
            "the batch {:?} could finalize and is still open",
            self.batch
        );
        for (owner, callback) in &self.callbacks {
            ensure!(
                callback.handed,
                Law::CallbackRetry,
                "the callback {callback:?} of {owner} is not submitted"
            );
        }
        if matches!(seen.input, Input::Wake) {
            let earliest = self
                .resumed_at
                .map_or(Timestamp::MIN, |at| at + PROTOCOL.resume_delay);
            for (owner, callback) in self.callbacks.iter().filter(|(_, callback)| !callback.under_way) {
                ensure!(
                    callback.retry_at.is_none_or(|at| at.max(earliest) > seen.now),
                    Law::CallbackRetry,
                    "the callback {callback:?} of {owner} was due, it is {}",
                    seen.now
                );
            }
        }
        Ok(())
    }

    /// Whether the queue has not accepted a callback yet, or a batch is open that only the wrapper's terminal event
    /// can finalize.
    pub fn is_owed(&self) -> bool {
        self.is_batch_open() || self.callbacks.values().any(|callback| !callback.taken)
    }

    /// Whether a batch is open.
    pub fn is_batch_open(&self) -> bool {
        self.batch.is_some()
    }

    pub fn is_under_way(&self) -> bool {
        self.callbacks.values().any(|callback| callback.under_way)
    }

    pub fn describe_pending(&self) -> String {
        let owed: Vec<_> = self
            .callbacks
            .iter()
            .filter(|(_, callback)| !callback.taken)
            .collect();
        format!("batch {:?}, callbacks {owed:?}", self.batch)
    }
}
