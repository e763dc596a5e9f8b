//! Pages and chapters. A page is something that an old client gets, beside it what a client of the unified
//! surface gets in its place, and the difference between the two in words.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use insta::internals::SnapshotContents;
use insta::{Comparator, DefaultComparator, Settings, Snapshot};
use serde_json::Value;
use turnstile::snapshots::{What, classify, line, page, without_asked};
use turnstile_scenarios::Surface;

use crate::library::top;
use crate::plays::Plays;
use crate::taken::{Pick, taken};

/// What a difference says if there is none.
const NO_DIFFERENCE: &str = "(none)";

/// The folder with the reviewed snapshots.
pub fn folder() -> PathBuf {
    top().join("snapshots")
}

/// A folder of snapshots.
pub struct Chapter {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub pages: Vec<Page>,
}

/// One snapshot: what an old client gets, its counterpart, and the difference.
pub struct Page {
    /// The name of the snapshot.
    name: String,
    /// What is to be seen, in words.
    says: String,
    /// Where an old client gets it.
    v2: Take,
    /// Where a client of the unified surface gets what stands in its place; none if nothing does.
    unified: Option<Take>,
}

/// A place in the trace of a script.
#[derive(Clone, Copy)]
pub struct Take {
    /// The script: one of the suite's by its id, or one of this test's own by its name.
    pub script: &'static str,
    /// The surface that it is played on, if it is for that one.
    pub surface: Surface,
    /// What of the trace.
    pub pick: Pick,
}

/// What an old client gets in that script.
pub fn v2(script: &'static str, pick: Pick) -> Take {
    let surface = Surface::Legacy;
    Take {
        script,
        surface,
        pick,
    }
}

/// What a client of the unified surface gets in that script.
pub fn unified(script: &'static str, pick: Pick) -> Take {
    let surface = Surface::Unified;
    Take {
        script,
        surface,
        pick,
    }
}

/// A series of calls of one procedure in a script, of which each page takes the next one's reply.
#[derive(Clone, Copy)]
pub struct Calls {
    /// The script.
    pub script: &'static str,
    /// The surface.
    pub surface: Surface,
    /// The procedure.
    pub procedure: &'static str,
    /// The number of the first call that is taken, from 1.
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

/// Pages for one call after the other, each with its name and what it says.
pub fn in_turn(v2: Calls, unified: Option<Calls>, pages: &[(&str, &str)]) -> Vec<Page> {
    let pages = pages.iter().enumerate().map(|(index, (name, says))| Page {
        name: (*name).to_owned(),
        says: (*says).to_owned(),
        v2: v2.take(index),
        unified: unified.map(|calls| calls.take(index)),
    });
    pages.collect()
}

impl Page {
    /// What an old client gets, and what it is compared with.
    pub fn new(name: impl Into<String>, says: impl Into<String>, v2: Take, unified: Take) -> Self {
        Self {
            name: name.into(),
            says: says.into(),
            v2,
            unified: Some(unified),
        }
    }

    /// The same place of the same script, played on either surface.
    pub fn both(name: impl Into<String>, says: impl Into<String>, script: &'static str, pick: Pick) -> Self {
        Self::new(name, says, v2(script, pick), unified(script, pick))
    }

    /// What only an old client can be told.
    pub fn alone(name: impl Into<String>, says: impl Into<String>, v2: Take) -> Self {
        Self {
            name: name.into(),
            says: says.into(),
            v2,
            unified: None,
        }
    }

    /// The name of its snapshot's file.
    pub fn file(&self) -> String {
        format!("{}.snap", self.name)
    }

    /// The scripts that it is taken from.
    pub fn scripts(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.v2), self.unified]
            .into_iter()
            .flatten()
            .map(|take| take.script)
    }

    /// The content of its snapshot.
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
    /// Asserts that every page is as it was reviewed, and tells of all that are not.
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
            let assert = || {
                self.settings(&page.says)
                    .bind(|| insta::assert_snapshot!(name, content));
            };
            // The next page is to be reviewed too.
            if catch_unwind(AssertUnwindSafe(assert)).is_err() {
                wrong.insert(format!("{name} is not as it was reviewed"));
            }
        }
        assert!(wrong.is_empty(), "in {}: {wrong:#?}", self.name);
    }

    fn settings(&self, says: &str) -> Settings {
        let mut settings = Settings::new();
        settings.set_snapshot_path(folder().join(self.name));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_description(says);
        settings.set_comparator(Box::new(ToTheLetter));
        settings
    }
}

/// Compares what is above a payload too: what a snapshot says that it shows is what a reviewer goes by.
#[derive(Clone)]
struct ToTheLetter;

impl Comparator for ToTheLetter {
    fn matches(&self, reference: &Snapshot, test: &Snapshot) -> bool {
        let is_text = matches!(reference.contents(), SnapshotContents::Text(_));
        is_text && DefaultComparator.matches_fully(reference, test)
    }

    fn dyn_clone(&self) -> Box<dyn Comparator> {
        Box::new(self.clone())
    }
}

/// What is different from the unified payload to the V2 one. What was asked is no part of it, and neither is
/// when it happened: the older surface takes a request more to begin a session.
fn difference(unified: Value, v2: Value) -> String {
    let changes = classify(&without_asked(unified), &without_asked(v2)).into_iter();
    let changes = changes.filter(|change| !matches!(change.what, What::Moved { .. }));
    let lines: Vec<String> = changes.map(|change| line(&change)).collect();
    if lines.is_empty() {
        return NO_DIFFERENCE.to_owned();
    }
    lines.join("\n")
}
