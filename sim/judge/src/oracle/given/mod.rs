//! A wrapper is given what clients asked (protocol §5): each turn with its images, its agent and the steps after it,
//! and the session with its repository, its branch and its set-up.
//!
//! `asked` has the wishes. A value that the wire does not show is not judged. Findings do not repeat values of the
//! environment, commands and tokens.

use std::collections::BTreeSet;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::asked::{Creation, Values, asked_for, normal};
use super::history::{Delivery, Preparation, SessionHistory};
use super::{Check, Finding, Moment, Oracle};
use crate::rules::{RuleId, ids};

pub(super) const ORACLE: Oracle = Oracle {
    name: "wrapper-gets-what-was-asked",
    rule: "Every turn reaches the wrapper with the prompt, images, agent and steps that were asked for it, and every \
        run with the session's user, repository, branch and set-up.",
    why: "The user pays for the turn that was asked. A turn with another model, without its images or on another \
        branch does other work, and its result looks right.",
    moment: Moment::Always,
    protocol: &ids([
        "R1.10", "R2.4", "R2.39", "R2.43", "R2.57", "R2.84", "R3.9", "R5.27", "R5.30", "R5.31", "R5.71",
        "R5.72", "R5.80",
    ]),
    check: Check::Sessions(check),
};

/// The values of a prompt, each with the rules about it.
const PROMPT: [(&str, &[RuleId]); 9] = [
    ("prompt", &ids(["R5.30"])),
    ("images", &ids(["R2.39", "R5.80"])),
    ("mode", &ids(["R2.57", "R5.30"])),
    ("model", &ids(["R2.43", "R2.57", "R5.30"])),
    ("variant", &ids(["R2.57", "R5.30"])),
    ("autoCommit", &ids(["R3.9", "R5.30"])),
    ("condenseOnComplete", &ids(["R3.9", "R5.30"])),
    ("gateThreshold", &ids(["R5.80"])),
    ("system", &ids(["R5.80"])),
];
/// The values of a command, each with the rules about it.
const COMMAND: [(&str, &[RuleId]); 5] = [
    ("command", &ids(["R2.84", "R5.31"])),
    ("arguments", &ids(["R5.31"])),
    ("autoCommit", &ids(["R3.9", "R5.31"])),
    ("condenseOnComplete", &ids(["R3.9", "R5.31"])),
    ("gateThreshold", &ids(["R5.31"])),
];

/// The rules about the shape of a prompt, a command, a request to get ready, and of their parts.
const PROMPT_SHAPE: &[RuleId] = &ids(["R5.30"]);
const COMMAND_SHAPE: &[RuleId] = &ids(["R5.31"]);
const READY_SHAPE: &[RuleId] = &ids(["R5.27"]);
const REPOSITORY: &[RuleId] = &ids(["R5.71"]);
const BINDING: &[RuleId] = &ids(["R5.72"]);
const ADDRESS: &[RuleId] = &ids(["R2.4", "R5.72"]);
const KILO_SESSION: &[RuleId] = &ids(["R1.10"]);

/// Longest value in the text of a finding, in characters.
const LONGEST_VALUE: usize = 60;

/// A difference between what was asked and what the wrapper was given.
struct Difference {
    violated: &'static [RuleId],
    text: String,
}

fn check(session: &SessionHistory) -> Vec<Finding> {
    let creation = Creation::of(session);
    let mut findings = Vec::new();
    // A difference that every attempt repeats is reported once.
    let mut reported = BTreeSet::new();
    let mut report = |at: Duration, message: Option<&str>, differences: Vec<Difference>| {
        for Difference { violated, text } in differences {
            if reported.insert((message.map(str::to_owned), text.clone())) {
                findings.push(ORACLE.finding(violated, at, message, text));
            }
        }
    };
    for delivery in &session.deliveries {
        let mut differences = turn_differences(session, creation, delivery);
        differences.extend(address_differences(session.id, &delivery.body, user_of(session)));
        differences.extend(binding_difference(session, delivery));
        report(delivery.at, Some(delivery.message.as_str()), differences);
    }
    for preparation in &session.preparations {
        let body = &preparation.body;
        let mut differences = address_differences(session.id, body, body["userId"].as_str());
        if let Some(creation) = creation {
            differences.extend(session_differences(creation, body));
            differences.extend(root_difference(session, creation, preparation));
        }
        report(preparation.at, None, differences);
    }
    findings
}

