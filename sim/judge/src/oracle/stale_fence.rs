//! A fence that was superseded by a newer allocation counts for nothing any more (protocol §5): no ingest is
//! opened under it, and what is said on a socket under it reaches no client and ends no message.
//!
//! What the wrapper was given tells when a fence was superseded at the latest: the server knew of the newer
//! allocation before the wrapper did. Two things are judged from there on.
//!
//! - What the wrapper said *after* that cannot have been taken in before.
//! - What it said *before* may have been, or may have been under way. There the server's own time decides,
//!   which every event carries: what happened after the change was taken in after it.
//!
//! The words of a run need not be unlike those of the next, so they are counted: a stream may show each no
//! more often than somebody with a right to be heard has said it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::history::{Ingest, SessionHistory, Stream, StreamEvent, WrapperFrame, kilo};
use super::{Broken, Check, Oracle, secs};

pub(super) const ORACLE: Oracle = Oracle {
    name: "stale-fence-counts-for-nothing",
    rule: "Under a superseded fence no ingest is opened, and no word reaches a client or ends a message.",
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Broken> {
    let fences = Fences::of(session);
    let mut broken = refusals_missing(session, &fences);
    if fences.were_superseded() {
        let words: Vec<Word> = session
            .wrapper_frames()
            .map(|(ingest, frame)| Word {
                frame,
                generation: ingest.fence.generation,
                stale_from: fences.superseded_at(ingest.fence.generation),
                time_error: session.run.time_error(),
            })
            .collect();
        broken.extend(ends_by_stale_words(session, &words));
        broken.extend(stale_words_shown(session, &words));
    }
    broken
}

/// When each fence was superseded at the latest.
struct Fences {
    /// When the wrapper was first given a fence of each generation.
    given_at: BTreeMap<u64, Duration>,
}

impl Fences {
    fn of(session: &SessionHistory) -> Self {
        let mut given_at = BTreeMap::new();
        for binding in &session.bindings {
            given_at.entry(binding.fence.generation).or_insert(binding.at);
        }
        Self { given_at }
    }

    fn were_superseded(&self) -> bool {
        self.given_at.len() > 1
    }

    /// From when on a generation is certainly not the current one; for ever current if none is newer.
    fn superseded_at(&self, generation: u64) -> Duration {
        let newer = self.given_at.range(generation.saturating_add(1)..);
        newer.map(|(_, at)| *at).min().unwrap_or(Duration::MAX)
    }
}

/// Ingest sockets that should have been refused. The wrapper gives up a socket that it is still opening when
/// it is bound anew, so one that opens later was asked for later.
fn refusals_missing(session: &SessionHistory, fences: &Fences) -> Vec<Broken> {
    let flaw = |ingest: &Ingest| {
        let generation = ingest.fence.generation;
        let superseded_at = fences.superseded_at(generation);
        let mut given = session.bindings.iter();
        let was_given = given.any(|given| given.fence == ingest.fence && given.at <= ingest.opened_at);
        let tolerance = session.run.context.timing_tolerance;
        if ingest.opened_at > superseded_at.saturating_add(tolerance) {
            Some(format!(
                "an ingest was opened under generation {generation}, which was superseded by {}",
                secs(superseded_at)
            ))
        } else if was_given {
            None
        } else {
            Some(format!(
                "an ingest was opened under generation {generation} with a fence that no wrapper was given"
            ))
        }
    };
    let flaws = session
        .ingests()
        .filter_map(|ingest| Some((ingest.opened_at, flaw(ingest)?)));
    flaws.map(|(at, text)| Broken::of(at, None, text)).collect()
}

/// A frame of the wrapper, and how long it had a right to be heard.
struct Word<'a> {
    frame: &'a WrapperFrame,
    generation: u64,
    stale_from: Duration,
    /// How far its effect may be from when the server says it was.
    time_error: Duration,
}

impl Word<'_> {
    /// Whether it had a right to have an effect that the server says it had at `told_at`.
    fn is_heard_rightly(&self, told_at: Duration) -> bool {
        told_at < self.stale_from && self.frame.at < self.stale_from
    }

    /// Whether it was said by then.
    fn was_said(&self, told_at: Duration) -> bool {
        self.frame.at <= told_at + self.time_error
    }
}

