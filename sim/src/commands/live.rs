//! `turnstile run --live`: plays scenarios in real time against a server in a separate process.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::Uri;
use turnstile::live::{Live, Outcome};
use turnstile::report::{Event, replay_in_real_time};
use turnstile::script::{HarnessError, Options};
use turnstile::stage::{RECEIVER_AUTHORITY, SERVER_AUTHORITY, wrapper_authority};
use turnstile::suite::{self, Play, Played, all_cores};
use turnstile::workers;
use turnstile_fault::Capability;
use turnstile_judge::parties::{SERVER, Secrets, WRAPPER};
use turnstile_profile::Profile;
use turnstile_scenarios::{Entry, LARGEST_FILE, read_file};
use turnstile_seams::error_chain::with_sources;
use turnstile_world::live::{GivenServer, LiveSetup, ServerUnderTest};

use super::arguments::ShownArguments;
use super::clock::now;
use super::exit::{Exit, print_error};
use super::interruption::Interruption;
use super::library::LibraryArguments;
use super::reference_server::reference_server;
use super::report_files::ReportArguments;
use super::reporting::Reporting;

/// The default speed of a server that the harness starts: fast enough for most scenarios, and slow compared with the
/// delays of a busy machine.
const OWN_SPEED: u32 = 10;
/// The port of a URL without a port.
const HTTP_PORT: u16 = 80;
/// The maximum wall time of a scenario.
const PATIENCE: Duration = Duration::from_secs(20);
/// The maximum wall time of a scenario with `--slow`.
const LONG_PATIENCE: Duration = Duration::from_hours(1);
/// The number of parallel scenarios for each core. Each has its own server, and all of them mostly wait.
const AT_ONCE: usize = 12;

/// The server under test.
#[derive(Args)]
#[command(next_help_heading = "Live target options")]
pub(crate) struct LiveArguments {
    /// Run in real time against a server process: the reference server, or --target
    ///
    /// Scenarios that need an unsupported capability or take longer than 20 s are skipped.
    #[arg(long, conflicts_with = "seed")]
    pub(crate) live: bool,
    /// URL of the server under test, such as http://127.0.0.1:8787
    #[arg(long, value_name = "URL", requires = "live", conflicts_with = "jobs")]
    target: Option<String>,
    /// Factor by which all durations of the server are shortened [default: 10, or 1 with --target]
    #[arg(long, value_name = "N", requires = "live", value_parser = clap::value_parser!(u32).range(1..=100))]
    speed: Option<u32>,
    /// Also run scenarios that take longer than 20 s, up to one hour
    #[arg(long, requires = "live")]
    slow: bool,
    /// Shell command that kills the target and restarts it on the same data
    #[arg(long, value_name = "COMMAND", requires = "target")]
    restart_command: Option<String>,
    /// JSON file with the values of the target's protocol profile that are not the defaults of the protocol
    #[arg(long, value_name = "FILE", requires = "target")]
    profile: Option<PathBuf>,
    /// Version that the wrapper's `/health` reports, for a target that expects one
    #[arg(long, value_name = "VERSION", requires = "target")]
    wrapper_version: Option<String>,
    /// Secret of the target's user tokens
    #[arg(
        long,
        value_name = "SECRET",
        env = "TURNSTILE_TARGET_API_SECRET",
        hide_env_values = true
    )]
    api_secret: Option<String>,
    /// Secret of the target's stream tickets
    #[arg(
        long,
        value_name = "SECRET",
        env = "TURNSTILE_TARGET_TICKET_SECRET",
        hide_env_values = true
    )]
    ticket_secret: Option<String>,
    /// API key of the target's internal procedures
    #[arg(
        long,
        value_name = "KEY",
        env = "TURNSTILE_TARGET_INTERNAL_API_KEY",
        hide_env_values = true
    )]
    internal_api_key: Option<String>,
    /// Address of the wrapper, as configured at the target
    #[arg(
        long,
        value_name = "ADDRESS",
        requires = "target",
        default_value = "127.0.0.1:9000"
    )]
    wrapper: SocketAddr,
    /// The target prefixes the path of wrapper requests with /SESSION
    #[arg(long, requires = "target")]
    sandboxes: bool,
    /// Address on which the callback receiver listens
    #[arg(
        long,
        value_name = "ADDRESS",
        requires = "target",
        default_value = "127.0.0.1:9200"
    )]
    receiver: SocketAddr,
    /// Authority at which the target reaches the receiver [default: --receiver]
    #[arg(long, value_name = "HOST:PORT", requires = "target")]
    receiver_reached_at: Option<String>,
    /// Authority of the target's ingest URL [default: that of --target]
    #[arg(long, value_name = "HOST:PORT", requires = "target")]
    ingest_authority: Option<String>,
}

