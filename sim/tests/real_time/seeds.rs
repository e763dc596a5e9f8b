//! Seeds against the reference server, or a mutant of it, in its own process.

use crate::live::{SECRETS, TargetServer, free_address};
use crate::tool::{command, stderr, stdout};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(arguments)
        .envs(SECRETS.map(|(name, value)| (format!("TURNSTILE_TARGET_{name}"), value)))
        .output()
        .expect("the tool can be run");
    (output.status.code(), stdout(&output), stderr(&output))
}

#[test]
fn seeds_find_a_mutant_in_a_process_and_shrink_to_a_script() {
    let mutant = ["--breaking", "latest-answer-is-called-back"];
    let explored = run(&[
        &["explore", "--live", "--keep-going", "--seeds", "0..4"][..],
        &mutant,
    ]
    .concat());
    let (code, out, errors) = explored;
    assert_eq!(code, Some(1), "{out}{errors}");
    for text in [
        "callbacks-tell-the-outcome",
        "the simulated world shows the same with the same script",
        " explore --live --seeds ",
    ] {
        assert!(out.contains(text), "{text}: {out}");
    }
    let shrunk = run(&[&["shrink", "--live", "--votes", "1/1", "0"][..], &mutant].concat());
    let (code, out, errors) = shrunk;
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(
        out.contains("scenario: callbacks-tell-the-outcome is violated"),
        "{out}"
    );
    assert!(errors.contains("the simulated world shows the same"), "{errors}");
}

#[test]
fn a_time_limit_cuts_what_is_being_played() {
    let (code, out, errors) = run(&["explore", "--live", "--minutes", "0.02", "--jobs", "2"]);
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(
        out.contains(" seeds were cut at the end, and do not count"),
        "{out}"
    );
    assert!(!out.contains("stopped early"), "{out}");
}

#[test]
fn seeds_are_played_against_a_running_server_and_need_only_what_it_offers() {
    let (wrapper, clock) = (free_address(), free_address());
    let server = ["--test-clock", &clock];
    let mut server = TargetServer::start(format!("{wrapper}/{{session}}"), &server);
    server.wrapper = wrapper;
    let url = format!("http://{clock}");
    let options = [
        "explore",
        "--live",
        "--seeds",
        "0..3",
        "--sandboxes",
        "--test-clock",
        &url,
    ];
    let (code, out, errors) = run(&[&options[..], &server.target()].concat());
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(out.contains("3 seeds: 3 passed, 0 failed"), "{out}");
    let (code, _, errors) = run(&[&options[..], &server.target(), &["--breaking", "terminal-once"]].concat());
    assert_eq!(code, Some(2), "{errors}");
    assert!(
        errors.contains("--breaking requires the reference server"),
        "{errors}"
    );
    let (code, _, errors) = run(&[&["explore", "--seeds", "0..1"][..], &server.target()].concat());
    assert_eq!(code, Some(2), "{errors}");
    assert!(
        errors.contains("--target and --config require --live"),
        "{errors}"
    );
}
