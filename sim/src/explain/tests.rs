use turnstile_scenarios::Library;

use super::*;

fn entry() -> Entry {
    let script =
        "scenario: a batch\nabout: a\nseam: turn\nrules: [R8.8]\nsteps:\n- start: { as: a, say: idle }\n";
    let path = Path::new("suite/turn/some.yaml");
    Entry {
        id: "suite/turn/some".to_owned(),
        path: path.to_owned(),
        scenario: Scenario::parse(script, path).unwrap(),
        text: None,
    }
}

fn of(entries: &[Entry]) -> Sources<'_> {
    Sources {
        entries,
        ..Sources::default()
    }
}

fn command() -> CommandHelp {
    CommandHelp {
        name: "replay".to_owned(),
        help: "Replay a seed\n".to_owned(),
    }
}

#[test]
fn a_rule_is_explained_with_what_refers_to_it() {
    let text = explain("R8.8", of(&[entry()])).unwrap();
    for part in [
        "R8.8 (8. Callbacks, The idle batch)\n  Finalizing creates exactly one job, for the representative.\n",
        "\nOracles\n  one-callback-per-batch: Each finalized batch",
        "\nCoverage\n  server: an idle batch is finalized\n",
        "\nScripts\n  suite/turn/some: a batch\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn an_oracle_is_explained_with_its_rules() {
    let text = explain("first-in-first-out", Sources::default()).unwrap();
    for part in [
        "\nWhy\n  A turn builds",
        "\nChecked\n  at every moment",
        "\nRules\n  R4.1: A message is *pending*",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[cfg(feature = "selftest")]
#[test]
fn a_mutant_is_explained_with_its_rules_oracle_and_scripts() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios"));
    let library = Library::load(folder).unwrap();
    let text = explain("last-of-batch-is-representative", of(library.entries())).unwrap();
    for part in [
        "last-of-batch-is-representative (mutant)\n  A server that violates this rule:\n  The callback is",
        "\nRules\n  R8.1: ",
        "\nOracle that finds it\n  one-callback-per-batch: ",
        "\nA script that finds it\n  suite/callback/two-batches: ",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[cfg(feature = "selftest")]
#[test]
fn an_oracle_and_a_mutant_of_the_same_name_are_both_explained() {
    let text = explain("terminal-once", Sources::default()).unwrap();
    assert!(text.starts_with("terminal-once\n"), "{text}");
    assert!(text.contains("\n\nterminal-once (mutant)\n"), "{text}");
}

#[test]
fn a_fault_is_explained_with_its_keys_needs_and_scripts() {
    let text = explain("throttle", Sources::default()).unwrap();
    let expected = "throttle (fault)\n  Limits the bandwidth of a link.\n\nKeys\n  between\n  from\n  to\n  rate\n  for\n";
    assert_eq!(text, expected);
    let script =
        "scenario: full\nabout: a\nseam: turn\nsteps:\n- start: { as: a, say: idle }\n- disk: fails\n";
    let path = Path::new("suite/turn/full.yaml");
    let entry = Entry {
        id: "suite/turn/full".to_owned(),
        path: path.to_owned(),
        scenario: Scenario::parse(script, path).unwrap(),
        text: None,
    };
    let text = explain("disk", of(&[entry])).unwrap();
    let needs = "\nMay need of a live server\n  disk: control over the server's disk\n";
    assert!(text.contains(needs), "{text}");
    assert!(text.ends_with("\nScripts\n  suite/turn/full: full\n"), "{text}");
}

#[test]
fn a_command_is_explained_by_its_help() {
    let commands = [command()];
    let sources = Sources {
        commands: &commands,
        ..Sources::default()
    };
    assert_eq!(explain("replay", sources).unwrap(), "Replay a seed\n");
}

#[test]
fn a_page_is_printed_with_the_command_of_its_name() {
    let pages = [Document {
        name: "replay".to_owned(),
        text: "# Replaying\n\nA text.\n".to_owned(),
    }];
    assert_eq!(pages[0].title(), "Replaying");
    let commands = [command()];
    let sources = Sources {
        commands: &commands,
        pages: &pages,
        ..Sources::default()
    };
    let text = explain("replay", sources).unwrap();
    assert_eq!(text, "Replay a seed\n\n# Replaying\n\nA text.\n");
}

#[test]
fn an_unknown_rule_of_a_script_is_reported_with_its_place() {
    let script =
        "scenario: s\nabout: a\nseam: turn\nrules: [R8.3, R8.99]\nsteps:\n- start: { as: a, say: idle }\n";
    let path = Path::new("s.yaml");
    let scenario = Scenario::parse(script, path).unwrap();
    assert_eq!(
        unknown_rules(&scenario, path),
        ["s.yaml:4:15: the protocol has no rule \"R8.99\""]
    );
}

#[test]
fn scripts_name_rules_of_the_protocol() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios"));
    for entry in Library::load(folder).unwrap().entries() {
        assert_eq!(unknown_rules(&entry.scenario, &entry.path), [""; 0]);
    }
}

#[test]
fn an_unknown_name_has_suggestions() {
    let commands = [command()];
    let sources = Sources {
        commands: &commands,
        ..Sources::default()
    };
    let similar = |name: &str| explain(name, sources).unwrap_err().similar;
    assert_eq!(similar("throtle")[0], "throttle");
    assert_eq!(similar("repaly")[0], "replay");
    assert_eq!(similar("one-callback-per-bach")[0], "one-callback-per-batch");
    assert!(similar("r8.3").contains(&"R8.3".to_owned()));
    assert_eq!(similar("zzz"), [""; 0]);
}
