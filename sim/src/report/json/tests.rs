//! Tests of the JSON report.

use super::*;
use crate::report::played::{add, entry, failed, listing, played, standing, warned};
use crate::standing::Standing;

fn written() -> String {
    let good = entry(
        "- start: { as: first, say: echo:one }\n- await: { callback: first }",
        "",
    );
    let bad = entry(
        "- start: { as: first, say: idle }",
        "- message: { of: first, is: failed }",
    );
    let mut report = JsonReport::default();
    add(
        &mut report,
        played(&good, 3),
        "turnstile replay good.yaml --seed 3",
    );
    add(&mut report, played(&bad, 0), "turnstile replay bad.yaml");
    add(&mut report, failed(&good), "turnstile replay good.yaml");
    let mut out = Vec::new();
    let written = Box::new(report).write(&mut out);
    written.expect("memory can be written to");
    String::from_utf8(out).expect("JSON is UTF-8")
}

#[test]
fn what_a_baseline_expects_is_counted_apart() {
    let good = entry("- start: { as: first, say: idle }", "");
    let bad = entry("- start: { as: first, say: idle }", "- callbacks: 7");
    let mut report = JsonReport::default();
    let expected = standing(played(&bad, 0), Standing::ExpectedFailure(listing()));
    add(&mut report, expected, "again");
    let passes = standing(played(&good, 0), Standing::UnexpectedPass(listing()));
    add(&mut report, passes, "again");
    let (place, subject) = ("known.toml:9", "`fifo`");
    let stale = report.report(&Event::Stale { place, subject });
    stale.expect("nothing is written yet");
    let counts = report.counts;
    assert_eq!((counts.plays, counts.passed, counts.failed), (2, 0, 0));
    assert_eq!((counts.expected_failures, counts.unexpected_passes), (1, 2));
    let play = serde_json::to_value(&report.plays[0]).expect("it is plain data");
    assert_eq!(play["outcome"], "expected-failure");
    assert_eq!(play["baseline"]["reason"], "a known bug");
    assert_eq!(report.stale[0].subject, "`fifo`");
}

#[test]
fn warnings_are_listed_apart_from_findings() {
    let good = entry("- start: { as: first, say: idle }", "");
    let mut report = JsonReport::default();
    add(&mut report, warned(&good, 0), "again");
    let play = &report.plays[0];
    assert_eq!((play.outcome, play.findings.len()), (Outcome::Passed, 0));
    assert_eq!(
        play.warnings[0].text,
        "it came at 2.100000 s, 0.100000 s too late"
    );
}

/// A report without digests and ids, which change with any change of the server.
fn masked(report: &str) -> String {
    let mask = |line: &str| {
        let known = [("\"digest\": \"", "(digest)"), ("\"id\": \"msg_", "(id)")];
        let found = known
            .into_iter()
            .find(|(start, _)| line.trim_start().starts_with(start));
        let (name, _) = line.split_once(": ").unwrap_or((line, ""));
        found.map_or(line.to_owned(), |(_, mask)| format!("{name}: \"{mask}\","))
    };
    report.lines().map(mask).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_same_plays_give_the_same_report() {
    let report = written();
    assert_eq!(report, written());
    insta::assert_snapshot!(masked(&report), @r#"
    {
      "schema_version": 2,
      "counts": {
        "plays": 3,
        "passed": 1,
        "failed": 1,
        "errors": 1,
        "skipped": 0
      },
      "plays": [
        {
          "id": "suite/turn/some",
          "title": "a turn & its <end>",
          "seam": "turn",
          "surface": "unified",
          "seed": 3,
          "outcome": "passed",
          "digest": "(digest)",
          "played_us": 1034897,
          "elapsed_us": 1801039066,
          "wall_us": 12000,
          "replay": "turnstile replay good.yaml --seed 3",
          "findings": [],
          "error": null
        },
        {
          "id": "suite/turn/some",
          "title": "a turn & its <end>",
          "seam": "turn",
          "surface": "unified",
          "seed": 0,
          "outcome": "failed",
          "digest": "(digest)",
          "played_us": 6157,
          "elapsed_us": 1800011741,
          "wall_us": 12000,
          "replay": "turnstile replay bad.yaml",
          "findings": [
            {
              "rule": "expectation at line 8",
              "line": 8,
              "identity": "suite/turn/some: {\"message\":{\"is\":\"failed\",\"of\":\"first\"}} of `first`",
              "at_us": 1028742,
              "message": {
                "id": "(id)",
                "label": "first"
              },
              "text": "`first` ended with status \"completed\", not \"failed\"",
              "replay": "turnstile replay bad.yaml"
            }
          ],
          "error": null
        },
        {
          "id": "suite/turn/some",
          "title": "a turn & its <end>",
          "seam": "turn",
          "surface": "unified",
          "seed": 0,
          "outcome": "error",
          "digest": null,
          "played_us": null,
          "elapsed_us": null,
          "wall_us": 12000,
          "replay": "turnstile replay good.yaml",
          "findings": [],
          "error": "the harness's own gateway does not come to rest"
        }
      ]
    }
    "#);
}
