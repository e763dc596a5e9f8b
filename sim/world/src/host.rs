//! One simulated machine: its runtime, its tasks, and running it until it is idle.
//!
//! Time, links and other machines are not the subject of this file.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use tokio::runtime::{Builder, RngSeed, Runtime, RuntimeMetrics, UnhandledPanic};
use tokio::task::JoinHandle;
use turnstile_fault::Fault;
use turnstile_seams::{BoxFuture, Randomness, Seams};

use super::disk::Disk;
use super::network::{HostNetwork, Sockets};
use super::panics;
use super::streams::Streams;
use super::timers::Timeline;

/// Most polls of one host's tasks at one instant. A host that exceeds it is in an endless loop.
const POLLS_AT_ONE_INSTANT: u64 = 1_000_000;

/// What a host receives at each start.
#[derive(Clone)]
pub struct Machine {
    /// Name of the host, which is also its DNS name.
    pub name: Arc<str>,
    /// Number of earlier starts.
    pub restarts: u32,
    /// Network, clock and randomness.
    pub seams: Seams,
    /// Its disk.
    pub disk: Disk,
    /// Lets it crash itself.
    pub power: PowerSwitch,
}

/// Creates the first task of a host at each start.
pub(super) type Boot = Rc<dyn Fn(Machine) -> BoxFuture<'static, ()>>;

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
    request: Arc<AtomicU8>,
    rest: Arc<Rest>,
    disk: Disk,
}

const RUNNING: u8 = 0;
const PROCESS_DIES: u8 = 1;
const POWER_GOES: u8 = 2;

impl PowerSwitch {
    /// A switch that only records the request; the owner of the machine checks it.
    pub(super) fn new(disk: &Disk) -> Self {
        Self {
            request: Arc::default(),
            rest: Arc::default(),
            disk: disk.clone(),
        }
    }

    /// Crashes the process as soon as the caller awaits.
    pub fn crash(&self) {
        self.pull(PROCESS_DIES);
    }

    /// Removes the power as soon as the caller awaits.
    pub fn crash_silently(&self) {
        self.pull(POWER_GOES);
    }

    fn pull(&self, request: u8) {
        let first = self
            .request
            .compare_exchange(RUNNING, request, Ordering::Relaxed, Ordering::Relaxed);
        if first.is_ok() {
            self.disk.disconnect();
            self.rest.begin();
        }
    }

    /// The requested death, if any.
    pub(super) fn pulled(&self) -> Option<Death> {
        match self.request.load(Ordering::Relaxed) {
            PROCESS_DIES => Some(Death::Process),
            POWER_GOES => Some(Death::Power),
            _ => None,
        }
    }
}

/// Tells the future that drives a runtime when the host should pause.
#[derive(Default)]
struct Rest {
    begun: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// Polls of tasks since time last advanced.
    polls: AtomicU64,
}

impl Rest {
    fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = &*waker {
            waker.wake_by_ref();
        }
    }

    fn count_poll(&self) {
        if self.polls.fetch_add(1, Ordering::Relaxed) == POLLS_AT_ONE_INSTANT {
            self.begin();
        }
    }

    /// Drops the waker. It holds the runtime, whose hooks hold this value, so neither would be freed.
    fn drop_waker(&self) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn begun(&self) {
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

/// Why a host stopped running.
pub(super) enum HostStop {
    /// It has no work until something arrives from outside.
    Idle,
    /// It pulled its power switch.
    Dying(Death),
    /// A task panicked.
    Panicked(String),
    /// It exceeded the limit of polls.
    Livelocked,
}

/// A host from one start to the next crash.
pub(super) struct Run {
    runtime: Runtime,
    metrics: RuntimeMetrics,
    rest: Arc<Rest>,
    machine: Machine,
    sockets: Arc<Sockets>,
    tasks: Vec<JoinHandle<()>>,
}

/// What a start needs besides the host itself.
pub(super) struct StartContext<'a> {
    pub streams: &'a Streams,
    pub timeline: &'a Timeline,
}

