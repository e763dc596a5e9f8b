//! One simulated machine: its runtime, its tasks, and running it until it is idle.
//!
//! Time, links and other machines are not the subject of this file.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime, RuntimeMetrics};
use tokio::task::JoinHandle;
use turnstile_seams::{BoxFuture, Clock, Randomness, Seams};

use super::death::{Death, Rest};
use super::disk::Disk;
use super::network::{HostNetwork, Sockets};
use super::panics;
use super::power::PowerSwitch;
use super::streams::Streams;

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
    /// Its clock until the next crash.
    pub clock: Arc<dyn Clock>,
}

impl Run {
    /// Prepares a host to run. `Err` is the message of a panic in `boot`.
    pub(super) fn start(
        name: &Arc<str>,
        restarts: u32,
        boot: &Boot,
        disk: Disk,
        sockets: Arc<Sockets>,
        start_context: StartContext<'_>,
    ) -> (Self, Option<String>) {
        let label = format!("host:{name}:{restarts}");
        let rest = Arc::new(Rest::default());
        let runtime = runtime(&rest);
        let power = PowerSwitch::with_rest(&disk, &rest);
        let machine = Machine {
            name: Arc::clone(name),
            restarts,
            seams: Seams {
                network: Arc::new(HostNetwork::new(Arc::clone(&sockets), power.clone())),
                clock: start_context.clock,
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
        self.rest.is_exhausted()
    }

    /// Resets the limit of polls, because time has advanced.
    pub(super) fn reset_polls(&self) {
        self.rest.forgive_polls();
    }

    /// Runs this host until it is idle.
    pub(super) fn run(&mut self) -> HostStop {
        if self.is_livelocked() {
            return HostStop::Livelocked;
        }
        // tokio goes on with other tasks after a panic, and the host must not.
        let panic = panics::recorded_pausing(&self.rest, || {
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

    /// Closes all sockets and drops all tasks. The disk is unchanged.
    ///
    /// The runtime drops its tasks in an order that depends on how many there were before in the whole process. So the
    /// sockets are closed first, and what a task does when it is dropped must not be part of a trace.
    pub(super) fn end(self) {
        self.machine.disk.disconnect();
        self.sockets.close_all();
        drop(self.runtime);
        self.sockets.leave();
    }
}

/// A runtime without drivers.
///
/// Nothing that plays in a world draws from tokio's generator, so it needs no seed: every `select!` is biased, and
/// `turnstile_seams::latest` replaces `watch` channels. The test `house_rules` checks that.
fn runtime(rest: &Arc<Rest>) -> Runtime {
    let at_park = Arc::clone(rest);
    let mut builder = Builder::new_current_thread();
    builder
        // The runtime checks for a pause after every task, so that no other task runs once a task has pulled
        // the power switch.
        .event_interval(1)
        .on_thread_park(move || at_park.begin());
    count_polls(&mut builder, rest);
    builder
        .build()
        .expect("a runtime without drivers needs nothing that could be refused")
}

/// Counts polls, to end endless loops at the same poll in every run.
#[cfg(tokio_unstable)]
fn count_polls(builder: &mut Builder, rest: &Arc<Rest>) {
    let rest = Arc::clone(rest);
    builder.on_before_task_poll(move |_| rest.count_poll());
}

/// Does nothing: tokio has this hook only with `--cfg tokio_unstable`, which builds outside of the project's folder lack.
/// A limit of wall-clock time ends endless loops then.
#[cfg(not(tokio_unstable))]
fn count_polls(_: &mut Builder, _: &Arc<Rest>) {}
