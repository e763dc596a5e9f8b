//! Checks and converts the arguments. All errors are reported together; each names the flag, the environment variable
//! and a valid value.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use turnstile_profile::Profile;
use turnstile_seams::Clock as _;
use turnstile_seams::real::{MachineClock, Pace};
use url::Url;

use super::arguments::{Arguments, CallbackArguments, Switch};
use super::log::Log;
use super::problem::Problem;
use super::wrapper_url::WrapperUrl;

/// The maximum of `--speed`. With a faster clock, time-outs pass before the machine can react.
const FASTEST: u32 = 1000;
/// The maximum of `--callback-attempts`. With more, the delay before the last request could be thousands of years.
const MOST_ATTEMPTS: u32 = 16;
/// The maximum of the durations.
const LONGEST: Duration = Duration::from_hours(24);
/// The latest time that the clock may show at the start. After it, deadlines could exceed the range of timestamps.
const LATEST_START: &str = "5000-01-01T00:00:00Z";

/// The valid settings of a server. Not `Debug`, because they contain secrets.
pub struct Settings {
    pub(super) listen: String,
    pub(super) data: PathBuf,
    pub(super) api_secret: String,
    pub(super) ticket_secret: String,
    pub(super) internal_api_key: String,
    pub(super) wrapper_url: WrapperUrl,
    /// `None` stands for the listening address.
    pub(super) ingest_url: Option<String>,
    pub(super) callback_queue: bool,
    pub(super) profile: Profile,
    pub(super) imports: Vec<PathBuf>,
    pub(super) pace: Pace,
    /// Where a test moves the clock forward.
    pub(super) test_clock: Option<String>,
    pub(super) end_with_stdin: bool,
    pub(super) log: Log,
}

/// A missing or invalid setting. The message does not repeat values that may be secrets.
#[derive(Debug, thiserror::Error)]
#[error("{flag} ({variable}) {problem}")]
pub struct SettingError {
    flag: &'static str,
    variable: &'static str,
    problem: Problem,
}

/// The errors found so far.
#[derive(Default)]
struct SettingErrors(Vec<SettingError>);

impl SettingErrors {
    fn add(&mut self, (flag, variable): Name, problem: Problem) {
        self.0.push(SettingError {
            flag,
            variable,
            problem,
        });
    }

    /// Returns the value, or records the error.
    fn expect<T>(&mut self, name: Name, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.add(name, problem)).ok()
    }
}

/// The flag and the environment variable of a setting.
type Name = (&'static str, &'static str);

const LISTEN: Name = ("--listen", "TURNSTILE_LISTEN");
const DATA: Name = ("--data", "TURNSTILE_DATA");
const API_SECRET: Name = ("--api-secret", "TURNSTILE_API_SECRET");
const TICKET_SECRET: Name = ("--ticket-secret", "TURNSTILE_TICKET_SECRET");
const INTERNAL_API_KEY: Name = ("--internal-api-key", "TURNSTILE_INTERNAL_API_KEY");
const WRAPPER_URL: Name = ("--wrapper-url", "TURNSTILE_WRAPPER_URL");
const INGEST_URL: Name = ("--ingest-url", "TURNSTILE_INGEST_URL");
const CALLBACK_TIMEOUT: Name = ("--callback-timeout", "TURNSTILE_CALLBACK_TIMEOUT");
const CALLBACK_ATTEMPTS: Name = ("--callback-attempts", "TURNSTILE_CALLBACK_ATTEMPTS");
const CALLBACK_RETRY: Name = ("--callback-retry", "TURNSTILE_CALLBACK_RETRY");
const SPEED: Name = ("--speed", "TURNSTILE_SPEED");
const SPEED_SINCE: Name = ("--speed-since", "TURNSTILE_SPEED_SINCE");
const TEST_CLOCK: Name = ("--test-clock", "TURNSTILE_TEST_CLOCK");
const LOG: Name = ("--log", "TURNSTILE_LOG");

