//! Pages and chapters. A page shows a payload that an old client receives, the counterpart on the unified surface,
//! and the difference between the two as text.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use insta::internals::SnapshotContents;
use insta::{Comparator, DefaultComparator, Settings, Snapshot};
use serde_json::Value;
use turnstile::snapshots::{Verdict, What, classify, line, page, payloads_of, without_asked};
use turnstile_scenarios::Surface;

use crate::library::top;
use crate::plays::Plays;
use crate::taken::{Pick, taken};

/// Most pages of a chapter, and changes of a page, that a failure shows.
const SHOWN: usize = 5;
/// The text for two equal payloads.
const NO_DIFFERENCE: &str = "(none)";

/// The folder with the reviewed snapshots.
pub fn folder() -> PathBuf {
    top().join("snapshots")
}

/// A folder of snapshots.
pub struct Chapter {
    /// Name of the folder.
    pub name: &'static str,
    pub pages: Vec<Page>,
}

/// One snapshot: a V2 payload, its unified counterpart, and the difference.
pub struct Page {
    /// Name of the snapshot file, without extension.
    name: String,
    /// What the page shows, as the snapshot's description.
    description: String,
    /// The payload of the old client.
    v2: Take,
    /// The counterpart on the unified surface, if any.
    unified: Option<Take>,
}

/// A place in the trace of a script.
#[derive(Clone, Copy)]
pub struct Take {
    /// The id of a suite script or the name of a script of this test.
    pub script: &'static str,
    /// The surface to play on, if the script supports it.
    pub surface: Surface,
    /// The part of the trace.
    pub pick: Pick,
}

/// Takes a payload from a script played on the legacy surface.
pub fn v2(script: &'static str, pick: Pick) -> Take {
    let surface = Surface::Legacy;
    Take {
        script,
        surface,
        pick,
    }
}

/// Takes a payload from a script played on the unified surface.
pub fn unified(script: &'static str, pick: Pick) -> Take {
    let surface = Surface::Unified;
    Take {
        script,
        surface,
        pick,
    }
}

/// Successive calls of one procedure in a script, one page for each reply.
#[derive(Clone, Copy)]
pub struct Calls {
    pub script: &'static str,
    pub surface: Surface,
    pub procedure: &'static str,
    /// Number of the first call, from 1.
    pub first: usize,
}

impl Calls {
    fn take(self, index: usize) -> Take {
        Take {
            script: self.script,
            surface: self.surface,
            pick: Pick::Reply(self.procedure, self.first + index),
        }
    }
}

/// Makes a page for each of `pages`, a name and a description, from successive calls.
pub fn in_turn(v2: Calls, unified: Option<Calls>, pages: &[(&str, &str)]) -> Vec<Page> {
    let pages = pages.iter().enumerate().map(|(index, (name, description))| Page {
        name: (*name).to_owned(),
        description: (*description).to_owned(),
        v2: v2.take(index),
        unified: unified.map(|calls| calls.take(index)),
    });
    pages.collect()
}

impl Page {
    /// Makes a page that compares two payloads.
    pub fn new(name: impl Into<String>, description: impl Into<String>, v2: Take, unified: Take) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            v2,
            unified: Some(unified),
        }
    }

    /// Makes a page that compares the same part of the same script on both surfaces.
    pub fn both(
        name: impl Into<String>,
        description: impl Into<String>,
        script: &'static str,
        pick: Pick,
    ) -> Self {
        Self::new(name, description, v2(script, pick), unified(script, pick))
    }

    /// Makes a page for a payload without a unified counterpart.
    pub fn alone(name: impl Into<String>, description: impl Into<String>, v2: Take) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            v2,
            unified: None,
        }
    }

    /// File name of the snapshot.
    pub fn file(&self) -> String {
        format!("{}.snap", self.name)
    }

    /// The scripts that the page reads.
    pub fn scripts(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.v2), self.unified]
            .into_iter()
            .flatten()
            .map(|take| take.script)
    }

    /// Renders the content of the snapshot.
    fn content(&self, plays: &mut Plays) -> Result<String, String> {
        let payload = taken(&plays.of(self.v2), self.v2.pick)?;
        let Some(unified) = self.unified else {
            return Ok(page(&payload, None));
        };
        let counterpart = taken(&plays.of(unified), unified.pick)?;
        let difference = difference(counterpart.clone(), payload.clone());
        Ok(page(&payload, Some((&counterpart, &difference))))
    }
}

