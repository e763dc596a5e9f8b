//! Lays out what goes wrong between the user actions.

use turnstile_scenarios::{
    Ingest, IngestName, Injection, Interrupt, Label, Lapse, Moment, Prompt, SessionName, Step,
    WrapperBehaviour,
};

use super::{Layout, await_message, name, plain};
use crate::explore::fault_group::{AfterWork, Disturbance, FaultGroup, InDelivery, InTurn};
use crate::explore::workload::{Saying, VIEWER};
use crate::explore::wrapper_faults::misbehaving;

/// How long to wait for the acceptance of a message before a fault.
const ACCEPTANCE: Lapse = Lapse::from_secs(20);

impl Layout<'_> {
    /// Adds disturbances, except for those of a client that does not exist yet.
    pub(in crate::explore) fn disturb(&mut self, disturbances: Vec<Disturbance>) {
        for disturbance in disturbances {
            match disturbance {
                Disturbance::Faults(FaultGroup { steps, after_work }) => {
                    self.strike_with(steps);
                    if let Some(AfterWork { within, steps }) = after_work {
                        self.await_work(within);
                        self.strike_with(steps);
                    }
                }
                Disturbance::InTurn(InTurn { first, hold, then }) => {
                    let label = self.send_to_first(&Saying::Gate);
                    self.push(await_message(label, Moment::Sent, ACCEPTANCE));
                    self.strike_with(first);
                    self.push(Step::Wait(hold));
                    self.strike_with(then);
                }
                Disturbance::InDelivery(InDelivery { slow, pause }) => {
                    self.push(*slow);
                    self.send_to_first(&Saying::Echo);
                    self.push(Step::Wait(pause));
                    self.push(Step::Interrupt(Interrupt::default()));
                    self.push(misbehaving(WrapperBehaviour::default()));
                    self.send_to_first(&Saying::Echo);
                }
            }
        }
    }

    /// Sends a message in the first session.
    fn send_to_first(&mut self, saying: &Saying) -> Label {
        let session = SessionName::default();
        let (label, prompt) = self.message(saying, &session);
        self.push(Step::Send(plain(label.clone(), prompt, &session)));
        label
    }

    fn strike_with(&mut self, steps: Vec<Step>) {
        let has_viewer = self.streams.iter().any(|(name, _)| **name == *VIEWER);
        for mut step in steps {
            if let Step::Ingest(ingest) = &mut step {
                self.name_intruder(ingest);
            }
            if has_viewer || !mentions_viewer(&step) {
                self.push(step);
            }
        }
    }

    /// Waits for the end of the first session's last message.
    fn await_work(&mut self, within: Lapse) {
        let of_first = |(_, session, _): &&(Label, SessionName, Prompt)| *session == SessionName::default();
        if let Some((label, ..)) = self.messages.iter().rev().find(of_first) {
            let label = label.clone();
            self.push(await_message(label, Moment::Completed, within));
        }
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

fn mentions_viewer(step: &Step) -> bool {
    let Step::Fault(Injection { fault, .. }) = step else {
        return false;
    };
    fault.ends().is_some_and(|ends| ends.contains(&VIEWER))
}
