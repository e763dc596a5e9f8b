//! `turnstile run --live`: plays scenarios in real time against a server in a separate process.

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use turnstile::live::{ANY_PORT, Live, Outcome};
use turnstile::report::{Event, replay_in_real_time};
use turnstile::script::Options;
use turnstile::stage::{RECEIVER_AUTHORITY, wrapper_authority};
use turnstile::suite::{Play, Played, all_cores};
use turnstile::workers;
use turnstile_fault::Capability;
use turnstile_judge::parties::{Secrets, WRAPPER};
use turnstile_scenarios::Entry;
use turnstile_world::live::{Doors, ServerUnderTest};

use super::arguments::ShownArguments;
use super::baseline::Expectations;
use super::clock::now;
use super::exit::{Exit, print_error};
use super::interruption::Interruption;
use super::library::LibraryArguments;
use super::reference_server::reference_server;
use super::report_files::ReportArguments;
use super::reporting::{Remembering, Reporting};
use super::target::{Target, TargetArguments, quoted};

/// The default speed of a server that the harness starts: fast enough for most scenarios, and slow compared with the
/// delays of a busy machine.
const OWN_SPEED: u32 = 10;
/// The maximum wall time of a scenario.
const PATIENCE: Duration = Duration::from_secs(20);
/// The maximum wall time of a scenario with `--slow`.
const LONG_PATIENCE: Duration = Duration::from_hours(1);
/// The number of parallel plays: for each core if each has its own server, and else in all. All of them mostly wait.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(12).expect("it is not zero");
/// Why plays cannot be parallel.
const ONE_WRAPPER: &str =
    "--jobs requires a target with sandboxes: the wrapper of one address serves one play after another";

/// Whether scenarios run in real time, and against which server.
#[derive(Args)]
#[command(next_help_heading = "Live target options")]
pub(crate) struct LiveArguments {
    /// Run in real time against a server process: the reference server, or a target
    ///
    /// Scenarios that need an unsupported capability or take longer than 20 s are skipped.
    #[arg(long, conflicts_with = "seed")]
    pub(crate) live: bool,
    /// Also run scenarios that take longer than 20 s, up to one hour
    #[arg(long, requires = "live")]
    slow: bool,
    /// Go on with a play after a step that failed
    #[arg(long, requires = "live")]
    keep_playing: bool,
    #[command(flatten)]
    target: TargetArguments,
}

/// The reports of a run.
pub(crate) struct Reports<'a> {
    pub(crate) files: &'a ReportArguments,
    pub(crate) shown: &'a ShownArguments,
    pub(crate) fail_fast: bool,
    pub(crate) expectations: &'a Expectations,
    /// The longest wall time of a play, if it is given.
    pub(crate) play_timeout: Option<Duration>,
}

impl LiveArguments {
    /// Checks that no option is without effect.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.live {
            false if self.target.is_named() => Err("--target and --config require --live".to_owned()),
            false if self.target.speed().is_some() => Err("--speed requires --live".to_owned()),
            _ => Ok(()),
        }
    }

    /// The server under test, and the number of parallel plays; or the error in the arguments.
    fn live(
        &self,
        interruption: Interruption,
        jobs: Option<NonZeroUsize>,
    ) -> Result<(Live, NonZeroUsize), String> {
        let patience = if self.slow { LONG_PATIENCE } else { PATIENCE };
        let interruption = interruption.shared_flag();
        let Some(target) = self.target.target()? else {
            let speed = self.target.speed().unwrap_or(OWN_SPEED);
            let jobs = jobs.unwrap_or_else(|| all_cores().saturating_mul(AT_ONCE));
            return Ok((own(speed, patience, interruption)?, jobs));
        };
        let jobs = match (jobs, target.sandboxes) {
            (jobs, true) => jobs.unwrap_or(AT_ONCE),
            (None, false) => NonZeroUsize::MIN,
            (Some(jobs), false) if jobs == NonZeroUsize::MIN => jobs,
            (Some(_), false) => return Err(ONE_WRAPPER.to_owned()),
        };
        Ok((given(target, patience, interruption, jobs)?, jobs))
    }

    /// The flags that repeat the run, without secrets.
    fn flags(&self, library: &LibraryArguments) -> String {
        let folder = library.elsewhere().map(|folder| folder.display().to_string());
        let mut flags = folder.map_or_else(String::new, |folder| format!(" --scenarios {}", quoted(&folder)));
        flags.push_str(&self.target.flags());
        if self.slow {
            flags.push_str(" --slow");
        }
        flags
    }
}

/// The reference server, a new process for each play.
fn own(speed: u32, patience: Duration, interruption: Arc<AtomicBool>) -> Result<Live, String> {
    let secrets = Secrets::default();
    let server = ServerUnderTest::Started(reference_server(&secrets)?);
    let mut live = Live::new(server, secrets, speed, patience);
    live.setup.interruption = interruption;
    Ok(live)
}

/// A server to be probed: its wrapper is reached below any path, and the harness finds out which.
pub(crate) fn probed(target: Target, interruption: Interruption) -> Result<Live, String> {
    let wrapper = target.wrapper;
    let mut live = given(target, PATIENCE, interruption.shared_flag(), NonZeroUsize::MIN)?;
    live.setup.front = Some(wrapper);
    live.setup.listening.remove(&wrapper_authority(WRAPPER));
    Ok(live)
}

