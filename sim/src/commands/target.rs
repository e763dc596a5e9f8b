//! Options that describe a server under test, in place of the values of a file or in addition to them.

use std::env;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use clap::{ArgGroup, Args};
use http::Uri;
use toml::Spanned;
use turnstile::live::target::{Declared, FASTEST, TargetFile};
use turnstile::probe::{Declaration, SecretNames};
use turnstile_judge::parties::Secrets;
use turnstile_profile::Profile;
use turnstile_scenarios::{LARGEST_FILE, Problem, read_file};
use turnstile_seams::error_chain::with_sources;
use turnstile_world::live::GivenServer;

/// The group of options that name a server.
const NAMED: &str = "named";
/// The port of a URL without a port.
const HTTP_PORT: u16 = 80;
/// Where the wrapper listens by default.
const WRAPPER: &str = "127.0.0.1:9000";
/// Where the receiver listens by default.
const RECEIVER: &str = "127.0.0.1:9200";
/// The variable with the secret of users' tokens, unless a file names another.
const API_SECRET: &str = "TURNSTILE_TARGET_API_SECRET";
/// The variable with the secret of stream tickets, unless a file names another.
const TICKET_SECRET: &str = "TURNSTILE_TARGET_TICKET_SECRET";
/// The variable with the API key of internal procedures, unless a file names another.
const INTERNAL_API_KEY: &str = "TURNSTILE_TARGET_INTERNAL_API_KEY";

/// The server under test.
#[derive(Args)]
#[command(next_help_heading = "Live target options", group = ArgGroup::new(NAMED).multiple(true))]
pub(crate) struct TargetArguments {
    /// File that describes the server under test
    ///
    /// The other options of this section override the values of the file.
    #[arg(long, value_name = "FILE", group = NAMED)]
    config: Option<PathBuf>,
    /// URL of the server under test, such as http://127.0.0.1:8787
    #[arg(long, value_name = "URL", group = NAMED)]
    target: Option<String>,
    /// Factor by which all durations of the server are shortened [default: 10, or 1 with a target]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(FASTEST)))]
    speed: Option<u32>,
    /// Shell command that kills the target and restarts it on the same data
    #[arg(long, value_name = "COMMAND", requires = NAMED)]
    restart_command: Option<String>,
    /// URL of the target's test clock, for scenarios that take longer than 20 s
    #[arg(long, value_name = "URL", requires = NAMED)]
    test_clock: Option<String>,
    /// JSON file with the values of the target's protocol profile that are not the defaults of the protocol
    #[arg(long, value_name = "FILE", requires = NAMED)]
    profile: Option<PathBuf>,
    /// Version that the wrapper's `/health` reports, for a target that expects one
    #[arg(long, value_name = "VERSION", requires = NAMED)]
    wrapper_version: Option<String>,
    /// Secret of the target's user tokens
    #[arg(
        long,
        value_name = "SECRET",
        env = API_SECRET,
        hide_env_values = true
    )]
    api_secret: Option<String>,
    /// Secret of the target's stream tickets
    #[arg(
        long,
        value_name = "SECRET",
        env = TICKET_SECRET,
        hide_env_values = true
    )]
    ticket_secret: Option<String>,
    /// API key of the target's internal procedures
    #[arg(
        long,
        value_name = "KEY",
        env = INTERNAL_API_KEY,
        hide_env_values = true
    )]
    internal_api_key: Option<String>,
    /// Address of the wrapper, as configured at the target [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDRESS", requires = NAMED)]
    wrapper: Option<SocketAddr>,
    /// The target prefixes the path of wrapper requests with /SESSION
    #[arg(long, requires = NAMED)]
    sandboxes: bool,
    /// Address on which the callback receiver listens [default: 127.0.0.1:9200]
    #[arg(long, value_name = "ADDRESS", requires = NAMED)]
    receiver: Option<SocketAddr>,
    /// Authority at which the target reaches the receiver [default: --receiver]
    #[arg(long, value_name = "HOST:PORT", requires = NAMED)]
    receiver_reached_at: Option<String>,
    /// Authority of the target's ingest URL [default: that of --target]
    #[arg(long, value_name = "HOST:PORT", requires = NAMED)]
    ingest_authority: Option<String>,
}

/// Why a test clock cannot be used.
const SPEED_WITH_TEST_CLOCK: &str =
    "a test clock requires speed 1: the clock of a faster server shows another time";