/// The reports of a run.
pub(crate) struct Reports<'a> {
    pub(crate) files: &'a ReportArguments,
    pub(crate) shown: &'a ShownArguments,
    pub(crate) fail_fast: bool,
}

impl LiveArguments {
    /// The server under test; or the error in the arguments.
    fn live(&self, interruption: Interruption) -> Result<Live, String> {
        let speed = self.speed.unwrap_or(match self.target {
            Some(_) => 1,
            None => OWN_SPEED,
        });
        let mut listening = BTreeMap::new();
        let mut reached_at = BTreeMap::new();
        let mut offers = BTreeSet::new();
        let secrets = self.secrets()?;
        let profile = self.declared_profile()?;
        let (mut alias, mut front) = (None, None);
        let server = match &self.target {
            Some(target) => {
                let authority = authority(target)?;
                if self.sandboxes {
                    front = Some(self.wrapper);
                    offers.insert(Capability::Sandboxes);
                } else {
                    listening.insert(wrapper_authority(WRAPPER), self.wrapper);
                }
                listening.insert(RECEIVER_AUTHORITY.to_owned(), self.receiver);
                if let Some(advertised) = &self.receiver_reached_at {
                    reached_at.insert(RECEIVER_AUTHORITY.to_owned(), advertised.clone());
                }
                if self.restart_command.is_some() {
                    offers.insert(Capability::Crash);
                }
                let server = find(&authority, self.restart_command.as_ref())?;
                can_listen(self.wrapper, "wrapper")?;
                can_listen(self.receiver, "receiver")?;
                alias = Some(self.ingest_authority.clone().unwrap_or(authority));
                ServerUnderTest::Given(server)
            }
            None => {
                offers.extend([
                    Capability::Crash,
                    Capability::Downtime,
                    Capability::Sandboxes,
                    Capability::StoredSession,
                ]);
                ServerUnderTest::Started(reference_server(&secrets)?)
            }
        };
        Ok(Live {
            setup: LiveSetup {
                server,
                party: SERVER.to_owned(),
                authority: SERVER_AUTHORITY.to_owned(),
                alias,
                wrapper: wrapper_authority(WRAPPER),
                front,
                listening,
                reached_at,
                interruption: interruption.shared_flag(),
                speed,
            },
            secrets,
            profile,
            wrapper_version: self.wrapper_version.clone(),
            offers,
            patience: if self.slow { LONG_PATIENCE } else { PATIENCE },
        })
    }

    /// The profile of the server under test.
    fn declared_profile(&self) -> Result<Profile, String> {
        let Some(file) = &self.profile else {
            return Ok(Profile::default());
        };
        let text = read_file(file, LARGEST_FILE)
            .map_err(|error| format!("cannot read {} (--profile): {error}", file.display()))?;
        serde_json::from_str(&text)
            .map_err(|error| format!("{} is not a profile (--profile): {error}", file.display()))
    }

    fn secrets(&self) -> Result<Secrets, String> {
        if self.target.is_none() {
            return Ok(Secrets::default());
        }
        let needed = |secret: &Option<String>, name: &str| {
            secret.clone().ok_or_else(|| {
                let variable = name.to_uppercase().replace('-', "_");
                format!("--target requires --{name} or TURNSTILE_TARGET_{variable} in the environment")
            })
        };
        Ok(Secrets {
            api: needed(&self.api_secret, "api-secret")?,
            ticket: needed(&self.ticket_secret, "ticket-secret")?,
            internal_api_key: needed(&self.internal_api_key, "internal-api-key")?,
        })
    }

    /// The flags that repeat the run, without secrets.
    fn flags(&self, library: &LibraryArguments) -> String {
        let mut flags = String::new();
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                // A shell has no escape for a quote within quotes.
                let quoted = value.replace('\'', r"'\''");
                flags.push_str(&format!(" --{name} '{quoted}'"));
            }
        };
        add(
            "scenarios",
            library.elsewhere().map(|folder| folder.display().to_string()),
        );
        add("target", self.target.clone());
        add("speed", self.speed.map(|speed| speed.to_string()));
        add(
            "profile",
            self.profile.as_ref().map(|file| file.display().to_string()),
        );
        add("wrapper-version", self.wrapper_version.clone());
        add("restart-command", self.restart_command.clone());
        if self.target.is_some() {
            add("wrapper", Some(self.wrapper.to_string()));
            add("receiver", Some(self.receiver.to_string()));
        }
        add("receiver-reached-at", self.receiver_reached_at.clone());
        add("ingest-authority", self.ingest_authority.clone());
        for (is_given, flag) in [(self.slow, " --slow"), (self.sandboxes, " --sandboxes")] {
            if is_given {
                flags.push_str(flag);
            }
        }
        flags
    }
}