/// A server that is running already.
fn given(
    target: Target,
    patience: Duration,
    interruption: Arc<AtomicBool>,
    jobs: NonZeroUsize,
) -> Result<Live, String> {
    let server = target.find();
    let server = server.map_err(|problem| format!("{problem}; start the server or correct --target"))?;
    target.can_listen()?;
    let server = ServerUnderTest::Given(server);
    let mut live = Live::new(server, target.secrets, target.speed, patience);
    live.profile = target.profile;
    live.wrapper_version = target.wrapper_version;
    if target.sandboxes {
        live.offers.insert(Capability::Sandboxes);
    }
    if target.restart_command.is_some() {
        live.offers.insert(Capability::Crash);
    }
    let advertised = target
        .receiver_reached_at
        .unwrap_or_else(|| target.receiver.to_string());
    let setup = &mut live.setup;
    setup.interruption = interruption;
    setup.alias = Some(target.ingest_authority);
    setup.reached_at.insert(RECEIVER_AUTHORITY.to_owned(), advertised);
    if jobs > NonZeroUsize::MIN {
        let opened = Doors::open(target.wrapper, target.receiver);
        live.doors = Some(opened.map_err(|error| format!("cannot listen for parallel plays: {error}"))?);
        setup.front = Some(ANY_PORT);
        return Ok(live);
    }
    setup
        .listening
        .insert(RECEIVER_AUTHORITY.to_owned(), target.receiver);
    if target.sandboxes {
        setup.front = Some(target.wrapper);
    } else {
        setup.listening.insert(wrapper_authority(WRAPPER), target.wrapper);
    }
    Ok(live)
}

/// Plays and judges scenarios in real time.
pub(crate) fn run_live(
    arguments: &LiveArguments,
    entries: &[&Entry],
    jobs: Option<NonZeroUsize>,
    library: &LibraryArguments,
    reports: &Reports,
) -> io::Result<Exit> {
    let is_given = arguments.target.is_named();
    let interruption = Interruption::listen();
    let (mut live, jobs) = match arguments.live(interruption, jobs) {
        Ok(live) => live,
        Err(problem) => {
            print_error(&problem);
            return Ok(Exit::Usage);
        }
    };
    let flags = arguments.flags(library);
    let Reports {
        files,
        shown,
        fail_fast,
        expectations,
        play_timeout,
    } = reports;
    live.play_timeout = play_timeout.unwrap_or(live.play_timeout);
    live.keeps_playing = arguments.keep_playing;
    let terminal = shown.terminal(files.terminal()).in_real_time(live.setup.speed);
    let files = files.files(entries.len(), false, shown.detail());
    let mut reporting = Reporting::start(
        entries.len(),
        terminal,
        files,
        expectations.follow(),
        Remembering::Failures,
    );
    let bar = reporting.bar();
    // A play that kills a server which other plays use is played alone.
    let is_alone = |entry: &&&Entry| is_given && entry.scenario.needs().contains(&Capability::Crash);
    let (alone, together): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(is_alone);
    let mut finished = 0;
    let mut is_stopped = false;
    for (entries, jobs) in [(together, jobs), (alone, NonZeroUsize::MIN)] {
        let is_over = is_stopped;
        workers::in_order(
            entries
                .iter()
                .take_while(|_| !is_over && !interruption.is_asked_for()),
            jobs,
            |entry| {
                let play = || played(&live, entry, seed(is_given));
                let first = play()?;
                // A scenario that was not skipped is not skipped when it is repeated.
                let again = |_| play().ok();
                Ok(expectations.judge(first, again))
            },
            |count| bar.set_position((finished + count) as u64),
            |outcome| {
                is_stopped |= *fail_fast && outcome.as_ref().is_ok_and(Played::is_red);
                report(&mut reporting, outcome, &flags);
                if is_stopped {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            },
        );
        finished += entries.len();
    }
    reporting.finish(interruption)
}

/// Reports a play, or why it was skipped.
fn report<W: io::Write>(
    reporting: &mut Reporting<W>,
    outcome: Result<Played<'_>, (&Entry, String)>,
    flags: &str,
) {
    match outcome {
        Err((entry, reason)) => reporting.report(&Event::Skipped {
            entry,
            reason: &reason,
        }),
        Ok(played) if played.was_interrupted() => {}
        Ok(played) => reporting.report(&Event::Played {
            played: &played,
            replay: &replay_in_real_time(&played.play.entry.id, flags),
        }),
    }
}

/// Plays a scenario, or says why it is skipped.
fn played<'a>(live: &Live, entry: &'a Entry, seed: u64) -> Result<Played<'a>, (&'a Entry, String)> {
    let begun = now();
    match live.play(&entry.scenario, seed) {
        Outcome::Skipped(reason) => Err((entry, reason)),
        Outcome::Played(verdict) => {
            let options = Options::default();
            let verdict = verdict.map(|verdict| *verdict);
            Ok(Played::new(Play { entry, options }, verdict, begun.elapsed()))
        }
    }
}

/// The seed of ids. A server that outlives a play must not get the same ids again.
fn seed(is_given: bool) -> u64 {
    if is_given {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        since.as_nanos() as u64
    } else {
        0
    }
}
