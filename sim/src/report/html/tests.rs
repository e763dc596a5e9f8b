//! Tests of the pages of a report.

use std::fs;
use std::time::Duration;

use super::*;
use crate::curve::{Curve, Jump, Moment};
use crate::report::played::{add, entry, failed, played};

const HOSTILE: &str = "</script><script>document.body.dataset.pwned=1</script><img src=x onerror=1>";

fn report() -> HtmlReport {
    let good = entry("- start: { as: first, say: echo:one }", "");
    let bad = entry(
        &format!("- start: {{ as: first, text: '{HOSTILE}' }}\n- await: {{ message: first, is: completed }}"),
        "- message: { of: first, is: failed }",
    );
    let mut report = HtmlReport::new("turnstile run".to_owned());
    add(&mut report, played(&good, 0), "turnstile replay good.yaml");
    add(&mut report, played(&bad, 0), "turnstile replay bad.yaml");
    add(&mut report, failed(&good), "turnstile replay good.yaml");
    let reason = "needs sandboxes";
    report
        .report(&Event::Skipped { entry: &good, reason })
        .expect("nothing is written yet");
    report
}

#[test]
fn a_folder_has_an_index_and_a_page_and_data_for_each_play() {
    let folder = tempfile::tempdir().expect("a folder can be created");
    report().write_folder(folder.path()).expect("it can be written");
    let read = |name: &str| {
        fs::read_to_string(folder.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let index = read("index.html");
    for part in [
        "1 passed",
        "1 failed",
        "1 errors",
        "needs sandboxes",
        "plays/suite-turn-some-2.html",
        "R1.1",
    ] {
        assert!(index.contains(part), "{part}");
    }
    let page = read("plays/suite-turn-some-2.html");
    for part in [
        "turnstile replay bad.yaml",
        "<dt>expected</dt>",
        "class=\"failing\"",
        "start first",
        "timeline.html#play=",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for text in [&index, &page] {
        assert!(
            !text.contains("<img") && !text.contains("<script>document"),
            "content is escaped"
        );
    }
    assert!(read("data/suite-turn-some-2.js").starts_with("turnstileData(\""));
    assert!(
        !folder.path().join("data/suite-turn-some-3.js").exists(),
        "an error of the harness has no run"
    );
    let json: serde_json::Value = serde_json::from_str(&read("report.json")).expect("it is JSON");
    assert_eq!(
        json["plays"][1]["findings"][0]["identity"],
        "suite/turn/some: {\"message\":{\"is\":\"failed\",\"of\":\"first\"}} of `first`"
    );
    report()
        .write_folder(folder.path())
        .expect("a report can be replaced");
}

#[test]
fn a_single_file_has_all_plays_and_the_timelines_that_fit() {
    let page_of = |report: HtmlReport| {
        let mut out = Vec::new();
        report.write_file(&mut out).expect("memory can be written to");
        String::from_utf8(out).expect("a page is UTF-8")
    };
    let page = page_of(report());
    for slug in ["suite-turn-some", "suite-turn-some-2"] {
        assert!(page.contains(&format!("id=\"data-{slug}\"")), "{slug}");
        assert!(page.contains(&format!("#timeline={slug}")), "{slug}");
    }
    assert!(!page.contains("has no room"));
    let mut large = report();
    large.keep_data_of_at_most(large.plays[1].data.len());
    assert!(
        !large.plays[0].has_data && large.plays[1].has_data,
        "the failed one is kept"
    );
    let shortened = page_of(large);
    assert!(
        shortened.contains("no room for the timelines and wire logs of 1 plays"),
        "{shortened}"
    );
    assert!(!shortened.contains("id=\"data-suite-turn-some\""));
    assert!(page.contains("id=\"play-suite-turn-some-2\""), "{page}");
    for part in ["timeline.html", "turnstile\" src=", "<link"] {
        assert!(!page.contains(part), "it loads {part}");
    }
    assert!(page.contains("script nonce"));
}

#[test]
fn a_finding_with_another_seed_and_title_is_the_same() {
    let text = |report: &HtmlReport| serde_json::to_string(&report.json).expect("it is plain data");
    let bad = entry(
        "- start: { as: first, say: echo:one }",
        "- message: { of: first, is: failed }",
    );
    let mut renamed = entry(
        "- wait: 1s\n- start: { as: first, say: echo:one }",
        "- message: { of: first, is: failed }",
    );
    renamed.scenario.title = "another title".to_owned();
    let mut before = HtmlReport::default();
    add(&mut before, played(&bad, 0), "again");
    let mut now = HtmlReport::default().compared_with(Some(text(&before)));
    add(&mut now, played(&renamed, 7), "again");
    let comparison = now.comparison().expect("there is an earlier report");
    assert_eq!(
        (
            comparison.still.len(),
            comparison.new.len(),
            comparison.resolved.len()
        ),
        (1, 0, 0)
    );
    assert!(HtmlReport::check_earlier("{}").is_err());
}

#[test]
fn the_index_names_each_scenario_once_and_begins_with_the_plainest_failure() {
    let one = |expect: &str, id: &str, surface: &str| {
        let mut entry = entry("- start: { as: first, say: echo:one }", expect);
        entry.id = format!("suite/turn/{id}{surface}");
        entry
    };
    let seven = "- callbacks: 7";
    let entries = [
        one("- callbacks: 1", "good", ""),
        one(seven, "bad", ""),
        one(seven, "bad", " (legacy)"),
    ];
    let mut report = HtmlReport::new("turnstile run".to_owned());
    for entry in &entries {
        add(&mut report, played(entry, 0), "again");
    }
    report.plays[2].scenario = "suite/turn/bad".to_owned();
    report.plays[2].events -= 1;
    let index = serde_json::to_value(report.index()).expect("it is plain data");
    let group = &index["groups"][0];
    assert_eq!(group["count"], 2);
    assert_eq!(group["scenarios"].as_array().map(Vec::len), Some(1));
    let slugs: Vec<_> = [0, 1]
        .map(|place| &group["scenarios"][0]["plays"][place]["slug"])
        .into();
    assert_eq!(slugs, ["suite-turn-bad-legacy", "suite-turn-bad"]);
    let listed: Vec<_> = [0, 1, 2].map(|place| &index["plays"][place]["status"]).into();
    assert_eq!(listed, ["failed", "failed", "passed"]);
}

/// A curve whose jump is before every finding.
fn curve(is_clear: bool) -> Curve {
    let moment = |millis, failed, event: &str| Moment {
        at: Duration::from_millis(millis),
        event: event.to_owned(),
        failed,
        of: 4,
    };
    Curve {
        rule: "some-rule".to_owned(),
        message: Some("first".to_owned()),
        text: "it happened".to_owned(),
        at: Duration::from_secs(1),
        moments: vec![moment(1, 0, "calm"), moment(2, 4, HOSTILE)],
        jump: Some(Jump {
            after: Duration::from_millis(1),
            at: Duration::from_millis(2),
            events: vec!["the cause".to_owned()],
            is_by_silence: false,
            by_itself_since: None,
            is_clear,
            is_narrow: true,
            record: 1,
        }),
    }
}

#[test]
fn a_page_shows_when_the_failure_became_inevitable() {
    let bad = entry("- start: { as: first, say: idle }", "- callbacks: 7");
    let page_with = |curve: Option<Curve>| {
        let mut report = HtmlReport::default();
        add(
            &mut report,
            Played {
                curve,
                ..played(&bad, 0)
            },
            "again",
        );
        let json = serde_json::to_value(&report.json).expect("it is plain data");
        let folder = tempfile::tempdir().expect("a folder can be created");
        report.write_folder(folder.path()).expect("it can be written");
        let page = fs::read_to_string(folder.path().join("plays/suite-turn-some.html"));
        (page.expect("it is written"), json["plays"][0].clone())
    };
    let (page, json) = page_with(Some(curve(true)));
    for part in [
        "<code>some-rule</code>, message first: <strong>after 0.001000 s, up to 0.002000 s, it became inevitable:",
        "the cause",
        "<i>0 of 4</i>",
        "⚑ inevitable from here (0.002 s): some-rule fails from here on, almost always",
        "&amp;finding=0\">Show in the timeline",
        "&amp;finding=1\">Show in the timeline",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<img"), "events are escaped");
    assert_eq!(json["why"]["jump"]["atUs"], 2000);

    let (page, _) = page_with(Some(curve(false)));
    assert!(page.contains("the curve does not rise clearly there"));
    assert!(
        !page.contains('⚑') && !page.contains("finding=1"),
        "there is no mark"
    );

    let (page, json) = page_with(None);
    assert!(!page.contains("Moment of the failure") && json.get("why").is_none());
}
