//! Steps that stop and start machines, and those that tell the fakes and the server's own parts how to
//! behave.

use serde_json::{Map, Value, json};
use turnstile_events::world::DiskFault;
use turnstile_judge::parties::{SERVER, WRAPPER};
use turnstile_reference::host::Checkpoint;
use turnstile_scenarios::{
    self as language, Answer as ReceiverAnswer, Crash, CrashPoint, Lapse, Lasting, Spot, WrapperBehaviour,
};

use crate::script::player::{Halt, Player};
use crate::stage::{GATEWAY_AUTHORITY, QueueBehaviour, RECEIVER_AUTHORITY, wrapper_authority};

impl Player<'_> {
    pub(super) fn release(&mut self, tag: &str, spot: Spot) -> Result<(), Halt> {
        let url = format!("http://{GATEWAY_AUTHORITY}/test/release?tag={tag}");
        let status = self.side_door(url, Value::Null)?.map(|(status, _)| status);
        self.view.released(tag);
        match status {
            Some(204) => Ok(()),
            Some(404) => Err(self.break_off(spot, None, format!("nobody is parked under `{tag}`"))),
            other => Err(self.break_off(
                spot,
                None,
                format!("the gateway answered the release with {other:?}"),
            )),
        }
    }

    pub(in crate::script) fn script_receiver(
        &mut self,
        answers: &[ReceiverAnswer],
        spot: Spot,
    ) -> Result<(), Halt> {
        let answers: Vec<Value> = answers
            .iter()
            .map(|answer| match answer {
                ReceiverAnswer::Status(status) => json!({"status": status.code()}),
                ReceiverAnswer::Late(late) => {
                    json!({"status": late.status.code(), "delayMs": milliseconds(late.delay)})
                }
                ReceiverAnswer::Stall => json!({"stall": true}),
                ReceiverAnswer::Drop => json!({"drop": true}),
                ReceiverAnswer::Twice => json!({"twice": true}),
            })
            .collect();
        let url = format!("http://{RECEIVER_AUTHORITY}/test/answers");
        self.script_fake("receiver", url, json!(answers), spot)
    }

    pub(super) fn script_wrapper(&mut self, behaviour: &WrapperBehaviour, spot: Spot) -> Result<(), Halt> {
        self.wrapper_is_scripted = true;
        let url = format!("http://{}/test/behaviour", wrapper_authority(WRAPPER));
        self.script_fake("wrapper", url, behaviour_as_wire(behaviour), spot)
    }

    fn script_fake(&mut self, fake: &str, url: String, script: Value, spot: Spot) -> Result<(), Halt> {
        match self.side_door(url, script)? {
            Some((status, _)) if (200..300).contains(&status) => Ok(()),
            other => Err(self.break_off(
                spot,
                None,
                format!("the {fake} answered its script with {other:?}"),
            )),
        }
    }

    pub(super) fn order_queue(&mut self, order: Lasting<language::QueueBehaviour>) -> Result<(), Halt> {
        let number = self.stage.queue.set(match order.is {
            language::QueueBehaviour::Works => QueueBehaviour::Works,
            language::QueueBehaviour::Refuses => QueueBehaviour::Refuses,
            language::QueueBehaviour::LosesAck => QueueBehaviour::LosesAck,
            language::QueueBehaviour::Away => QueueBehaviour::Away,
            language::QueueBehaviour::DeliversTwice => QueueBehaviour::DeliversTwice,
        });
        if let Some(lapse) = order.lasts {
            let queue = self.stage.queue.clone();
            self.arrange(*lapse, move |_| queue.end(number));
        }
        Ok(())
    }

    pub(super) fn order_disk(&mut self, order: Lasting<language::DiskBehaviour>) -> Result<(), Halt> {
        let fault = match order.is {
            language::DiskBehaviour::Works => None,
            language::DiskBehaviour::Fails => Some(DiskFault::WriteError),
            language::DiskBehaviour::Full => Some(DiskFault::Full),
        };
        match fault {
            Some(fault) => self.stage.world.fail_disk(SERVER, fault)?,
            None => self.stage.world.heal_disk(SERVER)?,
        }
        let number = self.disk_orders.get() + 1;
        self.disk_orders.set(number);
        if let Some(lapse) = order.lasts {
            let orders = self.disk_orders.clone();
            self.arrange(*lapse, move |world| {
                // Whatever was ordered since lasts as long as it was ordered to.
                if orders.get() == number {
                    world.heal_disk(SERVER).expect("the server has a disk");
                }
            });
        }
        Ok(())
    }

    pub(super) fn crash(&mut self, crash: &Crash) -> Result<(), Halt> {
        let host = crash.party.name();
        if let Some(point) = &crash.at {
            let checkpoint = match point.value {
                CrashPoint::BetweenCommits => Checkpoint::BeforeCommit,
                CrashPoint::AfterCommit => Checkpoint::AfterCommit,
                CrashPoint::AfterEnqueue => Checkpoint::AfterEnqueue,
            };
            self.stage.crash_plan.arm(checkpoint, crash.power_loss);
            self.restart_after.insert(SERVER.to_owned(), crash.restart_after);
            return Ok(());
        }
        if crash.power_loss {
            self.stage.world.crash_silently(host)?;
        } else {
            self.stage.world.crash(host)?;
        }
        if let Some(after) = crash.restart_after {
            self.restart_later(host.to_owned(), *after);
        }
        Ok(())
    }

    pub(super) fn restart(&mut self, host: &str) -> Result<(), Halt> {
        if self.stage.world.is_up(host)? {
            // It had an order to start by itself, or never came to the point where it was to crash.
            return Ok(());
        }
        Ok(self.stage.world.restart(host)?)
    }
}

