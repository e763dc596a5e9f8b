//! What the wire shows of wrapper, agent, gateway and receiver.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fake_gateway::gateway::ECHO_LENGTH;
use serde_json::{Value, json};
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_fault::Lapse;
use turnstile_judge::oracle::history::{Delivery, History, WrapperAnswer, kilo};
use turnstile_judge::parties::{GATEWAY, RECEIVER};
use turnstile_judge::recording::Recording;
use turnstile_judge::trace::{Trace, What};
use turnstile_scenarios::Directive;

use super::Moment;
use crate::stage::RELEASE_PATH;

/// An answer of the receiver that took longer has a delay in the script.
const PROMPTLY: Duration = Duration::from_millis(500);
/// A latency below is none.
const SHORTEST_LATENCY: Duration = Duration::from_millis(1);

/// The steps that release requests at the gateway.
pub(super) fn releases(trace: &Trace, end: Duration) -> Vec<Moment> {
    trace
        .observations()
        .filter(|(at, _, _)| *at < end)
        .filter_map(|(at, _, observation)| match observation {
            Observation::RequestSent { to, path, .. } if to == GATEWAY => {
                let tag = path.strip_prefix(RELEASE_PATH)?;
                Some(Moment::of(at, json!({"release": tag})))
            }
            _ => None,
        })
        .collect()
}

/// The steps that make the wrapper refuse what it refused.
pub(super) fn refusals(history: &History) -> Vec<Moment> {
    let refusal = |at: Duration, request: &str, answer: &Option<WrapperAnswer>| {
        let answer = answer.as_ref().filter(|answer| !answer.is_success())?;
        let reply = json!({"status": answer.status, "body": answer.body, "times": 1});
        let step = json!({"wrapper": {request: {"reply": reply}}});
        Some(Moment::of(at, step))
    };
    let ready = history.preparations.iter();
    let ready = ready.filter_map(|preparation| refusal(preparation.at, "ready", &preparation.answer));
    let jobs = history.deliveries.iter();
    let jobs = jobs.filter_map(|delivery| refusal(delivery.at, "job", &delivery.answer));
    ready.chain(jobs).collect()
}

/// The steps that end the ingest sockets that ended without a close frame.
pub(super) fn resets(trace: &Trace, history: &History, end: Duration) -> Vec<Moment> {
    let lost: BTreeSet<(&str, Duration)> = trace
        .observations()
        .filter_map(|(at, party, observation)| match observation {
            Observation::SocketClosed {
                by: ClosedBy::Lost, ..
            } => Some((party, at)),
            _ => None,
        })
        .collect();
    let ingests = history.ingests.iter();
    let times = ingests
        .filter_map(|ingest| Some((ingest.party.as_str(), ingest.closed_at?)))
        .filter(|closed| lost.contains(closed))
        .map(|(_, at)| at)
        .filter(|at| *at < end);
    times
        .map(|at| Moment::of(at, json!({"reset": {"between": ["wrapper", "server"]}})))
        .collect()
}

/// The shortest time between the acceptance of a turn and its first event. A trace may have no such event.
pub(super) fn latency(history: &History) -> Option<Duration> {
    let mut shortest: Option<Duration> = None;
    for delivery in history
        .deliveries
        .iter()
        .filter(|delivery| delivery.is_accepted())
    {
        let accepted_at = delivery.answer.as_ref().map(|answer| answer.at)?;
        let reported = history.wrapper_frames.iter().find(|frame| {
            frame.at >= accepted_at
                && kilo(&frame.name, &frame.data).is_some_and(|(name, properties)| {
                    name == "message.updated" && properties["info"]["id"] == delivery.message.as_str()
                })
        });
        if let Some(frame) = reported {
            let latency = frame.at - accepted_at;
            shortest = Some(shortest.map_or(latency, |shortest| shortest.min(latency)));
        }
    }
    shortest.filter(|latency| *latency >= SHORTEST_LATENCY)
}

/// The answers of the receiver, up to the last one that is not a plain 200.
pub(super) fn receiver(recording: &Recording, history: &History) -> Vec<Value> {
    let abandoned = abandoned(&recording.trace);
    let mut answers: Vec<Value> = history
        .callbacks
        .iter()
        .zip(abandoned)
        .map(
            |(request, is_abandoned)| match (request.status, request.answered_at) {
                (Some(status), Some(answered_at)) if answered_at - request.at > PROMPTLY => {
                    json!({"delay": Lapse::from(answered_at - request.at), "status": status})
                }
                (Some(status), _) => json!(status),
                (None, _) if is_abandoned => json!("stall"),
                (None, _) => json!("drop"),
            },
        )
        .collect();
    while answers.last() == Some(&json!(200)) {
        answers.pop();
    }
    answers
}

