//! The steps by subject. Conditions of waits are in `conditions`.

mod faults;
mod gateway;
mod ingest;
mod messages;
mod requests;
mod streams;

use turnstile_scenarios::{At, ClientName, Step};

use super::player::{Halt, Player};
use crate::stage::client::Client;

impl Player<'_> {
    pub(super) fn step(&mut self, step: &At<Step>) -> Result<(), Halt> {
        let spot = step.spot;
        match &step.value {
            Step::Start(start) => self.start(start, spot),
            Step::Send(send) => self.send(send, spot),
            Step::Prepare(prepare) => self.prepare(prepare, spot),
            Step::Initiate(initiate) => self.initiate(initiate, spot),
            Step::Update(update) => self.update(update, spot),
            Step::Delete(delete) => self.delete(delete, spot),
            Step::Interrupt(interrupt) => self.interrupt(interrupt, spot),
            Step::Call(call) => self.call_any(call, spot),
            Step::Open(open) => self.open(open, spot),
            Step::Close(close) => self.close(&close.client),
            Step::Await(wait) => self.wait_for(wait, spot),
            Step::Release(tag) => self.release(&tag.value.to_string(), spot),
            Step::Fault(injection) => self.inject(injection, spot),
            Step::Heal(heal) => self.heal(&heal.link),
            Step::Restart(machine) => self.restart(machine.name()),
            Step::Ingest(ingest) => self.ingest(ingest, spot),
            Step::Wait(lapse) => Ok(self.run_for(**lapse)?),
        }
    }

    /// Returns the client of that name; adds it on first use.
    fn client(&mut self, name: &ClientName) -> Client {
        let name = name.to_string();
        if let Some(client) = self.clients.get(&name) {
            return client.clone();
        }
        let client = self.stage.add_client(&name);
        self.clients.insert(name, client.clone());
        client
    }
}
