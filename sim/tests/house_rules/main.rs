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

/// All Rust files below a folder.
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

/// Files below `folder` that contain `word`, except for those below `home`.
fn files_with(folder: &str, word: &str, home: &str) -> Vec<PathBuf> {
    let home = top().join(home);
    let is_stray = |path: &PathBuf| {
        !path.starts_with(&home)
            && fs::read_to_string(path)
                .expect("sources are UTF-8")
                .contains(word)
    };
    sources(folder).into_iter().filter(is_stray).collect()
}

/// The project crates that each crate may depend on, except in its tests.
const MAY_DEPEND_ON: [(&str, &[&str]); 10] = [
    ("reference/profile", &[]),
    ("reference/seams", &[]),
    ("reference", &["turnstile-profile", "turnstile-seams"]),
    ("scenarios/fault", &[]),
    ("scenarios", &["turnstile-fault", "turnstile-profile"]),
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
        &[
            "turnstile-fault",
            "turnstile-profile",
            "turnstile-reference",
            "turnstile-seams",
        ],
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
fn only_the_legacy_module_of_the_server_mentions_executions() {
    for word in ["executionId", "execution_id", "ExecutionId"] {
        assert_eq!(
            files_with("reference/src", word, "reference/src/legacy"),
            Vec::<PathBuf>::new()
        );
    }
}

#[test]
fn the_server_does_not_mention_mutants() {
    let home = "sim/mutants";
    for folder in ["session", "store", "legacy", "api"] {
        for word in ["mutant", "Mutant", "sabotage", "Sabotage"] {
            let folder = format!("reference/src/{folder}");
            assert_eq!(files_with(&folder, word, home), Vec::<PathBuf>::new(), "{word}");
        }
    }
}

#[test]
fn judges_share_no_type_with_the_server() {
    let home = "sim/src/nowhere";
    for folder in ["sim/src/snapshots", "sim/tests/payloads"] {
        assert_eq!(
            files_with(folder, "turnstile_reference", home),
            Vec::<PathBuf>::new()
        );
    }
}

#[test]
fn only_the_seams_use_sockets_and_timers() {
    let seam = "reference/seams/src/real.rs";
    for folder in ["reference", "fake-gateway/src"] {
        for word in ["tokio::net", "tokio::time"] {
            assert_eq!(files_with(folder, word, seam), Vec::<PathBuf>::new(), "{word}");
        }
    }
}

#[test]
fn ci_runs_every_test_program() {
    let script = fs::read_to_string(top().join(".ci/run")).expect("it can be read");
    for package in dependencies::packages().workspace_packages() {
        for target in package.targets.iter().filter(|target| target.is_test()) {
            let name = &target.name;
            let is_found = target.src_path.ends_with(format!("tests/{name}/main.rs"));
            assert!(is_found || script.contains(&format!("--test {name}")), "{name}");
        }
    }
}

/// What plays in a world: its tasks must not draw from tokio's generator, which has no seed of the world.
const IN_A_WORLD: [&str; 6] = [
    "reference/src",
    "reference/seams/src",
    "fake-gateway/src",
    "sim/world/src",
    "sim/src/stage",
    "sim/src/script",
];

#[test]
fn nothing_in_a_world_draws_from_tokios_generator() {
    // Real time is not deterministic anyway.
    let real_time = top().join("sim/world/src/live");
    let files = IN_A_WORLD.iter().flat_map(|folder| sources(folder));
    for file in files.filter(|file| !file.starts_with(&real_time)) {
        let text = fs::read_to_string(&file).expect("sources are UTF-8");
        let file = file.display();
        for line in text.lines() {
            assert!(
                !(line.contains("tokio::sync") && line.contains("watch")),
                "{file}: a `watch` channel wakes its receivers in a random order; use turnstile_seams::latest"
            );
        }
        for (at, word) in text.match_indices("select! {") {
            assert!(
                text[at + word.len()..].trim_start().starts_with("biased;"),
                "{file}: a `select!` without `biased` chooses at random"
            );
        }
    }
}
