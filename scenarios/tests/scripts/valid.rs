//! Every script of this folder is valid, and parser, schema and README have the same words.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use turnstile_scenarios::{
    Expectation, Library, LibraryError, Scenario, Selection, Step, UnmatchedFilter, schema,
};

fn library() -> Library {
    Library::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The one-key maps that the schema allows for `kind`.
fn words(kind: &str) -> BTreeSet<String> {
    let schema = schema();
    let alternatives = schema["$defs"][kind]["oneOf"].as_array().into_iter().flatten();
    let word = |alternative: &Value| alternative["required"][0].as_str().map(str::to_owned);
    alternatives.filter_map(word).collect()
}

#[test]
fn every_script_of_the_folder_is_valid_and_has_its_path_as_id() {
    let library = library();
    let ids: Vec<&str> = library.entries().iter().map(|entry| entry.id.as_str()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    assert!(ids.contains(&"suite/reconnect/inside-the-grace"), "{ids:?}");
}

#[test]
fn a_filter_selects_by_substring_and_an_id_selects_only_itself() {
    let library = library();
    let picked = |filter| {
        let entries = library.matching(filter).into_iter();
        entries.map(|entry| entry.id.as_str()).collect::<Vec<_>>()
    };
    let both = ["suite/turn/cold", "suite/turn/cold (legacy)"];
    assert_eq!(picked(Some("suite/turn/cold")), both);
    assert!(picked(Some("inside-the")).contains(&"suite/reconnect/inside-the-grace"));
    assert!(picked(Some("no such scenario")).is_empty());
    assert_eq!(picked(None).len(), library.entries().len());
}

#[test]
fn several_filters_select_patterns_and_exclude_without_regard_to_case() {
    let library = library();
    let picked = |filters: &[&str]| {
        let selection = Selection::parse(filters.iter().copied()).unwrap();
        let entries = library.select(&selection);
        entries.map(|entries| {
            entries
                .into_iter()
                .map(|entry| entry.id.as_str())
                .collect::<Vec<_>>()
        })
    };
    let turns = picked(&["suite/turn/*"]).unwrap();
    assert!(
        turns.len() > 2 && turns.iter().all(|id| id.starts_with("suite/turn/")),
        "{turns:?}"
    );
    assert_eq!(picked(&["SUITE/Turn/"]).unwrap(), turns);
    let unified = picked(&["suite/turn/*", "!legacy"]).unwrap();
    assert!(unified.len() < turns.len() && !unified.iter().any(|id| id.contains("legacy")));
    assert_eq!(
        picked(&["*/inside-the-grace", "suite/turn/cold", "!*(legacy)"]).unwrap(),
        ["suite/reconnect/inside-the-grace", "suite/turn/cold"]
    );
    let all_others = picked(&["!suite/turn/*"]).unwrap();
    assert_eq!(all_others.len() + turns.len(), library.entries().len());
    assert_eq!(
        picked(&["cold", "no such"]),
        Err(UnmatchedFilter("no such".to_owned()))
    );
    assert!(Selection::parse(["a[b"]).is_err());
}

#[test]
fn a_script_is_selected_by_its_path_and_a_folder_needs_no_suite() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plain-folder");
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    let script = "scenario: s\nabout: a\nseam: turn\nseed: 7\nsteps:\n- start: { as: a, say: idle }\n";
    for name in ["one.yaml", "deep/two.yaml"] {
        std::fs::write(folder.join(name), script).unwrap();
    }
    let library = Library::load(&folder).unwrap_or_else(|errors| panic!("{errors}"));
    let ids: Vec<&str> = library.entries().iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, ["deep/two", "one"]);
    assert_eq!(library.entries()[0].scenario.seed, Some(7));
    let file = folder.join("deep/two.yaml");
    let selection = Selection::parse([file.to_str().unwrap()]).unwrap();
    assert!(!selection.is_of_library());
    assert_eq!(library.select(&selection).unwrap()[0].id, "deep/two");
    let alone = Library::of_files(&folder, selection.files()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(alone.entries()[0].id, "deep/two");
    let mut both = library.clone();
    both.extend(alone);
    assert_eq!(both, library);
}

#[test]
fn a_script_for_two_surfaces_is_two_scenarios_and_its_path_selects_both() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("two-surfaces");
    let shelf = folder.join("suite");
    std::fs::create_dir_all(&shelf).unwrap();
    let script = |api: &str| {
        format!("scenario: s\nabout: a\nseam: turn\napi: {api}\nsteps:\n- start: {{ as: a, say: idle }}\n")
    };
    std::fs::write(shelf.join("both.yaml"), script("[legacy, unified]")).unwrap();
    std::fs::write(shelf.join("both-no.yaml"), script("[legacy]")).unwrap();
    let library = Library::load(&folder).unwrap_or_else(|errors| panic!("{errors}"));
    let picked = |filter| {
        let entries = library.matching(filter).into_iter();
        entries.map(|entry| entry.id.as_str()).collect::<Vec<_>>()
    };
    let both = ["suite/both", "suite/both (legacy)"];
    assert_eq!(picked(Some("suite/both")), both);
    assert_eq!(picked(Some("suite/both (legacy)")), both[1..]);
    assert_eq!(picked(Some("suite/both-no")), ["suite/both-no (legacy)"]);
    assert_eq!(picked(None).len(), 3);
    let titles: Vec<&str> = library
        .entries()
        .iter()
        .map(|entry| entry.scenario.title.as_str())
        .collect();
    assert_eq!(titles, ["s", "s (legacy)", "s (legacy)"]);
}

