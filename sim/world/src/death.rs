//! How a host goes down: the request, and the pause of its runtime that follows.
//!
//! The disk and the power switch of a host use this. It knows neither.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Poll, Waker};

use turnstile_fault::Fault;

/// Most polls of one host's tasks at one instant. A host that exceeds it is in an endless loop. Polls are counted only in
/// builds with `--cfg tokio_unstable`.
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

/// Asks a host to go down. Its power switch has it, and its disk, so that an operation of the disk can crash the host.
#[derive(Clone)]
pub(super) struct Trigger {
    request: Arc<OnceLock<Death>>,
    rest: Arc<Rest>,
}

impl Trigger {
    /// A trigger that pauses the runtime of the machine.
    pub(super) fn new(rest: &Arc<Rest>) -> Self {
        Self {
            request: Arc::default(),
            rest: Arc::clone(rest),
        }
    }

    /// Requests a death. Returns whether it is the first request, which is the one that counts.
    pub(super) fn pull(&self, death: Death) -> bool {
        let is_first = self.request.set(death).is_ok();
        if is_first {
            self.rest.begin();
        }
        is_first
    }

    /// The requested death, if any.
    pub(super) fn pulled(&self) -> Option<Death> {
        self.request.get().copied()
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

    #[cfg(tokio_unstable)]
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
