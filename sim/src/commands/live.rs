//! `turnstile run --live`: plays scenarios in real time against a server in a separate process.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use turnstile::live::{Live, Outcome};
use turnstile::report::{Event, replay_in_real_time};
use turnstile::script::Options;
use turnstile::stage::{RECEIVER_AUTHORITY, SERVER_AUTHORITY, wrapper_authority};
use turnstile::suite::{Play, Played, all_cores};
use turnstile::workers;
use turnstile_fault::Capability;
use turnstile_judge::parties::{SERVER, Secrets, WRAPPER};
use turnstile_profile::Profile;
use turnstile_scenarios::Entry;
use turnstile_world::live::{LiveSetup, ServerUnderTest};

use super::arguments::ShownArguments;
use super::baseline::Expectations;
use super::clock::now;
use super::exit::{Exit, print_error};
use super::interruption::Interruption;
use super::library::LibraryArguments;
use super::reference_server::reference_server;
use super::report_files::ReportArguments;
use super::reporting::Reporting;
use super::target::{Target, TargetArguments, quoted};

/// The default speed of a server that the harness starts: fast enough for most scenarios, and slow compared with the
/// delays of a busy machine.
const OWN_SPEED: u32 = 10;
/// The maximum wall time of a scenario.
const PATIENCE: Duration = Duration::from_secs(20);
/// The maximum wall time of a scenario with `--slow`.
const LONG_PATIENCE: Duration = Duration::from_hours(1);
/// The number of parallel scenarios for each core. Each has its own server, and all of them mostly wait.
const AT_ONCE: usize = 12;

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
    #[command(flatten)]
    target: TargetArguments,
}

/// The reports of a run.
pub(crate) struct Reports<'a> {
    pub(crate) files: &'a ReportArguments,
    pub(crate) shown: &'a ShownArguments,
    pub(crate) fail_fast: bool,
    pub(crate) expectations: &'a Expectations,
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

    /// The server under test; or the error in the arguments.
    fn live(&self, interruption: Interruption) -> Result<Live, String> {
        let patience = if self.slow { LONG_PATIENCE } else { PATIENCE };
        let interruption = interruption.shared_flag();
        let Some(target) = self.target.target()? else {
            let speed = self.target.speed().unwrap_or(OWN_SPEED);
            return own(speed, patience, interruption);
        };
        given(target, patience, interruption)
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
    Ok(Live {
        setup: LiveSetup {
            server: ServerUnderTest::Started(reference_server(&secrets)?),
            party: SERVER.to_owned(),
            authority: SERVER_AUTHORITY.to_owned(),
            alias: None,
            wrapper: wrapper_authority(WRAPPER),
            front: None,
            listening: BTreeMap::new(),
            reached_at: BTreeMap::new(),
            interruption,
            speed,
        },
        secrets,
        profile: Profile::default(),
        wrapper_version: None,
        offers: BTreeSet::from([
            Capability::Crash,
            Capability::Downtime,
            Capability::Sandboxes,
            Capability::StoredSession,
        ]),
        patience,
    })
}

/// A server that is running already.
fn given(target: Target, patience: Duration, interruption: Arc<AtomicBool>) -> Result<Live, String> {
    let server = target.find()?;
    target.can_listen()?;
    let mut listening = BTreeMap::from([(RECEIVER_AUTHORITY.to_owned(), target.receiver)]);
    let mut offers = BTreeSet::new();
    let mut front = None;
    if target.sandboxes {
        front = Some(target.wrapper);
        offers.insert(Capability::Sandboxes);
    } else {
        listening.insert(wrapper_authority(WRAPPER), target.wrapper);
    }
    if target.restart_command.is_some() {
        offers.insert(Capability::Crash);
    }
    let advertised = target.receiver_reached_at;
    let reached_at = advertised.map(|advertised| (RECEIVER_AUTHORITY.to_owned(), advertised));
    Ok(Live {
        setup: LiveSetup {
            server: ServerUnderTest::Given(server),
            party: SERVER.to_owned(),
            authority: SERVER_AUTHORITY.to_owned(),
            alias: Some(target.ingest_authority),
            wrapper: wrapper_authority(WRAPPER),
            front,
            listening,
            reached_at: reached_at.into_iter().collect(),
            interruption,
            speed: target.speed,
        },
        secrets: target.secrets,
        profile: target.profile,
        wrapper_version: target.wrapper_version,
        offers,
        patience,
    })
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
    if is_given && jobs.is_some() {
        print_error("--jobs has no effect with a target: its one wrapper serves one scenario after another");
        return Ok(Exit::Usage);
    }
    let interruption = Interruption::listen();
    let live = match arguments.live(interruption) {
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
    } = reports;
    let terminal = shown.terminal(files.terminal()).in_real_time(live.setup.speed);
    let files = files.files(entries.len(), false, shown.detail());
    let mut reporting = Reporting::start(entries.len(), terminal, files, expectations.follow());
    let bar = reporting.bar();
    workers::in_order(
        entries.iter().take_while(|_| !interruption.is_asked_for()),
        jobs.unwrap_or_else(|| default_jobs(is_given)),
        |entry| {
            let play = || played(&live, entry, seed(is_given));
            let first = play()?;
            // A scenario that was not skipped is not skipped when it is repeated.
            let again = |_| play().ok();
            Ok(expectations.judge(first, again))
        },
        |count| bar.set_position(count as u64),
        |outcome| {
            match outcome {
                Err((entry, reason)) => reporting.report(&Event::Skipped {
                    entry,
                    reason: &reason,
                }),
                Ok(played) if played.was_interrupted() => {}
                Ok(played) => {
                    reporting.report(&Event::Played {
                        played: &played,
                        replay: &replay_in_real_time(&played.play.entry.id, &flags),
                    });
                    if *fail_fast && played.is_red() {
                        return ControlFlow::Break(());
                    }
                }
            }
            ControlFlow::Continue(())
        },
    );
    reporting.finish(interruption)
}

/// Plays a scenario, or says why it is skipped.
fn played<'a>(live: &Live, entry: &'a Entry, seed: u64) -> Result<Played<'a>, (&'a Entry, String)> {
    let begun = now();
    match live.play(&entry.scenario, seed) {
        Outcome::Skipped(reason) => Err((entry, reason)),
        Outcome::Played(verdict) => {
            let options = Options::default();
            Ok(Played::new(Play { entry, options }, verdict, begun.elapsed()))
        }
    }
}

/// The default number of parallel plays.
fn default_jobs(is_given: bool) -> NonZeroUsize {
    if is_given {
        // One server is configured with one wrapper.
        NonZeroUsize::MIN
    } else {
        all_cores().saturating_mul(NonZeroUsize::MIN.saturating_add(AT_ONCE - 1))
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
