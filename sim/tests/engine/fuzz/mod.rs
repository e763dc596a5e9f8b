//! Damaged input for everything that reads what others wrote: scripts, profiles, results, requests, sockets, frames.
//!
//! A target takes valid texts, damages them (`mutation`), and checks that reading or serving them ends soon, takes
//! limited memory and never panics. `readers` has the readers of files, `server` the server's edges, `plays` whole plays.
//!
//! By default each target tries a fixed number of inputs, always the same ones. To run longer, with other inputs:
//!
//! ```sh
//! TURNSTILE_FUZZ_SECONDS=1200 TURNSTILE_FUZZ_SEED=1 \
//!     cargo test --release -p turnstile --test engine fuzz -- --nocapture --test-threads 2
//! ```
//!
//! A failure prints the smallest input that was found for it.

mod mutation;
mod plays;
mod readers;
mod server;

use std::fs;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use mutation::Corpus;

/// The longest time for one input. An input takes milliseconds, but other programs may use the machine.
const SLOW: Duration = Duration::from_secs(40);
/// The time after which an input counts as one that never ends.
const ENDLESS: Duration = Duration::from_secs(120);
/// The largest memory of the process, in KiB. Other tests may run in it.
const MOST_MEMORY: u64 = 6 << 20;
/// The steps in which an input is made smaller.
const SHRINKING: u32 = 2_000;

/// A reason why an input is handled wrongly.
type Wrong = TestCaseError;

/// Checks damaged texts of a corpus: `count` of them, or as many as the time in the environment allows.
fn fuzz(name: &str, corpus: &Corpus, count: u32, check: impl Fn(&str) -> Result<(), Wrong>) {
    let number = |variable| {
        std::env::var(variable)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let time = Duration::from_secs(number("TURNSTILE_FUZZ_SECONDS").unwrap_or_default());
    let first_seed = number("TURNSTILE_FUZZ_SEED").unwrap_or_default();
    let current = Current::watch(name);
    let start = now();
    let mut tried = 0;
    for seed in (first_seed << 32).. {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = Config {
            cases: count,
            failure_persistence: None,
            max_shrink_iters: SHRINKING,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let ran = runner.run(&corpus.damaged(), |text| {
            let began = current.begin(&text);
            let checked = check(&text);
            current.end();
            let took = began.elapsed();
            if took > SLOW {
                return Err(Wrong::fail(format!("it took {took:?}")));
            }
            checked
        });
        if let Err(error) = ran {
            panic!("{name}, seed {}: {error}", seed >> 32);
        }
        tried += u64::from(count);
        let memory = memory();
        assert!(memory < MOST_MEMORY, "{name}: {memory} KiB after {tried} inputs");
        if start.elapsed() >= time {
            println!(
                "{name}: {tried} inputs in {:?}, at most {} MiB",
                start.elapsed(),
                memory >> 10
            );
            return;
        }
    }
}

/// The input that is being checked. A thread ends the process if it takes too long, because nothing else can.
#[derive(Clone, Default)]
struct Current(Arc<Mutex<Option<(Instant, String)>>>);

impl Current {
    #[expect(
        clippy::disallowed_methods,
        reason = "it watches for inputs that never end in real time"
    )]
    fn watch(name: &str) -> Self {
        let current = Self::default();
        let (watched, name) = (Arc::downgrade(&current.0), name.to_owned());
        thread::spawn(move || {
            while let Some(current) = watched.upgrade() {
                let current = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some((_, text)) = current.filter(|(began, _)| began.elapsed() > ENDLESS) {
                    eprintln!("{name}: this input never ends: {text:?}");
                    process::abort();
                }
                thread::sleep(Duration::from_secs(1));
            }
        });
        current
    }

    fn begin(&self, text: &str) -> Instant {
        let began = now();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((began, text.to_owned()));
        began
    }

    fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The largest memory of this process so far, in KiB; 0 if the system does not show it.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a fuzz target measures how long an input takes"
)]
fn now() -> Instant {
    Instant::now()
}
