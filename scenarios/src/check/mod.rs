//! Checks that the parts of a readable script fit together.
//!
//! Walks through the steps in order and tracks what is certain at each of them. Only what is certainly
//! impossible is an error; whatever depends on timing is left to the run.

mod clients;
mod expectations;
mod ingest;
mod machines;
mod messages;
mod network;
mod replies;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use crate::draft::{Draft, EXPECT, Element, STEPS};
use crate::machine::Machine;
use crate::name::{ClientName, IngestName, Label, SESSION_NAMES, SessionName, Tag};
use crate::place::{At, Spot};
use crate::problem::Report;
use crate::surface::Surface;
use crate::text::{first_unprintable, listed};

/// The largest number of steps, and of expectations, of a script.
const MOST_ELEMENTS: usize = 5_000;
/// The largest number of clients and further sessions together: each needs a machine, and a world has few.
const MOST_MACHINES: usize = 11;

/// Reports everything that does not fit together.
pub(crate) fn check(draft: &Draft, report: &mut Report<'_>) {
    for (key, sentence) in [("scenario", &draft.title), ("about", &draft.about)] {
        if let Some(sentence) = sentence
            && sentence.trim().is_empty()
        {
            report.add(sentence.spot, format_args!("`{key}` is empty: write a sentence"));
        }
        if let Some(char) = sentence.as_ref().and_then(|sentence| first_unprintable(sentence)) {
            let (spot, code) = (
                sentence.as_ref().map_or(Spot::START, |sentence| sentence.spot),
                char as u32,
            );
            report.add(
                spot,
                format_args!("`{key}` contains the control character U+{code:04X}: remove it"),
            );
        }
    }
    let Some(steps) = &draft.steps else { return };
    check_number(STEPS, steps, report);
    check_number(EXPECT, &draft.expect, report);
    let mut checker = Checker {
        report,
        surfaces: draft.api.as_deref().unwrap_or_default(),
        is_tolerant: draft.tolerant,
        sessions: BTreeMap::new(),
        labels: BTreeMap::new(),
        tags: BTreeMap::new(),
        ids: BTreeMap::new(),
        clients: BTreeMap::from([(ClientName::default(), Client::default())]),
        ingests: BTreeMap::new(),
        faulted: BTreeSet::new(),
        machines: Machine::ALL.map(|machine| (machine, Running::Up)).into(),
        armed: false,
        // An unreadable `session` may set `callback`.
        callbacks: draft.session.as_ref().is_none_or(|session| session.callback),
        unclear: None,
    };
    match &draft.session {
        Some(session) => checker.stored(session.stored.as_ref()),
        None => checker.note_session(SessionName::default(), SessionState::Unknown),
    }
    if steps.is_empty() {
        let spot = draft.present.get(STEPS).copied().unwrap_or_default();
        checker
            .report
            .add(spot, "`steps` is empty: begin with a step such as `start`");
    }
    checker.steps(steps);
    checker.expectations(&draft.expect);
    let further = checker
        .sessions
        .keys()
        .filter(|name| **name != SessionName::default());
    let (clients, further) = (checker.clients.len(), further.count());
    if clients + further > MOST_MACHINES {
        let spot = draft.present.get(STEPS).copied().unwrap_or_default();
        checker.report.add(
            spot,
            format_args!(
                "{clients} clients and {further} further sessions are too many: the maximum is {MOST_MACHINES} together"
            ),
        );
    }
}

/// Reports a list with too many elements, at the first one above the limit.
fn check_number<T>(key: &str, elements: &[Element<T>], report: &mut Report<'_>) {
    if let Some(first) = elements.get(MOST_ELEMENTS) {
        let number = elements.len();
        report.add(
            first.spot(),
            format_args!("`{key}` has {number} elements: the maximum is {MOST_ELEMENTS}"),
        );
    }
}