/// Messages whose end nobody else gave cause for than a wrapper that had no right to.
fn ends_by_stale_words(session: &SessionHistory, words: &[Word]) -> Vec<Broken> {
    let mut broken = Vec::new();
    for end in session.kept.iter().filter(|event| event.is_end()) {
        let Some(message) = end.message() else { continue };
        let Some(cause) = Cause::of(end) else { continue };
        if cause == Cause::Interrupt && is_interrupted_by_user(session, end.at) {
            continue;
        }
        let mut causes = words
            .iter()
            .filter(|word| word.was_said(end.at) && cause.is_given_by(word.frame, message))
            .peekable();
        let Some(generation) = causes.peek().map(|word| word.generation) else {
            continue;
        };
        if !causes.any(|word| word.is_heard_rightly(end.at)) {
            let text = format!(
                "event {} ends it by what was said under generation {generation}, which had been superseded",
                end.id
            );
            broken.push(Broken::new(session.run.first_seen(end), message, text));
        }
    }
    broken
}

/// What a wrapper says to end a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Reply,
    Interrupt,
    FatalError,
}

impl Cause {
    fn of(end: &StreamEvent) -> Option<Self> {
        match (
            end.data["completionSource"].as_str()?,
            end.data["reason"].as_str().unwrap_or_default(),
        ) {
            ("assistant_message_event", _) => Some(Self::Reply),
            ("interrupt", _) => Some(Self::Interrupt),
            ("wrapper_failure", "wrapper_error") => Some(Self::FatalError),
            _ => None,
        }
    }

    fn is_given_by(self, frame: &WrapperFrame, message: &str) -> bool {
        match self {
            Self::Interrupt => frame.name == "interrupted",
            Self::FatalError => frame.name == "error" && frame.data["fatal"] == true,
            Self::Reply => {
                let Some(("message.updated", properties)) = kilo(&frame.name, &frame.data) else {
                    return false;
                };
                let info = &properties["info"];
                let has_ended = !info["time"]["completed"].is_null() || !info["error"].is_null();
                info["parentID"] == message && has_ended
            }
        }
    }
}

fn is_interrupted_by_user(session: &SessionHistory, told_at: Duration) -> bool {
    let mut calls = session.calls.iter();
    calls.any(|call| call.procedure == "interruptSession" && call.at <= told_at + session.run.time_error())
}

/// Words that a stream shows more often than they were said by somebody with a right to be heard.
fn stale_words_shown(session: &SessionHistory, words: &[Word]) -> Vec<Broken> {
    let first_change = words
        .iter()
        .map(|word| word.stale_from)
        .min()
        .unwrap_or(Duration::MAX);
    let mut said: BTreeMap<String, Vec<&Word>> = BTreeMap::new();
    for word in words {
        said.entry(content(&word.frame.name, &word.frame.data))
            .or_default()
            .push(word);
    }
    // Without a word that was ever stale, or a stream that shows anything later, there is nothing to look for.
    said.retain(|_, words| words.iter().any(|word| word.stale_from < Duration::MAX));
    if said.is_empty() {
        return Vec::new();
    }
    let streams = session.streams.iter();
    streams
        .flat_map(|stream| stale_words_on(session, stream, &said, first_change))
        .collect()
}

fn stale_words_on(
    session: &SessionHistory,
    stream: &Stream,
    said: &BTreeMap<String, Vec<&Word>>,
    first_change: Duration,
) -> Vec<Broken> {
    let mut shown: BTreeMap<&str, Vec<(Duration, &StreamEvent)>> = BTreeMap::new();
    for seen in session.run.shown(stream) {
        // The server's own events are nobody's words.
        let is_own = seen.event.name.starts_with("cloud.");
        if is_own || seen.seen_at < first_change {
            continue;
        }
        if let Some((words, _)) = said.get_key_value(&content(&seen.event.name, &seen.event.data)) {
            shown.entry(words).or_default().push((seen.seen_at, &seen.event));
        }
    }
    let mut broken = Vec::new();
    for (content, mut events) in shown {
        let words = &said[content];
        let mut rightly_until: Vec<Duration> = words
            .iter()
            .filter(|word| word.frame.at < word.stale_from)
            .map(|word| word.stale_from)
            .collect();
        // The latest showing needs the word that was right the longest, and so on.
        rightly_until.sort_unstable_by(|one, other| other.cmp(one));
        events.sort_by_key(|(_, event)| std::cmp::Reverse(event.at));
        for (place, (seen_at, event)) in events.into_iter().enumerate() {
            let is_right = rightly_until.get(place).is_some_and(|until| event.at < *until);
            let stale = words
                .iter()
                .find(|word| word.was_said(event.at) && !word.is_heard_rightly(event.at));
            if let (false, Some(word)) = (is_right, stale) {
                let name = event.kilo().map_or(event.name.as_str(), |(name, _)| name);
                let text = format!(
                    "{} was shown {name}, which was said under generation {} after that had been superseded",
                    stream.party, word.generation
                );
                broken.push(Broken::of(seen_at, None, text));
                break;
            }
        }
    }
    broken
}

