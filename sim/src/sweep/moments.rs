//! The moments of a run at which a fault can happen, and which of them are alike.
//!
//! Two moments are alike if the wire shows the same state at both: the step of the script, how far each message is, the
//! requests and sockets that are open, the faults in effect, and what happened just before. Times do not count, so the
//! pings of an hour are alike. This is a heuristic: what a server counts in silence may differ. So a single fault is tried at
//! the first and at the last of the moments that are alike, a second one at the first. For a second one, events that clients
//! received just before do not count either: they tell moments apart at which a server mostly does nothing else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde_json::Value;
use turnstile_events::observation::Observation;
use turnstile_events::queue::Submission;
use turnstile_events::world::WorldEvent;
use turnstile_judge::parties::{OBSERVER, RECEIVER, WRAPPER, host_of, is_wrapper};
use turnstile_judge::trace::{Record, What};

use crate::script::Verdict;

/// How long something that happened counts as just before: longer than the network takes.
const JUST_BEFORE: Duration = Duration::from_millis(5);
/// Higher counts of deliveries or callbacks of a message are the same state.
const MOST_COUNTED: u32 = 3;

/// A moment with an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) at: Duration,
    /// The hash of the state that it leaves.
    pub(super) state: u64,
    /// The same without the events that clients received just before.
    pub(super) without_events: u64,
}

/// All moments with an event before the final inspection.
pub(super) fn places(verdict: &Verdict) -> Vec<Place> {
    let mut state = State::default();
    let records = &verdict.trace.records()[..verdict.inspection_start];
    let instants = records.chunk_by(|one, next| one.at == next.at);
    let places = instants.map(|instant| {
        instant.iter().for_each(|record| state.take(record));
        state.place(instant[0].at)
    });
    places.collect()
}

/// For each moment whether it is the first or the last of those that are alike.
pub(super) fn first_and_last(places: &[Place]) -> Vec<bool> {
    let mut seen = BTreeSet::new();
    let mut chosen: Vec<bool> = places.iter().map(|place| seen.insert(place.state)).collect();
    seen.clear();
    for (place, chosen) in places.iter().zip(&mut chosen).rev() {
        *chosen |= seen.insert(place.state);
    }
    chosen
}

/// How far a message is.
#[derive(Debug, Default, Hash)]
struct Progress {
    /// Its last `cloud.message.*` event.
    event: String,
    deliveries: u32,
    callbacks: u32,
}

/// What happened just before a moment.
#[derive(Debug)]
struct Recent {
    at: Duration,
    /// What happened, without ids and times.
    mark: String,
    is_event_of_client: bool,
}

/// What the wire shows of a run at a moment.
#[derive(Debug, Default)]
struct State {
    steps: usize,
    /// How far each message is, in order of appearance: after a fault, ids that begin with a time differ.
    messages: Vec<Progress>,
    /// The ids of these messages.
    ids: Vec<String>,
    /// The last state that the agent of each wrapper reported.
    agents: BTreeMap<String, String>,
    /// Exchanges and sockets of each party, by number.
    open: BTreeMap<(String, bool, u64), String>,
    /// Faults in effect, by place.
    faults: BTreeMap<String, String>,
    /// What happened just before.
    recent: VecDeque<Recent>,
}

impl State {
    fn take(&mut self, record: &Record) {
        let party = &*record.party;
        let mark = match &record.what {
            What::Observation(observation) => self.take_observation(party, observation),
            What::World(event) => self.take_world(event),
            What::Queue(Submission {
                submitted, answer, ..
            }) => format!("{submitted} {answer:?}"),
            What::Step { .. } => {
                self.steps += 1;
                String::new()
            }
        };
        self.recent.push_back(Recent {
            at: record.at,
            mark: format!("{party} {mark}"),
            is_event_of_client: is_event_of_client(record),
        });
        while let Some(recent) = self.recent.front()
            && recent.at + JUST_BEFORE < record.at
        {
            self.recent.pop_front();
        }
    }

    fn take_observation(&mut self, party: &str, observation: &Observation) -> String {
        let exchange = |number: &u64| (party.to_owned(), true, *number);
        let socket = |number: &u64| (party.to_owned(), false, *number);
        match observation {
            Observation::RequestSent {
                exchange: number,
                method,
                path,
                body,
                ..
            }
            | Observation::RequestReceived {
                exchange: number,
                method,
                path,
                body,
                ..
            } => {
                let message = message_of(body).map(|id| self.number_of(id));
                self.count(party, path, message);
                let mark = format!("{method} {} {message:?}", without_query(path));
                self.open.insert(exchange(number), mark.clone());
                mark
            }
            Observation::ReplyReceived {
                exchange: number,
                status,
                ..
            }
            | Observation::ReplySent {
                exchange: number,
                status,
                ..
            } => {
                self.open.remove(&exchange(number));
                status.to_string()
            }
            Observation::NoReply { exchange: number, .. } | Observation::PeerGone { exchange: number } => {
                self.open.remove(&exchange(number));
                "no answer".to_owned()
            }
            Observation::ChunkSent { .. } => "chunk".to_owned(),
            Observation::SocketOpened {
                socket: number, path, ..
            } => {
                let mark = format!("opens {}", without_query(path));
                self.open.insert(socket(number), mark.clone());
                mark
            }
            Observation::SocketRefused { path, status, .. } => {
                format!("refused {} {status:?}", without_query(path))
            }
            Observation::SocketClosed {
                socket: number,
                code,
                by,
            } => {
                self.open.remove(&socket(number));
                format!("closed {code:?} {by:?}")
            }
            Observation::FrameSent { frame, .. } => {
                let mark = self.mark_of(frame);
                if host_of(party) == WRAPPER && is_state_of_agent(&mark) {
                    self.agents.insert(party.to_owned(), mark.clone());
                }
                mark
            }
            Observation::FrameReceived { frame, .. } => {
                if party == OBSERVER
                    && let Some((event, message)) = message_event(frame)
                {
                    let number = self.number_of(message);
                    event.clone_into(&mut self.messages[number].event);
                }
                self.mark_of(frame)
            }
        }
    }

