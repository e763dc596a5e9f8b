use std::path::Path;
use std::time::Duration;

use turnstile_judge::oracle::Severity;
use turnstile_judge::rules::RuleId;
use turnstile_scenarios::{Entry, Scenario};

use super::*;
use crate::script::Options;
use crate::suite::{self, Play};

const ID: &str = "suite/turn/some";

fn entry() -> Entry {
    let text = "scenario: a\nabout: a\nseam: turn\nsteps:\n- start: { as: first, say: idle }\n";
    let path = Path::new("some.yaml");
    Entry {
        id: ID.to_owned(),
        path: path.to_owned(),
        scenario: Scenario::parse(text, path).unwrap_or_else(|errors| panic!("{errors}")),
        text: Some(text.into()),
    }
}

/// A play with findings of these rules.
fn played<'a>(entry: &'a Entry, rules: &[&str]) -> Played<'a> {
    let options = Options::default();
    let mut played = suite::play_timed(Play { entry, options });
    let verdict = played.verdict.as_mut().expect("the harness does not fail");
    verdict.findings = rules
        .iter()
        .map(|rule| Finding {
            rule: (*rule).to_owned(),
            protocol: vec![RuleId::named("R8.3")],
            at: Duration::from_secs(1),
            message: None,
            text: "it is wrong".to_owned(),
            severity: Severity::Violation,
        })
        .collect();
    played
}

fn baseline(text: &str) -> Baseline {
    Baseline::parse(text, Path::new("known.toml")).unwrap_or_else(|problem| panic!("{problem}"))
}

fn judged(baseline: &Baseline, plays: &[&[&str]]) -> (Standing, usize) {
    let entry = entry();
    let mut count = 1;
    let first = played(&entry, plays[0]);
    let judged = baseline.judge(first, |before| {
        count += 1;
        Some(played(&entry, plays[before as usize]))
    });
    (judged.standing, count)
}

fn listing(plays: u32) -> Listing {
    Listing {
        reason: "a bug".to_owned(),
        place: "known.toml:1".to_owned(),
        plays,
    }
}

const OF_SCENARIO: &str = "[[expected]]\nscenario = \"suite/turn/some\"\nreason = \"a bug\"\n";
const OF_ORACLE: &str = "[[expected]]\nrule = \"terminal-once\"\nreason = \"a bug\"\n";
const OF_PROTOCOL: &str = "[[expected]]\nrule = \"R8.3\"\nreason = \"a bug\"\n";

#[test]
fn a_failure_is_expected_if_all_its_findings_are_covered() {
    let two: &[&str] = &["terminal-once", "queue-moves"];
    let one: &[&str] = &["terminal-once"];
    let expected = Standing::ExpectedFailure(listing(1));
    for (text, findings, standing) in [
        (OF_SCENARIO, two, &expected),
        (OF_ORACLE, one, &expected),
        (OF_ORACLE, two, &Standing::Unlisted),
        (OF_PROTOCOL, two, &expected),
        ("", one, &Standing::Unlisted),
    ] {
        assert_eq!(
            &judged(&baseline(text), &[findings]).0,
            standing,
            "{text} {findings:?}"
        );
    }
}

#[test]
fn a_pass_is_unexpected_if_the_scenario_has_an_entry() {
    assert_eq!(
        judged(&baseline(OF_SCENARIO), &[&[]]).0,
        Standing::UnexpectedPass(listing(1))
    );
    assert_eq!(judged(&baseline(OF_ORACLE), &[&[]]).0, Standing::Unlisted);
}

#[test]
fn a_flaky_scenario_is_played_until_it_passes() {
    let flaky = baseline(&format!("{OF_SCENARIO}flaky = true\nrepeat = 3\n"));
    let bad: &[&str] = &["terminal-once"];
    assert_eq!(judged(&flaky, &[bad, &[]]), (Standing::FlakyPass(listing(2)), 2));
    assert_eq!(judged(&flaky, &[&[]]), (Standing::FlakyPass(listing(1)), 1));
    assert_eq!(
        judged(&flaky, &[bad, bad, bad]),
        (Standing::FailedEachTime(listing(3)), 3)
    );
    let of_rule = baseline(&format!("{OF_ORACLE}flaky = true\nrepeat = 2\n"));
    assert_eq!(
        judged(&of_rule, &[bad, bad]),
        (Standing::ExpectedFailure(listing(2)), 2)
    );
    let other: &[&str] = &["queue-moves"];
    assert_eq!(judged(&of_rule, &[other]), (Standing::Unlisted, 1));
}