impl Chapter {
    /// Asserts that all pages match their snapshots, and lists those that do not.
    pub fn assert_reviewed(&self) {
        let mut plays = Plays::default();
        let mut wrong = BTreeSet::new();
        for page in &self.pages {
            let content = match page.content(&mut plays) {
                Ok(content) => content,
                Err(error) => {
                    wrong.insert(format!("{}: {error}", page.name));
                    continue;
                }
            };
            let name = page.name.as_str();
            if let Some(changes) = self.pending_changes(page, &content) {
                wrong.insert(format!("{name}: {changes}"));
                continue;
            }
            let assert = || {
                self.settings(&page.description)
                    .bind(|| insta::assert_snapshot!(name, content));
            };
            // Check the remaining pages too.
            if catch_unwind(AssertUnwindSafe(assert)).is_err() {
                wrong.insert(format!("{name} does not match its snapshot"));
            }
        }
        let others = wrong.len().saturating_sub(SHOWN);
        let wrong: Vec<String> = wrong.into_iter().take(SHOWN).collect();
        assert!(
            wrong.is_empty(),
            "in snapshots/{}:\n{}\nand {others} more pages; review them: turnstile snapshots --diff HEAD",
            self.name,
            wrong.join("\n")
        );
    }

    /// Writes a changed page beside the reviewed one, as `insta` does, and describes the changes in a few lines: `insta`
    /// prints each page in full. `None` if nothing changed, or if the variable that controls `insta` is set.
    fn pending_changes(&self, page: &Page, content: &str) -> Option<String> {
        let file = folder().join(self.name).join(page.file());
        let reviewed = fs::read_to_string(&file).ok()?;
        let (header, text) = reviewed.strip_prefix("---\n")?.split_once("\n---\n")?;
        if text.trim_end() == content.trim_end() || env::var_os("INSTA_UPDATE").is_some() {
            return None;
        }
        let pending = format!("---\n{header}\n---\n{}\n", content.trim_end());
        let changes = changes(reviewed.as_bytes(), pending.as_bytes());
        if env::var_os("CI").is_none() {
            fs::write(file.with_extension("snap.new"), pending).expect("the folder can be written to");
        }
        Some(changes)
    }

    fn settings(&self, description: &str) -> Settings {
        let mut settings = Settings::new();
        settings.set_snapshot_path(folder().join(self.name));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_description(description);
        settings.set_comparator(Box::new(ExactComparator));
        settings
    }
}

/// The changes of the payloads of two files, the first few in words.
fn changes(reviewed: &[u8], pending: &[u8]) -> String {
    let (Ok(before), Ok(now)) = (payloads_of(reviewed), payloads_of(pending)) else {
        return "a payload was added or removed".to_owned();
    };
    let mut lines = Vec::new();
    for (part, now) in &now {
        let before = before.get(part).unwrap_or(&Value::Null);
        for change in classify(before, now) {
            let verdict = Verdict::of(&change.what).word();
            lines.push(format!("  {} {verdict} {}", part.name(), line(&change)));
        }
    }
    let others = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if others > 0 {
        lines.push(format!("  and {others} more"));
    }
    format!(
        "{}\n{}",
        if lines.is_empty() {
            "only the request or the differences changed"
        } else {
            ""
        },
        lines.join("\n")
    )
}

/// Compares snapshot metadata too, because reviewers rely on the description.
#[derive(Clone)]
struct ExactComparator;

impl Comparator for ExactComparator {
    fn matches(&self, reference: &Snapshot, test: &Snapshot) -> bool {
        let is_text = matches!(reference.contents(), SnapshotContents::Text(_));
        is_text && DefaultComparator.matches_fully(reference, test)
    }

    fn dyn_clone(&self) -> Box<dyn Comparator> {
        Box::new(self.clone())
    }
}

/// Describes the changes from the unified payload to the V2 payload. Ignores the request and shifts in time, because
/// the V2 surface needs one more request to begin a session.
fn difference(unified: Value, v2: Value) -> String {
    let changes = classify(&without_asked(unified), &without_asked(v2)).into_iter();
    let changes = changes.filter(|change| !matches!(change.what, What::Moved { .. }));
    let lines: Vec<String> = changes.map(|change| line(&change)).collect();
    if lines.is_empty() {
        return NO_DIFFERENCE.to_owned();
    }
    lines.join("\n")
}
