//! The tool outside of a checkout: scenarios and pages are part of it.

use std::fs;

use crate::folders::empty_folder;
use crate::tool::{command, stderr, stdout};

#[test]
fn scenarios_are_built_in() {
    let folder = empty_folder("any-folder");
    let run = |arguments: &[&str]| {
        let output = command(arguments).current_dir(&folder).output();
        output.expect("the tool can be run")
    };
    let played = run(&["run", "suite/turn/cold"]);
    assert_eq!(played.status.code(), Some(0), "{}", stderr(&played));
    assert!(
        stdout(&played).contains("2 passed, 0 failed, 0 skipped"),
        "{}",
        stdout(&played)
    );
    assert_eq!(stderr(&played), "note: using the built-in scenarios\n");

    let path = "scenarios/suite/turn/cold.yaml";
    let checked = run(&["check", path]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    let replayed = run(&["replay", path]);
    assert_eq!(replayed.status.code(), Some(0), "{}", stderr(&replayed));

    let explained = run(&["explain", "R8.8"]);
    assert!(
        stdout(&explained).contains("\nScripts\n"),
        "{}",
        stdout(&explained)
    );
    assert_eq!(stderr(&explained), "");

    let none = run(&["run", "--scenarios", "none"]);
    assert_eq!(
        (none.status.code(), stderr(&none).as_str()),
        (Some(2), "error: no such folder: none\n")
    );
}

#[test]
fn a_local_folder_with_scripts_replaces_the_built_in_scenarios() {
    let folder = empty_folder("local-folder");
    let list = || {
        let output = command(&["list"]).current_dir(&folder).output();
        output.expect("the tool can be run")
    };
    fs::create_dir_all(folder.join("scenarios/of-another-kind")).expect("a folder can be created");
    let built_in = list();
    assert_eq!(stderr(&built_in), "note: using the built-in scenarios\n");
    assert!(stdout(&built_in).lines().count() > 400);

    let suite = folder.join("scenarios/suite");
    fs::create_dir_all(&suite).expect("a folder can be created");
    let script = "scenario: mine\nabout: a\nseam: turn\nsteps:\n- start: { as: a, say: idle }\n";
    fs::write(suite.join("mine.yaml"), script).expect("a file can be written");
    let local = list();
    assert_eq!(
        stderr(&local),
        "note: using the folder `scenarios` instead of the built-in scenarios\n"
    );
    assert!(stdout(&local).contains("suite/mine"), "{}", stdout(&local));
}

#[test]
fn pages_are_built_in() {
    let folder = empty_folder("built-in-pages");
    let explain = |arguments: &[&str]| {
        let output = command(arguments).current_dir(&folder).output();
        stdout(&output.expect("the tool can be run"))
    };
    let pages = explain(&["explain"]);
    for (page, title) in [
        ("protocol", "# "),
        ("live", "# Live targets"),
        ("toy-server", "# A session server in Python with three bugs\n"),
    ] {
        assert!(
            pages.lines().any(|line| line.starts_with(page)),
            "{page} is not in:\n{pages}"
        );
        assert!(explain(&["explain", page]).starts_with(title), "{page}");
    }
}
