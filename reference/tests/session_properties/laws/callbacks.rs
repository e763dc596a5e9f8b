//! The idle batch, what a callback says, and how it gets to the queue (protocol §8).

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_reference::identity::MessageId;
use turnstile_reference::legacy;
use turnstile_reference::limits::{ENQUEUE_RETRY_DELAY, RESUME_DELAY};
use turnstile_reference::session::metadata::{CallbackTarget, GateThreshold};
use turnstile_reference::session::wrapper::Run;
use turnstile_reference::session::{CallbackJob, Input, Session};

use super::ledger::Ledger;
use super::{Law, Observation, Told, Violation, ensure};
use crate::actions::Setting;
use crate::setting::BRANCH;

/// What is known of batches and callbacks.
#[derive(Debug)]
pub struct Callbacks {
    gate_of_session: bool,
    /// Where the callback of a message that is admitted now goes to.
    target: Option<CallbackTarget>,
    /// Where the callbacks of messages go to.
    targets: BTreeMap<MessageId, CallbackTarget>,
    batch: Option<Batch>,
    idle: bool,
    branch: Option<String>,
    gate_results: BTreeMap<MessageId, String>,
    /// Texts of the parts of assistant's messages, by message, then part.
    texts: BTreeMap<String, BTreeMap<String, String>>,
    callbacks: BTreeMap<MessageId, Callback>,
    resumed_at: Option<Timestamp>,
    /// Whether the present input may close the batch without an idle.
    needs_no_idle: bool,
}

#[derive(Debug)]
struct Batch {
    representative: MessageId,
    gate_released: bool,
}

/// A callback whose batch is closed.
#[derive(Debug)]
struct Callback {
    body: Value,
    /// The queue took it.
    taken: bool,
    /// It is being handed to the queue.
    under_way: bool,
    retry_at: Option<Timestamp>,
}

impl Callbacks {
    pub fn new(setting: &Setting, session: &Session) -> Self {
        Self {
            gate_of_session: setting.gate.is_some_and(|gate| gate != GateThreshold::Off),
            target: session.metadata().callback.clone(),
            targets: BTreeMap::new(),
            batch: None,
            idle: false,
            branch: setting.branch.then(|| BRANCH.to_owned()),
            gate_results: BTreeMap::new(),
            texts: BTreeMap::new(),
            callbacks: BTreeMap::new(),
            resumed_at: None,
            needs_no_idle: false,
        }
    }

    pub fn retarget(&mut self, target: Option<CallbackTarget>) {
        self.target = target;
    }

    pub fn crash(&mut self) {
        for callback in self.callbacks.values_mut() {
            callback.under_way = false;
        }
    }

    pub fn take_input(&mut self, seen: &Observation, speaker: Option<&Run>, ledger: &Ledger) {
        self.needs_no_idle = match seen.input {
            Input::Interrupt => true,
            Input::IngestEvent { .. } => speaker.is_some() && seen.is_last_word(),
            _ => false,
        };
        match seen.input {
            Input::Resume => self.resumed_at = Some(seen.now),
            Input::Enqueued { owner, result } => {
                if let Some(callback) = owner.message().and_then(|id| self.callbacks.get_mut(id)) {
                    callback.under_way = false;
                    callback.taken |= result.is_ok();
                    callback.retry_at = result.is_err().then(|| seen.now + ENQUEUE_RETRY_DELAY);
                }
            }
            _ => {}
        }
        if let Some(run) = speaker {
            self.take_frame(seen, run, ledger);
        }
    }

