//! Events at the times that findings name. They get a line although their kind gets none, because a reader looks for them.

use std::collections::{BTreeMap, BTreeSet};

use turnstile_events::observation::Observation;
use turnstile_judge::parties::OBSERVER;
use turnstile_judge::trace::What;
use turnstile_judge::trace::render::seconds;

use super::essential::{look_of, short};
use super::{Shape, Weight};
use crate::report::finding::LabelledFinding;
use crate::report::picture::Event;
use crate::script::Verdict;

/// The maximum number of lines for one time.
const MOST_AT_ONCE: usize = 4;
/// The number of digits after the point of a time in a finding.
const DIGITS: usize = 6;

/// The times that findings have or name, as texts.
pub(super) struct NamedTimes {
    times: BTreeSet<String>,
    lines: BTreeMap<String, usize>,
}

impl NamedTimes {
    pub fn of(verdict: &Verdict) -> Self {
        let mut times = BTreeSet::new();
        for finding in LabelledFinding::all(verdict) {
            // What a script expects is found at the end of a wait, or of the run.
            if finding.line().is_none() {
                times.insert(seconds(finding.at));
            }
            times.extend(
                finding
                    .text
                    .split_whitespace()
                    .filter(|word| is_time(word))
                    .map(str::to_owned),
            );
        }
        Self {
            times,
            lines: BTreeMap::new(),
        }
    }

    /// The line of an event that has no other, if a finding names its time.
    pub fn line(&mut self, event: &Event) -> Option<(Weight, Shape, String)> {
        if self.times.is_empty() {
            return None;
        }
        let shape = shape(event)?;
        let at = seconds(event.record.at);
        if !self.times.contains(&at) {
            return None;
        }
        let lines = self.lines.entry(at).or_default();
        *lines += 1;
        if *lines > MOST_AT_ONCE {
            return None;
        }
        let stored = event.detail.strip_prefix("event ");
        let stored = stored.and_then(|rest| rest.split(' ').next());
        let stored = stored.map_or(String::new(), |id| format!(", event {id}"));
        Some((
            Weight::Medium,
            shape,
            format!("{}{stored}", short(&event.headline)),
        ))
    }
}

/// Where an event is drawn. Of the observer, only what it receives is a part of the run.
fn shape(event: &Event) -> Option<Shape> {
    match (&event.record.what, &event.arrow) {
        (What::Observation(observation), Some(arrow)) => {
            let is_frame = matches!(observation, Observation::FrameReceived { .. });
            let is_of_run = &*event.record.party != OBSERVER || is_frame;
            is_of_run.then(|| Shape::Arrow(arrow.from, look_of(arrow, event.kind), arrow.to))
        }
        (What::Queue(_), _) => event.lane.map(|lane| Shape::Note(lane, lane)),
        _ => None,
    }
}

/// Whether a word of a finding is a time, such as `181.022212`.
fn is_time(word: &str) -> bool {
    let are_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    word.split_once('.').is_some_and(|(seconds, fraction)| {
        are_digits(seconds) && fraction.len() == DIGITS && are_digits(fraction)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::picture::Picture;
    use crate::report::played::{entry, played};
    use crate::report::sequence::Sequence;

    #[test]
    fn an_event_has_a_line_if_a_finding_names_its_time() {
        let entry = entry("- start: { as: first, say: idle }", "- callbacks: 7");
        let mut verdict = played(&entry, 0).verdict.expect("the harness works");
        verdict.findings[0].at = Duration::from_secs(5000);
        let texts = |verdict: &Verdict| {
            let picture = Picture::of(verdict);
            let sequence = Sequence::of(verdict, &picture, 200);
            sequence
                .lines
                .into_iter()
                .map(|line| line.text)
                .collect::<Vec<_>>()
        };
        let before = texts(&verdict);
        assert!(
            !before.iter().any(|text| text.starts_with("session.status")),
            "{before:?}"
        );
        let picture = Picture::of(&verdict);
        let sent = picture
            .events
            .iter()
            .find(|event| event.headline.starts_with("session.status"));
        let at = seconds(sent.expect("it was sent").record.at);
        verdict.findings[0].text = format!("something was sent at {at} s, too late");
        let after = texts(&verdict);
        assert!(
            after.iter().any(|text| text.starts_with("session.status")),
            "{after:?}"
        );
    }

    #[test]
    fn times_are_told_from_other_numbers() {
        assert!(is_time("181.022212"));
        for other in [
            "181.02",
            "181",
            "1.0222123",
            "a.022212",
            ".022212",
            "127.000000.1",
        ] {
            assert!(!is_time(other), "{other}");
        }
    }
}
