//! What the settings mean, and what is wrong with them: all mistakes at once, each with the flag, the variable of
//! the environment and what would be right.

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

/// How many times as fast a clock may run: beyond that, time-outs are over before the machine gets round to anything.
const FASTEST: u32 = 1000;
/// How many requests can be made for one callback: the last of them could be due in thousands of years otherwise.
const MOST_ATTEMPTS: u32 = 16;
/// How long a duration can be that is given.
const LONGEST: Duration = Duration::from_hours(24);
/// What a clock may show at the start: later than that, deadlines could lie beyond the end of time.
const LATEST_START: &str = "5000-01-01T00:00:00Z";

/// The settings of a server, which are right as far as can be told before it starts. It has secrets in it, and so
/// is not for printing.
pub struct Settings {
    pub(super) listen: String,
    pub(super) data: PathBuf,
    pub(super) api_secret: String,
    pub(super) ticket_secret: String,
    pub(super) internal_api_key: String,
    pub(super) wrapper_url: WrapperUrl,
    /// `None` if it is where the server listens.
    pub(super) ingest_url: Option<String>,
    pub(super) callback_queue: bool,
    pub(super) profile: Profile,
    pub(super) imports: Vec<PathBuf>,
    pub(super) pace: Pace,
    pub(super) end_with_stdin: bool,
    pub(super) log: Log,
}

/// A setting that is missing or wrong. What was given is not repeated where it may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("{flag} ({variable}) {problem}")]
pub struct WrongSetting {
    flag: &'static str,
    variable: &'static str,
    problem: Problem,
}

/// What is wrong so far.
#[derive(Default)]
struct Complaints(Vec<WrongSetting>);

impl Complaints {
    fn add(&mut self, (flag, variable): Name, problem: Problem) {
        self.0.push(WrongSetting {
            flag,
            variable,
            problem,
        });
    }

    /// The value, or a complaint.
    fn expect<T>(&mut self, name: Name, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.add(name, problem)).ok()
    }
}

/// A setting's flag, and its variable.
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
const LOG: Name = ("--log", "TURNSTILE_LOG");

impl Settings {
    /// What the arguments mean.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them.
    pub fn read(arguments: Arguments) -> Result<Self, Vec<WrongSetting>> {
        let mut complaints = Complaints::default();
        let listen = complaints.expect(LISTEN, address(arguments.listen));
        let data = complaints.expect(DATA, directory(arguments.data));
        let api_secret = complaints.expect(API_SECRET, secret(arguments.api_secret));
        let ticket_secret = complaints.expect(TICKET_SECRET, secret(arguments.ticket_secret));
        let internal_api_key = complaints.expect(INTERNAL_API_KEY, secret(arguments.internal_api_key));
        let wrapper_url = complaints.expect(WRAPPER_URL, wrapper_url(arguments.wrapper_url));
        let ingest_url = complaints.expect(INGEST_URL, arguments.ingest_url.map(ingest_url).transpose());
        if let (Some(listen), Some(None)) = (&listen, &ingest_url)
            && is_everywhere(listen)
        {
            let listen = listen.clone();
            complaints.add(INGEST_URL, Problem::MissingIngestUrl { listen });
        }
        let callback_queue = arguments.callbacks.callback_queue == Switch::On;
        let profile = profile(arguments.callbacks, &mut complaints);
        let pace = pace(arguments.speed, arguments.speed_since, &mut complaints);
        let log = complaints.expect(LOG, Log::new(&arguments.log, arguments.log_format));
        match (
            (listen, data, api_secret, ticket_secret, internal_api_key),
            (wrapper_url, ingest_url, pace, log),
        ) {
            (
                (Some(listen), Some(data), Some(api_secret), Some(ticket_secret), Some(internal_api_key)),
                (Some(wrapper_url), Some(ingest_url), Some(pace), Some(log)),
            ) if complaints.0.is_empty() => Ok(Self {
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
                end_with_stdin: arguments.end_with_stdin,
                log,
            }),
            _ => Err(complaints.0),
        }
    }

