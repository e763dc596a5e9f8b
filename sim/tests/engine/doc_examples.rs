//! Executes the console examples of the documents and compares their output.
//!
//! An example is a command line `$ turnstile …` in a `console` block, with the output below it. It runs in a folder that
//! contains the scenarios, the snapshots, and every YAML block of the documents whose first line is a comment with a path.
//!
//! A line `…` means any lines, and `…` within a line for any text. Times, rates, digests, ports and other values
//! that differ from run to run are masked on both sides.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::folders::empty_folder;
use crate::library::top;
use crate::suite_plays::FIRST;

/// The documents with examples.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "reference/README.md",
    "scenarios/README.md",
    "sim/docs",
    "snapshots/README.md",
];

/// Examples that are not executed: the beginning of the command line, and the reason.
const NOT_EXECUTED: &[(&str, &str)] = &[
    (
        "turnstile run --live",
        "takes half a minute and needs free ports; see tests/real_time",
    ),
    ("turnstile probe", "needs a running server; see tests/real_time"),
    (
        "turnstile soak",
        "takes a minute and depends on the machine; see tests/real_time",
    ),
    ("turnstile up", "runs until Ctrl-C; see tests/real_time"),
    ("turnstile stream", "needs a running server; see tests/real_time"),
    (
        "turnstile selftest",
        "takes minutes in a debug build; see mutants.rs",
    ),
    (
        "turnstile mutate --count 200",
        "takes minutes in a debug build; see mutate.rs",
    ),
    (
        "turnstile explore --seeds 0..2000",
        "takes minutes in a debug build",
    ),
    (
        "turnstile explore --live",
        "takes a minute and needs free ports; see tests/real_time",
    ),
    (
        "turnstile merge results/*.json",
        "needs results of several machines; see seeds.rs",
    ),
    (
        "turnstile client --command 'python3",
        "takes a quarter of a minute and needs Python; see clients.rs",
    ),
    (
        "turnstile snapshots --diff HEAD",
        "depends on uncommitted changes; see snapshots.rs",
    ),
];

/// The example that plays the whole suite. Other tests need these plays too, and keep what the tool prints about them.
const WHOLE_SUITE: &str = "turnstile";

/// The script in README.md, and a copy with two misspelt words.
const SCRIPT: &str = "my/suite/busy.yaml";
const MISSPELT: &str = "my/misspelt.yaml";

/// A line that means any lines.
const ANY_LINES: &str = "…";

/// A command of an example with its expected output.
struct Example {
    place: String,
    command: String,
    expected: Vec<String>,
}

#[test]
fn console_examples_print_what_the_documents_show() {
    let texts: Vec<(String, String)> = documents();
    let folder = working_folder(&texts);
    let mut skips = vec![false; NOT_EXECUTED.len()];
    let mut wrong = Vec::new();
    let mut executed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for example in texts.iter().flat_map(|(name, text)| examples(name, text)) {
        let skipped = NOT_EXECUTED
            .iter()
            .position(|(begin, _)| example.command.starts_with(begin));
        if let Some(index) = skipped {
            skips[index] = true;
            continue;
        }
        let printed =
            executed
                .entry(example.command.clone())
                .or_insert_with(|| match example.command.as_str() {
                    WHOLE_SUITE => lines_of(FIRST.printed.as_bytes()),
                    command => run(command, &folder),
                });
        if !matches(&masked_lines(&example.expected), &masked_lines(printed)) {
            let Example { place, command, .. } = &example;
            wrong.push(format!("{place}: `{command}` prints\n{}\n", printed.join("\n")));
        }
    }
    for ((begin, _), is_used) in NOT_EXECUTED.iter().zip(skips) {
        assert!(is_used, "no document has an example `{begin}`");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(executed.len() > 5, "only {} examples were found", executed.len());
}

/// The documents, each with its path from the top of the project.
fn documents() -> Vec<(String, String)> {
    let mut names = Vec::new();
    for &name in DOCUMENTS {
        if name.ends_with(".md") {
            names.push(name.to_owned());
            continue;
        }
        let files = fs::read_dir(top().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let files = files.map(|file| file.expect("the folder can be read").file_name());
        names.extend(files.map(|file| format!("{name}/{}", file.to_string_lossy())));
    }
    names.sort();
    let read = |name: String| {
        let text = fs::read_to_string(top().join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, text)
    };
    names.into_iter().map(read).collect()
}

/// The fenced blocks in one language: the line number of the first line, and the lines.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<(usize, Vec<&'a str>)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, Vec<&str>)> = None;
    let mut other_is_open = false;
    for (index, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some("") if open.is_some() => found.extend(open.take()),
            Some("") => other_is_open = false,
            Some(word) if !other_is_open && open.is_none() => match word == language {
                true => open = Some((index + 2, Vec::new())),
                false => other_is_open = true,
            },
            _ => {
                if let Some((_, lines)) = &mut open {
                    lines.push(line);
                }
            }
        }
    }
    found
}