/// A server under test, from the file and the options.
pub(crate) struct Target {
    /// What a file about it repeats.
    pub declared: Declaration,
    /// Its profile.
    pub profile: Profile,
    /// Its secrets.
    pub secrets: Secrets,
    /// Whether each session has a sandbox.
    pub sandboxes: bool,
}

impl TargetArguments {
    /// Whether the options name a server.
    pub(crate) fn is_named(&self) -> bool {
        self.target.is_some() || self.config.is_some()
    }

    /// Checks that no option is without effect: all of them need `--live`.
    pub(crate) fn check(&self, is_live: bool) -> Result<(), String> {
        match is_live {
            false if self.is_named() => Err("--target and --config require --live".to_owned()),
            false if self.speed.is_some() => Err("--speed requires --live".to_owned()),
            _ => Ok(()),
        }
    }

    /// The given speed, for a server that the harness starts.
    pub(crate) fn speed(&self) -> Option<u32> {
        self.speed
    }

    /// The server that the options name; `None` if they name none.
    ///
    /// # Errors
    ///
    /// The error in the options, the file or the environment, as a text.
    pub(crate) fn target(&self) -> Result<Option<Target>, String> {
        if !self.is_named() {
            return Ok(None);
        }
        let (file, text) = self.file()?;
        let url = self.target.as_ref().or(file.url.as_ref());
        let url = url.ok_or_else(|| {
            let file = self.config.clone().unwrap_or_default();
            format!("{} has no `url`: add one, or set --target", file.display())
        })?;
        let own_authority = authority(url)?;
        let address = |given: Option<SocketAddr>, written: Option<SocketAddr>, default: &str| {
            let given = given.or(written);
            given.map_or_else(
                || default.parse().map_err(|error| format!("{default}: {error}")),
                Ok,
            )
        };
        let variable = |named: Option<&Spanned<String>>, default: &str| {
            named.map_or_else(|| default.to_owned(), |named| named.as_ref().clone())
        };
        let secret_names = SecretNames {
            api: variable(file.secrets.api.as_ref(), API_SECRET),
            ticket: variable(file.secrets.ticket.as_ref(), TICKET_SECRET),
            internal_api_key: variable(file.secrets.internal_api_key.as_ref(), INTERNAL_API_KEY),
        };
        let test_clock = self.test_clock.as_ref().or(file.test_clock.as_ref());
        let test_clock = test_clock.map(|url| authority(url)).transpose()?;
        let speed = self.speed.or(file.speed).unwrap_or(1);
        if test_clock.is_some() && speed != 1 {
            return Err(SPEED_WITH_TEST_CLOCK.to_owned());
        }
        let declared = Declaration {
            authority: own_authority,
            speed,
            restart_command: self.restart_command.clone().or(file.restart_command),
            test_clock,
            secrets: secret_names,
            wrapper: address(self.wrapper, file.wrapper.listen, WRAPPER)?,
            wrapper_version: self.wrapper_version.clone().or(file.wrapper.version),
            receiver: address(self.receiver, file.receiver.listen, RECEIVER)?,
            receiver_reached_at: self.receiver_reached_at.clone().or(file.receiver.reached_at),
            ingest_authority: self.ingest_authority.clone().or(file.ingest_authority),
        };
        Ok(Some(Target {
            declared,
            profile: self.declared_profile()?.unwrap_or(file.profile),
            secrets: Secrets {
                api: self.secret(
                    &self.api_secret,
                    file.secrets.api.as_ref(),
                    ("api-secret", API_SECRET),
                    &text,
                )?,
                ticket: self.secret(
                    &self.ticket_secret,
                    file.secrets.ticket.as_ref(),
                    ("ticket-secret", TICKET_SECRET),
                    &text,
                )?,
                internal_api_key: self.secret(
                    &self.internal_api_key,
                    file.secrets.internal_api_key.as_ref(),
                    ("internal-api-key", INTERNAL_API_KEY),
                    &text,
                )?,
            },
            sandboxes: self.sandboxes || file.capabilities.contains(&Declared::Sandboxes),
        }))
    }

    /// The file of `--config` and its text; an empty one without the option.
    fn file(&self) -> Result<(TargetFile, String), String> {
        let Some(path) = &self.config else {
            return Ok((TargetFile::default(), String::new()));
        };
        let text = read_file(path, LARGEST_FILE)
            .map_err(|error| format!("cannot read {} (--config): {error}", path.display()))?;
        let file = TargetFile::parse(&text, path).map_err(|problem| problem.to_string())?;
        Ok((file, text))
    }

