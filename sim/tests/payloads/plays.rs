//! The scripts that pages are taken from: those of the suite, and those in `scripts/`, which are there only
//! to have something to take, and must hold as the suite's do.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use turnstile::script::{self, Options, Verdict};
use turnstile_scenarios::{Scenario, Surface};

use crate::book::Take;
use crate::library::{library, top};

/// The folder with this test's own scripts.
fn own_folder() -> PathBuf {
    top().join("sim/tests/payloads/scripts")
}

/// This test's own scripts, by name.
pub fn own() -> BTreeMap<String, Scenario> {
    let files = fs::read_dir(own_folder()).expect("the folder with the scripts is there");
    let read = |file: PathBuf| {
        let source = fs::read_to_string(&file).expect("scripts can be read");
        let scenario = Scenario::parse(&source, &file).unwrap_or_else(|errors| panic!("{errors}"));
        let name = file.file_stem().expect("a file has a name");
        (name.to_string_lossy().into_owned(), scenario)
    };
    files
        .map(|file| read(file.expect("the folder can be read").path()))
        .collect()
}

/// Every script there is, on each of its surfaces.
pub fn all() -> Vec<Scenario> {
    let entries = library();
    let entries = entries.entries().iter().map(|entry| entry.scenario.clone());
    entries.chain(own_on_all_surfaces()).collect()
}

fn own_on_all_surfaces() -> Vec<Scenario> {
    let on_all = |scenario: Scenario| {
        let surfaces = scenario.api.iter();
        surfaces
            .filter_map(|surface| scenario.on(*surface))
            .collect::<Vec<_>>()
    };
    own().into_values().flat_map(on_all).collect()
}

/// Plays a scenario. Whether it holds is not asked here: what is wrong with a payload is to be seen in it.
pub fn play(scenario: &Scenario) -> Verdict {
    let verdict = script::play(scenario, Options::default());
    verdict.unwrap_or_else(|error| panic!("{}: {error}", scenario.title))
}

/// What was played so far, so that what several pages are taken from is played once.
#[derive(Default)]
pub struct Plays(BTreeMap<(&'static str, Surface), Rc<Verdict>>);

impl Plays {
    /// The play that something is taken from.
    pub fn of(&mut self, take: Take) -> Rc<Verdict> {
        let Take { script, surface, .. } = take;
        let played = self.0.entry((script, surface));
        played
            .or_insert_with(|| Rc::new(play(&scenario(script, surface))))
            .clone()
    }
}

/// A script on the surface that is wanted, or on its own, if it is not for that one.
fn scenario(script: &str, surface: Surface) -> Scenario {
    let Some(scenario) = own().remove(script) else {
        let suite = library();
        let surfaces = suite.matching(Some(script));
        let wanted = surfaces
            .iter()
            .find(|entry| entry.scenario.api.first() == surface);
        let entry = wanted
            .or(surfaces.first())
            .filter(|entry| entry.id.starts_with(script));
        let entry = entry.unwrap_or_else(|| panic!("there is no script {script}"));
        return entry.scenario.clone();
    };
    let on_its_own = || scenario.on(scenario.api.first());
    let scenario = scenario.on(surface).or_else(on_its_own);
    scenario.expect("a script is for the first of its surfaces")
}

#[test]
fn every_script_of_this_test_holds_on_each_of_its_surfaces() {
    for scenario in own_on_all_surfaces() {
        let findings = play(&scenario).findings;
        assert!(findings.is_empty(), "{}: {findings:#?}", scenario.title);
    }
}
