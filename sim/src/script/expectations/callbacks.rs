//! Expectations about callbacks.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use turnstile_judge::oracle::history::CallbackRequest;
use turnstile_scenarios::{Callback, GateResult, Label, has_field};

use super::{Checker, Wrong, secs, terminal_name};

/// Matches any header value.
const PRESENT: &str = "present";

impl Checker<'_> {
    pub(super) fn callback(&self, expected: &Callback) -> Option<Wrong> {
        let label = &expected.r#for.value;
        let requests = self.requests_for(label);
        let delivered = requests.iter().filter(|request| request.is_delivered()).count();
        if delivered != expected.times as usize {
            let text = format!(
                "{delivered} callbacks for `{label}` were delivered, not {}",
                expected.times
            );
            return self.wrong(Some(label), text);
        }
        if let Some(wanted) = expected
            .requests
            .filter(|wanted| *wanted as usize != requests.len())
        {
            let text = format!(
                "{} requests came for the callback of `{label}`, not {wanted}",
                requests.len()
            );
            return self.wrong(Some(label), text);
        }
        let moments = requests.iter().map(|request| request.at);
        let latency = self.history.context.profile.callback_latency;
        if let Some((text, excess)) = time_mismatch(expected, moments, self.tolerance, latency) {
            return self.late(Some(label), excess, format!("the callback of `{label}` {text}"));
        }
        let delivered = requests.iter().find(|request| request.is_delivered())?;
        let text = self
            .payload_mismatch(expected, &delivered.body)
            .or_else(|| request_mismatch(expected, delivered, self.callback_prefix))?;
        self.wrong(Some(label), format!("the callback of `{label}` {text}"))
    }

    /// Requests for a message or an execution, in order of arrival. One that a server sent while it was killed, and sends
    /// again because it did not store the answer, is left out (R8.34).
    fn requests_for(&self, label: &Label) -> Vec<&CallbackRequest> {
        let Some(id) = self.id(label) else {
            return Vec::new();
        };
        let is_about = |request: &&CallbackRequest| {
            request.body["messageId"].as_str() == Some(id) || request.body["executionId"].as_str() == Some(id)
        };
        let mut requests: Vec<_> = self.history.callbacks.iter().filter(is_about).collect();
        // No other request follows the last one.
        let last = requests.pop();
        requests.retain(|request| !self.history.faults.server_was_down(request.at));
        requests.extend(last);
        requests
    }

    /// Describes how a payload differs from the expected one.
    fn payload_mismatch(&self, expected: &Callback, body: &Value) -> Option<String> {
        let wanted = [
            (
                "status",
                expected.status.map(|status| json!(terminal_name(status))),
            ),
            (
                "lastAssistantMessageText",
                expected.text.as_ref().map(|text| json!(text)),
            ),
            (
                "gateResult",
                expected.gate.map(|gate| match gate {
                    GateResult::None => Value::Null,
                    GateResult::Pass | GateResult::Fail => json!(gate),
                }),
            ),
        ];
        for (field, wanted) in wanted {
            if let Some(wanted) = wanted.filter(|wanted| body[field] != *wanted) {
                return Some(format!("has {field} {}, not {wanted}", body[field]));
            }
        }
        let error = body["errorMessage"].as_str().unwrap_or_default();
        if let Some(wanted) = expected.error.as_deref().filter(|wanted| !error.contains(wanted)) {
            return Some(format!("has error {error:?}, which does not contain {wanted:?}"));
        }
        let has = expected.has.as_ref();
        let mismatch = has.and_then(|has| has.mismatch(body, |name| self.id_or_session(name)));
        if let Some(mismatch) = mismatch {
            return Some(format!("is not as expected: {mismatch}"));
        }
        let superfluous = expected.lacks.iter().find(|field| has_field(body, field))?;
        Some(format!("has `{superfluous}`, and should not"))
    }

    pub(super) fn callbacks(&self, expected: u32) -> Option<Wrong> {
        let delivered = self
            .history
            .callbacks
            .iter()
            .filter(|request| request.is_delivered());
        let keys: BTreeSet<&str> = delivered.map(CallbackRequest::key).collect();
        let wrong = keys.len() != expected as usize;
        wrong.then(|| {
            self.wrong(
                None,
                format!(
                    "{} different callbacks were delivered, not {expected}",
                    keys.len()
                ),
            )
        })?
    }
}

/// Describes how path and headers of a request differ from the expected ones.
fn request_mismatch(expected: &Callback, request: &CallbackRequest, prefix: &str) -> Option<String> {
    let came_to = request.path.strip_prefix(prefix).unwrap_or(&request.path);
    if let Some(path) = expected.path.as_ref().filter(|path| **path != came_to) {
        return Some(format!("came to {came_to}, not {path}"));
    }
    expected.headers.iter().find_map(|(name, wanted)| {
        match request.headers[name.to_ascii_lowercase()].as_str() {
            Some(value) if value == wanted || wanted == PRESENT => None,
            Some(value) => Some(format!("has the header {name}: {value}, not {wanted}")),
            None => Some(format!("has no header {name}")),
        }
    })
}

/// Describes how the time of the first request differs from the expected one, with by how much it came too late. The queue
/// may delay it by the `latency` (R8.39).
fn time_mismatch(
    expected: &Callback,
    mut moments: impl Iterator<Item = Duration>,
    tolerance: Duration,
    latency: Duration,
) -> Option<(String, Duration)> {
    let [at, after, before] = [expected.at, expected.after, expected.before];
    if at.is_none() && after.is_none() && before.is_none() {
        return None;
    }
    let Some(first) = moments.next() else {
        return Some(("was never requested".to_owned(), Duration::MAX));
    };
    let text = |what: &str, moment: Duration| {
        let text = format!("first came at {}, not {what} {}", secs(first), secs(moment));
        // Coming too early is never a small excess.
        Some((text, first.checked_sub(moment).unwrap_or(Duration::MAX)))
    };
    match (at, after, before) {
        (Some(at), _, _) if first + tolerance < *at || first > *at + tolerance + latency => text("at", *at),
        (_, Some(after), _) if first < *after => text("after", *after),
        (_, _, Some(before)) if first > *before + latency => text("before", *before),
        _ => None,
    }
}