    /// The profile of `--profile`.
    fn declared_profile(&self) -> Result<Option<Profile>, String> {
        let Some(file) = &self.profile else {
            return Ok(None);
        };
        let text = read_file(file, LARGEST_FILE)
            .map_err(|error| format!("cannot read {} (--profile): {error}", file.display()))?;
        let profile = serde_json::from_str(&text)
            .map_err(|error| format!("{} is not a profile (--profile): {error}", file.display()))?;
        Ok(Some(profile))
    }

    /// A secret: from the option, or else from the variable that the file names. `name` is the option, and `default` its
    /// variable.
    fn secret(
        &self,
        given: &Option<String>,
        variable: Option<&Spanned<String>>,
        (name, default): (&str, &str),
        text: &str,
    ) -> Result<String, String> {
        if let Some(secret) = given {
            return Ok(secret.clone());
        }
        let Some(variable) = variable else {
            let key = name.trim_end_matches("-secret");
            return Err(match &self.config {
                None => format!("--target requires --{name} or {default} in the environment"),
                Some(file) => format!(
                    "{} names no variable for `secrets.{key}`: add one, or set --{name} or {default}",
                    file.display()
                ),
            });
        };
        env::var(variable.as_ref()).map_err(|error| {
            let file = self.config.clone().unwrap_or_default();
            let text_of_error = match error {
                env::VarError::NotPresent => "is not set",
                env::VarError::NotUnicode(_) => "is not UTF-8",
            };
            let message = format!("the environment variable `{}` {text_of_error}", variable.as_ref());
            Problem::in_text(&file, text, variable.span().start, message).to_string()
        })
    }

    /// The flags that repeat the run, without secrets.
    pub(crate) fn flags(&self) -> String {
        let mut flags = String::new();
        let address = |address: &SocketAddr| address.to_string();
        let path = |path: &PathBuf| path.display().to_string();
        for (name, value) in [
            ("config", self.config.as_ref().map(path)),
            ("target", self.target.clone()),
            ("speed", self.speed.map(|speed| speed.to_string())),
            ("profile", self.profile.as_ref().map(path)),
            ("wrapper-version", self.wrapper_version.clone()),
            ("restart-command", self.restart_command.clone()),
            ("test-clock", self.test_clock.clone()),
            ("wrapper", self.wrapper.as_ref().map(address)),
            ("receiver", self.receiver.as_ref().map(address)),
            ("receiver-reached-at", self.receiver_reached_at.clone()),
            ("ingest-authority", self.ingest_authority.clone()),
        ] {
            if let Some(value) = value {
                flags.push_str(&format!(" --{name} {}", quoted(&value)));
            }
        }
        if self.sandboxes {
            flags.push_str(" --sandboxes");
        }
        flags
    }
}

impl Target {
    /// The authority of its ingest URL.
    pub(crate) fn ingest_authority(&self) -> String {
        let declared = self.declared.ingest_authority.as_ref();
        declared.unwrap_or(&self.declared.authority).clone()
    }

    /// The server, if it accepts connections.
    ///
    /// # Errors
    ///
    /// Why it cannot be reached, as a text.
    pub(crate) fn find(&self) -> Result<GivenServer, String> {
        let authority = &self.declared.authority;
        let addresses = authority.to_socket_addrs();
        let addresses = addresses.map_err(|error| format!("cannot resolve {authority}: {error}"))?;
        let mut problem = format!("{authority} has no address");
        for address in addresses {
            let server = GivenServer {
                address,
                restart_command: self.declared.restart_command.clone(),
                test_clock: self.declared.test_clock.clone(),
            };
            match server.is_there() {
                Ok(()) => return Ok(server),
                Err(error) => problem = with_sources(&error),
            }
        }
        Err(problem)
    }

    /// Checks that the harness can listen where the server expects its parties.
    ///
    /// # Errors
    ///
    /// Why it cannot, as a text.
    pub(crate) fn can_listen(&self) -> Result<(), String> {
        for (address, flag) in [
            (self.declared.wrapper, "wrapper"),
            (self.declared.receiver, "receiver"),
        ] {
            std::net::TcpListener::bind(address)
                .map_err(|error| format!("cannot listen on {address} (--{flag}): {error}"))?;
        }
        Ok(())
    }
}

/// A value as one word of a shell.
pub(crate) fn quoted(value: &str) -> String {
    // A shell has no escape for a quote within quotes.
    format!("'{}'", value.replace('\'', r"'\''"))
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
