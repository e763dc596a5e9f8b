//! Plays for the tests of the reports.

use std::path::Path;
use std::time::Duration;

use turnstile_scenarios::{Entry, Scenario};

use super::event::{Event, Reporter};
use crate::script::{HarnessError, Options};
use crate::suite::{self, Play, Played};

/// What every play of a test is said to have taken here.
const WALL: Duration = Duration::from_millis(12);

/// A script whose steps and expectations are given, as an entry of a library.
pub(super) fn entry(steps: &str, expect: &str) -> Entry {
    let expect = match expect {
        "" => String::new(),
        expect => format!("expect:\n{expect}\n"),
    };
    let text = format!(
        "scenario: a turn & its <end>\nabout: a\nseam: turn\nsession: {{ callback: true }}\nsteps:\n{steps}\n{expect}"
    );
    let path = Path::new("suite/turn/some.yaml");
    Entry {
        id: "suite/turn/some".to_owned(),
        path: path.to_owned(),
        scenario: Scenario::parse(&text, path).unwrap_or_else(|errors| panic!("{errors}")),
    }
}

/// What comes of playing it with a seed.
pub(super) fn played(entry: &Entry, seed: u64) -> Played<'_> {
    let options = Options {
        seed,
        ..Options::default()
    };
    Played {
        wall: WALL,
        ..suite::play_timed(Play { entry, options })
    }
}

/// The same, if the harness failed.
pub(super) fn failed(entry: &Entry) -> Played<'_> {
    Played {
        play: Play {
            entry,
            options: Options::default(),
        },
        verdict: Err(HarnessError::Restless {
            party: "gateway".to_owned(),
        }),
        wall: WALL,
    }
}

/// Reports a play that `replay` plays again.
pub(super) fn add(report: &mut impl Reporter, played: Played, replay: &str) {
    let event = Event::Played {
        played: &played,
        replay,
    };
    report.report(&event).expect("nothing is written yet");
}
