//! Seeds and their scripts in real time, for `turnstile explore` and `turnstile shrink`.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use clap::Args;
use turnstile::explore;
use turnstile::live::{Live, LongScenarios, Outcome};
use turnstile::stage::Subject;
use turnstile_fault::Capability;
use turnstile_scenarios::Scenario;

use super::interruption::Interruption;
use super::live_server::{given_for, own, patience, seed};
use super::target::TargetArguments;

/// Whether seeds and their scripts are played in real time, and against which server.
#[derive(Args)]
#[command(next_help_heading = "Live target options")]
pub(crate) struct LiveSeedArguments {
    /// Play in real time against a server process: the reference server, or a target
    ///
    /// A seed has only the faults that the server offers.
    #[arg(long, conflicts_with = "database")]
    pub(crate) live: bool,
    /// Play what takes longer than 20 s, up to one hour, in true time
    #[arg(long, requires = "live")]
    slow: bool,
    #[command(flatten)]
    target: TargetArguments,
}

impl LiveSeedArguments {
    /// The server and how it is played against, `None` without `--live`; or the error in the arguments. `mutant` are the
    /// flags of a mutant.
    pub(crate) fn seeds(
        &self,
        interruption: Interruption,
        jobs: Option<NonZeroUsize>,
        subject: Subject,
        mutant: &str,
    ) -> Result<Option<LiveSeeds>, String> {
        self.target.check(self.live)?;
        if !self.live {
            return Ok(None);
        }
        let is_given = self.target.is_named();
        if is_given && !mutant.is_empty() {
            return Err(
                "--breaking requires the reference server: leave out --target and --config".to_owned(),
            );
        }
        let patience = patience(self.slow);
        let (mut live, jobs) = match self.target.target()? {
            None => {
                let speed = self.target.speed().unwrap_or(1);
                own(speed, patience, interruption, jobs, mutant)?
            }
            // Only one play at a time can move the clock.
            Some(target) => {
                let has_clock = target.declared.test_clock.is_some();
                let jobs = jobs.or(has_clock.then_some(NonZeroUsize::MIN));
                given_for(target, patience, interruption, jobs)?
            }
        };
        live.subject = subject;
        if live.long == LongScenarios::Postponed {
            live.long = if jobs == NonZeroUsize::MIN {
                LongScenarios::OnTestClock
            } else {
                LongScenarios::Skipped
            };
        }
        live.jumps_always = true;
        Ok(Some(LiveSeeds {
            live,
            jobs,
            is_given,
            is_enough: Arc::default(),
            server: RwLock::default(),
        }))
    }

    /// The flags that repeat a play, without secrets.
    pub(crate) fn flags(&self) -> String {
        let slow = if self.slow { " --slow" } else { "" };
        self.target.flags() + slow
    }
}

/// A server, and how seeds are played against it.
pub(crate) struct LiveSeeds {
    pub(crate) live: Live,
    /// The number of parallel plays.
    pub(crate) jobs: NonZeroUsize,
    is_given: bool,
    /// Whether there is enough: what is being played is cut.
    is_enough: Arc<AtomicBool>,
    /// A play that kills a server that others use locks it for writing, all others for reading.
    server: RwLock<()>,
}

impl LiveSeeds {
    /// The same, but plays are cut at this time, or by [`Self::end`].
    pub(crate) fn until(mut self, time: Option<Instant>) -> Self {
        let cutoff = &mut self.live.setup.cutoff;
        *cutoff = cutoff.clone().or_when(Arc::clone(&self.is_enough));
        if let Some(time) = time {
            *cutoff = cutoff.clone().or_at(time);
        }
        self
    }

    /// Cuts what is being played.
    pub(crate) fn end(&self) {
        self.is_enough.store(true, Ordering::Relaxed);
    }

    /// Whether plays are cut now.
    pub(crate) fn is_over(&self) -> bool {
        self.live.setup.cutoff.is_reached()
    }

    /// The scenario of a seed, as far as the server offers what it needs.
    pub(crate) fn scenario(&self, seed: u64) -> Scenario {
        explore::scenario_for(seed, &self.live.profile, &self.live.offers)
    }

    /// Plays a scenario, and waits while others use the server in another way.
    pub(crate) fn play(&self, scenario: &Scenario) -> Outcome {
        let play = || self.live.play(scenario, seed(self.is_given));
        if self.is_given && scenario.needs().contains(&Capability::Crash) {
            let _alone = self.server.write().unwrap_or_else(PoisonError::into_inner);
            return play();
        }
        let _with_others = self.server.read().unwrap_or_else(PoisonError::into_inner);
        play()
    }

    /// Whether a play in the simulated world violates a rule too.
    pub(crate) fn is_in_simulation(&self, scenario: &Scenario, rule: &str) -> bool {
        let simulated = self.live.rehearse(scenario);
        simulated.is_ok_and(|verdict| verdict.violates(rule))
    }
}
