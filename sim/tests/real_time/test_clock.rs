//! Long scenarios against a server with a test clock.

use crate::live::{SECRETS, TargetServer, free_address, run_live};

#[test]
fn long_scenarios_are_played_on_the_test_clock_of_a_running_server() {
    let (wrapper, clock) = (free_address(), free_address());
    let arguments = ["--test-clock", &clock];
    let mut server = TargetServer::start(format!("{wrapper}/{{session}}"), &arguments);
    server.wrapper = wrapper;
    let target = server.target();
    let url = format!("http://{clock}");
    // They take one and a half minutes, and a few minutes with a callback that is tried again.
    let scenarios = [
        "suite/reconnect/nothing-from-the-wrapper",
        "suite/callback/receiver-fails-for-a-while",
    ];
    let arguments = [&target[..], &["--sandboxes", "--test-clock", &url], &scenarios].concat();
    let (code, out, errors) = run_live(&arguments, &SECRETS);
    assert_eq!(code, Some(0), "{out}{errors}");
    assert!(out.contains(" 0 failed, 0 skipped"), "{out}");

    let arguments = [
        &target[..],
        &["--sandboxes", "--test-clock", &url, "--speed", "2"],
        &scenarios,
    ]
    .concat();
    let (code, out, errors) = run_live(&arguments, &SECRETS);
    assert_eq!(code, Some(2), "{out}{errors}");
    assert!(errors.contains("a test clock requires speed 1"), "{errors}");
}

#[test]
fn an_address_without_a_test_clock_is_a_harness_error() {
    let server = TargetServer::start(free_address(), &[]);
    let target = server.target();
    let url = target[1];
    let arguments = [&target[..], &["--test-clock", url, "suite/turn/cold"]].concat();
    let (code, out, errors) = run_live(&arguments, &SECRETS);
    assert_eq!(code, Some(3), "{out}{errors}");
    assert!(out.contains("expected 200 with a number `advancedMs`"), "{out}");
}
