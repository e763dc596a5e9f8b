//! The acknowledgements of messages, and the refusals of repeated ids (protocol §2, §3).

use serde_json::Value;

use super::{Life, Reply};
use crate::oracle::Finding;
use crate::oracle::asked::{Creation, Values, requested};
use crate::rules::ids;

/// The values that belong to an intent (R3.9).
const INTENT: [&str; 9] = [
    "prompt",
    "images",
    "command",
    "arguments",
    "mode",
    "model",
    "variant",
    "autoCommit",
    "condenseOnComplete",
];

pub(super) fn check(reply: &Reply) -> Vec<Finding> {
    let mut findings = Vec::new();
    if reply.status == 200 {
        findings.extend(wrong_shape(reply));
    }
    let named = reply.call.requested_message();
    if let Some(message) = named.filter(|_| reply.status == 200 || reply.status == 400) {
        findings.extend(wrong_for(reply, message));
    }
    findings
}

/// The finding about an acknowledgement that is not about the request.
fn wrong_shape(reply: &Reply) -> Option<Finding> {
    let (data, input) = (reply.data, &reply.call.input);
    let is_start = reply.call.procedure == "start";
    let asked = [&input["message"]["id"], &input["messageId"]];
    let is_asked = asked
        .into_iter()
        .all(|id| !id.is_string() || *id == data["messageId"]);
    let is_of_session = |id: &Value| {
        let id = id.as_str().unwrap_or_default();
        id.eq_ignore_ascii_case(reply.session.id)
    };
    let place = format!("cloudAgentSessionId={}", reply.session.id);
    let streams = data["streamUrl"].as_str().unwrap_or_default();
    let is_shown = is_start || data["status"] == "started" && streams.contains(&place);
    let is_right =
        data["messageId"].is_string() && is_asked && is_of_session(&data["cloudAgentSessionId"]) && is_shown;
    let violated = if is_start {
        &ids(["R2.53"])
    } else {
        &ids(["R2.56"])
    };
    (!is_right).then(|| {
        let text = format!("with {data}, which does not fit the request");
        reply.finding(violated, data["messageId"].as_str(), &text)
    })
}

/// The finding about a reply that is wrong for what the log has of its message.
fn wrong_for(reply: &Reply, message: &str) -> Option<Finding> {
    let Life { queued, sent, end } = reply.life(message);
    let queued = queued?;
    let (before, until) = (reply.surely_before(), reply.possibly_until());
    let was_known = queued.at < before;
    if reply.status == 400 {
        let may_have_ended = end.is_some_and(|end| end.at <= until);
        let is_wrong = was_known && !may_have_ended && intent(reply, message) == Intent::Same;
        return is_wrong.then(|| {
            let text = "although it repeats a message that had not ended, with the same intent";
            reply.finding(&ids(["R3.7", "R3.8"]), Some(message), text)
        });
    }
    if end.is_some_and(|end| end.at < before) {
        return Some(reply.finding(&ids(["R3.5"]), Some(message), "although its message had ended"));
    }
    if was_known && intent(reply, message) == Intent::Different {
        let text = "although its message was admitted with another intent";
        return Some(reply.finding(&ids(["R3.6"]), Some(message), text));
    }
    let is_alone = others(reply, message).next().is_none();
    let delivery = reply.data["delivery"].as_str().unwrap_or_default();
    let may_be = match delivery {
        "queued" => sent.is_none_or(|sent| sent.at >= before),
        // An admission acknowledges the message as queued (R3.14).
        "sent" => sent.is_some_and(|sent| sent.at <= until) && (was_known || !is_alone),
        _ => false,
    };
    if !may_be {
        let sent = sent.map_or("never".to_owned(), |sent| crate::oracle::secs(sent.at));
        let text = format!("with the delivery {delivery:?}, but it was sent: {sent}");
        return Some(reply.finding(&ids(["R2.58", "R3.7", "R3.8", "R3.14"]), Some(message), &text));
    }
    wrong_run(reply, message, delivery == "sent")
}

/// The finding about an acknowledgement with another run than the one that accepted the message.
fn wrong_run(reply: &Reply, message: &str, is_sent: bool) -> Option<Finding> {
    let named = &reply.data["wrapperRunId"];
    let accepted_by = reply.session.run_of(message, reply.possibly_until());
    let is_right = match (is_sent, accepted_by) {
        (false, _) => named.is_null(),
        (true, Some(fence)) => *named == *fence.run,
        (true, None) => named.is_string(),
    };
    (!is_right).then(|| {
        let text = format!("with the run {named}, which did not accept the message");
        reply.finding(&ids(["R2.54", "R3.8"]), Some(message), &text)
    })
}

/// Whether a request repeats the intent of its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    Same,
    Different,
    Unknown,
}

/// Whether two requests have the same intent; `None` if one of them leaves a value to the session, and the wire does not
/// show the session's.
fn are_equal(one: &Values, other: &Values) -> Option<bool> {
    let pairs = INTENT.iter().map(|name| (one.get(name), other.get(name)));
    let is_comparable = |(one, other): &(Option<&Value>, Option<&Value>)| one.is_some() == other.is_some();
    let mut compared = pairs.clone().filter(is_comparable);
    if compared.any(|(one, other)| one != other) {
        return Some(false);
    }
    pairs.clone().all(|pair| is_comparable(&pair)).then_some(true)
}

/// The other requests that may have admitted the message.
fn others<'a>(reply: &Reply<'_, 'a>, message: &str) -> impl Iterator<Item = &'a super::Call> {
    let (own, session) = (reply.call, reply.session);
    let is_refused =
        |call: &super::Call| matches!(call.reply, Some((_, status, _)) if (400..500).contains(&status));
    let requests = session.requests_of(message).iter().copied();
    requests.filter(move |call| !std::ptr::eq(*call, own) && !is_refused(call))
}

fn intent(reply: &Reply, message: &str) -> Intent {
    let creation = Creation::of(reply.session);
    let Some(own) = requested(reply.call, creation) else {
        return Intent::Unknown;
    };
    let mut same = 0;
    let mut different = 0;
    for call in others(reply, message) {
        match requested(call, creation).and_then(|other| are_equal(&own, &other)) {
            Some(true) => same += 1,
            Some(false) => different += 1,
            None => return Intent::Unknown,
        }
    }
    match (same, different) {
        (1.., 0) => Intent::Same,
        (0, 1..) => Intent::Different,
        _ => Intent::Unknown,
    }
}
