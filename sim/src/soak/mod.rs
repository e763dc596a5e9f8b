//! Load test on real sockets: runs many concurrent sessions for a while and checks for losses and leaks.
//!
//! The reference server runs in its own process; clients and fakes run in this one. All sockets are on the loopback,
//! and the measurements include both processes.
//!
//! `ledger` tracks messages, `client` is one client, `parties` are the fakes, `resources` measures the server's
//! process.

mod client;
mod ledger;
mod parties;
mod resources;

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use turnstile_judge::parties::Secrets;
use turnstile_seams::{ClockExt as _, Seams, real};
use turnstile_world::live::{Process, ServerError, StartedServer};

use self::client::ClientContext;
pub use self::ledger::Counts;
use self::ledger::Ledger;
use self::parties::Fakes;
pub use self::resources::Resources;
use self::resources::Sampler;

/// Interval at which the server's resources are sampled.
const SAMPLING: Duration = Duration::from_secs(1);
/// Time after the last session in which the server must release what it held for sessions.
const RELEASE_TIME: Duration = Duration::from_secs(3);
/// Allowed growth of open files from before the first session to the end: the files of the database.
const MAX_EXTRA_FILES: u64 = 8;

/// Settings of a soak. Contains secrets, so it does not implement `Debug`.
#[derive(Clone)]
pub struct Soak {
    /// Number of concurrent sessions.
    pub sessions: usize,
    /// Duration of the load.
    pub length: Duration,
    /// Turns in a session before it is deleted and replaced; `None` keeps it until the end.
    pub turns_a_session: Option<u64>,
    /// How the server is started.
    pub server: StartedServer,
    /// The secrets of the server.
    pub secrets: Secrets,
}

/// The soak failed to start.
#[derive(Debug, thiserror::Error)]
pub enum SoakError {
    /// A fake failed to listen.
    #[error("a fake cannot listen on the loopback")]
    Listen(#[source] io::Error),
    /// The server failed to start.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// A sample during the soak.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Standing {
    /// Time since the start, in seconds in the report.
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub elapsed: Duration,
    /// Completed turns.
    pub turns: u64,
    /// Resources of the server.
    pub resources: Resources,
}

fn as_seconds<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    elapsed.as_secs_f64().serialize(serializer)
}

/// The result of a soak.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Number of concurrent sessions.
    pub sessions: usize,
    /// Duration of the load, in seconds.
    pub seconds: f64,
    /// Turns completed in that time.
    pub turns: u64,
    /// Turns per second.
    pub turns_per_second: f64,
    /// Time from sending a message to its callback.
    pub turn_ms: Quantiles,
    /// Totals, including the time after the load.
    pub counts: Counts,
    /// Resources of the server before the first session.
    pub before: Resources,
    /// Resources after a quarter of the load.
    pub early: Resources,
    /// Resources at the end of the load.
    pub late: Resources,
    /// Maximum of each resource.
    pub peak: Resources,
    /// Resources after all sessions were deleted.
    pub after: Resources,
    /// Samples, one per second.
    pub course: Vec<Standing>,
    /// Texts of the first flaws: losses and leaks.
    pub flaws: Vec<String>,
}

impl Report {
    /// Returns whether there was no loss and no leak.
    pub fn is_clean(&self) -> bool {
        self.counts.flaws == 0
    }
}

/// Quantiles of durations, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// The 50th percentile.
    pub median: u64,
    /// The 95th percentile.
    pub p95: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The maximum.
    pub longest: u64,
}

impl Quantiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
            let time = times.get(place).copied().unwrap_or_default();
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
        };
        Self {
            median: at(50),
            p95: at(95),
            p99: at(99),
            longest: at(100),
        }
    }
}

impl Soak {
    /// Runs the soak. Requires a tokio runtime with I/O and time. Calls `progress` with a sample every second, and ends
    /// the load when it returns false.
    ///
    /// # Errors
    ///
    /// Fails only if the server or a fake cannot be started. Later failures are flaws in the report.
    pub async fn run(self, progress: impl FnMut(Standing) -> bool) -> Result<Report, SoakError> {
        let mut load = Load::start(&self).await?;
        let measured = load.measure(self.length, progress).await;
        load.end().await;
        let after = load.after().await;
        let turns = measured.turns;
        Ok(Report {
            sessions: self.sessions,
            seconds: measured.seconds,
            turns,
            turns_per_second: turns as f64 / measured.seconds,
            turn_ms: Quantiles::of(load.times),
            counts: load.ledger.counts(),
            before: load.before,
            early: measured.early,
            late: measured.late,
            peak: measured.peak,
            after,
            course: measured.course,
            flaws: load.ledger.flaws(),
        })
    }
}

