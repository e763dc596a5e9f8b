//! The state of a run as far as its trace shows it. Reads raw JSON, as the oracles do.

use std::collections::{BTreeMap, BTreeSet};

use turnstile_events::observation::Observation;
use turnstile_events::queue::QueueAnswer;
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Place};
use turnstile_judge::parties::{OBSERVER, RECEIVER, WRAPPER, is_wrapper};
use turnstile_judge::trace::{Record, What};

use super::hash::Hash;

/// The state of a run as far as the trace shows it.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Whether each message that has not ended was accepted.
    messages: BTreeMap<String, bool>,
    /// Open ingest sockets of wrappers.
    sockets: BTreeSet<(String, u64)>,
    /// Faulty places of the network, and hosts that are down.
    faulty: BTreeSet<String>,
    down: BTreeSet<String>,
    /// Whether a ping has no pong.
    is_pinged: bool,
    /// What a wrapper last said of its work.
    work: Work,
    /// Callback jobs that the queue has taken and the receiver has not.
    jobs: u32,
    is_queue_refusing: bool,
}

/// What a wrapper last said of its work.
#[derive(Debug, Default, Clone, Copy)]
enum Work {
    #[default]
    None,
    Busy,
    Idle,
    Complete,
}

impl State {
    /// Takes the next record.
    pub(crate) fn take(&mut self, record: &Record) {
        match &record.what {
            What::World(event) => self.take_world_event(event),
            What::Queue(submission) => {
                let is_accepted = submission.answer == QueueAnswer::Accepted;
                self.is_queue_refusing = !is_accepted;
                self.jobs += u32::from(is_accepted);
            }
            What::Observation(observation) if *record.party == *OBSERVER => self.take_shown(observation),
            What::Observation(observation) if is_wrapper(&record.party) => {
                self.take_of_wrapper(&record.party, observation);
            }
            What::Observation(Observation::ReplySent { status: 200, .. }) if *record.party == *RECEIVER => {
                self.jobs = self.jobs.saturating_sub(1);
            }
            What::Observation(_) | What::Step { .. } => {}
        }
    }

    fn take_world_event(&mut self, event: &WorldEvent) {
        match event {
            WorldEvent::Began { fault, .. } => match (fault, fault.ends()) {
                (Fault::Link { .. }, Some([one, other])) => {
                    self.faulty.insert(format!("{one} {other}"));
                }
                (Fault::Host { host, at: None, .. }, _) => {
                    self.down.insert(host.clone());
                }
                _ => {}
            },
            WorldEvent::Ended { place } => match place {
                Place::Host(host) => {
                    self.down.remove(host);
                }
                Place::Link(link) => {
                    self.faulty.remove(&format!("{} {}", link.from, link.to));
                }
                Place::EveryLink => self.faulty.clear(),
                _ => {}
            },
        }
    }

    fn take_shown(&mut self, observation: &Observation) {
        let Observation::FrameReceived { frame, .. } = observation else {
            return;
        };
        let (Some(name), Some(message)) = (
            frame["streamEventType"].as_str(),
            frame["data"]["messageId"].as_str(),
        ) else {
            return;
        };
        match name {
            "cloud.message.queued" => {
                self.messages.entry(message.to_owned()).or_insert(false);
            }
            "cloud.message.sent" => {
                self.messages.insert(message.to_owned(), true);
            }
            "cloud.message.completed" | "cloud.message.failed" => {
                self.messages.remove(message);
            }
            _ => {}
        }
    }

    fn take_of_wrapper(&mut self, party: &str, observation: &Observation) {
        match observation {
            Observation::SocketOpened { socket, .. } => {
                self.sockets.insert((party.to_owned(), *socket));
            }
            Observation::SocketClosed { socket, .. } => {
                self.sockets.remove(&(party.to_owned(), *socket));
            }
            Observation::FrameReceived { frame, .. } if frame["type"] == "ping" => self.is_pinged = true,
            Observation::FrameSent { frame, .. } => {
                let data = &frame["data"];
                match frame["streamEventType"].as_str() {
                    Some("pong") => self.is_pinged = false,
                    Some("complete") => self.work = Work::Complete,
                    Some("kilocode") if data["event"] == "session.idle" => self.work = Work::Idle,
                    Some("kilocode") if data["status"]["type"] == "busy" => self.work = Work::Busy,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// A hash of the state, in which numbers of two and above are alike.
    pub(crate) fn digest(&self) -> u32 {
        let accepted = self.messages.values().filter(|accepted| **accepted).count();
        let queued = self.messages.len() - accepted;
        let is_at_wrapper = |place: &String| place.contains(WRAPPER);
        Hash::new("state")
            .number(accepted.min(2) as u32)
            .number(queued.min(2) as u32)
            .number(u32::from(!self.sockets.is_empty()))
            .number(u32::from(self.faulty.iter().any(is_at_wrapper)))
            .number(u32::from(self.down.iter().any(is_at_wrapper)))
            .number(u32::from(self.is_pinged))
            .number(self.work as u32)
            .number(self.jobs.min(2))
            .number(u32::from(self.is_queue_refusing))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    fn record(party: &str, what: What) -> Record {
        Record {
            at: Duration::ZERO,
            party: party.into(),
            what,
        }
    }

    fn shown(name: &str, message: &str) -> Record {
        let frame =
            json!({"streamEventType": format!("cloud.message.{name}"), "data": {"messageId": message}});
        let socket = 1;
        record(
            OBSERVER,
            What::Observation(Observation::FrameReceived { socket, frame }),
        )
    }

    fn says(frame: Value) -> Record {
        let socket = 1;
        record(
            WRAPPER,
            What::Observation(Observation::FrameSent { socket, frame }),
        )
    }

    fn after(records: &[Record]) -> u32 {
        let mut state = State::default();
        records.iter().for_each(|record| state.take(record));
        state.digest()
    }

    #[test]
    fn a_message_changes_the_state_until_it_has_ended() {
        let (queued, sent) = (shown("queued", "a"), shown("sent", "a"));
        let waiting = after(&[queued.clone()]);
        let working = after(&[queued.clone(), sent.clone()]);
        assert_ne!(waiting, after(&[]));
        assert_ne!(waiting, working);
        assert_eq!(after(&[queued, sent, shown("completed", "a")]), after(&[]));
    }

    #[test]
    fn states_that_differ_in_ids_are_alike() {
        assert_eq!(after(&[shown("queued", "a")]), after(&[shown("queued", "b")]));
        assert_ne!(
            after(&[shown("queued", "a")]),
            after(&[shown("queued", "a"), shown("queued", "b")])
        );
    }

    #[test]
    fn pings_words_and_faults_change_the_state() {
        let ping = Observation::FrameReceived {
            socket: 1,
            frame: json!({"type": "ping"}),
        };
        let ping = record(WRAPPER, What::Observation(ping));
        let pong = says(json!({"streamEventType": "pong"}));
        assert_ne!(after(&[ping.clone()]), after(&[]));
        assert_eq!(after(&[ping, pong]), after(&[]));
        assert_ne!(after(&[says(json!({"streamEventType": "complete"}))]), after(&[]));
        let crash = record(WRAPPER, What::World(WorldEvent::of(&Fault::crash(WRAPPER))));
        let place = Place::Host(WRAPPER.to_owned());
        let start = record(WRAPPER, What::World(WorldEvent::Ended { place }));
        assert_ne!(after(&[crash.clone()]), after(&[]));
        assert_eq!(after(&[crash, start]), after(&[]));
    }
}
