//! A file has at most 500 lines.

use std::fs;
use std::path::PathBuf;

use super::{sources, top};

const LONGEST_FILE: usize = 500;

/// Files that may be longer, with the reason. An unneeded entry is an error.
const MAY_BE_LONGER: [(&str, &str); 2] = [
    (
        "scenarios/tests/scripts/invalid.rs",
        "tables of wrong scripts and their messages",
    ),
    (
        "sim/tests/engine/bad_input/sockets.rs",
        "tables of wrong ways to open a socket",
    ),
];

#[test]
fn files_are_short() {
    let mut wrong = Vec::new();
    let mut longer = Vec::new();
    for folder in ["reference", "scenarios", "fake-gateway", "sim", "snapshots"] {
        for file in sources(folder) {
            let lines = fs::read_to_string(&file)
                .expect("sources are UTF-8")
                .lines()
                .count();
            if lines > LONGEST_FILE {
                longer.push((file, lines));
            }
        }
    }
    let excused: Vec<PathBuf> = MAY_BE_LONGER.iter().map(|(file, _)| top().join(file)).collect();
    for (file, lines) in &longer {
        if !excused.contains(file) {
            wrong.push(format!("{} has {lines} lines", file.display()));
        }
    }
    for file in excused {
        if !longer.iter().any(|(long, _)| *long == file) {
            wrong.push(format!(
                "{} is short enough: remove it from the list",
                file.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
