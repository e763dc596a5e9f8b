//! Steps that inject and end faults.

use serde_json::{Value, json};
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Place, WireAnswer, WrapperBehaviour};
use turnstile_scenarios::{Answer as ReceiverAnswer, Injection, Json, SessionName, Spot};

use crate::script::player::{Halt, Player};
use crate::stage::{RECEIVER_AUTHORITY, behaviour_url};

impl Player<'_> {
    /// Injects a fault, and schedules its end if it has a duration.
    pub(super) fn inject(&mut self, injection: &Injection, spot: Spot) -> Result<(), Halt> {
        let Injection { fault, lasts, .. } = injection;
        match fault {
            Fault::Receiver { answers } => {
                self.script_receiver(answers, spot)?;
                self.stage.faults.record(WorldEvent::of(fault));
                return Ok(());
            }
            Fault::Wrapper(behaviour) => {
                self.wrapper_is_scripted = true;
                let url = behaviour_url();
                // The trace shows what the script asked for.
                let applied = self.stage.subject.behaviour(&self.with_ids(behaviour));
                self.script_fake("wrapper", url, json!(applied), spot)?;
                self.stage.faults.record(WorldEvent::of(fault));
                return Ok(());
            }
            _ => {}
        }
        let faults = self.stage.faults.clone();
        let applied = faults.apply(&mut *self.stage.world, fault)?;
        match fault {
            // The duration begins at the crash, not at this step.
            Fault::Host {
                host, at: Some(_), ..
            } => {
                self.restart_after.insert(host.clone(), *lasts);
            }
            _ => {
                if let Some(lasts) = lasts {
                    self.arrange(**lasts, move |world| faults.end(world, &applied));
                }
            }
        }
        Ok(())
    }

    /// Replaces names in the bodies that a wrapper answers with.
    fn with_ids(&self, behaviour: &WrapperBehaviour) -> WrapperBehaviour {
        let mut behaviour = behaviour.clone();
        let ready = behaviour.ready.as_mut().and_then(|ready| ready.reply.as_mut());
        let job = behaviour.job.as_mut().and_then(|job| job.reply.as_mut());
        for reply in [ready, job].into_iter().flatten() {
            let id = |name: &str| self.id_or_session(name, &SessionName::default());
            reply.body = Json(std::mem::take(&mut reply.body)).with_ids(id);
        }
        behaviour
    }

    /// Heals a link.
    pub(super) fn heal(&mut self, link: &turnstile_scenarios::Link) -> Result<(), Halt> {
        Ok(self.stage.world.heal(&Place::link(link))?)
    }

    /// Starts a party that is down.
    pub(super) fn restart(&mut self, host: &str) -> Result<(), Halt> {
        if self.stage.world.is_up(host)? {
            // Another fault may have restarted it, or its crash point was never reached.
            return Ok(());
        }
        Ok(self.stage.world.heal(&Place::host(host))?)
    }

    pub(in crate::script) fn script_receiver(
        &mut self,
        answers: &[ReceiverAnswer],
        spot: Spot,
    ) -> Result<(), Halt> {
        let answers: Vec<WireAnswer> = answers.iter().map(|answer| (*answer).into()).collect();
        let url = format!("http://{RECEIVER_AUTHORITY}/test/answers");
        self.script_fake("receiver", url, json!(answers), spot)
    }

    fn script_fake(&mut self, fake: &str, url: String, script: Value, spot: Spot) -> Result<(), Halt> {
        match self.post_to_fake(url, script)? {
            Some((status, _)) if (200..300).contains(&status) => Ok(()),
            other => Err(self.fail_step(
                spot,
                None,
                format!("the {fake} answered its script with {other:?}"),
            )),
        }
    }
}
