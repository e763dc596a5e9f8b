//! Plays for the tests of the reports.

use std::path::Path;
use std::time::Duration;

use turnstile_judge::oracle::{Finding, Severity};
use turnstile_scenarios::{Entry, Scenario};

use super::event::{Event, Reporter};
use crate::script::{HarnessError, Options};
use crate::standing::{Listing, Standing};
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
        text: Some(text.into()),
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

/// The same play with a warning.
pub(super) fn warned(entry: &Entry, seed: u64) -> Played<'_> {
    let mut played = played(entry, seed);
    let warning = Finding {
        rule: "some-rule".to_owned(),
        protocol: Vec::new(),
        at: Duration::from_secs(2),
        message: None,
        text: "it came at 2.100000 s, 0.100000 s too late".to_owned(),
        severity: Severity::Warning,
    };
    if let Ok(verdict) = &mut played.verdict {
        verdict.warnings.push(warning);
    }
    played
}

/// A play in which the harness failed.
pub(super) fn failed(entry: &Entry) -> Played<'_> {
    let options = Options::default();
    let error = HarnessError::Restless {
        party: "gateway".to_owned(),
    };
    Played::new(Play { entry, options }, Err(error), WALL)
}

/// The same play with what a baseline says of it.
pub(super) fn standing(played: Played<'_>, standing: Standing) -> Played<'_> {
    Played { standing, ..played }
}

/// An entry of a baseline.
pub(super) fn listing() -> Listing {
    Listing {
        reason: "a known bug".to_owned(),
        place: "known.toml:4".to_owned(),
        plays: 1,
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