/// A wrapper's behaviour as its side door wants it: other names for the same, and lengths of time in
/// milliseconds.
fn behaviour_as_wire(behaviour: &WrapperBehaviour) -> Value {
    let mut wire = camel_case(json!(behaviour));
    let ready = behaviour.ready.as_ref().and_then(|ready| ready.delay);
    let job = behaviour.job.as_ref().and_then(|job| job.delay);
    for (part, delay) in [("ready", ready), ("job", job)] {
        if let (Some(delay), Some(part)) = (delay, wire.get_mut(part).and_then(Value::as_object_mut)) {
            part.remove("delay");
            part.insert("delayMs".to_owned(), milliseconds(delay));
        }
    }
    wire
}

/// The same with names such as `exitCode` in place of such as `exit-code`.
fn camel_case(value: Value) -> Value {
    let Value::Object(fields) = value else {
        return value;
    };
    let renamed = fields.into_iter().map(|(name, value)| {
        let mut words = name.split('-');
        let mut camel = words.next().unwrap_or_default().to_owned();
        for word in words {
            let (first, rest) = word.split_at(word.len().min(1));
            camel.push_str(&first.to_ascii_uppercase());
            camel.push_str(rest);
        }
        (camel, camel_case(value))
    });
    Value::Object(renamed.collect::<Map<String, Value>>())
}

fn milliseconds(lapse: Lapse) -> Value {
    json!(u64::try_from(lapse.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapper_is_told_in_the_words_of_its_side_door() {
        let behaviour = json!({
            "ready": {"delay": "1s 500ms", "fail": {"code": "KILO_SERVER_FAILED", "times": 2}},
            "job": {"lose-reply": 1},
            "ends-out-of-order": true,
            "complete": {"exit-code": 3},
        });
        let behaviour: WrapperBehaviour = serde_json::from_value(behaviour).expect("these are its words");
        assert_eq!(
            behaviour_as_wire(&behaviour),
            json!({
                "ready": {"delayMs": 1500, "fail": {"code": "KILO_SERVER_FAILED", "times": 2}},
                "job": {"loseReply": 1},
                "endsOutOfOrder": true,
                "complete": {"exitCode": 3},
            })
        );
        assert_eq!(behaviour_as_wire(&WrapperBehaviour::default()), json!({}));
    }
}