/// The user that the requests to get ready name.
fn user_of<'a>(session: &SessionHistory<'a>) -> Option<&'a str> {
    let mut users = session.preparations.iter();
    users.find_map(|preparation| preparation.body["userId"].as_str())
}

/// How a delivered turn differs from every wish that it may be; nothing if it is one of them.
fn turn_differences(
    session: &SessionHistory,
    creation: Option<Creation>,
    delivery: &Delivery,
) -> Vec<Difference> {
    let asked = asked_for(session, &delivery.message);
    let differences = asked.into_iter().map(|mut asked| {
        if let Some(creation) = creation {
            asked.insert("system", creation.profile()["appendSystemPrompt"].clone());
        }
        differences_from(&asked, &delivery.body)
    });
    differences.min_by_key(Vec::len).unwrap_or_default()
}

fn differences_from(asked: &Values, body: &Value) -> Vec<Difference> {
    let is_prompt = !body["message"].is_null();
    if asked.contains_key("prompt") != is_prompt {
        let text = format!(
            "the wrapper got a {}",
            if is_prompt {
                "prompt instead of a command"
            } else {
                "command instead of a prompt"
            }
        );
        let violated = if is_prompt { COMMAND_SHAPE } else { PROMPT_SHAPE };
        return vec![Difference { violated, text }];
    }
    let names: &[(&str, &'static [RuleId])] = if is_prompt { &PROMPT } else { &COMMAND };
    let differences = names.iter().filter_map(|(name, violated)| {
        let asked = asked.get(name)?;
        let given = given(name, body);
        let is_given = *asked == given
            || *name == "images" && has_images(&body["message"], asked)
            // A server chooses the mode of a session that names none (R3.4).
            || *name == "mode" && asked.is_null();
        let text = || {
            let (given, asked) = (shortened(&given), shortened(asked));
            format!("the wrapper got the {name} {given} instead of {asked}")
        };
        (!is_given).then(|| Difference {
            violated,
            text: text(),
        })
    });
    differences.collect()
}

/// A value in the body of a delivery.
fn given(name: &str, body: &Value) -> Value {
    let is_prompt = !body["message"].is_null();
    let value = match name {
        "prompt" => return text_of(&body["message"]),
        "images" => &body["message"]["attachments"],
        "mode" | "variant" | "system" => &body["agent"][name],
        "model" => &body["agent"]["model"]["modelID"],
        "arguments" => &body["args"],
        _ if is_prompt => &body["finalization"][name],
        _ => &body[name],
    };
    normal(name, value)
}

/// The text of a prompt, which may be in parts (R5.30).
fn text_of(message: &Value) -> Value {
    match (&message["prompt"], &message["parts"]) {
        (Value::Null, Value::Array(parts)) => {
            let texts = parts.iter().filter_map(|part| part["text"].as_str());
            Value::from(texts.collect::<String>())
        }
        (prompt, _) => prompt.clone(),
    }
}

/// Whether the images that were asked are among the parts of a prompt.
fn has_images(message: &Value, asked: &Value) -> bool {
    let parts = message["parts"].as_array();
    let is_part = |image: &Value| parts.is_some_and(|parts| parts.contains(image));
    match asked {
        Value::Array(images) => images.iter().all(is_part),
        image => is_part(image),
    }
}

/// How the address of the ingest differs from that of this session of this user.
fn address_differences(session: &str, body: &Value, user: Option<&str>) -> Vec<Difference> {
    let (Some(url), Some(user)) = (body["session"]["ingestUrl"].as_str(), user) else {
        return Vec::new();
    };
    let place = url.split('?').next().unwrap_or_default();
    let named = place
        .strip_suffix(&format!("/{session}/ingest"))
        .and_then(|place| place.split_once("/sessions/"))
        .map(|(_, user)| user);
    let is_right = named.is_some_and(|named| {
        let decoded = percent_decode_str(named).decode_utf8();
        !named.contains('/') && decoded.is_ok_and(|decoded| decoded == user)
    });
    let text =
        || format!("the ingest address {url:?} does not name the user {user:?}, encoded, and the session");
    (!is_right)
        .then(|| Difference {
            violated: ADDRESS,
            text: text(),
        })
        .into_iter()
        .collect()
}

/// How the binding of a delivery differs from the one that its wrapper was made ready with.
fn binding_difference(session: &SessionHistory, delivery: &Delivery) -> Option<Difference> {
    let fence = delivery.fence.as_ref()?;
    let mut ready = session
        .preparations
        .iter()
        .filter(|ready| ready.at <= delivery.at);
    let ready = ready.rfind(|ready| ready.fence.as_ref() == Some(fence))?;
    let binding = |body: &Value| {
        let binding = &body["session"];
        (binding["ingestUrl"].clone(), binding["upstreamBranch"].clone())
    };
    let (was, is) = (binding(&ready.body), binding(&delivery.body));
    (was != is).then(|| Difference {
        violated: BINDING,
        text: format!("its binding has {is:?}, but the wrapper was made ready with {was:?}"),
    })
}

/// How the place of work differs from what the session was created with.
fn session_differences(creation: Creation, body: &Value) -> Vec<Difference> {
    let repository = creation.repository();
    let (repo, workspace) = (&body["repo"], &body["workspace"]);
    let is_github = repository["type"] == "github";
    let kind = if is_github { json!("github") } else { json!("git") };
    let platform = match repository["type"].as_str() {
        Some("gitlab") => json!("gitlab"),
        _ => Value::Null,
    };
    let (branch, organization) = (&repository["branch"], creation.organization());
    let values: [(&str, &'static [RuleId], &Value, &Value); 6] = [
        ("organization", READY_SHAPE, organization, &body["orgId"]),
        (
            "upstream branch of the workspace",
            READY_SHAPE,
            branch,
            &workspace["upstreamBranch"],
        ),
        (
            "upstream branch of the binding",
            BINDING,
            branch,
            &body["session"]["upstreamBranch"],
        ),
        ("kind of repository", REPOSITORY, &kind, &repo["kind"]),
        ("platform", REPOSITORY, &platform, &repo["platform"]),
        ("repository", REPOSITORY, &repository["repo"], &repo["repo"]),
    ];
    let is_named = !repository["type"].is_null();
    let values = values
        .into_iter()
        .filter(|(.., asked, given)| !asked.is_null() && asked != given);
    let mut differences: Vec<Difference> = values
        .filter(|(name, ..)| is_named || *name == "organization")
        .map(|(name, violated, asked, given)| Difference {
            violated,
            text: format!(
                "the wrapper got the {name} {} instead of {}",
                shortened(given),
                shortened(asked)
            ),
        })
        .collect();
    differences.extend(setup_differences(creation, body));
    differences
}

/// How the set-up differs from what the session was created with. The text does not repeat values.
fn setup_differences(creation: Creation, body: &Value) -> Vec<Difference> {
    let (profile, given) = (creation.profile(), &body["materialized"]);
    let mut differences = Vec::new();
    let mut report =
        |violated: &'static [RuleId], text: String| differences.push(Difference { violated, text });
    for (name, value) in profile["envVars"].as_object().into_iter().flatten() {
        if given["env"][name] != *value {
            report(
                READY_SHAPE,
                format!("the wrapper did not get the value of the environment's {name}"),
            );
        }
    }
    let commands = profile["setupCommands"].as_array();
    if commands.is_some_and(|commands| !commands.is_empty())
        && given["setupCommands"] != profile["setupCommands"]
    {
        report(
            READY_SHAPE,
            "the wrapper did not get the set-up commands that were asked".to_owned(),
        );
    }
    let repository = creation.repository();
    // A URL may contain credentials.
    if !repository["url"].is_null() && body["repo"]["url"] != repository["url"] {
        report(
            REPOSITORY,
            "the wrapper did not get the URL of the repository".to_owned(),
        );
    }
    if repository["type"] == "git"
        && !repository["token"].is_null()
        && body["repo"]["token"] != repository["token"]
    {
        report(
            REPOSITORY,
            "the wrapper did not get the token of the repository".to_owned(),
        );
    }
    differences
}

/// How kilo's session differs from the ones that were known when the wrapper was asked to get ready.
fn root_difference(
    session: &SessionHistory,
    creation: Creation,
    preparation: &Preparation,
) -> Option<Difference> {
    let root = &preparation.body["kiloSessionId"];
    let created = creation.root();
    if root.is_null() || created.is_null() || root == created {
        return None;
    }
    let answers = session
        .preparations
        .iter()
        .filter_map(|earlier| earlier.answer.as_ref());
    let mut reported = answers.filter(|answer| answer.at <= preparation.at);
    let is_reported = reported.any(|answer| {
        let body = &answer.body;
        body["kiloSessionId"] == *root || body["workspaceReady"]["kiloSessionId"] == *root
    });
    (!is_reported).then(|| Difference {
        violated: KILO_SESSION,
        text: format!(
            "the wrapper got the kilo session {root}, which neither the server nor a wrapper named before"
        ),
    })
}

/// A value as a finding shows it.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
