//! Inputs that the protocol refuses are not accepted (protocol §2). What a server accepts beyond that is its choice, so only
//! values are judged that a rule excludes.

use serde_json::Value;

use super::history::{Call, History};
use super::shapes::is_message_id;
use super::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "invalid-inputs-are-refused",
    rule: "A request that creates a session or admits a message is accepted only with values that the protocol allows.",
    why: "What one server accepts and another refuses, or a wrapper cannot carry out, fails later and elsewhere.",
    moment: Moment::Always,
    protocol: &ids([
        "R2.38", "R2.41", "R2.43", "R2.44", "R2.48", "R2.50", "R2.65", "R2.67", "R2.114", "R2.115", "R2.116",
        "R2.117", "R2.119",
    ]),
    check: Check::Run(check),
};

/// The modes (R2.41).
const MODES: [&str; 8] = [
    "code",
    "plan",
    "debug",
    "orchestrator",
    "ask",
    "build",
    "architect",
    "custom",
];
/// The gate thresholds (R2.44).
const THRESHOLDS: [&str; 4] = ["off", "all", "warning", "critical"];
/// The number of letters of the longest variant (R2.115).
const LONGEST_VARIANT: usize = 50;

fn check(history: &History) -> Vec<Finding> {
    let findings = history.calls.iter().filter_map(|call| {
        let (at, _) = call.success()?;
        let (violated, text) = excluded(call, history.context.profile.prompt_limit)?;
        let text = format!("{} was answered 200, although {text}", call.procedure);
        Some(ORACLE.finding(&[violated], at, call.requested_message(), text))
    });
    findings.collect()
}

/// The rule that an input violates, if it violates one, and how.
fn excluded(call: &Call, prompt_limit: usize) -> Option<(RuleId, String)> {
    let input = &call.input;
    // A body that is no JSON for the harness may be JSON for JavaScript (R1.13).
    if !input.is_object() {
        return None;
    }
    let (message, agent, finalization) = (&input["message"], &input["agent"], &input["finalization"]);
    match call.procedure.as_str() {
        "start" => required(&message["prompt"], "R2.50", "message.prompt")
            .or_else(|| required(&agent["mode"], "R2.50", "agent.mode"))
            .or_else(|| required(&agent["model"], "R2.50", "agent.model"))
            .or_else(|| prompt(&message["prompt"], "R2.38", Some(prompt_limit)))
            .or_else(|| null_id(message))
            .or_else(|| id(&message["id"]))
            .or_else(|| choice(agent))
            .or_else(|| threshold(&finalization["gateThreshold"]))
            .or_else(|| organization(&input["options"]["kilocodeOrganizationId"])),
        "send" => prompt(&message["prompt"], "R2.114", None)
            .or_else(|| id(&message["id"]))
            .or_else(|| half_an_agent(agent))
            .or_else(|| choice(agent))
            .or_else(|| threshold(&finalization["gateThreshold"])),
        "prepareSession" => required(&input["mode"], "R2.65", "mode")
            .or_else(|| required(&input["model"], "R2.65", "model"))
            .or_else(|| repositories(input))
            .or_else(|| long_prompt(&input["prompt"], prompt_limit))
            .or_else(|| id(&input["initialMessageId"]))
            .or_else(|| choice(input))
            .or_else(|| threshold(&input["gateThreshold"]))
            .or_else(|| organization(&input["kilocodeOrganizationId"])),
        "sendMessageV2" => long_prompt(&input["prompt"], prompt_limit)
            .or_else(|| long_prompt(&input["payload"]["prompt"], prompt_limit))
            .or_else(|| id(&input["messageId"]))
            .or_else(|| choice(input))
            .or_else(|| choice(&input["payload"])),
        _ => None,
    }
}

fn violated(rule: &str, text: String) -> (RuleId, String) {
    (RuleId::named(rule), text)
}

fn required(value: &Value, rule: &str, name: &str) -> Option<(RuleId, String)> {
    value
        .is_null()
        .then(|| violated(rule, format!("it has no {name}")))
}

fn prompt(prompt: &Value, rule: &str, limit: Option<usize>) -> Option<(RuleId, String)> {
    let Some(text) = prompt.as_str() else {
        return Some(violated(rule, "its prompt is no text".to_owned()));
    };
    let length = text.chars().count();
    let is_too_long = limit.is_some_and(|limit| length > limit);
    (length == 0 || is_too_long).then(|| violated(rule, format!("its prompt has {length} characters")))
}

/// A prompt that may be absent.
fn long_prompt(text: &Value, limit: usize) -> Option<(RuleId, String)> {
    text.as_str()?;
    prompt(text, "R2.38", Some(limit))
}

fn null_id(message: &Value) -> Option<(RuleId, String)> {
    let is_null = message.get("id").is_some_and(Value::is_null);
    is_null.then(|| violated("R2.117", "its message id is null".to_owned()))
}

fn id(id: &Value) -> Option<(RuleId, String)> {
    let is_right = match id {
        Value::Null => true,
        Value::String(id) => is_message_id(id),
        _ => false,
    };
    (!is_right).then(|| violated("R2.48", format!("its message id is {id}")))
}

