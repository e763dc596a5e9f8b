//! Checks that `snapshots/` has no unused file and that every script of this test appears on a page.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::book::{self, Page};
use crate::library::library;
use crate::{chapters, contracts, plays};

/// Instructions for reviewers.
const README: &str = "README.md";
/// The test that no snapshot awaits review.
const REVIEW: &str = "review.rs";

/// Collects all files below a folder as relative paths with slashes.
fn files(folder: &Path, below: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().expect("a file has a name").to_string_lossy();
        let name = format!("{below}{name}");
        if path.is_dir() {
            files(&path, &format!("{name}/"), found);
        } else {
            found.insert(name);
        }
    }
}

#[test]
fn every_snapshot_file_is_used_by_a_test() {
    let mut found = BTreeSet::new();
    files(&book::folder(), "", &mut found);
    // `review.rs` tests that no snapshot awaits review.
    found.retain(|name| !name.ends_with(".snap.new"));
    let mut asserted = BTreeSet::from([README.to_owned(), REVIEW.to_owned()]);
    asserted.extend(contracts::FILES.map(str::to_owned));
    for chapter in chapters() {
        for file in chapter.pages.iter().map(Page::file) {
            let name = format!("{}/{file}", chapter.name);
            assert!(asserted.insert(name.clone()), "two pages have the name {name}");
        }
    }
    let stale: Vec<&String> = found.difference(&asserted).collect();
    assert!(
        stale.is_empty(),
        "no test uses these files; delete them: {stale:#?}"
    );
    let missing: Vec<&String> = asserted.difference(&found).collect();
    assert!(missing.is_empty(), "these snapshots are missing: {missing:#?}");
}

#[test]
fn every_script_of_this_test_is_on_a_page_and_has_a_unique_title() {
    let chapters = chapters();
    let pages = chapters.iter().flat_map(|chapter| &chapter.pages);
    let shown: BTreeSet<&str> = pages.flat_map(Page::scripts).collect();
    let suite = library();
    let mut titles: BTreeSet<String> = suite
        .entries()
        .iter()
        .map(|entry| entry.scenario.title.clone())
        .collect();
    for (name, scenario) in plays::own() {
        assert!(shown.contains(name.as_str()), "no page uses {name}");
        assert!(
            titles.insert(scenario.title.clone()),
            "another script has the title {:?}",
            scenario.title
        );
    }
}

#[test]
fn the_readme_names_every_chapter_and_every_contract() {
    let readme = fs::read_to_string(book::folder().join(README)).expect("the README is readable");
    let chapters = chapters();
    let names = chapters
        .iter()
        .map(|chapter| chapter.name)
        .chain(contracts::FILES);
    for name in names {
        assert!(
            readme.contains(&format!("`{name}`")),
            "the README does not name {name}"
        );
    }
}
