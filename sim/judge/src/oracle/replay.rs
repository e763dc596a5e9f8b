//! A stream misses nothing and doubles nothing (protocol §9): first the kept events that were asked for, each
//! with the last word on it, then `connected`, then everything as it happens.
//!
//! Every stream is held against the log as it was when all was over. What a client cannot have noticed that
//! it misses (its connection died without a word) is not asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::history::{SeenEvent, SessionHistory, Stream, StreamEvent, StreamStart};
use super::{Broken, Check, Oracle};

pub(super) const ORACLE: Oracle = Oracle {
    name: "replay-is-exact",
    rule: "A stream shows each kept event after its beginning, with the last word on it, and only its own.",
    check: Check::Sessions(check),
};

/// The longest that a stream takes to open: a client does not wait longer for it.
const LONGEST_OPENING: Duration = Duration::from_secs(60);

/// Whether an event ends the replay.
pub(super) fn is_connected(event: &StreamEvent) -> bool {
    event.name == "connected"
}

/// Live words on entities by the id of their row, in the order in which the server says they were said.
type Words<'a> = BTreeMap<u64, Vec<&'a StreamEvent>>;

fn check(session: &SessionHistory) -> Vec<Broken> {
    let mut broken: Vec<Broken> = session
        .run
        .unreadable
        .iter()
        .filter(|strange| *strange.session == *session.id)
        .map(|strange| {
            let text = format!("{} was shown {}, which is no event", strange.party, strange.frame);
            Broken::of(strange.seen_at, None, text)
        })
        .collect();
    let views: Vec<View> = session
        .streams
        .iter()
        .map(|stream| View::of(session, stream))
        .collect();
    let words = words(&views);
    for view in &views {
        broken.extend(view.strangers());
        if view.stream.is_filtered {
            continue;
        }
        broken.extend(view.disorder());
        broken.extend(view.stale_words(&words, session.run.time_error()));
        broken.extend(view.doubles(session));
        broken.extend(view.gap(session));
    }
    broken
}

fn words<'a>(views: &[View<'a>]) -> Words<'a> {
    let mut words = Words::new();
    for seen in views.iter().flat_map(View::live) {
        if seen.event.id > 0 && seen.event.is_upserted() {
            words.entry(seen.event.id).or_default().push(&seen.event);
        }
    }
    for words in words.values_mut() {
        words.sort_by_key(|word| word.at);
    }
    words
}

/// One stream as its client saw it.
struct View<'a> {
    stream: &'a Stream,
    shown: Vec<&'a SeenEvent>,
    /// Where `connected` is; behind the end if it never came.
    connected: usize,
}

impl<'a> View<'a> {
    fn of(session: &SessionHistory<'a>, stream: &'a Stream) -> Self {
        let shown: Vec<&SeenEvent> = session.run.shown(stream).collect();
        let connected = shown.iter().position(|seen| is_connected(&seen.event));
        Self {
            stream,
            connected: connected.unwrap_or(shown.len()),
            shown,
        }
    }

