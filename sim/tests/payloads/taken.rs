//! Finding in a trace what a page shows, as raw JSON with what is volatile masked.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use turnstile::script::Verdict;
use turnstile::snapshots::{ASKED, Redactor};
use turnstile::stage::epoch;
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_judge::parties::RECEIVER;
use turnstile_judge::trace::What;

/// Where procedures are, before their names.
const PROCEDURES: &str = "/trpc/";
/// Where streams are.
const STREAM: &str = "/stream?";
/// Characters of a text that are shown of what was asked; what was answered is shown whole.
const ASKED_WIDTH: usize = 400;

/// What of a trace is taken.
#[derive(Clone, Copy)]
pub enum Pick {
    /// The reply to a procedure's call of that number, from 1.
    Reply(&'static str, usize),
    /// The request of that number, from 1, by which the receiver is told of what the script calls so.
    Callback(&'static str, usize),
    /// All that a client's streams showed.
    Streams(&'static str),
}

/// The reply to a procedure's call of that number.
pub fn reply(procedure: &'static str, number: usize) -> Pick {
    Pick::Reply(procedure, number)
}

/// The request by which the receiver is first told of what the script calls so.
pub fn callback(label: &'static str) -> Pick {
    Pick::Callback(label, 1)
}

/// All that a client's streams showed.
pub fn streams(client: &'static str) -> Pick {
    Pick::Streams(client)
}

/// What is taken from a play.
///
/// # Errors
///
/// What is not there.
pub fn taken(verdict: &Verdict, pick: Pick) -> Result<Value, String> {
    let payload = match pick {
        Pick::Reply(procedure, number) => reply_of(verdict, procedure, number)
            .ok_or_else(|| format!("{procedure} was not answered {number} times")),
        Pick::Callback(label, number) => callback_of(verdict, label, number)
            .ok_or_else(|| format!("`{label}` was not told of {number} times")),
        Pick::Streams(client) => streams_of(verdict, client),
    };
    let payload = payload?;
    let mut redactor = Redactor::new(epoch());
    // An id has its number from where it is read first: from what was asked.
    let asked = redactor.payload(&payload[ASKED]);
    let mut masked = redactor.payload(&payload);
    if !asked.is_null() {
        masked[ASKED] = asked;
    }
    Ok(masked)
}

fn reply_of(verdict: &Verdict, procedure: &str, number: usize) -> Option<Value> {
    let mut caller = None;
    let mut seen = 0;
    let mut found = None;
    for record in verdict.trace.records() {
        match &record.what {
            What::Step { step, .. } => caller = caller_of(step),
            What::Observation(Observation::RequestSent {
                exchange,
                method,
                path,
                body,
                ..
            }) => {
                let called = path.strip_prefix(PROCEDURES);
                if called.and_then(|called| called.split('?').next()) != Some(procedure) {
                    continue;
                }
                seen += 1;
                if seen == number {
                    let asked = asked(method, path, body, caller.as_deref());
                    found = Some((record.party.clone(), *exchange, asked));
                }
            }
            What::Observation(Observation::ReplyReceived {
                exchange,
                status,
                body,
            }) => {
                if let Some((party, asked_in, asked)) = &found
                    && (party, asked_in) == (&record.party, exchange)
                {
                    return Some(json!({ASKED: asked, "reply": {"status": status, "body": body}}));
                }
            }
            What::Observation(_) | What::World(_) => {}
        }
    }
    None
}

/// With whose right a step asks, if not with the user's own.
fn caller_of(step: &str) -> Option<String> {
    let step: Value = serde_json::from_str(step).ok()?;
    Some(step["call"]["by"].as_str()?.to_owned())
}

fn asked(method: &str, path: &str, body: &Value, caller: Option<&str>) -> Value {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut asked = json!({"request": format!("{method} {path}")});
    if let Some(input) = query.strip_prefix("input=") {
        let input = percent_decode_str(input).decode_utf8_lossy();
        asked["input"] = serde_json::from_str(&input).unwrap_or_default();
    } else {
        asked["input"] = shortened(body);
    }
    if let Some(caller) = caller {
        asked["by"] = json!(caller);
    }
    asked
}

/// What was asked with texts no longer than a reader wants them.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > ASKED_WIDTH => {
            json!(format!("({} characters)", text.chars().count()))
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            fields
                .map(|(name, value)| (name.clone(), shortened(value)))
                .collect()
        }
        other => other.clone(),
    }
}

fn callback_of(verdict: &Verdict, label: &str, number: usize) -> Option<Value> {
    let is_called_so = |id: &Value| {
        id.as_str()
            .and_then(|id| verdict.labels.get(id))
            .is_some_and(|it| it == label)
    };
    let mut requests = verdict
        .trace
        .observations()
        .filter_map(|(_, party, observation)| match observation {
            Observation::RequestReceived {
                method,
                path,
                headers,
                body,
                ..
            } if party == RECEIVER
                && (is_called_so(&body["executionId"]) || is_called_so(&body["messageId"])) =>
            {
                Some(json!({"method": method, "path": path, "headers": headers, "body": body}))
            }
            _ => None,
        });
    requests.nth(number - 1)
}

fn streams_of(verdict: &Verdict, client: &str) -> Result<Value, String> {
    let mut streams: Vec<(u64, Value)> = Vec::new();
    for (_, party, observation) in verdict
        .trace
        .observations()
        .filter(|(_, party, _)| *party == client)
    {
        match observation {
            Observation::SocketOpened { socket, path, .. } if path.starts_with(STREAM) => {
                streams.push((
                    *socket,
                    json!({ASKED: path, "shown": [], "ended": "not before the run did"}),
                ));
            }
            Observation::FrameReceived { socket, frame } => {
                let of = streams.iter_mut().find(|(number, _)| number == socket);
                let shown = of.and_then(|(_, stream)| stream["shown"].as_array_mut());
                shown
                    .ok_or_else(|| format!("{party} has no such stream"))?
                    .push(frame.clone());
            }
            Observation::SocketClosed { socket, code, by } => {
                if let Some((_, stream)) = streams.iter_mut().find(|(number, _)| number == socket) {
                    let who = match by {
                        ClosedBy::Itself => "by the client",
                        ClosedBy::Peer => "by the server",
                        ClosedBy::Lost => "by nobody: the connection was lost",
                    };
                    stream["ended"] = json!({"by": who, "code": code});
                }
            }
            _ => {}
        }
    }
    if streams.is_empty() {
        return Err(format!("{client} opened no stream"));
    }
    Ok(streams.into_iter().map(|(_, stream)| stream).collect())
}