    fn take_frame(&mut self, seen: &Observation, run: &Run, ledger: &Ledger) {
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
            Some(("session.idle", properties)) => {
                self.idle |= properties["sessionID"].as_str() == ledger.kilo_session.as_deref();
            }
            _ => {}
        }
        if !seen.is_last_word() {
            return;
        }
        let (_, name, data) = seen.frame().expect("a word is in a frame");
        if let ("complete", Some(branch)) = (name, data["currentBranch"].as_str()) {
            self.branch = Some(branch.to_owned());
        }
        let is_of_run =
            |batch: &&mut Batch| ledger.turn(&batch.representative).sent_by.as_ref() == Some(&run.id);
        if let Some(batch) = self.batch.as_mut().filter(is_of_run) {
            batch.gate_released = true;
            if let ("complete", Some(result)) = (name, data["gateResult"].as_str()) {
                self.gate_results
                    .entry(batch.representative.clone())
                    .or_insert_with(|| result.to_owned());
            }
        }
    }

    pub fn take_told(&mut self, id: &MessageId, told: &Told) {
        match told {
            Told::Queued => {
                if let Some(target) = &self.target {
                    self.targets.insert(id.clone(), target.clone());
                }
            }
            Told::Sent => self.idle = false,
            Told::Ended(end) => {
                self.needs_no_idle |= end.source == "delivery_failure";
                if self.targets.contains_key(id) {
                    self.batch = Some(Batch {
                        representative: id.clone(),
                        gate_released: false,
                    });
                }
            }
        }
    }

    /// The wrapper is lost: neither an idle nor a gate result will come of it.
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
        let id = job.owner.message().expect("nothing was imported here");
        ensure!(
            self.targets.get(id) == Some(&job.target),
            Law::CallbackBody,
            "{job:?} should go to {:?}",
            self.targets.get(id)
        );
        match self.callbacks.get_mut(id) {
            Some(callback) => {
                let is_due = match callback.retry_at {
                    Some(retry_at) => retry_at <= seen.now,
                    // It was under way when the server crashed.
                    None => self.resumed_at.is_some(),
                };
                ensure!(
                    !callback.taken && !callback.under_way && is_due,
                    Law::CallbackRetry,
                    "at {} the callback {callback:?} of {id} is handed over again",
                    seen.now
                );
                ensure!(
                    callback.body == job.body,
                    Law::CallbackBody,
                    "{} was {} before",
                    job.body,
                    callback.body
                );
                callback.under_way = true;
            }
            None => {
                self.close_batch(id, ledger)?;
                let body = self.body(id, seen, ledger);
                ensure!(
                    job.body == body,
                    Law::CallbackBody,
                    "{} should be {body}",
                    job.body
                );
                let callback = Callback {
                    body,
                    taken: false,
                    under_way: true,
                    retry_at: None,
                };
                self.callbacks.insert(id.clone(), callback);
            }
        }
        Ok(())
    }

    fn close_batch(&mut self, id: &MessageId, ledger: &Ledger) -> Result<(), Violation> {
        ensure!(
            self.is_closable(ledger)
                && self
                    .batch
                    .as_ref()
                    .is_some_and(|batch| batch.representative == *id),
            Law::Batch,
            "the batch {:?} is closed with {id}, idle {}, without need of it {}, {}",
            self.batch,
            self.idle,
            self.needs_no_idle,
            ledger.waited_for()
        );
        self.batch = None;
        Ok(())
    }

    /// Whether the batch has nothing to wait for.
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

    fn body(&self, id: &MessageId, seen: &Observation, ledger: &Ledger) -> Value {
        let end = ledger
            .turn(id)
            .end
            .as_ref()
            .expect("it was checked that every message has ended");
        let session = &seen.session.metadata().identity.session_id;
        let mut body = json!({"sessionId": session, "cloudAgentSessionId": session, "messageId": id,
            "status": end.status, "idempotencyKey": id});
        let text = end
            .assistant_message
            .as_ref()
            .filter(|_| end.status == "completed")
            .and_then(|assistant| self.texts.get(assistant))
            .map(|parts| {
                parts
                    .values()
                    .map(String::as_str)
                    .collect::<String>()
                    .trim()
                    .to_owned()
            })
            .filter(|text| !text.is_empty());
        for (key, value) in [
            ("errorMessage", end.error.clone()),
            ("lastSeenBranch", self.branch.clone()),
            ("kiloSessionId", ledger.kilo_session.clone()),
            ("gateResult", self.gate_results.get(id).cloned()),
            ("lastAssistantMessageText", text),
        ] {
            if let Some(value) = value {
                body[key] = Value::String(value);
            }
        }
        legacy::name_execution_after(id, &mut body);
        body
    }

    /// Judges that nothing that was due is still to come.
    pub fn conclude(&self, seen: &Observation, ledger: &Ledger) -> Result<(), Violation> {
        ensure!(
            !self.is_closable(ledger),
            Law::Batch,
            "the batch {:?} waits for nothing and is open",
            self.batch
        );
        if matches!(seen.input, Input::Wake) {
            let earliest = self.resumed_at.map_or(Timestamp::MIN, |at| at + RESUME_DELAY);
            for (id, callback) in self.callbacks.iter().filter(|(_, callback)| !callback.under_way) {
                ensure!(
                    callback.retry_at.is_none_or(|at| at.max(earliest) > seen.now),
                    Law::CallbackRetry,
                    "the callback {callback:?} of {id} was due, it is {}",
                    seen.now
                );
            }
        }
        Ok(())
    }

    /// Whether the queue has not taken a callback that it should, or a batch is open that nothing but the
    /// wrapper's last word can close.
    pub fn is_owed(&self) -> bool {
        self.is_batch_open() || self.callbacks.values().any(|callback| !callback.taken)
    }

    /// Whether a callback is to come of messages that have ended.
    pub fn is_batch_open(&self) -> bool {
        self.batch.is_some()
    }

    pub fn is_under_way(&self) -> bool {
        self.callbacks.values().any(|callback| callback.under_way)
    }

    pub fn waited_for(&self) -> String {
        let owed: Vec<_> = self
            .callbacks
            .iter()
            .filter(|(_, callback)| !callback.taken)
            .collect();
        format!("batch {:?}, callbacks {owed:?}", self.batch)
    }
}
