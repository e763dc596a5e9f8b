//! Extracts the payload of a page from a trace, as raw JSON with volatile values masked.

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use turnstile::script::Verdict;
use turnstile::snapshots::{ASKED, Redactor};
use turnstile::stage::epoch;
use turnstile_events::observation::{ClosedBy, Observation};
use turnstile_judge::parties::RECEIVER;
use turnstile_judge::trace::What;

/// Path prefix of procedures.
const PROCEDURES: &str = "/trpc/";
/// Path prefix of streams.
const STREAM: &str = "/stream?";
/// Longest text shown of a request, in characters; responses are shown whole.
const REQUEST_TEXT_LIMIT: usize = 400;

/// The part of a trace that a page shows.
#[derive(Clone, Copy)]
pub enum Pick {
    /// The reply to a call of a procedure, by the number of the call, from 1.
    Reply(&'static str, usize),
    /// The callback request for a script label, by the number of the request, from 1.
    Callback(&'static str, usize),
    /// All frames of a client's streams.
    Streams(&'static str),
}

/// Picks the reply to call `number` of a procedure.
pub fn reply(procedure: &'static str, number: usize) -> Pick {
    Pick::Reply(procedure, number)
}

/// Picks the first callback request for a script label.
pub fn callback(label: &'static str) -> Pick {
    Pick::Callback(label, 1)
}

/// Picks all frames of a client's streams.
pub fn streams(client: &'static str) -> Pick {
    Pick::Streams(client)
}

/// Extracts `pick` from a play.
///
/// # Errors
///
/// Describes what is missing from the trace.
pub fn taken(verdict: &Verdict, pick: Pick) -> Result<Value, String> {
    let payload = match pick {
        Pick::Reply(procedure, number) => reply_of(verdict, procedure, number)
            .ok_or_else(|| format!("{procedure} has fewer than {number} replies")),
        Pick::Callback(label, number) => callback_of(verdict, label, number)
            .ok_or_else(|| format!("`{label}` has fewer than {number} callbacks")),
        Pick::Streams(client) => streams_of(verdict, client),
    };
    let payload = payload?;
    let mut redactor = Redactor::new(epoch());
    // Number ids in the order of the request first.
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
            What::Observation(_) | What::World(_) | What::Queue(_) => {}
        }
    }
    None
}

/// The caller that a step names, if it is not the user.
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

/// Replaces texts longer than `REQUEST_TEXT_LIMIT` by their length.
fn shortened(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > REQUEST_TEXT_LIMIT => {
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
    let has_label = |id: &Value| {
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
            } if party == RECEIVER && (has_label(&body["executionId"]) || has_label(&body["messageId"])) => {
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
                    .push(Value::clone(frame));
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
