//! Tests of the pages of a report.

use std::fs;

use super::*;
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
fn a_single_file_has_all_plays_without_timelines() {
    let mut out = Vec::new();
    report()
        .for_single_file()
        .write_file(&mut out)
        .expect("memory can be written to");
    let page = String::from_utf8(out).expect("a page is UTF-8");
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
