//! Readers of files: scripts, profiles, recordings and results of explorations; and directives.

use std::path::Path;

use proptest::{prop_assert, prop_assert_eq};
use turnstile::explore::{self, Exploration, Tally};
use turnstile::recordings::{self, cut};
use turnstile::script::{self, Options};
use turnstile_judge::recording::{Header, Kind, Recording, RecordingError};
use turnstile_profile::Profile;
use turnstile_scenarios::{Directive, Scenario};

use super::fuzz;
use super::mutation::Corpus;
use crate::library::library;

/// The longest report of a script's errors, in bytes.
const LONGEST_REPORT: usize = 16 << 20;

#[test]
fn a_damaged_script_has_errors_that_can_be_shown() {
    let library = library();
    let written = library.entries().iter().map(|entry| entry.scenario.to_yaml());
    fuzz("scripts", &Corpus::of(written), 256, |text| {
        match Scenario::parse(text, Path::new("damaged.yaml")) {
            Ok(scenario) => {
                scenario.needs();
                scenario.to_yaml();
            }
            Err(errors) => {
                let shown = errors.to_string();
                let is_shown = |char: char| !char.is_control() || char == '\n' || char == '\t';
                prop_assert!(shown.chars().all(is_shown), "{shown:?}");
                prop_assert!(shown.len() < LONGEST_REPORT, "{} bytes", shown.len());
                for problem in &errors.problems {
                    prop_assert!(problem.spot.line > 0 && problem.spot.column > 0, "{problem:?}");
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_damaged_profile_is_read_or_refused() {
    let written = serde_json::to_string(&Profile::default()).expect("a profile is plain data");
    let short =
        r#"{"pending_limit": 3, "callback_attempts": 5, "delivery_retry_delays_warm": ["4s", "1h 30m"]}"#;
    fuzz(
        "profiles",
        &Corpus::of([written, short.to_owned()]),
        256,
        |text| {
            if let Ok(profile) = serde_json::from_str::<Profile>(text) {
                let again = serde_json::to_string(&profile).expect("a profile is plain data");
                prop_assert_eq!(serde_json::from_str::<Profile>(&again).ok(), Some(profile));
            }
            Ok(())
        },
    );
}

#[test]
fn a_damaged_result_is_read_or_refused() {
    let exploration = Tally::default().finish(String::new(), 3, 2, true, std::time::Duration::from_secs(1));
    let mut value = serde_json::to_value(exploration).expect("a result is plain data");
    value["played"] = 5.into();
    value["passed"] = 3.into();
    value["parts"][0]["to"] = 12.into();
    value["clusters"] = serde_json::json!([
        {"rule": "r", "shape": "queued", "faults": ["crash"], "count": 2, "seeds": [3, 5], "text": "at 1 s"},
    ]);
    fuzz("results", &Corpus::of([value.to_string()]), 256, |text| {
        let Ok(read) = serde_json::from_str::<Exploration>(text) else {
            return Ok(());
        };
        if read.check_layout().is_ok() {
            let mut shown = Vec::new();
            explore::write_exploration(&mut shown, &read).expect("memory can be written to");
            let _ = read.clone().merge(read);
        }
        Ok(())
    });
}

#[test]
fn a_damaged_recording_is_judged_or_refused_with_its_line() {
    let library = library();
    let scenarios = library.entries().iter().step_by(97);
    let written = scenarios.map(|entry| {
        let verdict = script::play(&entry.scenario, Options::default()).expect("the harness works");
        let header = Header::of(&verdict.context, verdict.trace.epoch(), Kind::ALL.into());
        let mut lines = serde_json::to_string(&header).expect("a header is plain data");
        // The middle of a play has every kind of record.
        for record in verdict.trace.records().iter().take(60) {
            lines.push('\n');
            lines += &serde_json::to_string(record).expect("a record is plain data");
        }
        lines
    });
    fuzz("recordings", &Corpus::of(written), 256, |text| {
        match Recording::read(text.as_bytes()) {
            Ok(recording) => {
                let _ = cut::scenario_from(&recording, "damaged");
                recordings::judge(recording);
            }
            Err(error) => {
                let has_line = matches!(error, RecordingError::Line { number, .. } if number > 0);
                prop_assert!(has_line || matches!(error, RecordingError::Empty), "{error}");
            }
        }
        Ok(())
    });
}

#[test]
fn a_damaged_directive_is_read_or_refused() {
    let directives = [
        "echo:hi",
        "slow:3:200",
        "idle",
        "hang",
        "error:no credit",
        "gate:hold",
        "tools:3:hi",
    ];
    fuzz(
        "directives",
        &Corpus::of(directives.map(str::to_owned)),
        512,
        |text| {
            if let Ok(directive) = text.parse::<Directive>() {
                prop_assert_eq!(directive.to_string().parse::<Directive>().ok(), Some(directive));
            }
            Ok(())
        },
    );
}