fn half_an_agent(agent: &Value) -> Option<(RuleId, String)> {
    let has_both = !agent["mode"].is_null() && !agent["model"].is_null();
    (agent.is_object() && !has_both)
        .then(|| violated("R2.119", "its agent lacks the mode or the model".to_owned()))
}

/// Mode, model and variant.
fn choice(agent: &Value) -> Option<(RuleId, String)> {
    let is_mode = |mode: &Value| mode.as_str().is_some_and(|mode| MODES.contains(&mode));
    let is_model = |model: &Value| model.as_str().is_some_and(|model| !matches!(model, "" | "kilo/"));
    let is_variant = |variant: &Value| {
        variant.as_str().is_some_and(|variant| {
            (1..=LONGEST_VARIANT).contains(&variant.len())
                && variant.bytes().all(|letter| letter.is_ascii_alphabetic())
        })
    };
    let wrong = |name: &str, rule: &str, is_right: &dyn Fn(&Value) -> bool| {
        let value = &agent[name];
        (!value.is_null() && !is_right(value)).then(|| violated(rule, format!("its {name} is {value}")))
    };
    wrong("mode", "R2.41", &is_mode)
        .or_else(|| wrong("model", "R2.43", &is_model))
        .or_else(|| wrong("variant", "R2.115", &is_variant))
}

fn threshold(threshold: &Value) -> Option<(RuleId, String)> {
    let is_right = threshold.is_null() || threshold.as_str().is_some_and(|text| THRESHOLDS.contains(&text));
    (!is_right).then(|| violated("R2.44", format!("its gateThreshold is {threshold}")))
}

fn organization(id: &Value) -> Option<(RuleId, String)> {
    let is_uuid = |id: &str| {
        let hex: String = id.chars().filter(|letter| *letter != '-').collect();
        hex.len() == 32 && hex.bytes().all(|letter| letter.is_ascii_hexdigit())
    };
    let is_right = id.is_null() || id.as_str().is_some_and(is_uuid);
    (!is_right).then(|| violated("R2.116", format!("its organization is {id}")))
}

fn repositories(input: &Value) -> Option<(RuleId, String)> {
    let given = ["githubRepo", "gitUrl"]
        .iter()
        .filter(|name| !input[**name].is_null());
    let count = given.count();
    (count != 1).then(|| violated("R2.67", format!("it names {count} repositories")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::oracle::written::Writer;

    const RULE: &str = "invalid-inputs-are-refused";

    /// Whether a request is found that was answered with that status.
    fn is_found(procedure: &str, input: Value, status: u16) -> bool {
        let mut writer = Writer::started("m1").also_judged_by(RULE);
        writer.turn("m1");
        let body = if status == 200 {
            json!({"result": {"data": {"messageId": "m2"}}})
        } else {
            json!({"error": {}})
        };
        writer.answered(procedure, input, status, body);
        // The requests of the trace itself have few fields.
        let mut findings = writer.findings().into_iter();
        findings.any(|finding| finding.rule == RULE && finding.text.starts_with(procedure))
    }

    fn send(message: Value, more: Value) -> Value {
        let mut input = json!({"cloudAgentSessionId": "s", "message": message});
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        input
    }

    #[test]
    fn an_invalid_value_that_is_accepted_is_found() {
        let prompt = || json!({"prompt": "hi"});
        for (input, found) in [
            (send(prompt(), json!({})), false),
            (send(json!({"prompt": ""}), json!({})), true),
            (send(json!({"prompt": "hi", "id": null}), json!({})), false),
            (send(json!({"prompt": "hi", "id": "msg_1"}), json!({})), true),
            (
                send(
                    json!({"prompt": "hi", "id": "msg_0123456789abABCDEFGHIJKLMN"}),
                    json!({}),
                ),
                false,
            ),
            (send(prompt(), json!({"agent": {"mode": "ask"}})), true),
            (
                send(
                    prompt(),
                    json!({"agent": {"mode": "ask", "model": "kilo/x", "variant": "high"}}),
                ),
                false,
            ),
            (
                send(prompt(), json!({"agent": {"mode": "none", "model": "x"}})),
                true,
            ),
            (
                send(prompt(), json!({"agent": {"mode": "ask", "model": "kilo/"}})),
                true,
            ),
            (
                send(
                    prompt(),
                    json!({"agent": {"mode": "ask", "model": "x", "variant": "x-1"}}),
                ),
                true,
            ),
            (
                send(prompt(), json!({"finalization": {"gateThreshold": "some"}})),
                true,
            ),
        ] {
            assert_eq!(is_found("send", input.clone(), 200), found, "{input}");
            assert!(!is_found("send", input.clone(), 400), "{input}");
        }
    }

    #[test]
    fn the_limit_of_a_prompt_is_exact() {
        for (length, found) in [(100_000, false), (100_001, true)] {
            let input = json!({"cloudAgentSessionId": "s", "prompt": "a".repeat(length)});
            assert_eq!(is_found("sendMessageV2", input, 200), found, "{length}");
            let input = send(json!({"prompt": "a".repeat(length)}), json!({}));
            assert!(!is_found("send", input, 200));
        }
    }
}
