//! A soak: many sessions at once for a while on real sockets, and whether anything was lost or left over.
//!
//! The server is the reference server as a process of its own; the clients and the fakes are in this one. All of it
//! is on the loopback. What is measured is both together, on one machine.
//!
//! `ledger` is what was promised and kept, `client` one client, `parties` the fakes, `resources` what the server's
//! process takes of the machine.

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

use self::client::Surroundings;
pub use self::ledger::Counts;
use self::ledger::Ledger;
use self::parties::Fakes;
pub use self::resources::Resources;
use self::resources::Watch;

/// How often the server's resources are looked at.
const SAMPLING: Duration = Duration::from_secs(1);
/// How long after the last session is gone the server may take to let go of what it held for it.
const LETTING_GO: Duration = Duration::from_secs(3);
/// So many more files than before the first session may be open after the last one: those of its database.
const FILES_LEFT: u64 = 8;

/// What is to be done. It has secrets in it, and so is not for printing.
#[derive(Clone)]
pub struct Soak {
    /// How many sessions at once.
    pub sessions: usize,
    /// For how long messages are sent.
    pub length: Duration,
    /// After how many turns a session is removed and another one takes its place; never if `None`.
    pub turns_a_session: Option<u64>,
    /// The server.
    pub server: StartedServer,
    /// What its parties know.
    pub secrets: Secrets,
}

/// Why there was no soak.
#[derive(Debug, thiserror::Error)]
pub enum SoakError {
    /// A fake has no address.
    #[error("a fake cannot listen on the loopback")]
    Listen(#[source] io::Error),
    /// The server cannot be started.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// How it stands.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Standing {
    /// How long it has been going on, in the report in seconds.
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    pub elapsed: Duration,
    /// How many turns are over.
    pub turns: u64,
    /// What the server takes.
    pub resources: Resources,
}

fn as_seconds<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    elapsed.as_secs_f64().serialize(serializer)
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How many sessions there were.
    pub sessions: usize,
    /// For how long messages were sent, in seconds.
    pub seconds: f64,
    /// How many turns were over in that time.
    pub turns: u64,
    /// Turns a second.
    pub turns_per_second: f64,
    /// From sending a message to its callback.
    pub turn_ms: Quantiles,
    /// All that was counted, to the end.
    pub counts: Counts,
    /// What the server took before the first session.
    pub before: Resources,
    /// What it took when a quarter of the time was over.
    pub early: Resources,
    /// What it took when the time was over.
    pub late: Resources,
    /// What it took at most.
    pub peak: Resources,
    /// What it took when all sessions were removed.
    pub after: Resources,
    /// How it stood, second by second.
    pub course: Vec<Standing>,
    /// What was lost or left over, in words.
    pub flaws: Vec<String>,
}

impl Report {
    /// Whether nothing was lost and nothing left over.
    pub fn is_clean(&self) -> bool {
        self.counts.flaws == 0
    }
}