impl Settings {
    /// Checks and converts the arguments.
    ///
    /// # Errors
    ///
    /// Every missing or invalid setting, in a fixed order.
    pub fn read(arguments: Arguments) -> Result<Self, Vec<SettingError>> {
        let mut errors = SettingErrors::default();
        let listen = errors.expect(LISTEN, address(arguments.listen));
        let data = errors.expect(DATA, directory(arguments.data));
        let api_secret = errors.expect(API_SECRET, secret(arguments.api_secret));
        let ticket_secret = errors.expect(TICKET_SECRET, secret(arguments.ticket_secret));
        let internal_api_key = errors.expect(INTERNAL_API_KEY, secret(arguments.internal_api_key));
        let wrapper_url = errors.expect(WRAPPER_URL, wrapper_url(arguments.wrapper_url));
        let ingest_url = errors.expect(INGEST_URL, arguments.ingest_url.map(ingest_url).transpose());
        if let (Some(listen), Some(None)) = (&listen, &ingest_url)
            && is_everywhere(listen)
        {
            let listen = listen.clone();
            errors.add(INGEST_URL, Problem::MissingIngestUrl { listen });
        }
        let callback_queue = arguments.callbacks.callback_queue == Switch::On;
        let profile = profile(arguments.callbacks, &mut errors);
        let pace = pace(arguments.speed, arguments.speed_since, &mut errors);
        let test_clock = errors.expect(TEST_CLOCK, arguments.test_clock.map(address).transpose());
        let log = errors.expect(LOG, Log::new(&arguments.log, arguments.log_format));
        match (
            (listen, data, api_secret, ticket_secret, internal_api_key),
            (wrapper_url, ingest_url, pace, test_clock, log),
        ) {
            (
                (Some(listen), Some(data), Some(api_secret), Some(ticket_secret), Some(internal_api_key)),
                (Some(wrapper_url), Some(ingest_url), Some(pace), Some(test_clock), Some(log)),
            ) if errors.0.is_empty() => Ok(Self {
                listen,
                data,
                api_secret,
                ticket_secret,
                internal_api_key,
                wrapper_url,
                ingest_url,
                callback_queue,
                profile,
                imports: arguments.imports,
                pace,
                test_clock,
                end_with_stdin: arguments.end_with_stdin,
                log,
            }),
            _ => Err(errors.0),
        }
    }

    /// Installs the log as the process's subscriber. Does nothing if the process already has one.
    pub fn install_log(&self) {
        self.log.install();
    }
}

fn address(text: String) -> Result<String, Problem> {
    let is_address = text
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if is_address {
        Ok(text)
    } else {
        Err(Problem::Address(text))
    }
}

/// Whether the address is unspecified, so that the server listens on all addresses of the machine.
fn is_everywhere(listen: &str) -> bool {
    let address: Result<std::net::SocketAddr, _> = listen.parse();
    address.is_ok_and(|address| address.ip().is_unspecified())
}

fn directory(path: Option<PathBuf>) -> Result<PathBuf, Problem> {
    path.filter(|path| !path.as_os_str().is_empty())
        .ok_or(Problem::MissingDirectory)
}

fn secret(text: Option<String>) -> Result<String, Problem> {
    match text {
        None => Err(Problem::MissingSecret),
        Some(text) if text.is_empty() => Err(Problem::EmptySecret),
        Some(text) => Ok(text),
    }
}

fn wrapper_url(text: Option<String>) -> Result<WrapperUrl, Problem> {
    let text = text.ok_or(Problem::MissingWrapperUrl)?;
    text.parse()
        .map_err(|source| Problem::WrapperUrl { text, source })
}

fn ingest_url(text: String) -> Result<String, Problem> {
    let url: Option<Url> = text.parse().ok();
    let is_right = url.is_some_and(|url| {
        matches!(url.scheme(), "ws" | "wss") && url.query().is_none() && url.fragment().is_none()
    });
    if is_right {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(Problem::IngestUrl(text))
    }
}

