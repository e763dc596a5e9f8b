//! Recordings in files: how plays are written and shown as recordings, and how a script is cut from one.
//!
//! The format, its reader and its judgement are in `turnstile_judge::recording`.

pub mod cut;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use turnstile_judge::oracle;
use turnstile_judge::recording::{Header, Kind, Origin, Recording};
use turnstile_judge::trace::{Trace, What};
use turnstile_scenarios::{Entry, RequiredProfile, Scenario, Seam, Session, Surface};

use crate::script::{INSPECTION, LEFT_ALONE, Verdict};
use crate::suite::Play;

/// The header of the recording of a play.
pub fn header_of(play: &Play, verdict: &Verdict) -> Header {
    let mut records = BTreeSet::from(Kind::ALL);
    if verdict.context.in_real_time {
        // The queue of a server in another process is its own.
        records.remove(&Kind::Queue);
    }
    if verdict.inspection_start == verdict.trace.records().len() {
        records.remove(&Kind::End);
    }
    let scenario = &play.entry.scenario;
    Header {
        labels: verdict.labels.clone(),
        origin: Some(Origin {
            id: play.entry.id.clone(),
            title: scenario.title.clone(),
            surface: scenario.api.first().to_string(),
            seed: play.options.seed,
        }),
        ..Header::of(&verdict.context, verdict.trace.epoch(), records)
    }
}

/// Judges a recording, as a play is judged.
pub fn judge(recording: Recording) -> Verdict {
    let judgement = recording.judge();
    let (findings, warnings) = oracle::by_severity(judgement.findings);
    let Recording { header, trace } = recording;
    let elapsed = trace.end();
    let inspection = step(&trace, INSPECTION);
    Verdict {
        findings,
        warnings,
        unknown: judgement.unknown,
        context: header.context(),
        inspection_start: inspection.unwrap_or(trace.records().len()),
        labels: header.labels,
        played: end_of_script(&trace).unwrap_or(elapsed),
        elapsed,
        trace,
    }
}

/// An entry for reports on a recording: its file in place of a scenario.
pub fn entry_of(file: &Path, header: &Header) -> Entry {
    let origin = header.origin.as_ref();
    let surface = origin.and_then(|origin| origin.surface.parse().ok());
    Entry {
        id: file.display().to_string(),
        path: file.to_owned(),
        scenario: without_steps(
            origin.map_or("a recording", |origin| &origin.title),
            Seam::Turn,
            surface.unwrap_or(Surface::Unified),
        ),
        text: None,
    }
}

/// A scenario for reports on something that is not played from a script.
pub(crate) fn without_steps(title: &str, seam: Seam, surface: Surface) -> Scenario {
    Scenario {
        title: title.to_owned(),
        about: title.to_owned(),
        seam,
        rules: Vec::new(),
        api: surface.into(),
        tolerant: true,
        profile: RequiredProfile::default(),
        latency: None,
        session: Session::default(),
        receiver: Vec::new(),
        seed: None,
        steps: Vec::new(),
        expect: Vec::new(),
    }
}

/// The time at which the last step of a script was over and the world was left alone; `None` if the recording is not of
/// a play.
fn end_of_script(trace: &Trace) -> Option<Duration> {
    step(trace, LEFT_ALONE).map(|index| trace.records()[index].at)
}

/// Index of the record of a step with this text.
fn step(trace: &Trace, text: &str) -> Option<usize> {
    let is_it = |what: &What| matches!(what, What::Step { step, .. } if step == text);
    trace.records().iter().position(|record| is_it(&record.what))
}
