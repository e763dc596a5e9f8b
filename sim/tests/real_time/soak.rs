//! `turnstile soak` with a short duration.

use std::process::Output;

use serde_json::Value;

use crate::tool::{scratch, stderr, stdout, turnstile};

fn soak(arguments: &[&str]) -> Output {
    turnstile(&[&["soak"], arguments].concat())
}

#[test]
fn a_short_soak_with_replaced_sessions_has_no_loss_and_no_leak() {
    let file = scratch("soak.json");
    let json = file.to_string_lossy().into_owned();
    let output = soak(&[
        "--sessions",
        "4",
        "--minutes",
        "0.1",
        "--turns-a-session",
        "2",
        "--json",
        &json,
    ]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
    assert!(text.contains("no loss, no leak"), "{text}");
    let report = std::fs::read_to_string(&file).expect("the figures were written");
    let report: Value = serde_json::from_str(&report).expect("they are JSON");
    let counts = &report["counts"];
    // Replacing sessions makes more messages than there are sessions and turns per session.
    assert!(counts["acked"].as_u64() > Some(8), "{report}");
    assert_eq!(counts["acked"], counts["completed"], "{report}");
    assert_eq!(counts["acked"], counts["called_back"], "{report}");
    assert!(report["late"]["memory"].as_u64() > Some(1_000_000), "{report}");
}

#[test]
fn an_invalid_duration_exits_with_2() {
    for minutes in ["0", "-1", "NaN", "x"] {
        let output = soak(&[&format!("--minutes={minutes}")]);
        assert_eq!(output.status.code(), Some(2), "{minutes}");
    }
}
