//! Checks that each step is possible at its position.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Checker, Running};
use crate::draft::Element;
use crate::machine::Machine;
use crate::name::Tag;
use crate::place::{At, Spot};
use crate::step::Step;
use crate::text::listed;
use crate::wait::Condition;
use crate::watcher::Watcher;

impl<'a> Checker<'a, '_> {
    pub(super) fn steps(&mut self, steps: &'a [Element<Step>]) {
        for step in steps {
            match step {
                Element::Read(step) => self.step(step),
                Element::Unreadable(value) => self.unreadable(value),
            }
        }
    }

    fn step(&mut self, At { value: step, spot }: &'a At<Step>) {
        match step {
            Step::Start(start) => self.start(start, *spot),
            Step::Send(send) => self.send(send, *spot),
            Step::Prepare(prepare) => self.prepare(prepare, *spot),
            Step::Initiate(initiate) => self.initiate(initiate, *spot),
            Step::Update(update) => self.update(update, *spot),
            Step::Delete(delete) => {
                self.client(&delete.client, delete.client.spot);
                self.request(&delete.session, *spot);
                self.success_reply(&delete.reply, *spot);
            }
            Step::Interrupt(interrupt) => {
                self.client(&interrupt.client, interrupt.client.spot);
                self.request(&interrupt.session, *spot);
                self.success_reply(&interrupt.reply, *spot);
            }
            Step::Call(call) => self.call(call, *spot),
            Step::Open(open) => self.open(open, *spot),
            Step::Close(close) => self.close(&close.client),
            Step::Await(wait) => match &wait.condition {
                Condition::Gate(tag) => {
                    self.tag(tag);
                    self.needs(Machine::Gateway, *spot);
                }
                Condition::Message { of, .. } => self.admitted(of),
                Condition::Callback { of, .. } => {
                    self.callbacks(*spot);
                    self.admitted_or_execution(of);
                }
                Condition::Stream { of, .. } => {
                    if let Watcher::Client(name) = &of.client.value {
                        self.check_watcher(name, of.client.spot);
                    }
                    if let Some(has) = &of.has {
                        self.check_labels(has.labels(), has.spot);
                    }
                }
                Condition::Quiet(_) => {}
            },
            Step::Release(tag) => self.release(tag, *spot),
            Step::Fault(injection) => self.fault(injection, *spot),
            Step::Heal(heal) => self.heal(heal, *spot),
            Step::Restart(machine) => self.restart(machine),
            Step::Ingest(ingest) => self.ingest(ingest, *spot),
            Step::Wait(_) => {}
        }
    }

    /// Reports a tag that no admitted message uses.
    fn tag(&mut self, tag: &At<Tag>) -> bool {
        let known = self.tags.contains_key(&tag.value);
        if !known && !self.may_be_mentioned(&format!("gate:{}", tag.value)) {
            let tags = listed(self.tags.keys());
            self.report.add(
                tag.spot,
                format_args!(
                    "no admitted message uses `gate:{}`; known tags: {tags}",
                    tag.value
                ),
            );
        }
        known
    }

    fn release(&mut self, tag: &At<Tag>, spot: Spot) {
        self.needs(Machine::Gateway, spot);
        if !self.tag(tag) {
            return;
        }
        if let Some(earlier) = self.tags.insert(tag.value.clone(), Some(tag.spot)).flatten()
            && !self.may_be_mentioned(&format!("gate:{}", tag.value))
            && !self.is_tolerant
        {
            let line = earlier.line;
            self.report.add(
                tag.spot,
                format_args!(
                    "`{}` was already released in line {line}, and no message has used it since",
                    tag.value
                ),
            );
        }
    }

    /// Discards everything that an unreadable step may have changed.
    fn unreadable(&mut self, step: &'a Value) {
        texts(step, self.unclear.get_or_insert_default());
        for running in self.machines.values_mut() {
            *running = Running::Unknown;
        }
    }
}

/// Collects all strings in a value.
fn texts<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::String(text) => {
            found.insert(text);
        }
        Value::Array(list) => list.iter().for_each(|element| texts(element, found)),
        Value::Object(map) => map.values().for_each(|element| texts(element, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
