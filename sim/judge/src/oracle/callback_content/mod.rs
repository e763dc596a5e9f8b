//! A callback contains the outcome of its message (protocol §8), as in the log. Its body was frozen when its
//! batch was finalized. Where the log may have changed around that time, every value since then is accepted.

use serde_json::{Value, json};

use super::admissions::{CallbackTargets, Likely, requested_branch, wants_gate};
use super::batches::{Batch, batches};
use super::completions::{Completion, Completions};
use super::history::{CallbackRequest, SessionHistory};
use super::one_callback::first_requests;
use super::transcript::Transcript;
use super::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "callbacks-tell-the-outcome",
    rule: "A callback contains the status, error, text, branch and gate result that the log has for its \
        message.",
    why: "The receiver has no other source: what the body says is what the user of the receiver reads.",
    moment: Moment::Always,
    protocol: &ids([
        "R6.32", "R6.35", "R8.9", "R8.11", "R8.12", "R8.13", "R8.14", "R8.15", "R8.16", "R8.17", "R8.18",
        "R8.36", "R8.37",
    ]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    if session.log.is_none() || session.callbacks.is_empty() {
        return Vec::new();
    }
    let firsts = first_requests(session);
    let batches = batches(session);
    let log = Log {
        session,
        completions: Completions::of(session),
        targets: CallbackTargets::of(session),
    };
    let mut findings = Vec::new();
    for batch in &batches.all {
        if let Some(request) = firsts.get(batch.message) {
            for (rule, field, expected) in expected(&log, batch) {
                if !expected.contains(&request.body[field]) {
                    let text = difference(request, field, &expected);
                    findings.push(ORACLE.finding_about(&[rule], request.at, batch.message, text));
                }
            }
            findings.extend(wrong_error(batch, request));
            findings.extend(wrong_text(session, batch, request));
            findings.extend(wrong_gate_result(&log, batch, request));
        }
    }
    findings
}

/// What all batches of a session are judged by.
struct Log<'s, 'a> {
    session: &'s SessionHistory<'a>,
    completions: Completions<'a>,
    targets: CallbackTargets<'a>,
}

/// All values that a field may have; null where it may be absent.
type Possible = Vec<Value>;

/// The text about a field that has none of the possible values.
fn difference(request: &CallbackRequest, field: &str, possible: &[Value]) -> String {
    let found = match request.body.get(field) {
        Some(value) => format!("has `{field}` {value}"),
        None => format!("has no `{field}`"),
    };
    let possible = possible.iter().map(|value| match value {
        Value::Null => "none".to_owned(),
        value => value.to_string(),
    });
    let possible: Vec<String> = possible.collect();
    format!(
        "its callback {found}, but it should have {}",
        possible.join(" or ")
    )
}

/// The rule about each field, its name, and the values that it may have.
fn expected(log: &Log, batch: &Batch) -> Vec<(RuleId, &'static str, Possible)> {
    let session = log.session;
    let end = &batch.end.data;
    let mut expected = vec![
        (RuleId::named("R8.11"), "sessionId", vec![json!(session.id)]),
        (
            RuleId::named("R8.11"),
            "cloudAgentSessionId",
            vec![json!(session.id)],
        ),
        (RuleId::named("R8.12"), "messageId", vec![json!(batch.message)]),
        (RuleId::named("R8.13"), "status", vec![end["status"].clone()]),
    ];
    expected
        .extend(branches(log, batch).map(|branches| (RuleId::named("R8.15"), "lastSeenBranch", branches)));
    if !session.roots().is_empty() {
        let roots = session.roots().iter().map(|root| json!(root));
        let absent = (!is_root_known(session, batch)).then_some(Value::Null);
        expected.push((
            RuleId::named("R8.16"),
            "kiloSessionId",
            roots.chain(absent).collect(),
        ));
    }
    expected
}

/// Whether a wrapper had certainly reported its kilo session when the last message of a batch ended.
fn is_root_known(session: &SessionHistory, batch: &Batch) -> bool {
    let leeway = session.run.max_transit() + session.run.time_error();
    let mut ready = session.preparations.iter().filter(|request| request.is_ready());
    batch.end.data["accepted"] == true
        && ready.any(|request| {
            let answer = request.answer.as_ref();
            answer.is_some_and(|answer| {
                answer.body["kiloSessionId"].is_string() && answer.at + leeway < batch.end.at
            })
        })
}

/// The finding about a wrong error. A cut one is the beginning of the error in the log (R8.37).
fn wrong_error(batch: &Batch, request: &CallbackRequest) -> Option<Finding> {
    let (expected, found) = (&batch.end.data["error"], &request.body["errorMessage"]);
    let truncation = &request.body["errorMessageTruncation"];
    let is_right = match (expected.as_str(), found.as_str()) {
        (Some(expected), Some(found)) if truncation.is_object() => {
            expected.starts_with(found)
                && truncation["originalUtf8ByteLength"] == expected.len()
                && truncation["retainedUtf8ByteLength"] == found.len()
        }
        _ => expected == found,
    };
    (!is_right).then(|| {
        let text = difference(request, "errorMessage", std::slice::from_ref(expected));
        let violated = if truncation.is_object() { "R8.37" } else { "R8.14" };
        ORACLE.finding_about(&[RuleId::named(violated)], request.at, batch.message, text)
    })
}

