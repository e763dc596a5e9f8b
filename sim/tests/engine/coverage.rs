//! The suite hits every item of the protocol's coverage list or has a waiver for it; and the command that reports this.

use std::process::Output;

use turnstile::coverage::{MarkStatus, Report, Survey};
use turnstile::script::Options;
use turnstile::suite::{self, Play};

use crate::library::library;
use crate::log;
use crate::tool::turnstile;

#[test]
fn every_gap_in_coverage_has_a_waiver() {
    log::subscribe();
    let library = library();
    let play = |entry| Play {
        entry,
        options: Options::default(),
    };
    let plays = library.entries().iter().map(play);
    let report = Report::of(&Survey::of(plays, suite::all_cores(), |_| {}));
    let texts = |status| {
        let marks = report.with_status(status);
        marks.map(|mark| mark.text).collect::<Vec<_>>()
    };
    assert_eq!(
        texts(MarkStatus::NotHit),
        Vec::<&str>::new(),
        "not hit by any scenario"
    );
    assert_eq!(
        texts(MarkStatus::StaleWaiver),
        Vec::<&str>::new(),
        "hit despite a waiver"
    );
    assert_eq!(
        report.unused_faults().collect::<Vec<_>>(),
        Vec::<&str>::new(),
        "faults of no scenario"
    );
}

fn coverage(arguments: &[&str]) -> Output {
    turnstile(&[&["coverage"], arguments].concat())
}

#[test]
fn gaps_are_reported_and_exit_with_1() {
    let printed = coverage(&["suite/turn/cold", "--json"]);
    assert_eq!(printed.status.code(), Some(1));
    let printed: serde_json::Value = serde_json::from_slice(&printed.stdout).expect("it is JSON");
    let status = |text: &str| {
        let marks = printed["marks"].as_array().expect("there are marks");
        let mark = marks.iter().find(|mark| mark["text"] == text);
        mark.map(|mark| mark["status"].clone()).unwrap_or_default()
    };
    assert_eq!(status("a new message is admitted"), "hit");
    assert_eq!(status("a user interrupt has nothing to end"), "not-hit");
    assert_eq!(status("refusal FORBIDDEN"), "waived");

    let printed = coverage(&["suite/turn/cold"]);
    assert_eq!(printed.status.code(), Some(1));
    let text = String::from_utf8_lossy(&printed.stdout);
    for line in ["not hit, without a waiver", "faults without a scenario"] {
        assert!(text.lines().any(|printed| printed == line), "{text}");
    }
    assert_eq!(coverage(&["no-such-scenario"]).status.code(), Some(2));
}

#[cfg(feature = "selftest")]
#[test]
fn generated_regions_of_all_documents_are_up_to_date() {
    let printed = turnstile(&["docs", "--check"]);
    let diff = String::from_utf8_lossy(&printed.stdout);
    assert_eq!(
        printed.status.code(),
        Some(0),
        "run `turnstile docs` and review its changes:\n{diff}{}",
        String::from_utf8_lossy(&printed.stderr)
    );
}
