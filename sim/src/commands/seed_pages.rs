//! The report of an exploration as pages: one for each kind of finding.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use turnstile::explore::{self, Exploration, LivePlay, Playing, SeedJunitReport};
use turnstile::report::{Event, Reporter as _};
use turnstile::script::Options;
use turnstile::suite::{self, Play, Played};
use turnstile::watch::Watch;
use turnstile_scenarios::{Entry, Scenario};

use super::exit::print_error;
use super::explanations::Explainer;
use super::pages::Pages;

/// Plays for a report are not interrupted: they are few, and the report is what is left of an interrupted run.
static NEVER: AtomicBool = AtomicBool::new(false);

/// Writes pages with the first seed of each kind of finding. It is played again, because only traces of live plays are
/// kept.
pub(crate) fn write_pages(
    mut pages: Pages,
    exploration: &Exploration,
    playing: &Playing,
    junit: &mut SeedJunitReport,
    mut explainer: Explainer,
) -> bool {
    for seed in exploration
        .clusters
        .iter()
        .filter_map(|cluster| cluster.seeds.first().copied())
    {
        let (scenario, verdict) = match junit.take_live(seed) {
            Some(LivePlay { scenario, verdict }) => (scenario, Some(verdict)),
            None => (scenario_of(seed, junit), None),
        };
        let entry = Entry {
            id: exploration.name_of(seed),
            path: PathBuf::new(),
            scenario,
            text: None,
        };
        let options = Options {
            seed: entry.scenario.seed.unwrap_or(seed),
            subject: playing.subject,
            watch: playing.watch.map(|watch| Watch {
                interruption: &NEVER,
                ..watch
            }),
            ..Options::default()
        };
        let play = Play {
            entry: &entry,
            options,
        };
        let mut played = match verdict {
            Some(verdict) => Played::new(play, Ok(verdict), Duration::ZERO),
            None => suite::play_timed(play),
        };
        explainer.explain(&mut played);
        let replay = junit.replay(seed);
        let reported = pages.report.report(&Event::Played {
            played: &played,
            replay: &replay,
        });
        if let Err(error) = reported {
            print_error(&format!("cannot report seed {seed}: {error}"));
            return false;
        }
    }
    pages.write()
}

/// The scenario of a seed or of a guided play.
fn scenario_of(seed: u64, junit: &SeedJunitReport) -> Scenario {
    let script = junit.script(seed).cloned();
    script.unwrap_or_else(|| explore::scenario(seed))
}