/// What is certain at one point of a script.
struct Checker<'a, 'r> {
    report: &'a mut Report<'r>,
    /// surfaces that the script runs on; empty if unreadable.
    surfaces: &'a [Surface],
    /// Whether the script ignores steps that do not go as scripted. Then nothing that depends on the result
    /// of other steps is an error.
    is_tolerant: bool,
    /// Sessions that steps requested or that existed before.
    sessions: BTreeMap<SessionName, SessionState>,
    labels: BTreeMap<&'a Label, Message>,
    /// Position of each tag's release since a message last used the tag; `None` if not released.
    tags: BTreeMap<Tag, Option<Spot>>,
    /// Ids that the script chose, by session, with the label that has each.
    ids: BTreeMap<(SessionName, &'a str), &'a Label>,
    clients: BTreeMap<ClientName, Client>,
    ingests: BTreeMap<&'a IngestName, IngestSocket>,
    /// Directions with a fault that no step has healed.
    faulted: BTreeSet<(&'a str, &'a str)>,
    machines: BTreeMap<Machine, Running>,
    /// Whether a crash of the server waits for its point.
    armed: bool,
    callbacks: bool,
    /// Words of all unreadable steps; `None` if every step was readable.
    unclear: Option<BTreeSet<&'a str>>,
}

/// State of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SessionState {
    /// A step requests it and expects a refusal.
    Refused(Spot),
    /// A step created it.
    Created(Spot),
    /// It existed before the first step.
    Stored,
    /// Unknown, because the settings are unreadable.
    Unknown,
}

/// A labelled message or execution.
#[derive(Clone, Copy)]
struct Message {
    introduced: Spot,
    refused: bool,
    /// Whether the id is known to the script: not if the server was to create it and refused.
    has_id: bool,
    /// Whether it is an execution of an older service instead of a message.
    is_execution: bool,
}

/// State of a client.
#[derive(Clone, Copy, Default)]
struct Client {
    /// Whether it ever opened its stream.
    opened: bool,
    /// Whether its stream may be open.
    open: bool,
}

/// State of an ingest socket of the script.
#[derive(Clone, Copy)]
struct IngestSocket {
    introduced: Spot,
    refused: bool,
    closed: Option<Spot>,
}

/// State of a machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Running {
    Up,
    /// Crashed at that position, and only a step restarts it.
    Down(Spot),
    /// Up or down.
    Unknown,
}

impl Checker<'_, '_> {
    /// Whether an unreadable step contains `word`.
    fn may_be_mentioned(&self, word: &str) -> bool {
        self.unclear.as_ref().is_some_and(|words| words.contains(word))
    }

    /// Reports a label that is not an admitted message.
    fn admitted(&mut self, label: &At<Label>) {
        let found = self.admitted_or_execution(label);
        if found.is_some_and(|found| found.is_execution) {
            self.report.add(
                label.spot,
                format_args!("`{}` is an execution, not a message", label.value),
            );
        }
    }

    /// Reports a label that is neither an admitted message nor an execution.
    fn admitted_or_execution(&mut self, label: &At<Label>) -> Option<Message> {
        let found = self.known(label)?;
        if found.refused {
            let line = found.introduced.line;
            self.report.add(
                label.spot,
                format_args!(
                    "`{}` is expected to be refused (line {line}), so it is never admitted",
                    label.value
                ),
            );
        }
        Some(found)
    }

    /// Reports an unknown label.
    fn known(&mut self, label: &At<Label>) -> Option<Message> {
        let found = self.labels.get(&label.value).copied();
        if found.is_none() && !self.may_be_mentioned(label) {
            let known = listed(self.labels.keys());
            self.report.add(
                label.spot,
                format_args!("unknown label `{}`; known: {known}", label.value),
            );
        }
        found
    }

    /// Reports unknown labels in a JSON value, where the session and the agent's session have names too.
    fn check_labels(&mut self, mut labels: BTreeSet<&str>, spot: Spot) {
        labels.retain(|label| !SESSION_NAMES.contains(label));
        for label in labels {
            let is_known = self.labels.keys().any(|known| ***known == *label);
            if !is_known && !self.may_be_mentioned(label) {
                let known = listed(self.labels.keys());
                self.report.add(
                    spot,
                    format_args!("unknown label `{label}` in `<{label}>`; known: {known}"),
                );
            }
        }
    }

    /// Reports an unknown client.
    fn client(&mut self, name: &str, spot: Spot) -> Option<Client> {
        let found = self.clients.get(name).copied();
        if found.is_none() && !self.may_be_mentioned(name) {
            let known = listed(self.clients.keys());
            self.report.add(
                spot,
                format_args!("unknown client `{name}`; known: {known}; `open` introduces a client"),
            );
        }
        found
    }

    /// Reports that the session has no callback target.
    fn callbacks(&mut self, spot: Spot) {
        if !self.callbacks {
            self.report.add(
                spot,
                "the session has no callback target: set `callback: true` in `session`",
            );
        }
    }
}
