//! The suite hits every item of the protocol's coverage list or has a waiver for it; and the command that reports this.

use std::fs;
use std::process::Output;

use similar::TextDiff;
use turnstile::coverage::{self, MarkStatus, Report};
use turnstile_scenarios::Library;

use crate::folders::empty_folder;
use crate::library::top;
use crate::suite_plays::{self, FIRST};
use crate::tool::{stderr, stdout, turnstile};

/// The marks of the region with the report.
const BEGIN: &str = "<!-- generated: coverage -->";
const END: &str = "<!-- generated end -->";

#[test]
fn every_gap_in_coverage_has_a_waiver() {
    let report = Report::of(&FIRST.survey);
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

fn of_the_tool(arguments: &[&str]) -> Output {
    turnstile(&[&["coverage"], arguments].concat())
}

#[test]
fn gaps_are_reported_and_exit_with_1() {
    let printed = of_the_tool(&["suite/turn/cold", "--json"]);
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

    let printed = of_the_tool(&["suite/turn/cold"]);
    assert_eq!(printed.status.code(), Some(1));
    let text = String::from_utf8_lossy(&printed.stdout);
    for line in ["not hit, without a waiver", "faults without a scenario"] {
        assert!(text.lines().any(|printed| printed == line), "{text}");
    }
    assert_eq!(of_the_tool(&["no-such-scenario"]).status.code(), Some(2));
}

/// The region of the report of coverage, as it is in a document.
fn region(report: &Report) -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    coverage::write_text(report, &mut out).expect("memory can be written to");
    let text = String::from_utf8(out.into_inner()).expect("the report is UTF-8");
    format!("{BEGIN}\n\n```text\n{text}```\n\n{END}\n")
}

/// `turnstile docs --check` would play the suite once more.
#[test]
fn the_page_of_coverage_is_up_to_date() {
    let page = fs::read_to_string(top().join("sim/COVERAGE.md")).expect("the page exists");
    let begin = page.find(BEGIN).expect("the page has the region");
    let length = page[begin..].find(END).expect("the region ends") + END.len() + 1;
    let shown = &page[begin..begin + length];
    let expected = region(&Report::of(&FIRST.survey));
    assert!(
        shown == expected,
        "run `turnstile docs` and review its changes:\n{}",
        TextDiff::from_lines(shown, &expected).unified_diff()
    );
}

#[cfg(feature = "selftest")]
#[test]
fn generated_regions_of_all_documents_are_up_to_date() {
    let printed = turnstile(&["docs", "--check", "--without-plays"]);
    let diff = String::from_utf8_lossy(&printed.stdout);
    assert_eq!(
        printed.status.code(),
        Some(0),
        "run `turnstile docs` and review its changes:\n{diff}{}",
        String::from_utf8_lossy(&printed.stderr)
    );
}

#[cfg(feature = "selftest")]
#[test]
fn the_region_of_coverage_is_written_from_plays_of_the_scenarios_beside_it() {
    let root = empty_folder("docs");
    let script = "scenarios/suite/turn/cold.yaml";
    let copy = root.join(script);
    fs::create_dir_all(copy.parent().expect("it is in a folder")).expect("a folder can be created");
    fs::copy(top().join(script), copy).expect("the script can be copied");
    let page = root.join("page.md");
    fs::write(&page, format!("{BEGIN}\n{END}\n")).expect("a file can be written");
    let docs = |arguments: &[&str]| {
        let root = root.to_str().expect("the path is UTF-8");
        let output = turnstile(&[&["docs", "--root", root], arguments].concat());
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    let (status, text) = docs(&["--check"]);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("+```text"), "{text}");
    let (status, text) = docs(&[]);
    assert_eq!(status, Some(0), "{text}");
    let (status, text) = docs(&["--check"]);
    assert_eq!((status, text.as_str()), (Some(0), ""));
    let library = Library::load(&root.join("scenarios")).unwrap_or_else(|errors| panic!("{errors}"));
    let expected = region(&Report::of(&suite_plays::play(library.entries(), 0).survey));
    let written = fs::read_to_string(&page).expect("the page exists");
    assert_eq!(written, expected);
}
