//! Generic mutants are found in plays, and are noticed by oracles, by scripts or not at all.

use std::fs;
use std::num::NonZeroUsize;

use serde_json::Value;
use turnstile::mutate::{self, Baseline, Class, Trial};
use turnstile::script::Options;
use turnstile::suite::Play;
use turnstile_scenarios::Library;

use crate::library::library;
use crate::tool::{scratch, stderr, stdout, turnstile};

/// A short script with a turn and its callback.
const SCRIPT: &str = "suite/callback/queue-refuses-for-a-while";

fn baseline(library: &Library) -> Baseline<'_> {
    let entries = library.matching(Some(SCRIPT)).into_iter();
    let options = Options::default();
    let plays = entries.map(|entry| Play { entry, options }).collect();
    Baseline::take(&[plays], NonZeroUsize::MIN, None, |_| {})
}

fn tried(baseline: &Baseline<'_>, name: &str) -> Trial {
    let rewrites = vec![name.parse().expect("it is the name of a mutant")];
    let mut trials = Vec::new();
    mutate::try_all(
        rewrites,
        baseline,
        usize::MAX,
        NonZeroUsize::MIN,
        None,
        |_| {},
        |trial| trials.push(trial),
    );
    trials.pop().expect("it was tried")
}

#[test]
fn effects_rows_frames_replies_requests_and_settings_have_mutants() {
    let library = library();
    let baseline = baseline(library);
    assert!(baseline.unclean().is_empty(), "{:?}", baseline.unclean());
    let names: Vec<String> = baseline.possible().map(ToString::to_string).collect();
    for expected in [
        "drop:effect:deliver",
        "swap:effect:broadcast/kept/cloud.message.sent",
        "drop:row:event/cloud.message.completed",
        "raise:state:message:failedDeliveries",
        "drop:state:core",
        "double:frame:live/cloud.message.completed",
        "remove:frame:live/cloud.message.completed:data.messageId",
        "delay:reply:send/200",
        "null:request:wrapper/job/prompt:body.message.id",
        "raise:profile:drain_delay:value",
    ] {
        assert!(
            names.iter().any(|name| name == expected),
            "{expected} in {names:#?}"
        );
    }
}

#[test]
fn a_mutant_is_noticed_or_makes_no_difference() {
    let library = library();
    let baseline = baseline(library);
    for (name, class) in [
        (
            "drop:effect:broadcast/kept/cloud.message.completed",
            Class::Oracle,
        ),
        (
            "change:frame:live/cloud.message.completed:data.messageId",
            Class::Oracle,
        ),
        ("raise:profile:shutdown_patience:value", Class::NotProvoked),
    ] {
        let trial = tried(&baseline, name);
        assert_eq!(trial.class(), class, "{trial:#?}");
        assert!(trial.played > 0, "{trial:#?}");
    }
}

#[test]
fn the_command_draws_the_same_mutants_from_the_same_seed() {
    let file = scratch("mutants.json");
    let file_name = file.to_str().expect("the path is UTF-8");
    let run = |arguments: &[&str]| {
        let common = ["mutate", SCRIPT, "--only", "effect:", "--json", file_name];
        let output = turnstile(&[&common, arguments].concat());
        (output.status.code(), stdout(&output) + &stderr(&output))
    };
    let (status, text) = run(&["--count", "3"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.starts_with("3 of "), "{text}");
    assert_eq!(run(&["--count", "3"]), (status, text));
    let report = fs::read_to_string(&file).expect("the report was written");
    let report: Value = serde_json::from_str(&report).expect("the report is JSON");
    assert_eq!(report["mutants"].as_array().map(Vec::len), Some(3));
}