/// Reads the callback settings. Absent settings have the values of the protocol.
fn profile(arguments: CallbackArguments, errors: &mut SettingErrors) -> Profile {
    let CallbackArguments {
        callback_queue: _,
        callback_timeout,
        callback_attempts,
        callback_retry,
    } = arguments;
    let protocol = Profile::default();
    let mut given = |name, text: Option<String>| errors.expect(name, duration(&text?));
    let timeout = given(CALLBACK_TIMEOUT, callback_timeout);
    let retry_base = given(CALLBACK_RETRY, callback_retry);
    let attempts =
        callback_attempts.and_then(|text| errors.expect(CALLBACK_ATTEMPTS, number_of_attempts(&text)));
    Profile {
        callback_timeout: timeout.unwrap_or(protocol.callback_timeout),
        callback_attempts: attempts.unwrap_or(protocol.callback_attempts),
        callback_retry_base: retry_base.unwrap_or(protocol.callback_retry_base),
        ..protocol
    }
}

fn duration(text: &str) -> Result<Duration, Problem> {
    let given = text.parse::<SignedDuration>().ok();
    let given = given.and_then(|given| Duration::try_from(given).ok());
    given
        .filter(|given| !given.is_zero() && *given <= LONGEST)
        .ok_or_else(|| Problem::Duration(text.to_owned()))
}

fn number_of_attempts(text: &str) -> Result<NonZeroU32, Problem> {
    let number: Option<NonZeroU32> = text.parse().ok();
    number
        .filter(|number| number.get() <= MOST_ATTEMPTS)
        .ok_or_else(|| not_a_number(text.to_owned(), MOST_ATTEMPTS))
}

fn pace(speed: Option<String>, since: Option<String>, errors: &mut SettingErrors) -> Option<Pace> {
    let is_both = speed.is_some() == since.is_some();
    if !is_both {
        let (missing, given) = if speed.is_none() {
            (SPEED, SPEED_SINCE)
        } else {
            (SPEED_SINCE, SPEED)
        };
        errors.add(missing, Problem::MissingCounterpart(given.0));
    }
    let times = speed.map(|text| {
        let times = text.parse().ok().filter(|times| (1..=FASTEST).contains(times));
        errors.expect(SPEED, times.ok_or_else(|| not_a_number(text, FASTEST)))
    });
    let since = since.map(|text| errors.expect(SPEED_SINCE, beginning(&text)));
    match (times, since) {
        (None, None) => Some(Pace::default()),
        (Some(Some(times)), Some(Some(since))) => {
            let pace = Pace { since, times };
            let latest: Timestamp = LATEST_START.parse().expect("a valid timestamp");
            if MachineClock::new(pace).now() > latest {
                errors.add(SPEED_SINCE, Problem::TooLongAgo { times });
                return None;
            }
            Some(pace)
        }
        _ => None,
    }
}

fn beginning(text: &str) -> Result<Timestamp, Problem> {
    let since: Timestamp = text.parse().map_err(|_| Problem::Timestamp(text.to_owned()))?;
    if since > MachineClock::default().now() {
        return Err(Problem::InTheFuture(text.to_owned()));
    }
    Ok(since)
}

