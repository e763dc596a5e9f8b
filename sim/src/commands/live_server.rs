//! Servers for plays in real time: the reference server as a process, or a target that is running already.

use std::num::NonZeroUsize;
use std::time::Duration;

use turnstile::live::{ANY_PORT, Live, LongScenarios};
use turnstile::stage::{RECEIVER_AUTHORITY, wrapper_authority};
use turnstile::suite::all_cores;
use turnstile_fault::Capability;
use turnstile_judge::parties::{Secrets, WRAPPER};
use turnstile_world::live::{Cutoff, Doors, GivenServer, ServerUnderTest};

use super::interruption::Interruption;
use super::reference_server::reference_server;
use super::target::Target;

/// The maximum wall time of a scenario.
const PATIENCE: Duration = Duration::from_secs(20);
/// The maximum wall time of a scenario with `--slow`.
const LONG_PATIENCE: Duration = Duration::from_hours(1);
/// The number of parallel plays for each core if each has its own server. All of them mostly wait.
const AT_ONCE: NonZeroUsize = NonZeroUsize::new(12).expect("it is not zero");
/// The number of parallel plays against one server.
const ALL_AT_ONCE: NonZeroUsize = NonZeroUsize::new(32).expect("it is not zero");
/// Why plays cannot be parallel.
const ONE_WRAPPER: &str =
    "--jobs requires a target with sandboxes: the wrapper of one address serves one play after another";

/// The maximum wall time of a scenario, with `--slow` or without it.
pub(crate) fn patience(slow: bool) -> Duration {
    if slow { LONG_PATIENCE } else { PATIENCE }
}

/// The reference server, a new process for each play, and the number of parallel plays. `flags` select a mutant.
pub(crate) fn own(
    speed: u32,
    patience: Duration,
    interruption: Interruption,
    jobs: Option<NonZeroUsize>,
    flags: &str,
) -> Result<(Live, NonZeroUsize), String> {
    let secrets = Secrets::default();
    let server = ServerUnderTest::Started(reference_server(&secrets, flags)?);
    let mut live = Live::new(server, secrets, speed, patience);
    live.setup.cutoff = Cutoff::default().or_when(interruption.shared_flag());
    live.long = LongScenarios::OnTestClock;
    Ok((live, jobs.unwrap_or_else(|| all_cores().saturating_mul(AT_ONCE))))
}

/// A server to be probed: its wrapper is reached below any path, and the harness finds out which.
pub(crate) fn probed(
    target: Target,
    server: GivenServer,
    interruption: Interruption,
) -> Result<Live, String> {
    let wrapper = target.declared.wrapper;
    let mut live = given(target, server, PATIENCE, interruption, NonZeroUsize::MIN)?;
    live.setup.front = Some(wrapper);
    live.setup.listening.remove(&wrapper_authority(WRAPPER));
    Ok(live)
}

/// A server that is running already, and the number of parallel plays.
pub(crate) fn given_for(
    target: Target,
    patience: Duration,
    interruption: Interruption,
    jobs: Option<NonZeroUsize>,
) -> Result<(Live, NonZeroUsize), String> {
    let server = target.find();
    let server = server.map_err(|problem| format!("{problem}; start the server or correct --target"))?;
    let jobs = match (jobs, target.sandboxes) {
        (jobs, true) => jobs.unwrap_or(ALL_AT_ONCE),
        (None, false) => NonZeroUsize::MIN,
        (Some(jobs), false) if jobs == NonZeroUsize::MIN => jobs,
        (Some(_), false) => return Err(ONE_WRAPPER.to_owned()),
    };
    let live = given(target, server, patience, interruption, jobs)?;
    Ok((live, jobs))
}

/// A server that is running already.
fn given(
    target: Target,
    server: GivenServer,
    patience: Duration,
    interruption: Interruption,
    jobs: NonZeroUsize,
) -> Result<Live, String> {
    target.can_listen()?;
    let alias = target.ingest_authority();
    let declared = target.declared;
    let (wrapper, receiver) = (declared.wrapper, declared.receiver);
    let server = ServerUnderTest::Given(server);
    let mut live = Live::new(server, target.secrets, declared.speed, patience);
    live.profile = target.profile;
    live.wrapper_version = declared.wrapper_version;
    if declared.test_clock.is_some() {
        live.long = LongScenarios::Postponed;
    }
    if target.sandboxes {
        live.offers.insert(Capability::Sandboxes);
    }
    if declared.restart_command.is_some() {
        live.offers.insert(Capability::Crash);
    }
    let advertised = declared
        .receiver_reached_at
        .unwrap_or_else(|| receiver.to_string());
    let setup = &mut live.setup;
    setup.cutoff = Cutoff::default().or_when(interruption.shared_flag());
    setup.alias = Some(alias);
    setup.reached_at.insert(RECEIVER_AUTHORITY.to_owned(), advertised);
    if jobs > NonZeroUsize::MIN {
        let opened = Doors::open(wrapper, receiver);
        live.doors = Some(opened.map_err(|error| format!("cannot listen for parallel plays: {error}"))?);
        setup.front = Some(ANY_PORT);
        return Ok(live);
    }
    setup.listening.insert(RECEIVER_AUTHORITY.to_owned(), receiver);
    if target.sandboxes {
        setup.front = Some(wrapper);
    } else {
        setup.listening.insert(wrapper_authority(WRAPPER), wrapper);
    }
    Ok(live)
}

/// The seed of ids. A server that outlives a play must not get the same ids again.
pub(crate) fn seed(is_given: bool) -> u64 {
    if is_given {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        since.as_nanos() as u64
    } else {
        0
    }
}
