//! How a host crashes itself: its power switch, and the pause of its runtime that follows.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use turnstile_fault::Fault;

use super::disk::Disk;

/// Most polls of one host's tasks at one instant. A host that exceeds it is in an endless loop.
const POLLS_AT_ONE_INSTANT: u64 = 1_000_000;

/// How a host goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// The process dies. Its machine closes its connections with a FIN and refuses new ones.
    Process,
    /// The power goes. Nothing leaves the machine any more.
    Power,
}

impl Death {
    /// The death by a crash with or without loss of power.
    pub(super) fn of(power_loss: bool) -> Self {
        match power_loss {
            true => Self::Power,
            false => Self::Process,
        }
    }

    /// The fault of a host that goes down like this.
    pub(super) fn fault(self, host: &str) -> Fault {
        match self {
            Self::Process => Fault::crash(host),
            Self::Power => Fault::power_loss(host),
        }
    }
}

/// Lets a host crash itself at a point in its code that cannot be hit from outside.
///
/// The disk is disconnected at once. No other task of the host runs any more. The caller's task runs until
/// its next await, but its writes to streams are lost.
#[derive(Clone)]
pub struct PowerSwitch {
    trigger: Trigger,
    disk: Disk,
}

/// The part of a power switch that its disk has too, so that an operation of the disk can crash the host.
#[derive(Clone)]
pub(super) struct Trigger {
    request: Arc<AtomicU8>,
    rest: Arc<Rest>,
}

impl Trigger {
    /// Requests a death. The first request counts.
    pub(super) fn pull(&self, death: Death, disk: &Disk) {
        let request = match death {
            Death::Process => PROCESS_DIES,
            Death::Power => POWER_GOES,
        };
        let first = self
            .request
            .compare_exchange(RUNNING, request, Ordering::Relaxed, Ordering::Relaxed);
        if first.is_ok() {
            disk.disconnect();
            self.rest.begin();
        }
    }
}

const RUNNING: u8 = 0;
const PROCESS_DIES: u8 = 1;
const POWER_GOES: u8 = 2;

impl PowerSwitch {
    /// A switch that only records the request; the owner of the machine checks it.
    pub(super) fn new(disk: &Disk) -> Self {
        Self::with_rest(disk, &Arc::default())
    }

    /// A switch that also pauses the runtime of the machine.
    pub(super) fn with_rest(disk: &Disk, rest: &Arc<Rest>) -> Self {
        let trigger = Trigger {
            request: Arc::default(),
            rest: Arc::clone(rest),
        };
        disk.wire(trigger.clone());
        Self {
            trigger,
            disk: disk.clone(),
        }
    }

    /// Crashes the process as soon as the caller awaits.
    pub fn crash(&self) {
        self.trigger.pull(Death::Process, &self.disk);
    }

    /// Removes the power as soon as the caller awaits.
    pub fn crash_silently(&self) {
        self.trigger.pull(Death::Power, &self.disk);
    }

    /// The requested death, if any.
    pub(super) fn pulled(&self) -> Option<Death> {
        match self.trigger.request.load(Ordering::Relaxed) {
            PROCESS_DIES => Some(Death::Process),
            POWER_GOES => Some(Death::Power),
            _ => None,
        }
    }
}

/// Tells the future that drives a runtime when the host should pause.
#[derive(Default)]
pub(super) struct Rest {
    begun: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// Polls of tasks since time last advanced.
    polls: AtomicU64,
}

impl Rest {
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = &*waker {
            waker.wake_by_ref();
        }
    }

    pub(super) fn count_poll(&self) {
        if self.polls.fetch_add(1, Ordering::Relaxed) == POLLS_AT_ONE_INSTANT {
            self.begin();
        }
    }

    /// Whether tasks were polled too often since time last advanced.
    pub(super) fn is_exhausted(&self) -> bool {
        self.polls.load(Ordering::Relaxed) > POLLS_AT_ONE_INSTANT
    }

    /// Counts polls from zero again, because time has advanced.
    pub(super) fn forgive_polls(&self) {
        self.polls.store(0, Ordering::Relaxed);
    }

    /// Drops the waker. It holds the runtime, whose hooks hold this value, so neither would be freed.
    pub(super) fn drop_waker(&self) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(super) async fn begun(&self) {
        poll_fn(|context| {
            if self.begun.swap(false, Ordering::Relaxed) {
                return Poll::Ready(());
            }
            *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
