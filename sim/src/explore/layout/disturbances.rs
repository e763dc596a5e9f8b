//! Lays out what goes wrong between the user actions.

use std::num::NonZeroU32;

use serde_json::Value;
use turnstile_scenarios::{
    Await, Condition, Delete, Finalization, Ingest, IngestFrame, IngestName, Injection, Interrupt, Label,
    Lapse, Moment, Reply, SendMessage, SessionName, Step, SuccessReply, Surface,
};

use super::{Layout, Sent, await_message, name, plain};
use crate::explore::disturbance::{Disturbance, Draft, EARLIER, LAST, Request};
use crate::explore::values::Extras;
use crate::explore::workload::{Saying, VIEWER};

impl Layout<'_> {
    /// Adds disturbances, except for steps about a client that does not exist yet.
    pub(in crate::explore) fn disturb(&mut self, disturbances: Vec<Disturbance>) {
        for draft in disturbances.into_iter().flat_map(|disturbance| disturbance.0) {
            match draft {
                Draft::Step(step) => self.strike_with(*step),
                Draft::Send {
                    saying,
                    commits,
                    extras,
                } => self.send_to_first(&saying, commits, extras.as_deref()),
                Draft::Act(act) => self.act(&act.0, &act.1),
                Draft::AtOnce(request) => self.request_at_once(request),
                Draft::Await { is, within } => {
                    if let Some(label) = self.last_of_first() {
                        self.push(await_message(label, is, within));
                    }
                }
                Draft::Release => {
                    if let Some(tag) = self.tags.pop() {
                        self.push(Step::Release(tag.into()));
                    }
                }
                Draft::AwaitCallback { within } => {
                    if let Some(label) = self.last_of_first() {
                        self.push(self.await_callback(label, within));
                    }
                }
            }
        }
    }

    /// Sends a message in the first session.
    fn send_to_first(&mut self, saying: &Saying, commits: bool, extras: Option<&Extras>) {
        let session = SessionName::default();
        if let Some(extras) = extras {
            let is_legacy = self.swarm.surface == Surface::Legacy;
            return self.send_by_call(saying, &session, is_legacy, extras);
        }
        let (label, prompt) = self.message(saying, &session);
        let finalization = commits.then(|| Finalization {
            auto_commit: Some(true),
            ..Finalization::default()
        });
        self.push(Step::Send(SendMessage {
            finalization,
            ..plain(label, prompt, &session)
        }));
    }

    /// Sends a request about the first session, and does not wait for its answer.
    fn request_at_once(&mut self, request: Request) {
        let session = SessionName::default();
        let reply = Reply::unawaited();
        let step = match request {
            Request::Send => {
                let (label, prompt) = self.message(&Saying::Echo, &session);
                Step::Send(SendMessage {
                    reply,
                    ..plain(label, prompt, &session)
                })
            }
            Request::Repeat => {
                let Some(again) = self.repeat_of_last() else {
                    return;
                };
                Step::Send(SendMessage { reply, ..again })
            }
            Request::Interrupt => Step::Interrupt(Interrupt {
                reply: SuccessReply::unawaited(),
                ..Interrupt::default()
            }),
            Request::Delete => Step::Delete(Delete {
                reply: SuccessReply::unawaited(),
                ..Delete::default()
            }),
        };
        self.push(step);
    }

    fn await_callback(&self, label: Label, within: Lapse) -> Step {
        if !self.settings.callback {
            return await_message(label, Moment::Completed, within);
        }
        let condition = Condition::Callback {
            of: label.into(),
            times: NonZeroU32::MIN,
        };
        Step::Await(Await { condition, within })
    }

    fn strike_with(&mut self, mut step: Step) {
        if let Step::Ingest(ingest) = &mut step {
            self.name_intruder(ingest);
            self.refer(ingest);
        }
        let has_viewer = self.streams.iter().any(|(name, _)| **name == *VIEWER);
        if has_viewer || !mentions_viewer(&step) {
            self.push(step);
        }
    }

    /// Replaces names of messages in a frame by labels.
    fn refer(&self, ingest: &mut Ingest) {
        let Ingest::Send {
            frame: IngestFrame::Event { data, .. },
            ..
        } = ingest
        else {
            return;
        };
        let mut labels = self.labels_of_first();
        for role in [LAST, EARLIER] {
            if let Some(label) = labels.next() {
                replace(&mut data.value.0, role, &format!("<{label}>"));
            }
        }
    }

    /// A repeat of the first session's last message.
    fn repeat_of_last(&self) -> Option<SendMessage> {
        let mut messages = self.messages.iter().rev();
        let last = messages.find(|sent| sent.session == SessionName::default())?;
        Some(self.repeat_of(last, false))
    }

    /// The label of the first session's last message.
    fn last_of_first(&self) -> Option<Label> {
        self.labels_of_first().next().cloned()
    }

    /// The labels of the first session's messages, the last one first.
    fn labels_of_first(&self) -> impl Iterator<Item = &Label> {
        let of_first = |sent: &&Sent| sent.session == SessionName::default();
        self.messages
            .iter()
            .rev()
            .filter(of_first)
            .map(|sent| &sent.label)
    }

    /// Gives an ingest socket a unique name, in the step that opens it and in the steps that use it.
    fn name_intruder(&mut self, ingest: &mut Ingest) {
        self.intruders += u32::from(matches!(ingest, Ingest::Open { .. }));
        let (Ingest::Open { name: socket, .. }
        | Ingest::Send { name: socket, .. }
        | Ingest::Close { name: socket, .. }) = ingest;
        *socket = name::<IngestName>(&format!("intruder{}", self.intruders)).into();
    }
}

/// Replaces a text everywhere in a value.
fn replace(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) if text == from => to.clone_into(text),
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, from, to)),
        Value::Object(fields) => fields.values_mut().for_each(|value| replace(value, from, to)),
        _ => {}
    }
}

fn mentions_viewer(step: &Step) -> bool {
    let Step::Fault(Injection { fault, .. }) = step else {
        return false;
    };
    fault.ends().is_some_and(|ends| ends.contains(&VIEWER))
}