    /// Counts deliveries and callbacks.
    fn count(&mut self, party: &str, path: &str, message: Option<usize>) {
        let Some(message) = message else { return };
        let progress = &mut self.messages[message];
        let counter = match host_of(party) {
            RECEIVER => &mut progress.callbacks,
            WRAPPER if path.starts_with("/job/") => &mut progress.deliveries,
            _ => return,
        };
        *counter = MOST_COUNTED.min(*counter + 1);
    }

    /// The number of a message, in order of appearance.
    fn number_of(&mut self, id: &str) -> usize {
        let known = self.ids.iter().position(|known| known == id);
        known.unwrap_or_else(|| {
            self.ids.push(id.to_owned());
            self.messages.push(Progress::default());
            self.ids.len() - 1
        })
    }

    /// What a frame says, without ids and times.
    fn mark_of(&mut self, frame: &Value) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let data = &frame["data"];
        let status = &data["properties"]["status"]["type"];
        let info = &data["properties"]["info"];
        let is_over = !info["time"]["completed"].is_null();
        let message = data["messageId"].as_str().or(info["parentID"].as_str());
        let message = message.map(|id| self.number_of(id));
        format!(
            "{} {} {} {} {is_over} {message:?}",
            text(&frame["streamEventType"]),
            text(&frame["type"]),
            text(&data["event"]),
            text(status),
        )
    }

    fn take_world(&mut self, event: &WorldEvent) -> String {
        match event {
            WorldEvent::Began { fault, .. } => {
                let text = format!("{fault:?}");
                if let Some(place) = fault.place() {
                    self.faults.insert(format!("{place:?}"), text.clone());
                }
                if let Some(host) = event.crashed() {
                    // A host that crashes does not say that its exchanges are over.
                    self.open
                        .retain(|(party, is_exchange, _), _| party != host || !is_exchange);
                }
                text
            }
            WorldEvent::Ended { place } => {
                let place = format!("{place:?}");
                match place.as_str() {
                    "EveryLink" => self.faults.retain(|place, _| !place.starts_with("Link")),
                    _ => drop(self.faults.remove(&place)),
                }
                place
            }
            WorldEvent::Stalled { .. } => String::new(),
        }
    }

    fn place(&self, at: Duration) -> Place {
        let mut hasher = DefaultHasher::new();
        self.steps.hash(&mut hasher);
        self.messages.hash(&mut hasher);
        self.agents.hash(&mut hasher);
        let mut open: Vec<(&str, &str)> = self
            .open
            .iter()
            .map(|((party, ..), mark)| (party.as_str(), mark.as_str()))
            .collect();
        open.sort_unstable();
        open.hash(&mut hasher);
        self.faults.hash(&mut hasher);
        let with_recent = |with_events: bool| {
            let recent = self.recent.iter();
            let recent = recent.filter(|recent| with_events || !recent.is_event_of_client);
            let recent: BTreeSet<&str> = recent.map(|recent| recent.mark.as_str()).collect();
            let mut hasher = hasher.clone();
            recent.hash(&mut hasher);
            hasher.finish()
        };
        Place {
            at,
            state: with_recent(true),
            without_events: with_recent(false),
        }
    }
}

/// Whether a client received an event.
fn is_event_of_client(record: &Record) -> bool {
    let is_frame = matches!(record.what, What::Observation(Observation::FrameReceived { .. }));
    is_frame && !is_wrapper(host_of(&record.party))
}

fn without_query(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

/// The message that a body names.
fn message_of(body: &Value) -> Option<&str> {
    let direct = body["messageId"].as_str().or(body["message"]["id"].as_str());
    direct.or(body["idempotencyKey"].as_str())
}

/// The name of a `cloud.message.*` event and its message.
fn message_event(frame: &Value) -> Option<(&str, &str)> {
    let event = frame["streamEventType"].as_str()?;
    let event = event.strip_prefix("cloud.message.")?;
    Some((event, frame["data"]["messageId"].as_str()?))
}

/// Whether a frame of a wrapper reports the state of its agent.
fn is_state_of_agent(mark: &str) -> bool {
    [
        "session.status",
        "session.idle",
        "complete",
        "interrupted",
        "error",
    ]
    .iter()
    .any(|state| mark.contains(state))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places_of(states: &[u64]) -> Vec<Place> {
        let place = |state: &u64| Place {
            at: Duration::ZERO,
            state: *state,
            without_events: *state,
        };
        states.iter().map(place).collect()
    }

    #[test]
    fn messages_are_told_apart_by_their_order_and_not_by_their_ids() {
        let marks = |ids: [&str; 3]| {
            let mut state = State::default();
            ids.map(|id| {
                let frame = json!({"streamEventType": "cloud.message.queued", "data": {"messageId": id}});
                state.mark_of(&frame)
            })
        };
        assert_eq!(
            marks(["msg_1", "msg_2", "msg_1"]),
            marks(["msg_8", "msg_4", "msg_8"])
        );
        assert_ne!(
            marks(["msg_1", "msg_2", "msg_1"]),
            marks(["msg_8", "msg_4", "msg_4"])
        );
    }

    #[test]
    fn of_moments_that_are_alike_the_first_and_the_last_are_chosen() {
        let chosen = first_and_last(&places_of(&[1, 2, 2, 3, 2, 3, 4]));
        assert_eq!(chosen, [true, true, false, true, true, true, true]);
    }
}
