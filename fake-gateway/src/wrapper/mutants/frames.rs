//! Mutants that rewrite the frames of an ingest.

use serde_json::{Value, json};

use super::Mutant;
use super::edges::without_marks;

/// The state of a mutant.
pub(super) struct Frames {
    mutant: Mutant,
    /// Frames that are held back.
    held: Vec<Value>,
    /// The number of buffered frames that follow.
    buffered: u64,
    was_interrupted: bool,
    has_said_reserved: bool,
}

/// The event of kilo in a frame, or the type of another frame.
fn name(frame: &Value) -> &str {
    let event = frame["data"]["event"]
        .as_str()
        .or(frame["streamEventType"].as_str());
    event.unwrap_or_default()
}

/// A frame of kilo, whose properties are in it twice, after `change`.
fn changed(mut frame: Value, change: impl Fn(&mut Value)) -> Value {
    change(&mut frame["data"]["properties"]);
    change(&mut frame["data"]);
    frame
}

fn without(frame: Value, name: &str) -> Value {
    changed(frame, |properties| {
        if let Some(info) = properties["info"].as_object_mut() {
            info.remove(name);
        }
    })
}

impl Frames {
    pub(super) fn new(mutant: Mutant) -> Self {
        Self {
            mutant,
            held: Vec::new(),
            buffered: 0,
            was_interrupted: false,
            has_said_reserved: false,
        }
    }

    pub(super) fn rewrite(&mut self, mut frame: Value) -> Vec<Value> {
        let event = name(&frame).to_owned();
        match (self.mutant, event.as_str()) {
            (Mutant::NoTimestamp, _) => {
                if let Some(frame) = frame.as_object_mut() {
                    frame.remove("timestamp");
                }
            }
            (Mutant::TakesRepeatedIds, _) => {
                let text = without_marks(&frame.to_string());
                frame = serde_json::from_str(&text).unwrap_or(frame);
            }
            (Mutant::ReservedName, _) if !self.has_said_reserved => {
                self.has_said_reserved = true;
                let mut reserved = frame.clone();
                reserved["streamEventType"] = json!("cloud.status");
                return vec![reserved, frame];
            }
            (Mutant::NoIdle, "session.idle")
            | (Mutant::NoInterrupted, "interrupted")
            | (Mutant::NotFatal, "error")
            | (Mutant::NeverCompletes, "complete")
            | (Mutant::NoResumed, "wrapper_resumed") => return Vec::new(),
            (Mutant::CompletesTwice, "complete") | (Mutant::DeltasTwice, "message.part.delta") => {
                return vec![frame.clone(), frame];
            }
            (Mutant::ExitCodeAsText, "complete") => frame["data"]["exitCode"] = json!("0"),
            (Mutant::AlwaysGateResult, "complete") => frame["data"]["gateResult"] = json!("pass"),
            (Mutant::NoGateResult, "complete") => {
                if let Some(data) = frame["data"].as_object_mut() {
                    data.remove("gateResult");
                }
            }
            (Mutant::CountsNoLoss, "wrapper_resumed") => frame["data"]["eventsLost"] = json!(0),
            (Mutant::TextCutShort, "message.part.updated") => {
                frame = changed(frame, |properties| {
                    if let Value::String(text) = &mut properties["part"]["text"] {
                        text.pop();
                    }
                });
            }
            (Mutant::IdleAfterEachTurn, "session.status")
                if frame["data"]["properties"]["status"]["type"] == "idle" =>
            {
                return vec![frame.clone(), idle(frame)];
            }
            (_, "message.updated") => match self.message(frame) {
                Some(rewritten) => frame = rewritten,
                None => return Vec::new(),
            },
            _ => {}
        }
        self.order(&event, frame)
    }

    /// A message as the mutant reports it; `None` if it does not.
    fn message(&mut self, frame: Value) -> Option<Value> {
        let info = &frame["data"]["properties"]["info"];
        let is_assistant = info["role"] == "assistant";
        let is_finished = info["time"].get("completed").is_some();
        match self.mutant {
            Mutant::NoUserMessage if !is_assistant => None,
            Mutant::NoFinish if is_finished => None,
            Mutant::IdleTooEarly if is_finished => {
                self.held.push(frame);
                None
            }
            Mutant::NoParent if is_assistant => Some(without(frame, "parentID")),
            Mutant::NoAnswerError => Some(without(frame, "error")),
            _ => Some(frame),
        }
    }

    /// Mutants that send frames in another order, not at all, or more often.
    fn order(&mut self, event: &str, frame: Value) -> Vec<Value> {
        match (self.mutant, event) {
            (Mutant::CompletesFirst, "session.idle") => {
                self.held.push(frame);
                return Vec::new();
            }
            (Mutant::IdleTooEarly, "session.idle") | (Mutant::CompletesFirst, "complete") => {
                return with(frame, &mut self.held);
            }
            (Mutant::ResumedTooLate, "wrapper_resumed") => {
                self.held.push(frame);
                return Vec::new();
            }
            (Mutant::ResumedTooLate, _) if !self.held.is_empty() => return with(frame, &mut self.held),
            (Mutant::CompletesWhenKilled, "interrupted") => self.was_interrupted = true,
            (Mutant::CompletesWhenKilled, "session.idle") if self.was_interrupted => {
                let complete = json!({
                    "streamEventType": "complete", "timestamp": frame["timestamp"], "data": { "exitCode": 0 },
                });
                return vec![frame, complete];
            }
            _ => {}
        }
        self.buffer(event, frame)
    }

    /// Mutants that change the frames after `wrapper_resumed`.
    fn buffer(&mut self, event: &str, frame: Value) -> Vec<Value> {
        if event == "wrapper_resumed" {
            self.buffered = frame["data"]["bufferedEvents"].as_u64().unwrap_or_default();
            return vec![frame];
        }
        let Some(left) = self.buffered.checked_sub(1) else {
            return vec![frame];
        };
        self.buffered = left;
        match self.mutant {
            Mutant::ForgetsBuffer => Vec::new(),
            Mutant::RepeatsBuffer => vec![frame.clone(), frame],
            Mutant::ReversesBuffer => {
                self.held.insert(0, frame);
                match left {
                    0 => std::mem::take(&mut self.held),
                    _ => Vec::new(),
                }
            }
            _ => vec![frame],
        }
    }
}

fn with(frame: Value, held: &mut Vec<Value>) -> Vec<Value> {
    let mut frames = vec![frame];
    frames.append(held);
    frames
}

/// The frame of `session.idle` in the form of another one.
fn idle(mut frame: Value) -> Value {
    let properties = json!({ "sessionID": frame["data"]["sessionID"] });
    frame["data"] = json!({
        "sessionID": properties["sessionID"], "event": "session.idle", "type": "session.idle", "properties": properties,
    });
    frame
}
