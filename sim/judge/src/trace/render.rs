//! The text form of a trace: one line a record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_events::queue::{QueueAnswer, Submission};

use super::{Record, What};

/// Maximum number of characters of a body in a line. The JSON form of a trace is complete.
const BODY_WIDTH: usize = 160;

/// The labels of messages in the script, by message id.
pub type Labels = BTreeMap<String, String>;

impl Record {
    /// This record as a line, with labels in place of message ids.
    pub fn line(&self, labels: &Labels) -> String {
        with_labels(&self.to_string(), labels, |label| format!("<{label}>"))
    }
}

/// Replaces ids in a text by their labels, as `shown` writes them. Takes time in proportion to the text and to the number
/// of labels, not to their product: a long run has many of both.
pub fn with_labels(text: &str, labels: &Labels, shown: impl Fn(&str) -> String) -> String {
    // Ids have few lengths and beginnings.
    let lengths: BTreeSet<usize> = labels
        .keys()
        .map(String::len)
        .filter(|length| *length > 0)
        .collect();
    let mut is_first = [false; 256];
    for first in labels.keys().filter_map(|id| id.bytes().next()) {
        is_first[usize::from(first)] = true;
    }
    let mut replaced = String::with_capacity(text.len());
    let mut copied = 0;
    let mut at = 0;
    while at < text.len() {
        let id_here = || {
            let longest_first = lengths.iter().rev();
            let mut ids = longest_first.filter_map(|length| text.get(at..at + length));
            ids.find_map(|id| Some((id.len(), labels.get(id)?)))
        };
        let found = is_first[usize::from(text.as_bytes()[at])].then(id_here).flatten();
        match found {
            Some((length, label)) => {
                replaced.push_str(&text[copied..at]);
                replaced.push_str(&shown(label));
                at += length;
                copied = at;
            }
            None => at += 1,
        }
    }
    replaced.push_str(&text[copied..]);
    replaced
}

/// A time of a run as reports show it: seconds with microseconds.
pub fn seconds(at: Duration) -> String {
    format!("{}.{:06}", at.as_secs(), at.subsec_micros())
}

impl fmt::Display for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:>12}  {:<9} {}",
            seconds(self.at),
            self.party,
            self.what
        )
    }
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Observation(observation) => formatter.write_str(&describe(observation)),
            Self::World(event) => write!(
                formatter,
                "== {}",
                serde_json::to_string(event).map_err(|_| fmt::Error)?
            ),
            Self::Queue(submission) => formatter.write_str(&submission_words(submission)),
            Self::Step { line: 0, step } => write!(formatter, "-- {step}"),
            Self::Step { line, step } => write!(formatter, "-- line {line}: {step}"),
        }
    }
}

/// A submitted job and the queue's answer.
pub fn submission_words(submission: &Submission) -> String {
    let answer = match submission.answer {
        QueueAnswer::Accepted => "accepts",
        QueueAnswer::Refused => "refuses",
        QueueAnswer::TooLarge => "refuses, because it is too large,",
    };
    let Submission { submitted, bytes, .. } = submission;
    format!("the queue {answer} the callback of {submitted} ({bytes} bytes)")
}

fn describe(observation: &Observation) -> String {
    match observation {
        Observation::RequestSent {
            exchange,
            to,
            method,
            path,
            credentials,
            body,
        } => {
            let shown = shown(*credentials);
            format!("#{exchange} requests {to}{shown}: {method} {path}{}", short(body))
        }
        Observation::ReplyReceived {
            exchange,
            status,
            body,
        } => format!("#{exchange} receives {status}{}", short(body)),
        Observation::NoReply { exchange, error } => format!("#{exchange} receives no answer: {error}"),
        Observation::RequestReceived {
            exchange,
            method,
            path,
            body,
            ..
        } => {
            format!("@{exchange} is requested: {method} {path}{}", short(body))
        }
        Observation::ReplySent {
            exchange,
            status,
            body,
        } => format!("@{exchange} answers {status}{}", short(body)),
        Observation::ChunkSent { exchange, data } => format!("@{exchange} sends a chunk{}", short(data)),
        Observation::PeerGone { exchange } => format!("@{exchange} lost its peer"),
        Observation::SocketOpened {
            socket,
            to,
            path,
            credentials,
        } => format!("~{socket} is open to {to}{}: {path}", shown(*credentials)),
        Observation::SocketRefused {
            socket,
            to,
            credentials,
            status,
            error,
            ..
        } => {
            let shown = shown(*credentials);
            match status {
                Some(status) => format!("~{socket}{shown} is refused by {to} with {status}: {error}"),
                None => format!("~{socket}{shown} cannot be opened to {to}: {error}"),
            }
        }
        Observation::FrameSent { socket, frame } => format!("~{socket} sends {}", frame_words(frame)),
        Observation::FrameReceived { socket, frame } => format!("~{socket} receives {}", frame_words(frame)),
        Observation::SocketClosed { socket, code, by } => {
            let who = match by {
                ClosedBy::Itself => "this side",
                ClosedBy::Peer => "the other side",
                ClosedBy::Lost => "neither side: the connection was lost",
            };
            let code = code.map(|code| format!(" with {code}")).unwrap_or_default();
            format!("~{socket} is closed{code} by {who}")
        }
    }
}

/// A frame, with the name of its event first.
fn frame_words(frame: &Value) -> String {
    let Some(name) = frame["streamEventType"].as_str() else {
        return short(frame).trim_start().to_owned();
    };
    let number = match frame["eventId"].as_u64() {
        Some(id) if id > 0 => format!("event {id} "),
        _ => String::new(),
    };
    // The other fields of kilo's events repeat their name and properties.
    match frame["data"]["event"].as_str() {
        Some(kilo) => format!("{number}{name} {kilo}{}", short(&frame["data"]["properties"])),
        None => format!("{number}{name}{}", short(&frame["data"])),
    }
}

/// A body in a line: nothing if it is absent, shortened if it is long.
fn short(body: &Value) -> String {
    if body.is_null() {
        return String::new();
    }
    let text = body.to_string();
    match text.char_indices().nth(BODY_WIDTH) {
        Some((end, _)) => format!(" {}…", &text[..end]),
        None => format!(" {text}"),
    }
}

/// Names credentials that are not those of the party.
fn shown(credentials: Credentials) -> String {
    match credentials {
        Credentials::Own => String::new(),
        other => format!(" (credentials: {})", other.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_in_a_text_is_replaced_once() {
        let labels = [("msg_1", "a"), ("msg_12", "b"), ("übung", "c")];
        let labels = labels.map(|(id, label)| (id.to_owned(), label.to_owned())).into();
        let shown = with_labels("msg_1 msg_12 msg_2 /übung/msg_1", &labels, |label| {
            format!("<{label}>")
        });
        assert_eq!(shown, "<a> <b> msg_2 /<c>/<a>");
        assert_eq!(with_labels("msg_1", &Labels::new(), str::to_owned), "msg_1");
    }
}
