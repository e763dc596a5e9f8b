//! Plays for the tests of the reports.

use std::path::Path;
use std::time::Duration;

use turnstile_scenarios::{Entry, Scenario};

use super::event::{Event, Reporter};
use crate::script::{HarnessError, Options};
use crate::suite::{self, Play, Played};

/// The wall time of every play in these tests.
const WALL: Duration = Duration::from_millis(12);

/// A library entry with these steps and expectations.
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

/// Plays it with a seed.
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

/// A play in which the harness failed.
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

/// Adds a play with its replay command to a report.
pub(super) fn add(report: &mut impl Reporter, played: Played, replay: &str) {
    let event = Event::Played {
        played: &played,
        replay,
    };
    report.report(&event).expect("nothing is written yet");
}
