//! Rules that the compiler does not check: which part may use which, and which words belong where.

mod dependencies;
mod modules;
mod sizes;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file below a folder of the project.
fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![top().join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

/// Files below `folder` that have `word` in them, but for those below `home`.
fn strays(folder: &str, word: &str, home: &str) -> Vec<PathBuf> {
    let home = top().join(home);
    let is_stray = |path: &PathBuf| {
        !path.starts_with(&home)
            && fs::read_to_string(path)
                .expect("sources are UTF-8")
                .contains(word)
    };
    sources(folder).into_iter().filter(is_stray).collect()
}

/// The crates of the project that each crate may depend on, besides in its tests.
const MAY_DEPEND_ON: [(&str, &[&str]); 10] = [
    ("reference/profile", &[]),
    ("reference/seams", &[]),
    ("reference", &["turnstile-profile", "turnstile-seams"]),
    ("scenarios/fault", &[]),
    ("scenarios", &["turnstile-fault"]),
    ("sim/events", &["turnstile-fault"]),
    (
        "fake-gateway",
        &["turnstile-events", "turnstile-fault", "turnstile-seams"],
    ),
    (
        "sim/judge",
        &["turnstile-events", "turnstile-fault", "turnstile-profile"],
    ),
    (
        "sim/mutants",
        &["turnstile-profile", "turnstile-reference", "turnstile-seams"],
    ),
    (
        "sim/world",
        &["turnstile-events", "turnstile-fault", "turnstile-seams"],
    ),
];

#[test]
fn crates_depend_only_on_listed_crates_of_the_project() {
    for (folder, allowed) in MAY_DEPEND_ON {
        let manifest =
            fs::read_to_string(top().join(folder).join("Cargo.toml")).expect("a crate has a manifest");
        let manifest: toml::Table = toml::from_str(&manifest).expect("a manifest is TOML");
        let dependencies = manifest["dependencies"].as_table().expect("they are a table");
        for dependency in dependencies.keys() {
            let is_ours = dependency.starts_with("turnstile") || dependency == "fake-gateway";
            assert!(
                !is_ours || allowed.contains(&dependency.as_str()),
                "{folder} depends on {dependency}"
            );
        }
    }
}

#[test]
fn only_the_legacy_part_of_the_server_knows_the_word_for_executions() {
    for word in ["executionId", "execution_id", "ExecutionId"] {
        assert_eq!(
            strays("reference/src", word, "reference/src/legacy"),
            Vec::<PathBuf>::new()
        );
    }
}

#[test]
fn the_server_does_not_know_that_its_rules_can_be_broken() {
    let home = "sim/mutants";
    for folder in ["session", "store", "legacy", "api"] {
        for word in ["mutant", "Mutant", "sabotage", "Sabotage"] {
            let folder = format!("reference/src/{folder}");
            assert_eq!(strays(&folder, word, home), Vec::<PathBuf>::new(), "{word}");
        }
    }
}

#[test]
fn what_judges_the_server_shares_no_type_with_it() {
    let home = "sim/src/nowhere";
    for folder in ["sim/src/snapshots", "sim/tests/payloads"] {
        assert_eq!(strays(folder, "turnstile_reference", home), Vec::<PathBuf>::new());
    }
}

#[test]
fn sockets_and_timers_of_the_machine_are_named_behind_the_seams_only() {
    let seam = "reference/seams/src/real.rs";
    for folder in ["reference", "fake-gateway/src"] {
        for word in ["tokio::net", "tokio::time"] {
            assert_eq!(strays(folder, word, seam), Vec::<PathBuf>::new(), "{word}");
        }
    }
}