/// The host and port of a target's URL.
fn authority(target: &str) -> Result<String, String> {
    let wrong = || {
        format!(
            "{target:?} is not a valid target: expected a URL without a path, such as http://127.0.0.1:8787"
        )
    };
    let url: Uri = target.parse().map_err(|_| wrong())?;
    let is_plain =
        url.scheme_str() == Some("http") && url.query().is_none() && matches!(url.path(), "" | "/");
    let authority = url.authority().filter(|_| is_plain).ok_or_else(wrong)?;
    let port = authority.port_u16();
    let has_wrong_port = authority.as_str().ends_with(':') || authority.port().is_some() && port.is_none();
    if authority.host().is_empty() || authority.as_str().contains('@') || has_wrong_port || port == Some(0) {
        return Err(wrong());
    }
    Ok(format!("{}:{}", authority.host(), port.unwrap_or(HTTP_PORT)))
}

/// The first address of the target that accepts connections.
fn find(authority: &str, restart_command: Option<&String>) -> Result<GivenServer, String> {
    let addresses = authority.to_socket_addrs();
    let addresses = addresses.map_err(|error| format!("cannot resolve {authority}: {error}"))?;
    let mut problem = format!("{authority} has no address");
    for address in addresses {
        let server = GivenServer {
            address,
            restart_command: restart_command.cloned(),
        };
        match server.is_there() {
            Ok(()) => return Ok(server),
            Err(error) => problem = with_sources(&error),
        }
    }
    Err(format!("{problem}; start the server or correct --target"))
}

/// Checks that the harness can listen on an address.
fn can_listen(address: SocketAddr, flag: &str) -> Result<(), String> {
    let listening = std::net::TcpListener::bind(address);
    listening
        .map(drop)
        .map_err(|error| format!("cannot listen on {address} (--{flag}): {error}"))
}

/// Plays and judges scenarios in real time.
pub(crate) fn run_live(
    arguments: &LiveArguments,
    entries: &[&Entry],
    jobs: Option<NonZeroUsize>,
    library: &LibraryArguments,
    reports: &Reports,
) -> io::Result<Exit> {
    let interruption = Interruption::listen();
    let live = match arguments.live(interruption) {
        Ok(live) => live,
        Err(problem) => {
            print_error(&problem);
            return Ok(Exit::Usage);
        }
    };
    let is_given = arguments.target.is_some();
    let flags = arguments.flags(library);
    let Reports {
        files,
        shown,
        fail_fast,
    } = reports;
    let terminal = shown.terminal(files.terminal()).in_real_time(live.setup.speed);
    let files = files.files(entries.len(), false, shown.detail());
    let mut reporting = Reporting::start(entries.len(), terminal, files);
    let bar = reporting.bar();
    workers::in_order(
        entries.iter().take_while(|_| !interruption.is_asked_for()),
        jobs.unwrap_or_else(|| default_jobs(is_given)),
        |entry| {
            let begun = now();
            let outcome = live.play(&entry.scenario, seed(is_given));
            (*entry, outcome, begun.elapsed())
        },
        |count| bar.set_position(count as u64),
        |(entry, outcome, wall)| {
            match outcome {
                Outcome::Skipped(reason) => reporting.report(&Event::Skipped {
                    entry,
                    reason: &reason,
                }),
                Outcome::Played(Err(HarnessError::Interrupted)) => {}
                Outcome::Played(verdict) => {
                    let options = Options::default();
                    let play = Play { entry, options };
                    let played = Played { play, verdict, wall };
                    reporting.report(&Event::Played {
                        played: &played,
                        replay: &replay_in_real_time(&entry.id, &flags),
                    });
                    if *fail_fast && !matches!(played.outcome(), suite::Outcome::Passed(_)) {
                        return ControlFlow::Break(());
                    }
                }
            }
            ControlFlow::Continue(())
        },
    );
    reporting.finish(interruption)
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