#[test]
fn an_entry_that_no_play_meets_is_stale() {
    let entry = entry();
    let both = "[[expected]]\nscenario = \"suite/turn/some\"\nrule = \"queue-moves\"\nreason = \"b\"\n";
    let text = format!("{OF_SCENARIO}{OF_ORACLE}{both}");
    let baseline = baseline(&text);
    let mut review = Review::new(&baseline);
    review.add(&played(&entry, &["first-in-first-out"]));
    let stale = |is_complete| -> Vec<String> {
        review
            .stale(is_complete)
            .iter()
            .map(|entry| entry.subject())
            .collect()
    };
    assert_eq!(stale(false), ["`queue-moves` in `suite/turn/some`"]);
    assert_eq!(
        stale(true),
        ["`terminal-once`", "`queue-moves` in `suite/turn/some`"]
    );
}

#[test]
fn errors_have_their_place() {
    for (text, said) in [
        (
            "[[expected]]\nscenario = \"a\"\n",
            "known.toml:1:1: missing field `reason`",
        ),
        (
            "\n[[expected]]\nscenario = \"a\"\nreason = \" \"\n",
            "known.toml:2:1: the expected failure of `a` has no reason",
        ),
        (
            "[[expected]]\nreason = \"r\"\n",
            "known.toml:1:1: an expected failure has a `scenario`, a `rule`, or both",
        ),
        (
            "[[expected]]\nrule = \"R99.1\"\nreason = \"r\"\n",
            "known.toml:1:1: there is no rule `R99.1`",
        ),
        (
            "[[expected]]\nrule = \"first-in-first-out\"\nreason = \"r\"\nrepeat = 2\n",
            "known.toml:1:1: `repeat` requires `flaky = true`",
        ),
        (
            "[[expected]]\nreason = \"r\"\nrepeat = 21\n",
            "known.toml:3:10: `repeat` is a number from 1 to 20",
        ),
        (
            "[[expected]]\nscenarios = \"a\"\n",
            "known.toml:2:1: unknown field `scenarios`",
        ),
    ] {
        let problem = Baseline::parse(text, Path::new("known.toml"))
            .expect_err(text)
            .to_string();
        assert!(problem.starts_with(said), "{problem}");
    }
    let problem = baseline(OF_SCENARIO)
        .check_scenarios(|_| false)
        .expect_err("it is not known");
    assert!(
        problem
            .to_string()
            .starts_with("known.toml:1:1: there is no scenario `suite/turn/some`")
    );
}

#[test]
fn an_update_keeps_comments_and_reasons_and_changes_what_a_run_has_shown() {
    let text = "\
# The list.

# Fixed by now.
[[expected]]
scenario = \"suite/turn/some\"
reason = \"an old bug\"

# Ours.
[[expected]]
rule = \"first-in-first-out\" # in order
reason = \"by design\"
";
    let baseline = baseline(text);
    let entry = entry();
    let mut update = Update::new(&baseline);
    let passed = baseline.judge(played(&entry, &[]), |_| panic!("it is not flaky"));
    update.add(&passed);
    let other = Entry {
        id: "suite/turn/other (legacy)".to_owned(),
        ..entry.clone()
    };
    update.add(&baseline.judge(played(&other, &["terminal-once"]), |_| panic!("it is not flaky")));
    let changed = update
        .text(false)
        .expect("it is TOML")
        .expect("something changes");
    let expected = "\
# Ours.
[[expected]]
rule = \"first-in-first-out\" # in order
reason = \"by design\"

[[expected]]
scenario = \"suite/turn/other (legacy)\"
reason = \"not reviewed: terminal-once: it is wrong\"
";
    assert!(changed.ends_with(expected), "{changed}");
    assert!(!changed.contains("an old bug"), "{changed}");
    assert_eq!(
        Baseline::parse(&changed, Path::new("known.toml"))
            .expect("it is valid")
            .entries()
            .len(),
        2
    );
}

#[test]
fn an_update_without_a_difference_changes_nothing_and_a_new_file_has_a_comment() {
    let known = baseline(OF_SCENARIO);
    let entry = entry();
    let bad = |baseline: &Baseline| {
        baseline.judge(played(&entry, &["first-in-first-out"]), |_| {
            panic!("it is not flaky")
        })
    };
    let mut update = Update::new(&known);
    update.add(&bad(&known));
    assert_eq!(update.text(false).expect("it is TOML"), None);
    let new = Baseline::empty(Path::new("new.toml"));
    let mut update = Update::new(&new);
    update.add(&bad(&new));
    let text = update.text(true).expect("it is TOML").expect("something changes");
    assert!(text.starts_with("# Expected failures."), "{text}");
    assert_eq!(baseline(&text).entries()[0].scenario.as_deref(), Some(ID));
}

#[test]
fn a_run_without_failures_makes_a_file_without_entries() {
    let baseline = Baseline::empty(Path::new("known.toml"));
    let entry = entry();
    let mut update = Update::new(&baseline);
    update.add(&baseline.judge(played(&entry, &[]), |_| panic!("it is not flaky")));
    let text = update
        .text(true)
        .expect("it is TOML")
        .expect("the next run reads the file");
    let read = Baseline::parse(&text, Path::new("known.toml")).expect("it is a baseline");
    assert_eq!(read.entries().len(), 0);
}