/// Measurements during the load.
struct Measured {
    seconds: f64,
    turns: u64,
    early: Resources,
    late: Resources,
    peak: Resources,
    course: Vec<Standing>,
}

/// The running server, clients and fakes.
struct Load {
    seams: Seams,
    ledger: Ledger,
    fakes: Fakes,
    process: Process,
    sampler: Sampler,
    before: Resources,
    clients: JoinSet<()>,
    /// Receives the duration of each completed turn.
    taken: mpsc::UnboundedReceiver<Duration>,
    /// Tells clients to stop.
    stop: watch::Sender<bool>,
    /// Durations of completed turns.
    times: Vec<Duration>,
}

impl Load {
    async fn start(soak: &Soak) -> Result<Self, SoakError> {
        let seams = real::seams();
        let ledger = Ledger::default();
        let fakes = Fakes::start(&seams, soak.sessions, &ledger).await?;
        let mut process = Process::new(soak.server.clone())?;
        let address = process.start(&["--wrapper-url".to_owned(), fakes.wrapper_url.clone()])?;
        let mut sampler = Sampler::new(process.id());
        let before = sampler.sample();

        let (turns, taken) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let context = ClientContext {
            seams: seams.clone(),
            server: address.to_string(),
            receiver: fakes.receiver.clone(),
            secrets: soak.secrets.clone(),
            sandboxes: fakes.sandboxes.clone(),
            turns_a_session: soak.turns_a_session.unwrap_or(u64::MAX),
            ledger: ledger.clone(),
            turns,
            stopped,
        };
        let mut clients = JoinSet::new();
        for _ in 0..soak.sessions {
            clients.spawn(context.clone().run_sessions());
        }
        Ok(Self {
            seams,
            ledger,
            fakes,
            process,
            sampler,
            before,
            clients,
            taken,
            stop,
            times: Vec::new(),
        })
    }

    /// Samples the server every second until `length` has passed, `progress` returns false, or no client is left.
    async fn measure(&mut self, length: Duration, mut progress: impl FnMut(Standing) -> bool) -> Measured {
        let started = self.seams.clock.now();
        let (mut course, mut early, mut peak) = (Vec::new(), None, self.before);
        let late = loop {
            self.seams.clock.sleep(SAMPLING).await;
            self.take_times();
            let late = self.sampler.sample();
            peak = peak.max(late);
            let elapsed = since(started, &self.seams);
            if elapsed >= length / 4 {
                early.get_or_insert(late);
            }
            let standing = Standing {
                elapsed,
                turns: self.times.len() as u64,
                resources: late,
            };
            course.push(standing);
            // Before the check of the process: a signal to the process group that ends the soak also ends the server.
            if !progress(standing) || elapsed >= length || self.clients.is_empty() {
                break late;
            }
            if let Some(how) = self.process.has_ended() {
                self.ledger.flaw(how);
                // No client can make progress.
                self.clients.abort_all();
                break late;
            }
        };
        Measured {
            seconds: since(started, &self.seams).as_secs_f64(),
            turns: self.times.len() as u64,
            early: early.unwrap_or(late),
            late,
            peak,
            course,
        }
    }

    /// Stops the clients after their current turns, and closes the ledger.
    async fn end(&mut self) {
        self.stop.send_replace(true);
        let ending = async { while self.clients.join_next().await.is_some() {} };
        let ended = self.seams.clock.timeout(client::TURN_TIMEOUT * 2, ending).await;
        if ended.is_err() {
            self.ledger.flaw("some sessions did not finish".to_owned());
        }
        self.take_times();
        self.ledger.close();
    }

    /// Returns the server's resources after the release time, and records leaks as flaws.
    async fn after(&mut self) -> Resources {
        self.seams.clock.sleep(RELEASE_TIME).await;
        let after = self.sampler.sample();
        if after.files > self.before.files + MAX_EXTRA_FILES {
            let (after, before) = (after.files, self.before.files);
            self.ledger.flaw(format!(
                "{after} files are open at the end, up from {before} before the first session"
            ));
        }
        let waiters = self.fakes.waiters().await.unwrap_or_default();
        if waiters["liveResponses"] != 0 {
            self.ledger
                .flaw(format!("the gateway still has pending requests: {waiters}"));
        }
        after
    }

    fn take_times(&mut self) {
        while let Ok(time) = self.taken.try_recv() {
            self.times.push(time);
        }
    }
}

fn since(started: Timestamp, seams: &Seams) -> Duration {
    seams
        .clock
        .now()
        .duration_since(started)
        .try_into()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_taken() {
        let times = (1..=200).map(Duration::from_millis).collect();
        let expected = Quantiles {
            median: 100,
            p95: 190,
            p99: 198,
            longest: 200,
        };
        assert_eq!(Quantiles::of(times), expected);
        assert_eq!(Quantiles::of(Vec::new()), Quantiles::default());
    }
}
