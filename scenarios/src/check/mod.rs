//! Whether the parts of a script fit together: what could be read, and still could never happen.
//!
//! The steps are walked through in order, with a picture of what is certain at each of them. Only what
//! is certainly impossible is a problem; what depends on timing is left to the play.

mod clients;
mod expectations;
mod ingest;
mod machines;
mod messages;
mod network;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use crate::name::{ClientName, IngestName, Label, SessionName, Tag};
use crate::parse::{Draft, STEPS};
use crate::party::Machine;
use crate::place::{At, Spot};
use crate::problem::Report;
use crate::surface::Surface;
use crate::text::listed;

/// Reports whatever does not fit together.
pub(crate) fn check(draft: &Draft, report: &mut Report<'_>) {
    for (key, sentence) in [("scenario", &draft.title), ("about", &draft.about)] {
        if let Some(sentence) = sentence
            && sentence.trim().is_empty()
        {
            report.add(
                sentence.spot,
                format_args!("`{key}` is empty: say it in a sentence"),
            );
        }
    }
    let Some(steps) = &draft.steps else { return };
    let mut picture = Picture {
        report,
        surfaces: draft.api.as_deref().unwrap_or_default(),
        is_tolerant: draft.tolerant,
        sessions: BTreeMap::new(),
        labels: BTreeMap::new(),
        tags: BTreeMap::new(),
        clients: BTreeMap::from([(ClientName::default(), Client::default())]),
        ingests: BTreeMap::new(),
        faulted: BTreeSet::new(),
        machines: Machine::ALL.map(|machine| (machine, Running::Up)).into(),
        armed: false,
        // What could not be read may have asked for one.
        callbacks: draft.session.as_ref().is_none_or(|session| session.callback),
        unclear: None,
    };
    match &draft.session {
        Some(session) => picture.stored(session.stored.as_ref()),
        None => picture.note_session(SessionName::default(), SessionState::Unclear),
    }
    if steps.is_empty() {
        let spot = draft.present.get(STEPS).copied().unwrap_or_default();
        picture.report.add(spot, "`steps` is empty: begin with `start`");
    }
    picture.steps(steps);
    picture.expectations(&draft.expect);
}

/// What is certain at one point of a script.
struct Picture<'a, 'r> {
    report: &'a mut Report<'r>,
    /// Where the script is played; none if that could not be read.
    surfaces: &'a [Surface],
    /// Whether steps that do not go as scripted are passed over: then nothing that depends on how others went is a
    /// mistake.
    is_tolerant: bool,
    /// The sessions that were asked for, or were there before.
    sessions: BTreeMap<SessionName, SessionState>,
    labels: BTreeMap<&'a Label, Message>,
    /// Where each tag was released since it was last said; `None` if it was not.
    tags: BTreeMap<&'a Tag, Option<Spot>>,
    clients: BTreeMap<ClientName, Client>,
    ingests: BTreeMap<&'a IngestName, IngestSocket>,
    /// The directions that were cut, black-holed or delayed, and not healed by a step since.
    faulted: BTreeSet<(&'a str, &'a str)>,
    machines: BTreeMap<Machine, Running>,
    /// Whether a crash of the server waits for its point.
    armed: bool,
    callbacks: bool,
    /// The words of the steps that could not be read, once there is one.
    unclear: Option<BTreeSet<&'a str>>,
}

/// What is known of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SessionState {
    /// A step asks for it, and is to be refused.
    Refused(Spot),
    /// A step has made it.
    Made(Spot),
    /// It was on the disk from the beginning.
    Stored,
    /// It may have been: that could not be read.
    Unclear,
}

/// What is known of a label.
#[derive(Clone, Copy)]
struct Message {
    introduced: Spot,
    refused: bool,
    /// Whether the script's side knows the message's id: not if the server was to make it and refused.
    has_id: bool,
    /// Whether it is an execution of an older service, and no message at all.
    is_execution: bool,
}

/// What is known of a client.
#[derive(Clone, Copy, Default)]
struct Client {
    /// Whether it has ever opened its stream.
    opened: bool,
    /// Whether its stream may be open.
    open: bool,
}

/// What is known of an ingest socket of the script's own.
#[derive(Clone, Copy)]
struct IngestSocket {
    introduced: Spot,
    refused: bool,
    closed: Option<Spot>,
}

/// What is known of a machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Running {
    Up,
    /// Crashed at that spot, and nothing starts it but a step.
    Down(Spot),
    /// Either.
    Unknown,
}

impl Picture<'_, '_> {
    /// Whether a step that could not be read has to do with `word`.
    fn may_be_mentioned(&self, word: &str) -> bool {
        self.unclear.as_ref().is_some_and(|words| words.contains(word))
    }

    /// Reports a label that no admitted message has.
    fn admitted(&mut self, label: &At<Label>) {
        let found = self.callable_back(label);
        if found.is_some_and(|found| found.is_execution) {
            self.report.add(
                label.spot,
                format_args!("`{}` is an execution, and no message", label.value),
            );
        }
    }

    /// Reports a label that neither an admitted message has nor an execution.
    fn callable_back(&mut self, label: &At<Label>) -> Option<Message> {
        let found = self.known(label)?;
        if found.refused {
            let line = found.introduced.line;
            self.report.add(
                label.spot,
                format_args!(
                    "`{}` is to be refused (line {line}): nothing becomes of it",
                    label.value
                ),
            );
        }
        Some(found)
    }

    /// Reports a label that nothing has.
    fn known(&mut self, label: &At<Label>) -> Option<Message> {
        let found = self.labels.get(&label.value).copied();
        if found.is_none() && !self.may_be_mentioned(label) {
            let known = listed(self.labels.keys());
            self.report.add(
                label.spot,
                format_args!("no message is called `{}` here; known: {known}", label.value),
            );
        }
        found
    }

    /// Reports labels in a piece of JSON that nothing has.
    fn mentioned(&mut self, labels: BTreeSet<&str>, spot: Spot) {
        for label in labels {
            let is_known = self.labels.keys().any(|known| ***known == *label);
            if !is_known && !self.may_be_mentioned(label) {
                let known = listed(self.labels.keys());
                self.report.add(
                    spot,
                    format_args!("nothing here is called `{label}`, as in `<{label}>`; known: {known}"),
                );
            }
        }
    }

    /// Reports a client that nothing has introduced.
    fn client(&mut self, name: &str, spot: Spot) -> Option<Client> {
        let found = self.clients.get(name).copied();
        if found.is_none() && !self.may_be_mentioned(name) {
            let known = listed(self.clients.keys());
            self.report.add(
                spot,
                format_args!("no client is called `{name}` here; known: {known}; `open` introduces one"),
            );
        }
        found
    }

    /// Reports something said of callbacks in a session without a target for them.
    fn callbacks(&mut self, spot: Spot) {
        if !self.callbacks {
            self.report.add(
                spot,
                "this session has no callback target: say `callback: true` in `session`",
            );
        }
    }
}