/// For each request to the receiver, whether its sender gave it up, or waited for the answer when the receiver crashed.
fn abandoned(trace: &Trace) -> Vec<bool> {
    let mut places = BTreeMap::new();
    let mut abandoned = Vec::new();
    // The newest request, while it has no answer. An older one without an answer may have been dropped.
    let mut waiting = None;
    for record in trace.records() {
        let gone = match &record.what {
            What::World(event) if event.crashed() == Some(RECEIVER) => waiting.take(),
            What::Observation(observation) if *record.party == *RECEIVER => match observation {
                Observation::RequestReceived { exchange, .. } => {
                    waiting = Some(abandoned.len());
                    places.insert(*exchange, abandoned.len());
                    abandoned.push(false);
                    None
                }
                Observation::ReplySent { .. } => {
                    waiting = None;
                    None
                }
                Observation::PeerGone { exchange } => places.get(exchange).copied(),
                _ => None,
            },
            _ => None,
        };
        if let Some(place) = gone {
            abandoned[place] = true;
        }
    }
    abandoned
}

/// A prompt for the fake agent that answers as the recorded one did, for a prompt without a directive. `None` if the
/// fake agent answers the prompt so itself, or if the recording does not show the turn.
pub(super) fn directive(history: &History, message: &str, prompt: &str) -> Option<Directive> {
    let is_of = |delivery: &&Delivery| delivery.message == message && delivery.is_accepted();
    let accepted_at = history.deliveries.iter().find(is_of)?.answer.as_ref()?.at;
    let mut turn = Turn::default();
    for frame in history
        .wrapper_frames
        .iter()
        .filter(|frame| frame.at >= accepted_at)
    {
        if let Some((name, properties)) = kilo(&frame.name, &frame.data) {
            turn.take(frame.at, message, name, properties);
        }
    }
    let begun_at = turn.begun_at?;
    let echo: String = prompt.chars().take(ECHO_LENGTH).collect();
    match (turn.error, turn.ended_at) {
        (Some(error), _) => Some(Directive::Error(error)),
        (None, None) => Some(Directive::Hang),
        (None, Some(_)) if turn.text == echo => None,
        (None, Some(_)) if turn.text.is_empty() => Some(Directive::Idle),
        (None, Some(ended_at)) => {
            let chunks = turn.deltas.clamp(1, 1000);
            let pause = (ended_at - begun_at) / chunks;
            Some(Directive::Slow {
                chunks,
                milliseconds: u32::try_from(pause.as_millis()).unwrap_or(u32::MAX),
            })
        }
    }
}

/// What a wrapper reported of a turn.
#[derive(Default)]
struct Turn {
    assistants: Vec<String>,
    begun_at: Option<Duration>,
    ended_at: Option<Duration>,
    error: Option<String>,
    deltas: u32,
    text: String,
}

impl Turn {
    fn take(&mut self, at: Duration, message: &str, name: &str, properties: &Value) {
        let info = &properties["info"];
        match name {
            "message.updated" if info["parentID"] == message => {
                let id = info["id"].as_str().unwrap_or_default();
                self.assistants.push(id.to_owned());
                self.begun_at.get_or_insert(at);
                if info["time"]["completed"].is_number() {
                    self.ended_at = Some(at);
                }
                if !info["error"].is_null() {
                    let text = &info["error"]["data"]["message"];
                    let text = text.as_str().filter(|text| !text.is_empty());
                    self.error = Some(text.unwrap_or("the assistant failed").to_owned());
                }
            }
            "message.part.delta" if self.has(&properties["messageID"]) => self.deltas += 1,
            "message.part.updated" if self.has(&properties["part"]["messageID"]) => {
                if let Some(text) = properties["part"]["text"].as_str() {
                    text.clone_into(&mut self.text);
                }
            }
            _ => {}
        }
    }

    fn has(&self, assistant: &Value) -> bool {
        assistant
            .as_str()
            .is_some_and(|id| self.assistants.iter().any(|known| known == id))
    }
}
