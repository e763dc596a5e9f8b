//! Nothing lies in `snapshots/` that no page shows, and no script is played for nobody.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::book::{self, Page};
use crate::library::library;
use crate::{chapters, contracts, plays};

/// What tells a reader how to go about it.
const README: &str = "README.md";
/// The test that nothing waits to be reviewed.
const REVIEW: &str = "review.rs";

/// Every file below a folder, by its path from there, with slashes.
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
fn every_file_in_the_folder_is_one_that_a_test_asserts() {
    let mut there = BTreeSet::new();
    files(&book::folder(), "", &mut there);
    // What waits to be reviewed has a test of its own.
    there.retain(|name| !name.ends_with(".snap.new"));
    let mut asserted = BTreeSet::from([README.to_owned(), REVIEW.to_owned()]);
    asserted.extend(contracts::FILES.map(str::to_owned));
    for chapter in chapters() {
        for file in chapter.pages.iter().map(Page::file) {
            let name = format!("{}/{file}", chapter.name);
            assert!(asserted.insert(name.clone()), "two pages are called {name}");
        }
    }
    let stale: Vec<&String> = there.difference(&asserted).collect();
    assert!(
        stale.is_empty(),
        "no test asserts these any more; delete them: {stale:#?}"
    );
    let missing: Vec<&String> = asserted.difference(&there).collect();
    assert!(
        missing.is_empty(),
        "these are not there to be reviewed: {missing:#?}"
    );
}

#[test]
fn every_script_of_this_test_is_shown_by_a_page_and_has_a_title_of_its_own() {
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
        assert!(shown.contains(name.as_str()), "no page shows anything of {name}");
        assert!(
            titles.insert(scenario.title.clone()),
            "another script is called {:?}",
            scenario.title
        );
    }
}

#[test]
fn the_readme_names_every_chapter_and_every_contract() {
    let readme = fs::read_to_string(book::folder().join(README)).expect("there is a README");
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
