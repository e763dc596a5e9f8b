//! The report of a run as pages, opened in a browser.

use crate::browser::opened;
use crate::tool::{scratch, stderr, stdout, turnstile};

/// Plays a few scenarios with a report.
fn report(name: &str, more: &[&str]) -> std::path::PathBuf {
    let folder = scratch("pages").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    let path = folder.display().to_string();
    let output = turnstile(
        &[
            &[
                "run",
                "suite/turn/cold",
                "suite/turn/tool-loop",
                "-q",
                "--report",
                &path,
            ],
            more,
        ]
        .concat(),
    );
    assert_eq!(stderr(&output), "", "{}", stdout(&output));
    folder
}

#[cfg(feature = "selftest")]
#[test]
fn plays_can_be_filtered_and_a_failure_leads_to_its_timeline_and_wire_log() {
    let breaking = ["--breaking", "terminal-once"];
    let folder = report("failing", &breaking);
    let play = "suite-turn-tool-loop-breaking-terminal-once";
    let Some(index) = opened(&folder.join("index.html"), "#result=failed&rule=terminal-once") else {
        return;
    };
    assert_eq!(index.count("shown"), 2, "one scenario on two surfaces");
    let page = folder.join("plays").join(format!("{play}.html"));
    let text = std::fs::read_to_string(&page).expect("it is written");
    assert!(text.contains("A message ends exactly once"), "the rule is there");
    let timeline = opened(&folder.join("timeline.html"), &format!("#play={play}&finding=0"));
    let timeline = timeline.expect("there is a browser");
    assert!(timeline.count("findings") > 0);
    assert_eq!(timeline.shows("<dt>expected</dt>"), 1, "the finding is selected");
    let wire = opened(&page, "#wire").expect("there is a browser");
    assert_eq!(wire.count("wire"), timeline.count("events"));

    let single = scratch("pages").join("failing.html");
    let file = single.display().to_string();
    let output = turnstile(&[
        "run",
        "suite/turn/tool-loop",
        "-q",
        "--report",
        &file,
        breaking[0],
        breaking[1],
    ]);
    assert_eq!(stderr(&output), "", "{}", stdout(&output));
    let timeline = opened(&single, &format!("#timeline={play}&finding=0")).expect("there is a browser");
    assert!(timeline.count("findings") > 0);
    assert_eq!(timeline.shows("<dt>expected</dt>"), 1, "the finding is selected");

    let earlier = folder.join("report.json").display().to_string();
    let compared = report("compared", &["--compare", &earlier]);
    let index = std::fs::read_to_string(compared.join("index.html")).expect("it is written");
    assert!(index.contains("Compared with the earlier report"));
}

#[test]
fn a_folder_with_other_files_is_not_replaced_and_an_earlier_report_must_be_one() {
    let folder = scratch("pages").join("occupied");
    std::fs::create_dir_all(&folder).expect("the folder for tests can be written to");
    std::fs::write(folder.join("thesis.txt"), "mine").expect("the folder for tests can be written to");
    let path = folder.display().to_string();
    let output = turnstile(&["run", "suite/turn/cold", "--report", &path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("has other files"), "{}", stderr(&output));
    let file = scratch("pages").join("single.html").display().to_string();
    let thesis = folder.join("thesis.txt").display().to_string();
    let output = turnstile(&["run", "suite/turn/cold", "--report", &file, "--compare", &thesis]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("is not a report"), "{}", stderr(&output));
    let output = turnstile(&["explore", "--seeds", "0..2", "--report", &file]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = std::fs::read_to_string(&file).expect("it is written");
    assert!(page.contains("2 seeds, 2 passed"), "{page}");
}
