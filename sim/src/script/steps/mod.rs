//! What each step does, by subject. What can be waited for is in `conditions`.

mod ingest;
mod machines;
mod messages;
mod network;
mod requests;
mod streams;

use turnstile_scenarios::{At, ClientName, Step};
use turnstile_world::AnyWorld;

pub(super) use self::messages::{CALLBACK_PATH, REPOSITORY};
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
            Step::Open(open) => self.open(open),
            Step::Close(close) => self.close(&close.client),
            Step::Await(wait) => self.wait_for(wait, spot),
            Step::Release(tag) => self.release(&tag.value.to_string(), spot),
            Step::Cut(fault) => self.strike(&fault.link, fault.heals_after, AnyWorld::cut),
            Step::BlackHole(fault) => self.strike(&fault.link, fault.heals_after, AnyWorld::black_hole),
            Step::Delay(delay) => self.strike(&delay.link, delay.heals_after, |world, link| {
                world.delay(link, *delay.by)
            }),
            Step::Heal(heal) => self.strike(&heal.link, None, AnyWorld::heal),
            Step::Reset(connections) => self.reset(connections),
            Step::Silence(connections) => self.silence(connections),
            Step::Fin(direction) => self.finish_connections(direction),
            Step::Crash(crash) => self.crash(crash),
            Step::Restart(machine) => self.restart(machine.name()),
            Step::Wrapper(behaviour) => self.script_wrapper(behaviour, spot),
            Step::Receiver(receiver) => self.script_receiver(&receiver.answers, spot),
            Step::Queue(order) => self.order_queue(*order),
            Step::Disk(order) => self.order_disk(*order),
            Step::Ingest(ingest) => self.ingest(ingest, spot),
            Step::Wait(lapse) => Ok(self.run_for(**lapse)?),
        }
    }

    /// The client of that name; new ones come into the world when they are first spoken of.
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
