//! Tests of scripts and files that exceed a limit: each has an error that names the limit and the position.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use turnstile_scenarios::{FileError, Library, Scenario, read_file};

const HEAD: &str = "scenario: s\nabout: a\nseam: turn\nsteps:\n";
const START: &str = "- start: { as: first, say: idle }\n";

fn errors(source: &str) -> String {
    let errors = Scenario::parse(source, Path::new("x.yaml")).expect_err("the script is invalid");
    errors.to_string()
}

/// The first error without the quoted line.
fn first_error(steps: &str) -> String {
    let text = errors(&format!("{HEAD}{steps}"));
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn every_number_and_duration_has_a_limit() {
    for (step, expected) in [
        (
            "- wait: 8761h",
            "5:9: `8761h` is too long: the longest duration is 8760h",
        ),
        (
            "- await: { quiet: 1s, within: 8761h }",
            "5:31: `8761h` is too long: the longest duration is 8760h",
        ),
        (
            "- crash: { party: server, restart-after: 70000000h }",
            "`70000000h` is too long",
        ),
        ("- queue: { is: refuses, for: 8761h }", "`8761h` is too long"),
        ("- wrapper: { job: { delay: 8761h } }", "`8761h` is too long"),
        (
            "- wrapper: { babble: 65536 }",
            "65536 is too many: the maximum is 65535",
        ),
        (
            "- wrapper: { long-text: 1000001 }",
            "1000001 is too many: the maximum is 1000000",
        ),
        (
            "- start: { as: a, say: 'slow:4000000000:0' }",
            "`slow` needs a number of chunks from 1 to 10000",
        ),
        (
            "- start: { as: a, say: 'slow:1:86400001' }",
            "a pause in milliseconds up to 86400000",
        ),
        (
            "- call: { procedure: getSession, input: { a: '<5000 characters>' } }",
            "the input of a GET request is a part of its URL and has at most 4096 bytes",
        ),
        (
            "- call: { procedure: x, input: ['<9000000 characters>', '<9000000 characters>'] }",
            "together they have at most 16777216 characters",
        ),
        (
            "- start: { as: a, say: 'tools:1001:a' }",
            "`tools` needs a number of calls from 1 to 1000",
        ),
    ] {
        let found = first_error(step);
        assert!(found.contains(expected), "{step}: {found}");
    }
    let longest = format!("{HEAD}{START}- wait: 8760h\n");
    assert!(Scenario::parse(&longest, Path::new("x.yaml")).is_ok());
}

#[test]
fn values_of_yaml_without_a_meaning_have_errors_in_terms_of_scripts() {
    for (step, expected) in [
        ("- {}", "5:4: expected a map with one key"),
        ("- wait: .inf", "`.inf` is not allowed: a number must be finite"),
        (
            "- call: { procedure: x, input: { a: .inf } }",
            "`.inf` is not allowed: a number must be finite",
        ),
    ] {
        let found = first_error(step);
        assert!(found.contains(expected), "{step}: {found}");
    }
    for depth in [100, 20_000] {
        let deep = format!(
            "- call: {{ procedure: x, input: {}1{} }}",
            "[".repeat(depth),
            "]".repeat(depth)
        );
        let found = errors(&format!("{HEAD}{deep}"));
        assert!(
            found.contains("lists and maps are nested too deeply: the maximum is 64 levels"),
            "{found}"
        );
        assert_eq!(found.matches("too deeply").count(), 1, "{found}");
    }
    let wide = "[&a [1,1,1,1,1,1,1,1,1,1], &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b], \
                &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c], &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d], [*e,*e,*e,*e,*e]]";
    let found = first_error(&format!("- call: {{ procedure: x, input: {wide} }}"));
    assert!(
        found.contains("the script has more than 250000 values"),
        "{found}"
    );
}

#[test]
fn a_script_has_a_limited_number_of_steps_and_of_errors() {
    let many = format!("{HEAD}{START}{}", "- wait: 1s\n".repeat(5_000));
    let found = errors(&many);
    assert!(
        found.starts_with("x.yaml:5005:3: `steps` has 5001 elements: the maximum is 5000"),
        "{found}"
    );
    // Each unreadable part costs one more parse, so their number must not grow with the script.
    let misspelt = errors(&format!("{HEAD}{}", "- wiat: 1s\n".repeat(5_000)));
    assert_eq!(misspelt.matches("unknown word").count(), 20);
    assert!(misspelt.contains("x.yaml:25:"), "{misspelt}");
    assert!(
        misspelt.contains("more than 20 parts of this script cannot be read: correct the ones above first"),
        "{misspelt}"
    );
}

#[test]
fn a_script_has_a_machine_for_each_client() {
    let opens = |count: usize| {
        (0..count)
            .map(|number| format!("- open: {{ client: c{number} }}\n"))
            .collect::<String>()
    };
    let script = |count| format!("{HEAD}{START}{}", opens(count));
    assert!(Scenario::parse(&script(10), Path::new("x.yaml")).is_ok());
    let found = errors(&script(11));
    assert!(
        found.contains("12 clients and 0 further sessions are too many: the maximum is 11 together"),
        "{found}"
    );
}

#[test]
fn what_becomes_a_part_of_a_url_has_a_limit() {
    let long = "x".repeat(5_000);
    for (step, expected) in [
        (
            format!("- start: {{ as: {long}, say: idle }}"),
            "a name has at most 100 characters, and this one has 5000",
        ),
        (
            format!("- start: {{ as: a, say: idle, user: {long} }}"),
            "a user id has at most 500 bytes, and this one has 5000",
        ),
        (
            format!("- open: {{ client: a, event-types: [{long}] }}"),
            "`event-types` is a part of a URL and has at most 4096 bytes",
        ),
        (
            format!("- call: {{ procedure: {long} }}"),
            "`procedure` is a name of at most 100",
        ),
    ] {
        let found = errors(&format!("{HEAD}{START}{step}\n"));
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn a_long_line_is_shown_around_the_error_only() {
    let found = errors(&format!("{HEAD}{START}- wiat: {}\n", "x".repeat(100_000)));
    assert!(found.len() < 2_000, "{}", found.len());
    let far = errors(&format!(
        "{HEAD}- {{ start: {{ as: a, text: '{}', sya: a }} }}\n",
        "x".repeat(1_000)
    ));
    let [.., line, caret] = far.lines().collect::<Vec<_>>()[..] else {
        panic!("{far}");
    };
    assert!(line.chars().count() < 200, "{line}");
    let marked = caret
        .chars()
        .position(|char| char == '^')
        .expect("there is a caret");
    assert!(
        line.chars().skip(marked).collect::<String>().starts_with("sya"),
        "{far}"
    );
    let quoted = errors(&format!(
        "{HEAD}- start: {{ as: a, say: '{}' }}\n",
        "x".repeat(100_000)
    ));
    assert!(quoted.len() < 5_000, "{}", quoted.len());
}

#[test]
fn control_characters_are_refused_in_sentences_and_escaped_in_errors() {
    let titled = errors(&format!(
        "{}{START}",
        HEAD.replace("scenario: s", r#"scenario: "a\e[31mb""#)
    ));
    assert!(
        titled.starts_with("x.yaml:1:11: `scenario` contains the control character U+001B: remove it"),
        "{titled}"
    );
    let word = errors(&format!("{HEAD}- start: {{ as: a, say: \"\\e[31m\" }}\n"));
    assert!(word.contains(r"`\u{1b}[31m` is not a directive"), "{word}");
    assert!(!word.contains('\u{1b}'), "{word}");
}

#[test]
fn only_regular_files_below_the_limit_are_read() {
    let folder = tempfile::tempdir().expect("a folder can be created");
    let pipe = folder.path().join("pipe.yaml");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo runs").success());
    for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
        let read = read_file(path, 10);
        assert!(matches!(read, Err(FileError::NotRegular)), "{path:?}: {read:?}");
    }
    let large = folder.path().join("large.yaml");
    fs::write(&large, "ä".repeat(6)).expect("it can be written");
    let refused = read_file(&large, 11).expect_err("it has 12 bytes");
    assert!(matches!(refused, FileError::TooLarge(11)), "{refused}");
    assert_eq!(read_file(&large, 12).expect("it is small enough"), "ä".repeat(6));
}

#[test]
fn a_script_is_read_once_however_many_links_lead_to_it() {
    let root = tempfile::tempdir().expect("a folder can be created");
    let suite = root.path().join("suite");
    fs::create_dir_all(suite.join("b")).expect("it can be created");
    fs::write(suite.join("b/one.yaml"), format!("{HEAD}{START}")).expect("it can be written");
    symlink("..", suite.join("b/loop")).expect("a link can be created");
    // Sorted before the folder and the script that it leads to.
    symlink("b", suite.join("a")).expect("a link can be created");
    let elsewhere = tempfile::tempdir().expect("a folder can be created");
    fs::write(elsewhere.path().join("two.yaml"), format!("{HEAD}{START}")).expect("it can be written");
    symlink(elsewhere.path(), suite.join("c")).expect("a link can be created");
    let library = Library::load(root.path()).unwrap_or_else(|errors| panic!("{errors}"));
    let ids: Vec<&str> = library.entries().iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, ["suite/b/one", "suite/c/two"]);
}