fn not_a_number(text: String, most: u32) -> Problem {
    Problem::Number { text, most }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    const ENOUGH: [&str; 10] = [
        "--data",
        "d",
        "--api-secret",
        "a",
        "--ticket-secret",
        "t",
        "--internal-api-key",
        "k",
        "--wrapper-url",
        "http://w",
    ];

    fn read(arguments: &[&str]) -> Result<Settings, Vec<String>> {
        let called = std::iter::once("server").chain(arguments.iter().copied());
        let arguments = Program::try_parse_from(called).unwrap().arguments;
        Settings::read(arguments).map_err(|wrong| wrong.iter().map(ToString::to_string).collect())
    }

    fn errors(more: &[&str]) -> Vec<String> {
        let arguments: Vec<&str> = ENOUGH.iter().chain(more).copied().collect();
        read(&arguments).err().unwrap_or_default()
    }

    #[test]
    fn all_missing_settings_are_reported_together() {
        let wrong = read(&[]).err().unwrap();
        let names = [DATA, API_SECRET, TICKET_SECRET, INTERNAL_API_KEY, WRAPPER_URL];
        assert_eq!(wrong.len(), names.len(), "{wrong:?}");
        for ((flag, variable), wrong) in names.iter().zip(&wrong) {
            assert!(
                wrong.starts_with(&format!("{flag} ({variable}) is missing: ")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn absent_callback_settings_have_the_values_of_the_protocol() {
        let read = |more: &[&str]| {
            let arguments: Vec<&str> = ENOUGH.iter().chain(more).copied().collect();
            let settings = read(&arguments).unwrap_or_else(|wrong| panic!("{wrong:?}"));
            (settings.callback_queue, settings.profile)
        };
        assert_eq!(read(&[]), (true, Profile::default()));
        let given = read(&[
            "--callback-queue",
            "off",
            "--callback-timeout",
            "500ms",
            "--callback-attempts",
            "1",
            "--callback-retry",
            "2m",
        ]);
        let expected = Profile {
            callback_timeout: Duration::from_millis(500),
            callback_attempts: NonZeroU32::MIN,
            callback_retry_base: Duration::from_mins(2),
            ..Profile::default()
        };
        assert_eq!(given, (false, expected));
    }

    #[test]
    fn each_error_names_a_valid_value() {
        assert_eq!(errors(&[]), Vec::<String>::new());
        let long_ago = ["--speed", "1000", "--speed-since", "1970-01-01T00:00:00Z"];
        for (more, wrong) in [
            (
                &["--listen", "8787"][..],
                "--listen (TURNSTILE_LISTEN) is \"8787\", which is not an address",
            ),
            (
                &["--listen", "0.0.0.0:0"],
                "--ingest-url (TURNSTILE_INGEST_URL) is missing: wrappers cannot connect to 0.0.0.0:0",
            ),
            (&["--ingest-url", "http://x"], "which is not a WebSocket URL"),
            (
                &["--callback-timeout", "10"],
                "--callback-timeout (TURNSTILE_CALLBACK_TIMEOUT) is \"10\"; give a duration",
            ),
            (&["--callback-retry=-1s"], "give a duration of at most a day"),
            (&["--callback-retry", "25h"], "give a duration of at most a day"),
            (&["--callback-attempts", "0"], "give a number from 1 to 16"),
            (
                &["--speed", "20"],
                "--speed-since (TURNSTILE_SPEED_SINCE) is missing: --speed requires it",
            ),
            (
                &["--speed-since", "2026-01-01T00:00:00Z"],
                "--speed (TURNSTILE_SPEED) is missing",
            ),
            (
                &["--speed", "0", "--speed-since", "2026-01-01T00:00:00Z"],
                "a number from 1 to 1000",
            ),
            (
                &["--speed", "2", "--speed-since", "today"],
                "\"today\", which is not a timestamp",
            ),
            (
                &["--speed", "2", "--speed-since", "9000-01-01T00:00:00Z"],
                "in the future",
            ),
            (&long_ago, "is too long ago"),
            (
                &["--log", "a=b=c"],
                "--log (TURNSTILE_LOG) is \"a=b=c\", which is not a log filter",
            ),
        ] {
            let reported = errors(more);
            assert!(
                reported.len() == 1 && reported[0].contains(wrong),
                "{more:?}: {reported:?}"
            );
        }
    }

    #[test]
    fn errors_do_not_contain_secrets() {
        let reported = read(&["--api-secret", "", "--ticket-secret", "hush"])
            .err()
            .unwrap();
        assert!(reported.iter().all(|line| !line.contains("hush")), "{reported:?}");
        assert!(
            reported[1].starts_with("--api-secret (TURNSTILE_API_SECRET) is empty"),
            "{reported:?}"
        );
    }
}