    fn replayed(&self) -> impl Iterator<Item = &'a SeenEvent> {
        self.shown[..self.connected].iter().copied()
    }

    fn live(&self) -> impl Iterator<Item = &'a SeenEvent> {
        self.shown[self.connected..].iter().copied()
    }

    fn complain(&self, seen: &SeenEvent, what: &str) -> Broken {
        let StreamEvent { id, name, .. } = &seen.event;
        let text = format!("{} was shown event {id} ({name}) {what}", self.stream.party);
        Broken::of(seen.seen_at, seen.event.message(), text)
    }

    /// Events of other sessions.
    fn strangers(&self) -> Vec<Broken> {
        let strangers = self
            .shown
            .iter()
            .filter(|seen| seen.event.others.contains_key("sessionId"));
        strangers
            .map(|seen| self.complain(seen, "on a stream of another session"))
            .collect()
    }

    /// What has no business in a replay, and a second beginning.
    fn disorder(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        for seen in self.replayed() {
            let event = &seen.event;
            let flaw = match self.stream.from {
                _ if event.id == 0 => "in its replay, and it is not kept",
                StreamStart::Live => "in a replay, and it wanted none",
                StreamStart::After(from) if event.id <= from => "in its replay, which was to begin later",
                StreamStart::After(_) | StreamStart::Unsaid => continue,
            };
            broken.push(self.complain(seen, flaw));
        }
        let again = self.live().skip(1).filter(|seen| is_connected(&seen.event));
        broken.extend(again.map(|seen| self.complain(seen, "in the middle of the stream")));
        broken
    }

    /// Replayed words on an entity that had been replaced before the stream was asked for.
    fn stale_words(&self, words: &Words, time_error: Duration) -> Vec<Broken> {
        // What it replays, it was asked for after.
        let newest = self
            .replayed()
            .map(|seen| seen.event.at)
            .max()
            .unwrap_or_default();
        let asked_after = newest.max(self.stream.opened_at.saturating_sub(LONGEST_OPENING));
        let is_stale = |seen: &&SeenEvent| {
            let Some(words) = words.get(&seen.event.id).filter(|_| seen.event.is_upserted()) else {
                return false;
            };
            let said = words.partition_point(|word| word.at + time_error < asked_after);
            let Some(last) = said.checked_sub(1) else {
                return false;
            };
            let is_it = |word: &&StreamEvent| word.data == seen.event.data;
            words[..last].iter().any(is_it) && !words[last..].iter().any(is_it)
        };
        self.replayed()
            .filter(is_stale)
            .map(|seen| self.complain(seen, "with a word that had been replaced by then"))
            .collect()
    }

    /// Words on an entity that are replayed and then come live once more. If the wrapper has said it once only,
    /// it is the same word.
    fn doubles(&self, session: &SessionHistory) -> Vec<Broken> {
        let replayed: BTreeMap<u64, &StreamEvent> = self
            .replayed()
            .filter(|seen| seen.event.is_upserted())
            .map(|seen| (seen.event.id, &seen.event))
            .collect();
        let is_double = |seen: &&SeenEvent| {
            let event = &seen.event;
            let is_same = replayed.get(&event.id).is_some_and(|replayed| *replayed == event);
            is_same && {
                let mut said = session.wrapper_frames().map(|(_, frame)| frame);
                let is_it = |name: &str, data: &Value| *name == event.name && *data == event.data;
                said.by_ref().any(|frame| is_it(&frame.name, &frame.data))
                    && !said.any(|frame| is_it(&frame.name, &frame.data))
            }
        };
        self.live()
            .filter(is_double)
            .map(|seen| self.complain(seen, "live that had been replayed to it already"))
            .collect()
    }

    /// The first event of the log that it should have shown and has not.
    fn gap(&self, session: &SessionHistory) -> Option<Broken> {
        let log = session.log.as_ref()?;
        let shown: BTreeSet<u64> = self.shown.iter().map(|seen| seen.event.id).collect();
        // Of a later word on an entity nobody can tell whether its row is new.
        let firsts = || {
            let events = self.shown.iter().map(|seen| &seen.event);
            events
                .filter(|event| event.id > 0 && !event.is_upserted())
                .map(|event| event.id)
        };
        let from = match self.stream.from {
            StreamStart::After(from) => from,
            StreamStart::Unsaid | StreamStart::Live => firsts().min()?,
        };
        let is_connected = self.connected < self.shown.len();
        let upto = if is_connected && session.is_alive(self.stream) {
            log.last()?.id
        } else {
            firsts().max()?
        };
        let is_missing =
            |event: &&&StreamEvent| event.id > from && event.id <= upto && !shown.contains(&event.id);
        let missing = log.iter().find(is_missing)?;
        let later = self.shown.iter().find(|seen| seen.event.id > missing.id);
        let (at, what) = match later {
            Some(later) => (
                later.seen_at,
                format!("was shown event {} instead", later.event.id),
            ),
            None => (session.run.end, "still waits for it".to_owned()),
        };
        let text = format!(
            "{} was never shown event {} ({}), and {what}",
            self.stream.party, missing.id, missing.name
        );
        Some(Broken::of(at, missing.message(), text))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use turnstile_events::world::WorldEvent;
    use turnstile_fault::Fault;

    use crate::oracle::written::Writer;
    use crate::parties::{OBSERVER, SERVER};

    const NOTHING: [&str; 0] = [];
    const BROKEN: [&str; 1] = ["replay-is-exact"];

    fn ended() -> Writer {
        let mut writer = Writer::started("m1");
        writer.turn("m1");
        writer
    }

    #[test]
    fn a_client_that_comes_late_is_shown_everything_or_what_it_asked_for() {
        for from in [0, 2, 4] {
            let mut writer = ended();
            writer.client_replays("late", from, from..4);
            assert_eq!(writer.judged(), NOTHING, "{from}");
        }
    }

    #[test]
    fn a_hole_in_a_replay_is_noticed_and_so_is_more_than_was_asked_for() {
        for shown in [0..3, 1..4] {
            let mut holed = ended();
            holed.client_replays("late", 0, shown);
            assert_eq!(holed.judged(), BROKEN);
        }
        let mut too_much = ended();
        too_much.client_replays("late", 2, 1..4);
        assert_eq!(too_much.judged(), BROKEN);
    }

    #[test]
    fn what_happens_between_replay_and_live_must_not_be_lost() {
        let mut writer = ended();
        writer.client_replays("late", 0, 0..4);
        writer.idle();
        assert_eq!(writer.clone().judged(), BROKEN, "it has not seen the last idle");
        writer.client_sees("late", 4);
        assert_eq!(writer.judged(), NOTHING);
    }

    #[test]
    fn nothing_is_asked_for_that_a_client_cannot_have_noticed_it_misses() {
        let mut writer = ended();
        writer.client_replays("late", 0, 0..4);
        writer.world(WorldEvent::of(&Fault::power_loss(SERVER)));
        writer.idle();
        assert_eq!(writer.judged(), NOTHING);
    }

    #[test]
    fn an_entity_is_replayed_with_the_last_word_on_it() {
        let mut writer = Writer::started("m1");
        writer.assistant("m1", "a1", json!({}));
        writer.assistant("m1", "a1", json!({"completed": 1}));
        writer.turn("m1");
        assert_eq!(writer.clone().judged(), NOTHING);
        let first_word = writer.word("a1", 0);
        writer.client_opens("late", 0);
        writer.client_is_shown("late", first_word);
        for place in 1..5 {
            writer.client_sees("late", place);
        }
        writer.client_is_connected("late");
        assert_eq!(writer.judged(), BROKEN);
    }

    #[test]
    fn a_word_that_was_replayed_does_not_come_live_once_more() {
        let mut writer = Writer::started("m1");
        writer.bound(1);
        writer.opens_ingest(1);
        writer.says_assistant(1, "m1", "a1", json!({}));
        writer.assistant("m1", "a1", json!({}));
        writer.turn("m1");
        writer.client_replays("late", 0, 0..5);
        writer.client_sees("late", 0);
        assert_eq!(writer.judged(), BROKEN);
    }

    #[test]
    fn a_stream_is_of_one_session_and_has_one_beginning() {
        let mut stranger = ended();
        let mut frame = stranger.frame(3);
        frame["sessionId"] = json!("another");
        frame["eventId"] = json!(0);
        stranger.client_is_shown(OBSERVER, frame);
        assert_eq!(stranger.judged(), BROKEN);

        let mut again = ended();
        again.client_is_connected(OBSERVER);
        assert_eq!(again.judged(), BROKEN);

        let mut strange = ended();
        strange.client_is_shown(OBSERVER, json!({"type": "hello"}));
        assert_eq!(strange.judged(), BROKEN);
    }
}