/// What tells one event from another, beside its time.
fn content(name: &str, data: &Value) -> String {
    format!("{name} {data}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const BROKEN: [&str; 1] = ["stale-fence-counts-for-nothing"];

    /// A message of the first run has failed, and a second run has another.
    fn second_run() -> Writer {
        let mut writer = Writer::started("m1");
        writer.queued("m1");
        writer.bound(1);
        writer.opens_ingest(1);
        writer.delivered("m1");
        writer.sent("m1");
        writer
    }

    fn is_lost(writer: &mut Writer) {
        writer.failed("m1", json!({"completionSource": "wrapper_failure"}));
        writer.acked("send", "m2", json!({}));
        writer.queued("m2");
        writer.bound(2);
        writer.opens_ingest(2);
        writer.delivered("m2");
        writer.sent("m2");
    }

    fn reply(message: &str) -> Value {
        let info = json!({"id": "a", "role": "assistant", "parentID": message, "time": {"completed": 1}});
        json!({"event": "message.updated", "properties": {"info": info}})
    }

    #[test]
    fn words_that_a_client_is_shown_after_the_change_are_noticed_whenever_they_were_said() {
        for said_before in [true, false] {
            let mut writer = second_run();
            if said_before {
                writer.says(1, "kilocode", reply("m1"));
            }
            is_lost(&mut writer);
            if !said_before {
                writer.says(1, "kilocode", reply("m1"));
            }
            assert_eq!(writer.clone().ended("m2"), NOTHING, "nobody has heard it");
            writer.event("kilocode", reply("m1"));
            let mut found = writer.ended("m2");
            found.dedup();
            assert_eq!(found, BROKEN);
        }
    }

    #[test]
    fn words_that_were_taken_in_before_the_change_are_right() {
        let mut writer = second_run();
        writer.says(1, "kilocode", reply("m1"));
        writer.event("kilocode", reply("m1"));
        is_lost(&mut writer);
        assert_eq!(writer.ended("m2"), NOTHING);
    }

    #[test]
    fn what_both_runs_say_may_be_shown_as_often_as_the_present_one_says_it() {
        let idle = json!({"event": "session.idle", "properties": {"sessionID": "root"}});
        for (shown, rules) in [(1, &NOTHING[..]), (2, &BROKEN[..])] {
            let mut writer = second_run();
            is_lost(&mut writer);
            for generation in [1, 2] {
                writer.says(generation, "kilocode", idle.clone());
            }
            for _ in 0..shown {
                writer.event("kilocode", idle.clone());
            }
            let mut found = writer.ended("m2");
            found.dedup();
            assert_eq!(found, rules);
        }
    }

    #[test]
    fn a_message_that_ends_by_stale_words_alone_is_noticed() {
        for (generation, rules) in [(1, &BROKEN[..]), (2, &NOTHING[..])] {
            let mut writer = second_run();
            is_lost(&mut writer);
            writer.says(generation, "kilocode", reply("m2"));
            assert_eq!(writer.ended("m2"), rules);
        }
    }

    #[test]
    fn an_ingest_that_is_opened_under_a_stale_or_made_up_fence_is_noticed() {
        for (generation, rules) in [(1, &BROKEN[..]), (2, &NOTHING[..]), (3, &BROKEN[..])] {
            let mut writer = second_run();
            is_lost(&mut writer);
            writer.opens_ingest(generation);
            assert_eq!(writer.ended("m2"), rules, "{generation}");
        }
    }
}
