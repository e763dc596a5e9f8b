//! The assistant's messages that answer one message, as the transcript may have been when its batch was finalized
//! (protocol §8).
//!
//! The log has only the last version of each row. This module decides which rows had that version at the time, and
//! which texts are possible. It judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::admissions::Likely;
use super::batches::Batch;
use super::history::{SessionHistory, StreamEvent, answer};

/// With more uncertain parts than this in one answer, its text counts as unknown.
const MAX_UNCERTAIN_PARTS: usize = 4;

/// The transcript of one message.
pub(super) struct Transcript<'s, 'a> {
    session: &'s SessionHistory<'a>,
    batch: &'s Batch<'a>,
}

/// A text part: its text, and whether it is in the answer.
type Part<'a> = (&'a str, Likely);

impl<'s, 'a> Transcript<'s, 'a> {
    pub(super) fn of(session: &'s SessionHistory<'a>, batch: &'s Batch<'a>) -> Self {
        Self { session, batch }
    }

    /// The possible texts of the latest finished answer; `None` if they are unknown. Without an answer it is empty.
    pub(super) fn latest_texts(&self) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        // The answers, the latest first.
        for answer in self.answers().iter().rev() {
            let is_finished = self.is_finished(answer);
            if is_finished == Likely::No {
                continue;
            }
            texts.extend(self.texts_of(answer)?);
            if is_finished == Likely::Yes {
                return Some(texts);
            }
        }
        texts.push(String::new());
        Some(texts)
    }

    /// The possible texts of rows that answered the message with a finished version before `until`, and answer another message
    /// now; `None` if one is unknown.
    pub(super) fn former_texts(&self, until: Duration) -> Option<BTreeSet<String>> {
        let now: BTreeSet<u64> = self.answers().iter().map(|answer| answer.id).collect();
        let seen = self.session.run.seen.iter().map(|seen| &seen.event);
        let former = seen.filter(|event| {
            let is_possible = event.at <= until && !now.contains(&event.id);
            is_possible && event.session == self.batch.end.session && self.is_finished_by(event)
        });
        let former: BTreeMap<u64, &StreamEvent> = former.map(|event| (event.id, event)).collect();
        let mut texts = BTreeSet::new();
        for answer in former.into_values() {
            texts.extend(self.texts_of(answer)?);
        }
        Some(texts)
    }

    /// Whether an event is a version of an assistant's message that answers the message and may be finished.
    fn is_finished_by(&self, event: &StreamEvent) -> bool {
        let answered = event.kilo().and_then(answer);
        let is_answer = answered.is_some_and(|(message, _)| message == self.batch.message);
        is_answer && self.is_finished(event) != Likely::No
    }

    /// The rows of the assistant's messages that answer the message, in order of their first appearance.
    fn answers(&self) -> &[&'a StreamEvent] {
        self.session.answers_to(self.batch.message)
    }

    /// Whether an answer was finished when the batch was finalized.
    fn is_finished(&self, answer: &StreamEvent) -> Likely {
        let Some((_, properties)) = answer.kilo() else {
            return Likely::No;
        };
        let info = &properties["info"];
        let is_unfinished_allowed = self.session.run.context.profile.unfinished_reply_counts;
        let is_finished = !info["time"]["completed"].is_null();
        if self.batch.end.data["assistantMessageId"] == info["id"] && is_finished {
            // It was finished when it ended the message, whatever its later versions are.
            return Likely::Yes;
        }
        match (is_finished, info["error"].is_null()) {
            (true, true) => self.is_in_time(answer),
            // Whether an answer with an error counts as the latest is open.
            (_, false) => Likely::Perhaps,
            (false, true) if is_unfinished_allowed => Likely::Perhaps,
            (false, true) => Likely::No,
        }
    }

    /// The possible texts of an answer: its text parts in order of their ids, joined and trimmed. `None` if a part
    /// changed at a time that leaves its text open.
    fn texts_of(&self, answer: &StreamEvent) -> Option<Vec<String>> {
        let parts = self.parts_of(answer)?;
        let uncertain: Vec<usize> = (0..parts.len())
            .filter(|place| parts[*place].1 == Likely::Perhaps)
            .collect();
        if uncertain.len() > MAX_UNCERTAIN_PARTS {
            return None;
        }
        let text_with = |choice: usize| {
            let is_left_out = |place: &usize| {
                let number = uncertain.iter().position(|uncertain| uncertain == place);
                number.is_some_and(|number| choice & (1 << number) == 0)
            };
            let places = (0..parts.len()).filter(|place| !is_left_out(place));
            let text: String = places.map(|place| parts[place].0).collect();
            text.trim().to_owned()
        };
        Some((0..1 << uncertain.len()).map(text_with).collect())
    }

    /// The text parts of an answer in order of their ids.
    fn parts_of(&self, answer: &StreamEvent) -> Option<Vec<Part<'a>>> {
        let id = answer.kilo()?.1["info"]["id"].as_str()?;
        let mut parts: BTreeMap<&str, (&StreamEvent, Part)> = BTreeMap::new();
        for event in self.session.parts_of(id) {
            let Some((name, properties)) = event.kilo() else {
                continue;
            };
            let part = &properties["part"];
            if name == "message.part.updated" {
                if self.is_in_time(event) != Likely::Yes {
                    return None;
                }
                if let (Some(part_id), Some(text)) = (part["id"].as_str(), text_of(part)) {
                    parts.insert(part_id, (event, (text, Likely::Yes)));
                }
            } else if name == "message.part.removed"
                && let Some((updated, (_, is_there))) =
                    parts.get_mut(properties["partID"].as_str().unwrap_or_default())
            {
                *is_there = self.after_removal(updated, event);
            }
        }
        let parts = parts.into_values().map(|(_, part)| part);
        Some(parts.filter(|(_, is_there)| *is_there != Likely::No).collect())
    }

    /// Whether an answer has a part that was removed. It may have one that was removed after the message ended, or one
    /// that was updated again.
    fn after_removal(&self, updated: &StreamEvent, removed: &StreamEvent) -> Likely {
        if removed.id < self.batch.end.id && updated.at < removed.at {
            Likely::No
        } else {
            Likely::Perhaps
        }
    }

    /// Whether a row had its last version when the batch was finalized.
    fn is_in_time(&self, row: &StreamEvent) -> Likely {
        let Batch {
            end,
            not_before,
            finalized_by,
            ..
        } = self.batch;
        match row.at.cmp(not_before) {
            std::cmp::Ordering::Less => Likely::Yes,
            std::cmp::Ordering::Greater => Likely::Perhaps,
            // Within one millisecond the order decides.
            std::cmp::Ordering::Equal if end.at == *not_before && row.id < end.id => Likely::Yes,
            std::cmp::Ordering::Equal => {
                let is_before = finalized_by.is_some_and(|event| self.was_shown_before(row, event));
                if is_before { Likely::Yes } else { Likely::Perhaps }
            }
        }
    }

    /// Whether a stream that was already open showed the last version of a row before an event.
    fn was_shown_before(&self, row: &StreamEvent, event: &StreamEvent) -> bool {
        let is = |seen: &StreamEvent, wanted: &StreamEvent| seen.id == wanted.id && seen.at == wanted.at;
        let mut streams = self.session.streams.iter();
        streams.any(|stream| {
            let shown = || self.session.run.shown(stream).map(|seen| &seen.event);
            let of_event = shown().position(|seen| is(seen, event));
            // The last time, because versions within one millisecond look alike.
            let of_row = shown().enumerate().filter(|(_, seen)| is(seen, row)).last();
            stream.opened_at < row.at
                && of_event.is_some_and(|event| of_row.is_some_and(|(row, _)| row < event))
        })
    }
}

/// The text of a part; `None` if it is no text part.
fn text_of(part: &Value) -> Option<&str> {
    part["text"].as_str().filter(|_| part["type"] == "text")
}
