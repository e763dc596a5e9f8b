//! How a host crashes itself: its power switch.

use std::sync::Arc;

use super::death::{Death, Rest, Trigger};
use super::disk::Disk;

/// Lets a host crash itself at a point in its code that cannot be hit from outside.
///
/// The disk is disconnected at once. No other task of the host runs any more. The caller's task runs until
/// its next await, but its writes to streams are lost.
#[derive(Clone)]
pub struct PowerSwitch {
    trigger: Trigger,
    disk: Disk,
}

impl PowerSwitch {
    /// A switch that only records the request; the owner of the machine checks it.
    pub(super) fn new(disk: &Disk) -> Self {
        Self::with_rest(disk, &Arc::default())
    }

    /// A switch that also pauses the runtime of the machine.
    pub(super) fn with_rest(disk: &Disk, rest: &Arc<Rest>) -> Self {
        let trigger = Trigger::new(rest);
        disk.wire(trigger.clone());
        Self {
            trigger,
            disk: disk.clone(),
        }
    }

    /// Crashes the process as soon as the caller awaits.
    pub fn crash(&self) {
        self.pull(Death::Process);
    }

    /// Removes the power as soon as the caller awaits.
    pub fn crash_silently(&self) {
        self.pull(Death::Power);
    }

    fn pull(&self, death: Death) {
        if self.trigger.pull(death) {
            self.disk.disconnect();
        }
    }

    /// The requested death, if any.
    pub(super) fn pulled(&self) -> Option<Death> {
        self.trigger.pulled()
    }
}
