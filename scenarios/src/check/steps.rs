//! Whether each step can happen where it stands.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Client, Message, Picture, Running};
use crate::client::{Open, Resume};
use crate::name::{ClientName, Label, Tag};
use crate::parse::Element;
use crate::party::{Link, Machine, Party};
use crate::place::{At, Spot};
use crate::prompt::{IdMaker, Prompt, SendMessage, Start};
use crate::reply::Reply;
use crate::step::{Crash, Step};
use crate::text::listed;
use crate::wait::Condition;

impl<'a> Picture<'a, '_> {
    pub(super) fn steps(&mut self, steps: &'a [Element<Step>]) {
        for (index, step) in steps.iter().enumerate() {
            match step {
                Element::Read(step) => {
                    if index == 0 && !matches!(step.value, Step::Start(_)) {
                        self.report.add(
                            step.spot,
                            "the first step is `start`: before it there is no session",
                        );
                    }
                    self.step(step);
                }
                Element::Broken(value) => self.broken(value),
            }
        }
    }

    fn step(&mut self, At { value: step, spot }: &'a At<Step>) {
        match step {
            Step::Start(start) => self.start(start, *spot),
            Step::Send(send) => self.send(send, *spot),
            Step::Interrupt(interrupt) => {
                self.client(&interrupt.client, interrupt.client.spot);
                self.request(*spot);
            }
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
                    self.admitted(of);
                }
                Condition::Quiet(_) => {}
            },
            Step::Release(tag) => self.release(tag, *spot),
            Step::Cut(fault) | Step::BlackHole(fault) => self.fault(&fault.link),
            Step::Delay(delay) => self.fault(&delay.link),
            Step::Heal(heal) => self.heal(&heal.link, *spot),
            Step::Reset(connections) | Step::Silence(connections) => {
                let between = &connections.between;
                self.ends([&between.one, &between.two]);
            }
            Step::Fin(direction) => self.ends([&direction.from, &direction.to]),
            Step::Crash(crash) => self.crash(crash),
            Step::Restart(machine) => self.restart(machine),
            Step::Receiver(_) | Step::Queue(_) | Step::Wait(_) => {}
        }
    }

    fn start(&mut self, start: &'a Start, spot: Spot) {
        if let Some((first, _)) = self.start {
            let line = first.line;
            self.report.add(
                spot,
                format_args!("a scenario has one `start`, and it is in line {line}"),
            );
            return;
        }
        self.clients.entry(start.client.value.clone()).or_default();
        self.start = Some((spot, !start.reply.status.is_success()));
        self.message(&start.label, &start.prompt, &start.reply, false);
    }

    fn send(&mut self, send: &'a SendMessage, spot: Spot) {
        self.client(&send.client, send.client.spot);
        self.request(spot);
        let mut has_id = send.id == IdMaker::Client;
        if let Some(repeated) = &send.repeat {
            has_id = true;
            if let Some(message) = self.known(repeated)
                && !message.has_id
            {
                let line = message.introduced.line;
                self.report.add(
                    repeated.spot,
                    format_args!(
                        "`{}` has no id to repeat: the server was to make it, and refuses the message (line {line})",
                        repeated.value
                    ),
                );
            }
        }
        self.message(&send.label, &send.prompt, &send.reply, has_id);
    }

    /// Introduces a message.
    fn message(&mut self, label: &'a At<Label>, prompt: &'a Prompt, reply: &Reply, has_id: bool) {
        let admitted = reply.status.is_success();
        let message = Message {
            introduced: label.spot,
            refused: !admitted,
            has_id: has_id || admitted,
        };
        if let Some(earlier) = self.labels.insert(&label.value, message) {
            let line = earlier.introduced.line;
            self.report.add(
                label.spot,
                format_args!("the label `{}` is taken already, in line {line}", label.value),
            );
        }
        if admitted && let Some(tag) = prompt.gate() {
            self.tags.insert(tag, None);
        }
    }

    /// What every request of a client needs: a session, and a server to ask.
    fn request(&mut self, spot: Spot) {
        if let Some((start, true)) = self.start {
            let line = start.line;
            self.report.add(
                spot,
                format_args!("there is no session to ask for: its `start` is to be refused (line {line})"),
            );
        }
        self.needs(Machine::Server, spot);
    }

    fn needs(&mut self, machine: Machine, spot: Spot) {
        if let Running::Down(since) = self.machines[&machine] {
            let line = since.line;
            self.report.add(
                spot,
                format_args!("the {machine} is down since line {line} and cannot answer: restart it first"),
            );
        }
    }

    fn open(&mut self, open: &'a Open, spot: Spot) {
        self.request(spot);
        let name: &ClientName = &open.client;
        let mentioned = self.may_be_mentioned(name);
        let client = self.clients.entry(name.clone()).or_default();
        if open.from == Resume::Last && !client.opened && !mentioned {
            self.report.add(
                open.client.spot,
                format_args!("`{name}` has seen no event yet: its first stream cannot open from `last`"),
            );
        }
        *client = Client {
            opened: true,
            open: true,
        };
    }

    fn close(&mut self, name: &'a At<ClientName>) {
        if let Some(client) = self.client(name, name.spot)
            && !client.open
            && !self.may_be_mentioned(name)
        {
            self.report.add(
                name.spot,
                format_args!("`{}` has no stream open here: `open` comes first", name.value),
            );
        }
        if let Some(client) = self.clients.get_mut(&name.value) {
            client.open = false;
        }
    }

    /// Reports a tag that no admitted message has said.
    fn tag(&mut self, tag: &At<Tag>) -> bool {
        let known = self.tags.contains_key(&tag.value);
        if !known && !self.may_be_mentioned(&format!("gate:{}", tag.value)) {
            let tags = listed(self.tags.keys());
            self.report.add(
                tag.spot,
                format_args!(
                    "no admitted message here says `gate:{}`; known tags: {tags}",
                    tag.value
                ),
            );
        }
        known
    }

    fn release(&mut self, tag: &'a At<Tag>, spot: Spot) {
        self.needs(Machine::Gateway, spot);
        if !self.tag(tag) {
            return;
        }
        if let Some(earlier) = self.tags.insert(&tag.value, Some(tag.spot)).flatten()
            && !self.may_be_mentioned(&format!("gate:{}", tag.value))
        {
            let line = earlier.line;
            self.report.add(
                tag.spot,
                format_args!(
                    "`{}` was released in line {line} already, and no message has said it again",
                    tag.value
                ),
            );
        }
    }

    /// Reports clients among the ends of a link that nobody has introduced.
    fn ends(&mut self, ends: [&At<Party>; 2]) {
        for end in ends {
            if let Party::Client(name) = &end.value {
                self.client(name, end.spot);
            }
        }
    }

    fn fault(&mut self, link: &'a Link) {
        self.ends(link.ends());
        self.faulted.extend(link.directions());
    }

    fn heal(&mut self, link: &'a Link, spot: Spot) {
        self.ends(link.ends());
        let healed: Vec<bool> = link
            .directions()
            .iter()
            .map(|direction| self.faulted.remove(direction))
            .collect();
        if !healed.contains(&true) && self.unclear.is_none() {
            self.report.add(
                spot,
                format_args!("nothing {link} is cut, black-holed or delayed here"),
            );
        }
    }

    fn crash(&mut self, crash: &'a Crash) {
        let machine = crash.party.value;
        if let Some(at) = &crash.at {
            if machine == Machine::Server {
                self.armed = true;
            } else {
                self.report.add(
                    at.spot,
                    format_args!("only the server has points to crash `at`, not the {machine}"),
                );
                return;
            }
        }
        let now = match self.machines[&machine] {
            // Falls only once the server runs again.
            Running::Down(since) if crash.at.is_some() => Running::Down(since),
            Running::Down(since) => {
                let line = since.line;
                self.report.add(
                    crash.party.spot,
                    format_args!("the {machine} is down since line {line} and cannot crash again"),
                );
                return;
            }
            Running::Up | Running::Unknown if crash.at.is_some() || crash.restart_after.is_some() => {
                Running::Unknown
            }
            Running::Up | Running::Unknown => Running::Down(crash.party.spot),
        };
        self.machines.insert(machine, now);
    }

    fn restart(&mut self, machine: &At<Machine>) {
        let now = match self.machines[&machine.value] {
            Running::Up => {
                self.report.add(
                    machine.spot,
                    format_args!(
                        "the {} has not crashed: there is nothing to restart",
                        machine.value
                    ),
                );
                return;
            }
            // An armed crash may have been waiting for just this.
            Running::Down(_) if machine.value == Machine::Server && self.armed => Running::Unknown,
            // It was down, so the armed crash has fallen.
            Running::Down(_) | Running::Unknown => {
                self.armed &= machine.value != Machine::Server;
                Running::Up
            }
        };
        self.machines.insert(machine.value, now);
    }

    /// Forgets whatever a step that could not be read may have changed.
    fn broken(&mut self, step: &'a Value) {
        texts(step, self.unclear.get_or_insert_default());
        for running in self.machines.values_mut() {
            *running = Running::Unknown;
        }
    }
}

/// Collects every text in a value.
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