/// The examples of a document.
fn examples(name: &str, text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for (first, lines) in blocks(text, "console") {
        let mut is_ours = false;
        for (index, line) in lines.into_iter().enumerate() {
            if let Some(command) = line.strip_prefix("$ ") {
                is_ours = command.starts_with("turnstile");
                if is_ours {
                    examples.push(Example {
                        place: format!("{name}:{}", first + index),
                        command: command.to_owned(),
                        expected: Vec::new(),
                    });
                }
            } else if is_ours && let Some(example) = examples.last_mut() {
                example.expected.push(line.to_owned());
            }
        }
    }
    // A command without output is not shown to print nothing.
    examples
        .iter_mut()
        .filter(|example| example.expected.is_empty())
        .for_each(|example| example.expected.push(ANY_LINES.to_owned()));
    examples
}

/// A new folder with everything that examples use.
fn working_folder(texts: &[(String, String)]) -> PathBuf {
    let folder = empty_folder("doc-examples");
    for name in ["scenarios", "snapshots"] {
        symlink(
            top().canonicalize().expect("the project exists").join(name),
            folder.join(name),
        )
        .expect("a link can be created");
    }
    for (_, lines) in texts.iter().flat_map(|(_, text)| blocks(text, "yaml")) {
        let path = lines.first().and_then(|line| line.strip_prefix("# "));
        let Some(path) = path.filter(|path| path.starts_with("my/") && path.ends_with(".yaml")) else {
            continue;
        };
        let file = folder.join(path);
        fs::create_dir_all(file.parent().expect("it is in a folder")).expect("a folder can be created");
        fs::write(file, lines.join("\n") + "\n").expect("a file can be written");
    }
    let script = fs::read_to_string(folder.join(SCRIPT)).expect("README.md contains the script");
    let misspelt = script
        .replace("restart:", "restrat:")
        .replace("for: second", "for: secnod");
    fs::write(folder.join(MISSPELT), misspelt).expect("a file can be written");
    folder
}

/// Standard error and standard output of a command line.
fn run(command: &str, folder: &Path) -> Vec<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_turnstile"));
    let programs = program.parent().expect("it is in a folder").display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(folder)
        .stdin(Stdio::null())
        .env_remove("CARGO")
        .env("NO_COLOR", "1")
        .env("PATH", format!("{programs}:{path}"))
        .output()
        .expect("a shell can be run");
    lines_of(&output.stdout)
}

fn lines_of(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    text.lines().map(str::to_owned).collect()
}

/// Lines without values that differ from run to run, and without spaces at their ends.
fn masked_lines(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| masked(line)).collect()
}

/// Masks numbers that are followed or preceded by certain words.
fn masked(line: &str) -> String {
    let mut line = line.trim_end().to_owned();
    if let (Some(open), Some(close)) = (line.find(" ["), line.find("s] "))
        && open < close
    {
        line.replace_range(open + 2..close, "(time)");
    }
    if let Some(begin) = line.find(" in ")
        && line.ends_with(" s")
    {
        line.replace_range(begin.., " in (time)");
    }
    for rate in [" seeds/s", " plays/s"] {
        if let Some((_, rest)) = line.split_once(rate)
            && !line.contains(" in ")
        {
            line = format!("(rate){rate}{rest}");
        }
    }
    for field in ["\"wall_us\": "] {
        if let Some(begin) = line.find(field) {
            line.replace_range(begin + field.len().., "(time)");
        }
    }
    line
}

/// Whether lines match a pattern, in which `…` means any lines.
fn matches(pattern: &[String], lines: &[String]) -> bool {
    match pattern.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == ANY_LINES => {
            (0..=lines.len()).any(|skipped| matches(rest, &lines[skipped..]))
        }
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, others)| line_matches(first, line) && matches(rest, others)),
    }
}

/// Whether a line matches a pattern, in which `…` means any text.
fn line_matches(pattern: &str, line: &str) -> bool {
    match pattern.split_once(ANY_LINES) {
        // The tool itself shortens lines with `…`.
        _ if pattern == line => true,
        None => false,
        Some((begin, rest)) => line.strip_prefix(begin).is_some_and(|line| {
            let mut ends = line.char_indices().map(|(index, _)| index).chain([line.len()]);
            ends.any(|index| line_matches(rest, &line[index..]))
        }),
    }
}

#[test]
fn an_ellipsis_stands_for_lines_and_for_text() {
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
    let is_match = |pattern, text| matches(&lines(pattern), &lines(text));
    assert!(is_match("a\n…\nc", "a\nb\nb\nc"));
    assert!(is_match("a\n…\nc", "a\nc"));
    assert!(is_match("in … s, §…", "in 1.8 s, §8"));
    assert!(is_match("cut off…", "cut off…"));
    assert!(!is_match("a\n…\nc", "a\nc\nd"));
    assert!(!is_match("a", "a\nb"));
    assert!(!is_match("in … s", "in 8 h"));
}

#[test]
fn times_and_rates_are_masked() {
    let time = "        PASS [   0.021s] suite/turn/cold   2.068 s virtual";
    assert_eq!(masked(time), masked(&time.replace("0.021", "1.100")));
    assert_ne!(masked(time), masked(&time.replace("2.068", "2.069")));
    assert_eq!(
        masked("2 passed, 0 failed in 1.8 s"),
        "2 passed, 0 failed in (time)"
    );
    assert_eq!(
        masked("235 seeds/s, 4 virtual hours"),
        "(rate) seeds/s, 4 virtual hours"
    );
}
