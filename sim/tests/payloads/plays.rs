//! The scripts that pages use: those of the suite, and those in `scripts/`, which exist only for their payloads and
//! must pass like the suite's.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::LazyLock;

use turnstile::script::{self, Options, Verdict};
use turnstile_scenarios::{Scenario, Surface};

use crate::book::Take;
use crate::library::{library, top};
use crate::schemas::{CALLBACK, REPLY, Sent, contract};

/// The folder of this test's scripts.
fn own_folder() -> PathBuf {
    top().join("sim/tests/payloads/scripts")
}

/// This test's scripts by name.
pub fn own() -> &'static BTreeMap<String, Scenario> {
    static OWN: LazyLock<BTreeMap<String, Scenario>> = LazyLock::new(read_own);
    &OWN
}

fn read_own() -> BTreeMap<String, Scenario> {
    let files = fs::read_dir(own_folder()).expect("the folder of the scripts is readable");
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

fn own_on_all_surfaces() -> impl Iterator<Item = Scenario> {
    let on_all = |scenario: &'static Scenario| {
        let surfaces = scenario.api.iter();
        surfaces.filter_map(|surface| scenario.on(*surface))
    };
    own().values().flat_map(on_all)
}

/// Plays a scenario. Ignores findings: a page shows a wrong payload.
pub fn play(scenario: &Scenario) -> Verdict {
    let verdict = script::play(scenario, Options::default());
    verdict.unwrap_or_else(|error| panic!("{}: {error}", scenario.title))
}

/// Cache of plays, so that a script of several pages is played once.
#[derive(Default)]
pub struct Plays(BTreeMap<(&'static str, Surface), Rc<Verdict>>);

impl Plays {
    /// Returns the play of `take`, from the cache if possible.
    pub fn of(&mut self, take: Take) -> Rc<Verdict> {
        let Take { script, surface, .. } = take;
        let played = self.0.entry((script, surface));
        played
            .or_insert_with(|| Rc::new(play(&scenario(script, surface))))
            .clone()
    }
}

/// The script on `surface`, or on its first surface if it does not support that one.
fn scenario(script: &str, surface: Surface) -> Scenario {
    let Some(scenario) = own().get(script) else {
        let suite = library();
        let surfaces = suite.matching(Some(script));
        let wanted = surfaces
            .iter()
            .find(|entry| entry.scenario.api.first() == surface);
        let entry = wanted
            .or(surfaces.first())
            .filter(|entry| entry.id.starts_with(script));
        let entry = entry.unwrap_or_else(|| panic!("no script {script}"));
        return entry.scenario.clone();
    };
    let on_its_own = || scenario.on(scenario.api.first());
    let scenario = scenario.on(surface).or_else(on_its_own);
    scenario.expect("a script supports its first surface")
}

#[test]
fn every_script_of_this_test_passes_on_each_of_its_surfaces_and_satisfies_the_contracts() {
    let (callback, reply) = (contract(CALLBACK), contract(REPLY));
    for scenario in own_on_all_surfaces() {
        let Verdict { findings, trace, .. } = play(&scenario);
        assert!(findings.is_empty(), "{}: {findings:#?}", scenario.title);
        let breaches = Sent::of(&trace).breaches(&callback, &reply);
        assert!(breaches.is_empty(), "{}: {breaches:#?}", scenario.title);
    }
}