/// The finding about a wrong text. The text may be left out for its size (R8.36).
fn wrong_text(session: &SessionHistory, batch: &Batch, request: &CallbackRequest) -> Option<Finding> {
    let is_completed = batch.end.data["status"] == "completed";
    let transcript = Transcript::of(session, batch);
    let mut expected = match is_completed {
        true => as_values(transcript.latest_texts()?),
        false => vec![Value::Null],
    };
    // A session has few rows that changed so, and reading all events for them takes time.
    if is_completed && !is_text(request, &expected) {
        let until = request.at + session.run.time_error();
        expected.extend(as_values(transcript.former_texts(until)?));
    }
    (!is_text(request, &expected)).then(|| {
        let text = difference(request, "lastAssistantMessageText", &expected);
        let is_cut = request.body["lastAssistantMessageTextTruncation"].is_object();
        let violated = if is_cut { "R8.36" } else { "R8.18" };
        ORACLE.finding_about(&[RuleId::named(violated)], request.at, batch.message, text)
    })
}

/// Whether a request has one of these texts, or was made smaller by leaving it out.
fn is_text(request: &CallbackRequest, expected: &[Value]) -> bool {
    let found = &request.body["lastAssistantMessageText"];
    let truncation = &request.body["lastAssistantMessageTextTruncation"];
    if !truncation.is_object() {
        return expected.contains(found);
    }
    let length = &truncation["originalUtf8ByteLength"];
    let mut texts = expected.iter().filter_map(Value::as_str);
    found.is_null() && truncation["retainedUtf8ByteLength"] == 0 && texts.any(|text| *length == text.len())
}

/// Texts as a callback may have them: an empty one may be absent.
fn as_values(texts: impl IntoIterator<Item = String>) -> Possible {
    let values = texts.into_iter().flat_map(|text| {
        let absent = text.is_empty().then_some(Value::Null);
        absent.into_iter().chain([json!(text)])
    });
    values.collect()
}

/// The possible branches; `None` if the wire does not show the requested branch.
///
/// The branch is the one of the last `complete` before the batch was finalized, else the requested one. A later turn
/// belongs to another batch, unless its message has no callback: then this batch may still have been open.
fn branches(log: &Log, batch: &Batch) -> Option<Possible> {
    let session = log.session;
    let requested = json!(requested_branch(session).ok()?);
    let calls_back = |message: &str| {
        let queued = session.queued_of(message);
        queued.is_none_or(|queued| log.targets.calls_back(queued.at) != Likely::No)
    };
    let later = session.sent.partition_point(|event| event.id <= batch.end.id);
    let mut later = session.sent[later..].iter();
    let next_turn = later.find(|event| event.message().is_some_and(calls_back));
    // A later report replaces earlier ones, unless the batch may have been finalized before it.
    let (before, after) = log.completions.around(batch.end.id);
    let last_before = before.iter().rev().find_map(|completion| completion.branch);
    let mut possible = vec![last_before.map_or(requested, |branch| json!(branch))];
    let of_batch = after
        .iter()
        .take_while(|completion| next_turn.is_none_or(|next| completion.event.id < next.id));
    possible.extend(
        of_batch
            .filter_map(|completion| completion.branch)
            .map(|branch| json!(branch)),
    );
    Some(possible)
}

/// The finding about a wrong gate result. A result may be missing if the wrapper may have been lost.
fn wrong_gate_result(log: &Log, batch: &Batch, request: &CallbackRequest) -> Option<Finding> {
    let session = log.session;
    let found = &request.body["gateResult"];
    let finding = |text: String| Some(ORACLE.finding_about(&ids(["R8.17"]), request.at, batch.message, text));
    if !found.is_null() {
        // A run that ended before the message was admitted did not accept it (R6.19).
        let queued = session.queued_of(batch.message).map_or(0, |event| event.id);
        let (_, later) = log.completions.around(queued);
        let is_it = |completion: &Completion| completion.gate_result.is_some_and(|result| found == result);
        if !later.iter().any(is_it) {
            return finding(format!(
                "its callback has `gateResult` {found}, but no wrapper reported that for it"
            ));
        }
        return None;
    }
    let is_awaited =
        batch.end.data["status"] == "completed" && wants_gate(session, batch.message) == Likely::Yes;
    let (_, later) = log.completions.around(batch.end.id);
    let next = later.first()?;
    let expected = next.gate_result?;
    let has_one_run = || {
        let mut generations = session.bindings.iter().map(|binding| binding.fence.generation);
        let first = generations.next();
        first.is_some_and(|first| generations.all(|generation| generation == first))
    };
    if is_awaited && batch.is_certain && request.at > next.event.at && has_one_run() {
        return finding(format!(
            "its callback has no `gateResult`, but the wrapper reported {expected:?}"
        ));
    }
    None
}

#[cfg(test)]
mod tests;
