//! The messages of a run with their states, and the records that mention them.

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
    /// Its label in the script, or its id if it has none.
    pub label: String,
    /// Its states in order, each with the index of the first record that shows it.
    pub moments: Vec<(Moment, usize)>,
}

/// The messages of a run.
#[derive(Debug)]
pub(in crate::report) struct Messages {
    /// All messages, in order of appearance.
    pub messages: Vec<Message>,
    /// For each record, indices into `messages` of the messages that it mentions.
    pub mentions: Vec<Vec<usize>>,
}

impl Messages {
    /// The messages that a script labels or a stream reports.
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
    /// Message ids by label.
    ids: BTreeMap<&'a str, &'a str>,
    messages: Vec<Message>,
    /// Message indices by the ids of messages and of the agent's replies.
    names: BTreeMap<String, usize>,
    /// The messages of the requests of each exchange, because responses need not name them.
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

    /// Remembers to which message a message of the agent replies.
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

    /// The messages that a step names by their labels.
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

    /// The messages whose ids are words of a text.
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

/// The state of a message that a stream event or an acknowledgement reports.
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