impl Run {
    /// Prepares a host to run. `Err` is the message of a panic in `boot`.
    pub(super) fn start(
        name: &Arc<str>,
        restarts: u32,
        boot: &Boot,
        disk: Disk,
        sockets: Arc<Sockets>,
        start_context: &StartContext<'_>,
    ) -> (Self, Option<String>) {
        let label = format!("host:{name}:{restarts}");
        let rest = Arc::new(Rest::default());
        let runtime = runtime(
            &rest,
            &start_context.streams.seed_of(&format!("{label}:scheduler")),
        );
        let power = PowerSwitch {
            request: Arc::default(),
            rest: Arc::clone(&rest),
            disk: disk.clone(),
        };
        let machine = Machine {
            name: Arc::clone(name),
            restarts,
            seams: Seams {
                network: Arc::new(HostNetwork::new(Arc::clone(&sockets), power.clone())),
                clock: Arc::new(start_context.timeline.clone()),
                randomness: Randomness::new(start_context.streams.stream(&label)),
            },
            disk,
            power,
        };
        let mut run = Self {
            metrics: runtime.metrics(),
            runtime,
            rest,
            machine: machine.clone(),
            sockets,
            tasks: Vec::new(),
        };
        let panic = panics::recorded(|| {
            let booting = {
                let _entered = run.runtime.enter();
                boot(machine)
            };
            run.spawn(booting);
        });
        (run, panic)
    }

    pub(super) fn spawn(&mut self, future: impl Future<Output = ()> + Send + 'static) {
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.push(self.runtime.spawn(future));
    }

    /// The machine that the host got at this start.
    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(super) fn sockets(&self) -> &Arc<Sockets> {
        &self.sockets
    }

    /// Whether the boot task or a spawned task is unfinished.
    pub(super) fn is_unfinished(&self) -> bool {
        self.tasks.iter().any(|task| !task.is_finished())
    }

    /// Whether a task was woken since the host was last idle. Everything that can wake an idle host (a
    /// packet, a timer, or a task of another host through shared memory) goes through its runtime's injection
    /// queue.
    pub(super) fn has_work(&self) -> bool {
        self.metrics.global_queue_depth() > 0 || self.is_livelocked() || self.machine.power.pulled().is_some()
    }

    fn is_livelocked(&self) -> bool {
        self.rest.polls.load(Ordering::Relaxed) > POLLS_AT_ONE_INSTANT
    }

    /// Resets the limit of polls, because time has advanced.
    pub(super) fn reset_polls(&self) {
        self.rest.polls.store(0, Ordering::Relaxed);
    }

    /// Runs this host until it is idle.
    pub(super) fn run(&mut self) -> HostStop {
        if self.is_livelocked() {
            return HostStop::Livelocked;
        }
        let panic = panics::recorded(|| {
            let begun = pin!(self.rest.begun());
            self.runtime.block_on(begun);
        });
        self.rest.drop_waker();
        match (panic, self.machine.power.pulled()) {
            (Some(message), _) => HostStop::Panicked(message),
            (None, Some(death)) => HostStop::Dying(death),
            (None, None) if self.is_livelocked() => HostStop::Livelocked,
            (None, None) => HostStop::Idle,
        }
    }

    /// Drops all tasks and closes all sockets. The disk is unchanged.
    pub(super) fn end(self) {
        self.machine.disk.disconnect();
        drop(self.runtime);
        self.sockets.close_all();
    }
}

fn runtime(rest: &Arc<Rest>, seed: &[u8]) -> Runtime {
    let at_park = Arc::clone(rest);
    let at_poll = Arc::clone(rest);
    Builder::new_current_thread()
        .rng_seed(RngSeed::from_bytes(seed))
        .unhandled_panic(UnhandledPanic::ShutdownRuntime)
        // The runtime checks for a pause after every task, so that no other task runs once a task has pulled
        // the power switch.
        .event_interval(1)
        .on_thread_park(move || at_park.begin())
        .on_before_task_poll(move |_| at_poll.count_poll())
        .build()
        .expect("a runtime without drivers needs nothing that could be refused")
}
