//! Streams of clients, other than the harness's own observer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_judge::oracle::history::{History, Stream, StreamStart};
use turnstile_judge::parties::OBSERVER;
use turnstile_judge::trace::Trace;
use turnstile_scenarios::ClientName;

use super::Moment;

/// Names of clients in the script, by party, with the time from which a script can use them.
pub(super) type Clients = BTreeMap<String, (String, Duration)>;

/// The clients that open streams.
pub(super) fn clients(history: &History) -> Clients {
    let mut clients = Clients::new();
    for stream in &history.streams {
        if stream.party == OBSERVER || clients.contains_key(&stream.party) {
            continue;
        }
        let is_name = stream.party.parse::<ClientName>().is_ok();
        let name = match is_name {
            true => stream.party.clone(),
            false => format!("client-{}", clients.len() + 1),
        };
        clients.insert(stream.party.clone(), (name, stream.opened_at));
    }
    clients
}

/// The steps that open and close streams of known sessions.
pub(super) fn moments(
    trace: &Trace,
    history: &History,
    clients: &Clients,
    sessions: &BTreeMap<String, Option<String>>,
    end: Duration,
    left_out: &mut BTreeMap<String, usize>,
) -> Vec<Moment> {
    let closed = closed_by_clients(trace);
    let mut moments = Vec::new();
    for stream in history.streams.iter().filter(|stream| stream.opened_at < end) {
        let (Some((client, _)), Some(session)) = (clients.get(&stream.party), sessions.get(&*stream.session))
        else {
            continue;
        };
        if !stream.credentials.are_own() || stream.is_filtered {
            *left_out
                .entry("filter or ticket of a stream".to_owned())
                .or_default() += 1;
        }
        let mut open = json!({"client": client});
        if let Some(session) = session {
            open["session"] = json!(session);
        }
        if let Some(from) = from(history, stream) {
            open["from"] = from;
        }
        moments.push(Moment::of(stream.opened_at, json!({"open": open})));
        let closed_at = stream.closed_at.filter(|closed_at| *closed_at < end);
        let socket = (stream.party.as_str(), stream.socket);
        if let Some(closed_at) = closed_at.filter(|_| closed.contains(&socket)) {
            moments.push(Moment::of(closed_at, json!({"close": {"client": client}})));
        }
    }
    moments
}

/// The sockets that their own party closed, by party and number.
fn closed_by_clients(trace: &Trace) -> BTreeSet<(&str, u64)> {
    let closed = trace
        .observations()
        .filter_map(|(_, party, observation)| match observation {
            Observation::SocketClosed {
                socket,
                by: ClosedBy::Itself,
                ..
            } => Some((party, *socket)),
            _ => None,
        });
    closed.collect()
}

/// The starting point of a stream in the script; `None` for the beginning.
fn from(history: &History, stream: &Stream) -> Option<Value> {
    let last = history
        .seen
        .iter()
        .filter(|seen| seen.party == stream.party && seen.socket < stream.socket)
        .filter(|seen| seen.event.session == stream.session)
        .map(|seen| seen.event.id)
        .max();
    match stream.from {
        StreamStart::Live => Some(json!("none")),
        StreamStart::Unspecified | StreamStart::After(0) => None,
        StreamStart::After(id) if Some(id) == last => Some(json!("last")),
        StreamStart::After(id) => Some(json!(id)),
    }
}