#[test]
fn an_unreadable_folder_is_named_in_the_error() {
    let errors = Library::load(Path::new("no/such/folder")).unwrap_err();
    assert!(matches!(errors.errors[..], [LibraryError::Read { .. }]));
    assert!(errors.to_string().contains("no/such/folder"), "{errors}");
}

#[test]
fn a_scenario_is_unchanged_by_writing_and_reading_json() {
    for entry in library().entries() {
        // JSON is valid YAML.
        let written = serde_json::to_string_pretty(&entry.scenario).unwrap();
        let again = Scenario::parse(&written, &entry.path).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(again, entry.scenario, "{}", entry.id);
    }
}

#[test]
fn every_example_in_the_readme_is_unchanged_by_writing_and_reading() {
    fn again<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(block: &str) {
        let read: Vec<T> = serde_saphyr::from_str(block).unwrap_or_else(|error| panic!("{block}: {error}"));
        let written = serde_json::to_string_pretty(&read).unwrap();
        let again: Vec<T> =
            serde_saphyr::from_str(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(again, read);
    }
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```yaml\n").skip(1);
    for block in blocks.filter_map(|block| block.split("```").next()) {
        if block.starts_with("- order:") {
            again::<Expectation>(block);
        } else if block.starts_with("- ") {
            again::<Step>(block);
        }
    }
}

#[test]
fn parser_schema_and_readme_have_the_same_steps_and_expectations() {
    let readme = include_str!("../../README.md");
    let source = "scenario: s\nabout: a\nseam: turn\nsteps:\n- nonsense: 1\nexpect:\n- nonsense: 1\n";
    let errors = Scenario::parse(source, Path::new("nonsense.yaml")).unwrap_err();
    for (problem, kind) in errors.problems.iter().zip(["Step", "Expectation"]) {
        let (_, allowed) = problem.message.split_once("allowed: ").unwrap();
        let read: BTreeSet<String> = allowed.split(", ").map(str::to_owned).collect();
        assert_eq!(read, words(kind));
        for word in read {
            assert!(
                readme.contains(&format!("\n- {word}: ")),
                "the README has no example of `{word}`"
            );
        }
    }
    assert_eq!(errors.problems.len(), 2);
}

#[test]
fn the_examples_in_the_readme_are_valid() {
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```yaml\n").skip(1);
    for block in blocks.filter_map(|block| block.split("```").next()) {
        let read = if block.starts_with("scenario:") {
            Scenario::parse(block, Path::new("README.md"))
                .map(drop)
                .map_err(|errors| errors.to_string())
        } else if block.starts_with("session:") || block.starts_with("profile:") {
            let step = if block.contains("stored:") {
                "wait: 1s"
            } else {
                "start: { as: a, say: idle }"
            };
            let script = format!("scenario: s\nabout: a\nseam: turn\nsteps:\n- {step}\n{block}");
            Scenario::parse(&script, Path::new("README.md"))
                .map(drop)
                .map_err(|errors| errors.to_string())
        } else if block.starts_with("- order:") {
            serde_saphyr::from_str::<Vec<Expectation>>(block)
                .map(drop)
                .map_err(|error| error.to_string())
        } else {
            serde_saphyr::from_str::<Vec<Step>>(block)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        assert_eq!(read, Ok(()), "{block}");
    }
}

#[test]
fn a_scenario_is_unchanged_by_writing_and_reading_yaml() {
    for entry in library().entries() {
        let text = entry.scenario.to_yaml();
        let again = Scenario::parse(&text, &entry.path).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        assert_eq!(again, entry.scenario, "{text}");
    }
}