    /// Writes the log that they ask for from now on. If the process has one already, that one stays.
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

/// Whether an address stands for all of the machine's.
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

/// What is left out is as the protocol has it.
fn profile(arguments: CallbackArguments, complaints: &mut Complaints) -> Profile {
    let CallbackArguments {
        callback_queue: _,
        callback_timeout,
        callback_attempts,
        callback_retry,
    } = arguments;
    let protocol = Profile::default();
    let mut given = |name, text: Option<String>| complaints.expect(name, duration(&text?));
    let timeout = given(CALLBACK_TIMEOUT, callback_timeout);
    let retry_base = given(CALLBACK_RETRY, callback_retry);
    let attempts =
        callback_attempts.and_then(|text| complaints.expect(CALLBACK_ATTEMPTS, number_of_attempts(&text)));
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

fn pace(speed: Option<String>, since: Option<String>, complaints: &mut Complaints) -> Option<Pace> {
    let is_both = speed.is_some() == since.is_some();
    if !is_both {
        let (missing, given) = if speed.is_none() {
            (SPEED, SPEED_SINCE)
        } else {
            (SPEED_SINCE, SPEED)
        };
        complaints.add(missing, Problem::MissingCounterpart(given.0));
    }
    let times = speed.map(|text| {
        let times = text.parse().ok().filter(|times| (1..=FASTEST).contains(times));
        complaints.expect(SPEED, times.ok_or_else(|| not_a_number(text, FASTEST)))
    });
    let since = since.map(|text| complaints.expect(SPEED_SINCE, beginning(&text)));
    match (times, since) {
        (None, None) => Some(Pace::default()),
        (Some(Some(times)), Some(Some(since))) => {
            let pace = Pace { since, times };
            let latest: Timestamp = LATEST_START.parse().expect("it is a timestamp");
            if MachineClock::new(pace).now() > latest {
                complaints.add(SPEED_SINCE, Problem::TooLongAgo { times });
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

    fn complaints(more: &[&str]) -> Vec<String> {
        let arguments: Vec<&str> = ENOUGH.iter().chain(more).copied().collect();
        read(&arguments).err().unwrap_or_default()
    }

    #[test]
    fn all_that_is_missing_is_told_at_once_by_flag_and_variable() {
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
    fn callbacks_are_as_the_protocol_has_them_but_for_what_is_given() {
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
    fn each_wrong_setting_is_told_with_what_would_be_right() {
        assert_eq!(complaints(&[]), Vec::<String>::new());
        let long_ago = ["--speed", "1000", "--speed-since", "1970-01-01T00:00:00Z"];
        for (more, wrong) in [
            (
                &["--listen", "8787"][..],
                "--listen (TURNSTILE_LISTEN) is \"8787\", which is no address",
            ),
            (
                &["--listen", "0.0.0.0:0"],
                "--ingest-url (TURNSTILE_INGEST_URL) is missing: 0.0.0.0:0 is no",
            ),
            (&["--ingest-url", "http://x"], "which is no WebSocket's URL"),
            (
                &["--callback-timeout", "10"],
                "--callback-timeout (TURNSTILE_CALLBACK_TIMEOUT) is \"10\"; give a duration",
            ),
            (&["--callback-retry=-1s"], "give a duration of at most a day"),
            (&["--callback-retry", "25h"], "give a duration of at most a day"),
            (&["--callback-attempts", "0"], "give a number from 1 to 16"),
            (
                &["--speed", "20"],
                "--speed-since (TURNSTILE_SPEED_SINCE) is missing: --speed does",
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
                "\"today\", which is no timestamp",
            ),
            (
                &["--speed", "2", "--speed-since", "9000-01-01T00:00:00Z"],
                "in the future",
            ),
            (&long_ago, "has left the calendar"),
            (
                &["--log", "a=b=c"],
                "--log (TURNSTILE_LOG) is \"a=b=c\", which is no filter",
            ),
        ] {
            let told = complaints(more);
            assert!(told.len() == 1 && told[0].contains(wrong), "{more:?}: {told:?}");
        }
    }

    #[test]
    fn a_secret_is_not_repeated() {
        let told = read(&["--api-secret", "", "--ticket-secret", "hush"])
            .err()
            .unwrap();
        assert!(told.iter().all(|line| !line.contains("hush")), "{told:?}");
        assert!(
            told[1].starts_with("--api-secret (TURNSTILE_API_SECRET) is empty"),
            "{told:?}"
        );
    }
}
