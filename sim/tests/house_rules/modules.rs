//! No cycle exists between the modules of a folder: a module can be read without those that use it.
//!
//! The rule reads `use` lines and paths outside of tests. A `mod.rs` may use the modules of its folder and be used by
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::source::{Source, UsedPath, paths};
use super::{sources, top};

/// The crates, by the folders of their sources.
const CRATES: [&str; 11] = [
    "reference/profile/src",
    "reference/seams/src",
    "reference/src",
    "scenarios/fault/src",
    "scenarios/src",
    "fake-gateway/src",
    "sim/events/src",
    "sim/judge/src",
    "sim/mutants/src",
    "sim/world/src",
    "sim/src",
];

/// Folders at a crate root whose modules count as root modules, because each belongs to another level of the crate.
const LAYERED: [&str; 1] = ["legacy"];

/// Names of a module from the crate root.
type Path = Vec<String>;

/// The sibling modules that each module uses.
type Uses = BTreeMap<Path, BTreeSet<Path>>;

/// The modules of a crate, with their code.
struct Crate {
    modules: Vec<(Path, String)>,
    /// The modules of names that the root re-exports.
    exported: BTreeMap<String, String>,
}

impl Crate {
    fn read(folder: &str) -> Self {
        let root = top().join(folder);
        let mut modules = Vec::new();
        let mut test_modules = BTreeSet::new();
        for file in sources(folder) {
            let place = file
                .strip_prefix(&root)
                .expect("it is in the folder")
                .with_extension("");
            let mut path: Path = place
                .iter()
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            path.pop_if(|name| matches!(name.as_str(), "mod" | "lib" | "main"));
            let source = Source::read(&fs::read_to_string(&file).expect("sources are UTF-8"));
            for name in source.test_modules {
                test_modules.insert([path.clone(), vec![name]].concat());
            }
            modules.push((path, source.code));
        }
        modules.retain(|(path, _)| !(0..=path.len()).any(|length| test_modules.contains(&path[..length])));
        let roots = modules.iter().filter(|(path, _)| path.is_empty());
        let exported = roots.flat_map(|(_, code)| exports(code)).collect();
        Self { modules, exported }
    }

    fn uses(&self) -> Uses {
        let known: BTreeSet<&[String]> = self
            .modules
            .iter()
            .flat_map(|(path, _)| (1..=path.len()).map(|length| &path[..length]))
            .collect();
        let mut uses = Uses::new();
        for (path, code) in &self.modules {
            for UsedPath { levels_above, names } in paths(code) {
                let base = levels_above.map_or(0, |levels| path.len().saturating_sub(levels));
                let exporter = names.first().and_then(|name| self.exported.get(name));
                let names = match exporter {
                    Some(module) if base == 0 => vec![module.clone()],
                    _ => names,
                };
                let used = [&path[..base], &names].concat();
                // The modules to compare are those in which the two paths part.
                let shared = path
                    .iter()
                    .zip(&used)
                    .take_while(|(one, other)| one == other)
                    .count();
                let (user, used) = (sibling(path, shared), sibling(&used, shared));
                if !user.is_empty() && known.contains(used) && user != used && !used.starts_with(user) {
                    uses.entry(user.to_vec()).or_default().insert(used.to_vec());
                }
            }
        }
        uses
    }
}

/// The module of `path` at the level of `base`.
fn sibling(path: &[String], base: usize) -> &[String] {
    let is_layered = base == 0
        && path
            .first()
            .is_some_and(|first| LAYERED.contains(&first.as_str()));
    match base + 1 + usize::from(is_layered) {
        length if path.len() >= length => &path[..length],
        _ if path.len() > base => path,
        _ => &[],
    }
}

/// Names that a root re-exports, each with its module.
fn exports(code: &str) -> Vec<(String, String)> {
    let mut exports = Vec::new();
    for line in code.split("use ").skip(1) {
        let path = line.split(';').next().unwrap_or_default();
        let path = path.trim_start_matches("self::").trim_start_matches("crate::");
        if let Some((module, names)) = path.split_once("::") {
            let names = names.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            exports.extend(names.map(|name| (name.to_owned(), module.to_owned())));
        }
    }
    exports
}

/// Returns whether `from` uses `to`, directly or indirectly.
fn reaches(uses: &Uses, from: &Path, to: &Path) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        if module == to {
            return true;
        }
        if seen.insert(module) {
            open.extend(uses.get(module).into_iter().flatten());
        }
    }
    false
}

/// Uses that are part of a cycle, as `one -> other`.
fn on_cycles(uses: &Uses) -> Vec<String> {
    let all = uses
        .iter()
        .flat_map(|(from, all)| all.iter().map(move |to| (from, to)));
    all.filter(|(from, to)| reaches(uses, to, from))
        .map(|(from, to)| format!("{} -> {}", from.join("::"), to.join("::")))
        .collect()
}

#[test]
fn no_cycle_exists_between_modules() {
    let mut found = Vec::new();
    for folder in CRATES {
        let cycles = on_cycles(&Crate::read(folder).uses());
        found.extend(cycles.into_iter().map(|uses| format!("{folder}: {uses}")));
    }
    assert!(
        found.is_empty(),
        "these uses are on a cycle:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_cycle_is_found_and_a_test_makes_none() {
    let uses = |code: [&str; 2]| {
        let modules = ["one", "other"].map(|name| vec![name.to_owned()]);
        let code = code.map(|code| Source::read(code).code);
        let modules = modules.into_iter().zip(code).collect();
        let exported = exports("pub use other::{Other, More};").into_iter().collect();
        Crate { modules, exported }.uses()
    };
    for (code, has_cycle) in [
        (["use crate::other;", "use super::{nothing, one::One};"], true),
        (["fn a() -> crate::Other {}", "fn b() { super::one::a() }"], true),
        (
            [
                "use crate::other; // crate",
                "// use crate::one;\nconst A: &str = \"crate::one\";",
            ],
            false,
        ),
        (
            [
                "use crate::other::{More, self};",
                "use crate::{nothing::Nothing, one::{self, One}};",
            ],
            true,
        ),
        (
            [
                "use crate::other;",
                "#[cfg(test)]\nmod tests { use crate::one; }\nfn a<'a>() {}",
            ],
            false,
        ),
    ] {
        assert_eq!(!on_cycles(&uses(code)).is_empty(), has_cycle, "{code:?}");
    }
}

#[test]
fn a_cycle_within_a_folder_is_found_by_whole_paths() {
    let path = |path: &str| path.split("::").map(str::to_owned).collect::<Path>();
    let uses = |code: [&str; 2]| {
        let modules = [path("folder::one"), path("folder::other")].into_iter();
        let code = code.map(|code| Source::read(code).code);
        Crate {
            modules: modules.zip(code).collect(),
            exported: BTreeMap::new(),
        }
        .uses()
    };
    let cycle = ["use crate::folder::other::Other;", "use super::one::One;"];
    assert_eq!(
        on_cycles(&uses(cycle)),
        ["folder::one -> folder::other", "folder::other -> folder::one"]
    );
    let straight = ["use crate::folder::other::Other;", "use crate::folder::Folder;"];
    assert_eq!(on_cycles(&uses(straight)), [""; 0]);
}
