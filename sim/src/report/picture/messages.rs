//! The messages of a run: how far each is when, and which records are about which.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use turnstile_events::observation::Observation;
use turnstile_judge::trace::{Labels, Trace, What};
use turnstile_scenarios::Moment;

use crate::script::view::moment_of_event;

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::report) struct Message {
    /// Its id.
    pub id: String,
    /// What the script calls it, or its id if the script does not.
    pub label: String,
    /// How far it got, each moment with the record in which it was first told of, in order of that.
    pub moments: Vec<(Moment, usize)>,
}

/// The messages of a run.
#[derive(Debug)]
pub(in crate::report) struct Messages {
    /// Each of them, in order of appearance.
    pub messages: Vec<Message>,
    /// For each record the messages that it is about, as places in `messages`.
    pub mentions: Vec<Vec<usize>>,
}

impl Messages {
    /// Everything that a script calls a message, or that a stream tells of as one.
    pub fn of(trace: &Trace, labels: &Labels) -> Self {
        let mut reader = Reader {
            labels,
            ids: labels
                .iter()
                .map(|(id, label)| (label.as_str(), id.as_str()))
                .collect(),
            messages: Vec::new(),
            names: BTreeMap::new(),
            exchanges: BTreeMap::new(),
        };
        let mut mentions = Vec::with_capacity(trace.records().len());
        for (index, record) in trace.records().iter().enumerate() {
            let What::Observation(observation) = &record.what else {
                mentions.push(reader.in_step(&record.what));
                continue;
            };
            if let Some((moment, message)) = moment_of(observation) {
                let message = reader.message(message);
                let moments = &mut reader.messages[message].moments;
                if moments.iter().all(|(known, _)| *known != moment) {
                    moments.push((moment, index));
                }
            }
            reader.learn_answer(observation);
            mentions.push(reader.in_observation(&record.party, observation));
        }
        Self {
            messages: reader.messages,
            mentions,
        }
    }
}

struct Reader<'a> {
    labels: &'a Labels,
    /// What the labels stand for.
    ids: BTreeMap<&'a str, &'a str>,
    messages: Vec<Message>,
    /// Ids of messages, and of the agent's answers to them.
    names: BTreeMap<String, usize>,
    /// What the exchanges of each party are about: their answers need not say so.
    exchanges: BTreeMap<(&'a str, u64), Vec<usize>>,
}

impl<'a> Reader<'a> {
    fn message(&mut self, id: &str) -> usize {
        if let Some(place) = self.names.get(id) {
            return *place;
        }
        let place = self.messages.len();
        self.messages.push(Message {
            id: id.to_owned(),
            label: self.labels.get(id).cloned().unwrap_or_else(|| id.to_owned()),
            moments: Vec::new(),
        });
        self.names.insert(id.to_owned(), place);
        place
    }

    /// Remembers which message the agent answers with which of its own.
    fn learn_answer(&mut self, observation: &Observation) {
        let (Observation::FrameSent { frame, .. } | Observation::FrameReceived { frame, .. }) = observation
        else {
            return;
        };
        let info = &frame["data"]["properties"]["info"];
        if let (Some(answer), Some(parent)) = (info["id"].as_str(), info["parentID"].as_str())
            && let Some(place) = self.names.get(parent).copied()
        {
            self.names.entry(answer.to_owned()).or_insert(place);
        }
    }

    fn in_observation(&mut self, party: &'a str, observation: &Observation) -> Vec<usize> {
        let written = serde_json::to_string(observation).expect("an observation is plain data");
        let mut found = self.in_text(&written);
        match observation {
            Observation::RequestSent { exchange, .. } | Observation::RequestReceived { exchange, .. } => {
                self.exchanges.insert((party, *exchange), found.clone());
            }
            Observation::ReplyReceived { exchange, .. }
            | Observation::NoReply { exchange, .. }
            | Observation::ReplySent { exchange, .. }
            | Observation::ChunkSent { exchange, .. }
            | Observation::PeerGone { exchange } => {
                let of_request = self.exchanges.get(&(party, *exchange));
                found.extend(of_request.into_iter().flatten());
            }
            _ => {}
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// A step calls messages by their labels.
    fn in_step(&mut self, what: &What) -> Vec<usize> {
        let What::Step { step, .. } = what else {
            return Vec::new();
        };
        let step: Value = serde_json::from_str(step).unwrap_or_default();
        let mut words = Vec::new();
        collect_words(&step, &mut words);
        let ids: Vec<&str> = words
            .into_iter()
            .filter_map(|word| self.ids.get(word).copied())
            .collect();
        let mut found: Vec<usize> = ids.into_iter().map(|id| self.message(id)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The messages whose names stand in a text, in which no name is part of a longer word.
    fn in_text(&mut self, text: &str) -> Vec<usize> {
        let is_of_name =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        let mut found = Vec::new();
        for word in text.split(|character| !is_of_name(character)) {
            if let Some(place) = self.names.get(word) {
                found.push(*place);
            } else if self.labels.contains_key(word) {
                found.push(self.message(word));
            }
        }
        found
    }
}

fn collect_words<'a>(value: &'a Value, words: &mut Vec<&'a str>) {
    match value {
        Value::String(word) => words.push(word),
        Value::Array(values) => values.iter().for_each(|value| collect_words(value, words)),
        Value::Object(fields) => fields.values().for_each(|value| collect_words(value, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// How far a message is, as a stream tells it or an acknowledgement.
fn moment_of(observation: &Observation) -> Option<(Moment, &str)> {
    match observation {
        Observation::FrameReceived { frame, .. } => {
            let data = &frame["data"];
            let moment = moment_of_event(frame["streamEventType"].as_str()?, data)?;
            Some((moment, data["messageId"].as_str()?))
        }
        Observation::ReplyReceived {
            status: 200, body, ..
        } => {
            let data = &body["result"]["data"];
            let moment = match data["delivery"].as_str()? {
                "queued" => Moment::Queued,
                "sent" => Moment::Sent,
                _ => return None,
            };
            Some((moment, data["messageId"].as_str()?))
        }
        _ => None,
    }
}