/// How long something took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// Half took no longer.
    pub median: u64,
    /// 95 of 100 took no longer.
    pub p95: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// Nothing took longer.
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
    /// Does it; to be run on a runtime with I/O and time. `told` gets the standing every second, and returns whether to
    /// go on.
    ///
    /// # Errors
    ///
    /// If it could not begin. What goes wrong later is in the report.
    pub async fn run(self, told: impl FnMut(Standing) -> bool) -> Result<Report, SoakError> {
        let mut load = Load::start(&self).await?;
        let measured = load.measure(self.length, told).await;
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

/// What was measured while messages were sent.
struct Measured {
    seconds: f64,
    turns: u64,
    early: Resources,
    late: Resources,
    peak: Resources,
    course: Vec<Standing>,
}

/// The server with its clients and fakes.
struct Load {
    seams: Seams,
    ledger: Ledger,
    fakes: Fakes,
    process: Process,
    watch: Watch,
    before: Resources,
    clients: JoinSet<()>,
    /// The time of each turn, as it ends.
    taken: mpsc::UnboundedReceiver<Duration>,
    /// Tells the clients to stop.
    enough: watch::Sender<bool>,
    /// The times of the turns that are over.
    times: Vec<Duration>,
}

impl Load {
    async fn start(soak: &Soak) -> Result<Self, SoakError> {
        let seams = real::seams();
        let ledger = Ledger::default();
        let fakes = Fakes::start(&seams, soak.sessions, &ledger).await?;
        let mut process = Process::new(soak.server.clone())?;
        let address = process.start(&["--wrapper-url".to_owned(), fakes.wrapper_url.clone()])?;
        let mut watch = Watch::new(process.id());
        let before = watch.look();

        let (turns, taken) = mpsc::unbounded_channel();
        let (enough, is_enough) = watch::channel(false);
        let surroundings = Surroundings {
            seams: seams.clone(),
            server: address.to_string(),
            receiver: fakes.receiver.clone(),
            secrets: soak.secrets.clone(),
            sandboxes: fakes.sandboxes.clone(),
            turns_a_session: soak.turns_a_session.unwrap_or(u64::MAX),
            ledger: ledger.clone(),
            turns,
            enough: is_enough,
        };
        let mut clients = JoinSet::new();
        for _ in 0..soak.sessions {
            clients.spawn(surroundings.clone().run_sessions());
        }
        Ok(Self {
            seams,
            ledger,
            fakes,
            process,
            watch,
            before,
            clients,
            taken,
            enough,
            times: Vec::new(),
        })
    }

    /// Looks at the server every second until `length` is over, `told` says so, or nothing is left to look at.
    async fn measure(&mut self, length: Duration, mut told: impl FnMut(Standing) -> bool) -> Measured {
        let begun = self.seams.clock.now();
        let (mut course, mut early, mut peak) = (Vec::new(), None, self.before);
        let late = loop {
            self.seams.clock.sleep(SAMPLING).await;
            self.take_times();
            let late = self.watch.look();
            peak = peak.at_least(late);
            let elapsed = since(begun, &self.seams);
            if elapsed >= length / 4 {
                early.get_or_insert(late);
            }
            let standing = Standing {
                elapsed,
                turns: self.times.len() as u64,
                resources: late,
            };
            course.push(standing);
            // First of all: what ends of the same signal has not ended by itself.
            if !told(standing) || elapsed >= length || self.clients.is_empty() {
                break late;
            }
            if let Some(how) = self.process.has_ended() {
                self.ledger.flaw(how);
                // No client has anything left to wait for.
                self.clients.abort_all();
                break late;
            }
        };
        Measured {
            seconds: since(begun, &self.seams).as_secs_f64(),
            turns: self.times.len() as u64,
            early: early.unwrap_or(late),
            late,
            peak,
            course,
        }
    }

    /// Lets the clients finish their turns, and closes the ledger.
    async fn end(&mut self) {
        self.enough.send_replace(true);
        let ending = async { while self.clients.join_next().await.is_some() {} };
        let ended = self.seams.clock.timeout(client::PATIENCE * 2, ending).await;
        if ended.is_err() {
            self.ledger
                .flaw("some sessions did not come to their end".to_owned());
        }
        self.take_times();
        self.ledger.close();
    }

    /// What the server holds once it had time to release everything. What it should have released is a flaw.
    async fn after(&mut self) -> Resources {
        self.seams.clock.sleep(LETTING_GO).await;
        let after = self.watch.look();
        if after.files > self.before.files + FILES_LEFT {
            let (after, before) = (after.files, self.before.files);
            self.ledger.flaw(format!(
                "{after} files are open at the end, and {before} were before the first session"
            ));
        }
        let waiters = self.fakes.waiters().await.unwrap_or_default();
        if waiters["liveResponses"] != 0 {
            self.ledger.flaw(format!("the gateway still has {waiters}"));
        }
        after
    }

    fn take_times(&mut self) {
        while let Ok(time) = self.taken.try_recv() {
            self.times.push(time);
        }
    }
}

fn since(begun: Timestamp, seams: &Seams) -> Duration {
    seams
        .clock
        .now()
        .duration_since(begun)
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
