//! One simulated machine: its runtime, what is started on it, and letting it run until it rests.
//!
//! Nothing here knows of time, links or other machines.

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

/// How often the tasks of one host may be polled without time moving on. What needs more is not at work,
/// it turns in a circle.
const POLLS_AT_ONE_INSTANT: u64 = 1_000_000;

/// What a host is given each time it starts.
#[derive(Clone)]
pub struct Machine {
    /// The host's name, which is its DNS name too.
    pub name: Arc<str>,
    /// How often the host has been started before.
    pub restarts: u32,
    /// Its network, clock and randomness.
    pub seams: Seams,
    /// Its disk.
    pub disk: Disk,
    /// Its own end.
    pub power: PowerSwitch,
}

/// What is started on a host, at each of its starts.
pub(super) type Boot = Rc<dyn Fn(Machine) -> BoxFuture<'static, ()>>;

/// How a host goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    /// The process dies: its machine still says goodbye for it, and refuses its callers.
    Process,
    /// The power goes: not a word leaves the machine any more.
    Power,
}

impl Death {
    /// How a host goes down by a crash.
    pub(super) fn of(power_loss: bool) -> Self {
        match power_loss {
            true => Self::Power,
            false => Self::Process,
        }
    }

    /// The fault that a host which goes down like this has.
    pub(super) fn fault(self, host: &str) -> Fault {
        match self {
            Self::Process => Fault::crash(host),
            Self::Power => Fault::power_loss(host),
        }
    }
}

/// Lets a host bring about its own crash, at a point in its code that nobody outside could hit.
///
/// The disk is dead at once. No other task of the host runs any more; the caller's does, up to its next
/// await, but what it writes to a stream goes nowhere.
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
    /// A switch that nothing happens by: whoever runs the machine looks whether it was pulled.
    pub(super) fn new(disk: &Disk) -> Self {
        Self {
            request: Arc::default(),
            rest: Arc::default(),
            disk: disk.clone(),
        }
    }

    /// As [`World::crash`](super::World::crash), as soon as the caller awaits.
    pub fn crash(&self) {
        self.pull(PROCESS_DIES);
    }

    /// As [`World::crash_silently`](super::World::crash_silently), as soon as the caller awaits.
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

    /// The death that was asked for, if one was.
    pub(super) fn pulled(&self) -> Option<Death> {
        match self.request.load(Ordering::Relaxed) {
            PROCESS_DIES => Some(Death::Process),
            POWER_GOES => Some(Death::Power),
            _ => None,
        }
    }
}

/// What the future that drives a runtime waits for: that the host is to rest.
#[derive(Default)]
struct Rest {
    begun: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// How often tasks were polled since time last moved.
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

    /// Lets go of the waker, which holds the runtime, whose hooks hold this: neither would ever be freed.
    fn forget_waker(&self) {
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

/// How a run of a host ended.
pub(super) enum Rested {
    /// Nothing is left to do until something comes from outside.
    Idle,
    /// It pulled its power switch.
    Dying(Death),
    /// A task panicked.
    Panicked(String),
    /// It was stopped, for it would have gone on for ever.
    Restless,
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

/// What a start needs that is not the host's own.
pub(super) struct Surroundings<'a> {
    pub streams: &'a Streams,
    pub timeline: &'a Timeline,
}

impl Run {
    /// Makes a host ready to run. `Err` is the message of a panic in `boot` itself.
    pub(super) fn start(
        name: &Arc<str>,
        restarts: u32,
        boot: &Boot,
        disk: Disk,
        sockets: Arc<Sockets>,
        surroundings: &Surroundings<'_>,
    ) -> (Self, Option<String>) {
        let label = format!("host:{name}:{restarts}");
        let rest = Arc::new(Rest::default());
        let runtime = runtime(
            &rest,
            &surroundings.streams.seed_of(&format!("{label}:scheduler")),
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
                clock: Arc::new(surroundings.timeline.clone()),
                randomness: Randomness::new(surroundings.streams.stream(&label)),
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

    /// What was given to the host at this start.
    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(super) fn sockets(&self) -> &Arc<Sockets> {
        &self.sockets
    }

    /// Whether the boot task or a spawned one is not at its end.
    pub(super) fn is_unfinished(&self) -> bool {
        self.tasks.iter().any(|task| !task.is_finished())
    }

    /// Whether a task was woken since the host last rested. Everything that can wake a resting host, be it a
    /// packet, a timer or another host's task through something they share, goes through its runtime's
    /// injection queue.
    pub(super) fn has_work(&self) -> bool {
        self.metrics.global_queue_depth() > 0 || self.is_restless() || self.machine.power.pulled().is_some()
    }

    fn is_restless(&self) -> bool {
        self.rest.polls.load(Ordering::Relaxed) > POLLS_AT_ONE_INSTANT
    }

    /// Time has moved on: the host may poll its tasks anew.
    pub(super) fn forgive_polls(&self) {
        self.rest.polls.store(0, Ordering::Relaxed);
    }

    /// Runs everything on this host that can run.
    pub(super) fn run(&mut self) -> Rested {
        if self.is_restless() {
            return Rested::Restless;
        }
        let panic = panics::recorded(|| {
            let begun = pin!(self.rest.begun());
            self.runtime.block_on(begun);
        });
        self.rest.forget_waker();
        match (panic, self.machine.power.pulled()) {
            (Some(message), _) => Rested::Panicked(message),
            (None, Some(death)) => Rested::Dying(death),
            (None, None) if self.is_restless() => Rested::Restless,
            (None, None) => Rested::Idle,
        }
    }

    /// Drops all tasks and closes all sockets, and leaves the disk alone.
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
        // After every task the runtime looks whether it is to stop: when a task pulls the power switch, no
        // other task runs.
        .event_interval(1)
        .on_thread_park(move || at_park.begin())
        .on_before_task_poll(move |_| at_poll.count_poll())
        .build()
        .expect("a runtime without drivers needs nothing that could be refused")
}
