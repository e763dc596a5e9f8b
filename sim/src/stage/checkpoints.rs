//! Crashes the server at a checkpoint.

use std::sync::{Arc, Mutex, PoisonError};

use turnstile_reference::host::{Checkpoint, Checkpoints};
use turnstile_seams::BoxFuture;
use turnstile_world::PowerSwitch;

/// The planned crash, if any. Cheap to clone.
#[derive(Clone, Default)]
pub struct CrashPlan(Arc<Mutex<Option<Planned>>>);

#[derive(Clone, Copy)]
struct Planned {
    at: Checkpoint,
    power_loss: bool,
}

impl CrashPlan {
    /// Plans a crash for the next time the server passes a checkpoint. It happens once.
    pub fn arm(&self, at: Checkpoint, power_loss: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Planned { at, power_loss });
    }

    /// Cancels the planned crash.
    pub fn disarm(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn take(&self, checkpoint: Checkpoint) -> Option<Planned> {
        let mut plan = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plan.take_if(|planned| planned.at == checkpoint)
    }

    /// The checkpoints of a server, which crash it through `power`.
    pub(super) fn checkpoints(&self, power: PowerSwitch) -> Arc<dyn Checkpoints> {
        Arc::new(Watched {
            plan: self.clone(),
            power,
        })
    }
}

struct Watched {
    plan: CrashPlan,
    power: PowerSwitch,
}

impl Checkpoints for Watched {
    fn pass(&self, checkpoint: Checkpoint) -> BoxFuture<'static, ()> {
        let Some(planned) = self.plan.take(checkpoint) else {
            return Box::pin(async {});
        };
        if planned.power_loss {
            self.power.crash_silently();
        } else {
            self.power.crash();
        }
        Box::pin(std::future::pending())
    }
}
