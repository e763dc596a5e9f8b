//! The machine's own sockets, clock and randomness behind the seams.

#![expect(clippy::disallowed_methods, reason = "this is where the real world is let in")]

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::net::{TcpListener, TcpStream};

use crate::{ByteStream, Clock, Listener, Network, Randomness, Seams, tls};

/// The pause after a failed `accept`, for example if the process has too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The machine's seams. They need a tokio runtime with I/O and time.
pub fn seams() -> Seams {
    seams_at(Pace::default())
}

/// The machine's seams with a clock of that pace.
pub fn seams_at(pace: Pace) -> Seams {
    Seams {
        network: Arc::new(MachineNetwork),
        clock: Arc::new(MachineClock::new(pace)),
        randomness: Randomness::new(rand::make_rng::<rand::rngs::StdRng>()),
    }
}

/// Prints `{what} on http://HOST:PORT` to standard output, with the actual port. `listening on` lets the parent process
/// know that the server is ready.
///
/// # Errors
///
/// If standard output cannot be written to.
pub fn announce(what: &str, authority: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{what} on http://{authority}")?;
    stdout.flush()
}

/// The machine's TCP sockets.
#[derive(Debug, Clone, Copy)]
pub struct MachineNetwork;

impl Network for MachineNetwork {
    fn listen<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(authority).await?;
            let authority = listener.local_addr()?.to_string();
            Ok(Box::new(MachineListener { listener, authority }) as Box<dyn Listener>)
        })
    }

    fn connect<'a>(&'a self, authority: &'a str) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(authority).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }

    fn secure<'a>(
        &'a self,
        stream: Box<dyn ByteStream>,
        host: &'a str,
    ) -> BoxFuture<'a, io::Result<Box<dyn ByteStream>>> {
        Box::pin(tls::secure(stream, host))
    }
}

struct MachineListener {
    listener: TcpListener,
    authority: String,
}

impl Listener for MachineListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let (stream, _) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    return Err(error);
                }
            };
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }

    fn authority(&self) -> String {
        self.authority.clone()
    }
}

/// The speed of a clock. Clocks of the same pace show the same time.
///
/// All durations of a party shrink accordingly; the party does not need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The time at which the clock shows the machine's time.
    pub since: Timestamp,
    /// The number of its seconds in one second of the machine.
    pub times: u32,
}

impl Default for Pace {
    /// The pace of the machine's clock.
    fn default() -> Self {
        Self {
            since: Timestamp::UNIX_EPOCH,
            times: 1,
        }
    }
}

impl Pace {
    /// The time of the clock when the machine's clock shows `machine`. Saturates at the maximum timestamp.
    pub fn at(self, machine: Timestamp) -> Timestamp {
        let times = i32::try_from(self.times).unwrap_or(i32::MAX);
        let passed = machine.duration_since(self.since).checked_mul(times);
        let passed = passed.unwrap_or(SignedDuration::MAX);
        self.since.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// The duration on the machine's clock of a `duration` on this clock.
    pub fn on_the_machine(self, duration: Duration) -> Duration {
        duration / self.times.max(1)
    }
}

/// The machine's wall clock, or a clock that runs faster.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineClock {
    pace: Pace,
}

impl MachineClock {
    /// Creates a clock of that pace.
    pub fn new(pace: Pace) -> Self {
        Self { pace }
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        self.pace.at(Timestamp::now())
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let clock = *self;
        Box::pin(async move {
            loop {
                // tokio's timer uses the monotonic clock; the loop is for a wall clock that is set back.
                match Duration::try_from(deadline.duration_since(clock.now())) {
                    Ok(left) if !left.is_zero() => {
                        // At least 1 µs, because a duration that rounds to zero would make this a busy loop.
                        let left = clock.pace.on_the_machine(left).max(Duration::from_micros(1));
                        tokio::time::sleep(left).await;
                    }
                    _ => return,
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_runs_at_its_pace() {
        let since: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a timestamp");
        let pace = Pace { since, times: 20 };
        let minute = SignedDuration::from_mins(1);
        assert_eq!(pace.at(since), since);
        assert_eq!(pace.at(since + minute), since + minute * 20);
        assert_eq!(
            pace.on_the_machine(Duration::from_secs(20)),
            Duration::from_secs(1)
        );
    }

    #[test]
    fn a_clock_saturates_at_the_maximum_timestamp() {
        let pace = Pace {
            since: Timestamp::UNIX_EPOCH,
            times: u32::MAX,
        };
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a timestamp");
        assert_eq!(pace.at(now), Timestamp::MAX);
    }
}
