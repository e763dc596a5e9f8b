//! The replies of `getSession` and `getSessionHealth` (protocol §2, §9). Their form is judged by `shapes`.

use std::time::Duration;

use serde_json::{Value, json};

use super::work::{Work, moments};
use super::{Reply, since_beginning};
use crate::oracle::Finding;
use crate::oracle::asked::{Creation, normal};
use crate::oracle::runs::Run;
use crate::rules::{RuleId, ids};

/// The fields that belong to the record of a session, whose changes its version counts (R9.65).
const RECORD: [&str; 5] = [
    "kiloSessionId",
    "preparedAt",
    "initiatedAt",
    "timestamp",
    "sandboxId",
];

/// The findings about a reply of `getSession`.
pub(super) fn session(reply: &Reply) -> Vec<Finding> {
    if reply.status != 200 {
        return Vec::new();
    }
    let mut findings = Vec::new();
    findings.extend(wrong_values(reply));
    findings.extend(wrong_execution(reply));
    findings.extend(wrong_times(reply));
    findings
}

/// The finding about a value that differs from what the session was created with.
fn wrong_values(reply: &Reply) -> Option<Finding> {
    let data = reply.data;
    let is_own = data["sessionId"]
        .as_str()
        .is_some_and(|id| id.eq_ignore_ascii_case(reply.session.id));
    let prepared = reply.session.preparations.iter();
    let mut users = prepared.filter_map(|preparation| preparation.body["userId"].as_str());
    let is_of_user = users.next().is_none_or(|user| data["userId"] == *user);
    if !is_own || !is_of_user {
        let text = "with another session or user than it was asked for";
        return Some(reply.finding(&ids(["R9.58"]), None, text));
    }
    let prepared = reply.session.preparations.iter();
    let mut sandboxes = prepared.filter_map(|preparation| preparation.body["sandboxId"].as_str());
    if let Some(sandbox) = sandboxes.next().filter(|sandbox| data["sandboxId"] != **sandbox) {
        let text = format!(
            "with the sandboxId {}, but the wrapper was told {sandbox:?}",
            data["sandboxId"]
        );
        return Some(reply.finding(&ids(["R9.78"]), None, &text));
    }
    let creation = Creation::of(reply.session)?;
    let repository = creation.repository();
    let is_github = repository["type"] == "github";
    let repo = if is_github {
        repository["repo"].clone()
    } else {
        Value::Null
    };
    let platform = if repository["type"] == "gitlab" {
        json!("gitlab")
    } else {
        Value::Null
    };
    let agent = creation.agent();
    let values = [
        ("orgId", creation.organization().clone()),
        ("githubRepo", repo),
        ("platform", platform),
        ("upstreamBranch", repository["branch"].clone()),
        ("prompt", creation.content()),
        ("mode", agent["mode"].clone()),
        ("model", agent["model"].clone()),
        ("variant", agent["variant"].clone()),
        ("autoCommit", creation.part("finalization")["autoCommit"].clone()),
    ];
    let is_wrong = |(name, value): &&(&str, Value)| normal(name, &data[*name]) != normal(name, value);
    let (name, value) = values.iter().find(is_wrong)?;
    let text = format!("with the {name} {} instead of {value}", data[*name]);
    Some(reply.finding(&ids(["R9.58", "R9.60"]), None, &text))
}

/// The finding about an `execution` that is not the current work at any moment.
fn wrong_execution(reply: &Reply) -> Option<Finding> {
    let execution = &reply.data["execution"];
    let moments = moments(reply);
    let fits = |work: &&Option<Work>| is_work(work, &execution["id"], &execution["status"]);
    let Some(work) = moments.iter().find(fits) else {
        let text = format!(
            "with the execution {execution}, but the log has {}",
            shown(&moments)
        );
        return Some(reply.finding(&ids(["R9.61", "R9.74"]), execution["id"].as_str(), &text));
    };
    // Without message work it may be an imported execution, which is not judged here.
    let work = work.as_ref()?;
    let violated =
        |rule: &str, text: String| Some(reply.finding(&[RuleId::named(rule)], Some(work.message), &text));
    let leeway = reply.session.run.time_error() + reply.session.run.timing_tolerance();
    let mut since = moments
        .iter()
        .flatten()
        .filter(|other| other.message == work.message && other.is_running == work.is_running);
    let started_at = since_beginning(reply.session, &execution["startedAt"]);
    let is_shown_by_another_clock = reply.session.run.faults.clock().was_set(reply.at);
    if !is_shown_by_another_clock
        && !since.any(|work| started_at.is_some_and(|at| at.abs_diff(work.since) <= leeway))
    {
        return violated("R9.75", format!("with the startedAt {}", execution["startedAt"]));
    }
    if execution["health"] == "stale" && is_surely_live(reply, work) {
        return violated("R9.77", format!("with the health {}", execution["health"]));
    }
    None
}

fn is_work(work: &Option<Work>, id: &Value, status: &Value) -> bool {
    match work {
        Some(work) => {
            let wanted = if work.is_running { "running" } else { "pending" };
            *id == *work.message && *status == wanted
        }
        None => id.is_null() || id.as_str().is_some_and(crate::oracle::history::is_execution),
    }
}

fn shown(moments: &[Option<Work>]) -> String {
    let one = |work: &Option<Work>| match work {
        Some(work) if work.is_running => format!("{} running", work.message),
        Some(work) => format!("{} pending", work.message),
        None => "no work".to_owned(),
    };
    let mut all: Vec<String> = moments.iter().map(one).collect();
    all.dedup();
    all.join(", then ")
}

/// Whether the wrapper of the work was certainly there, with a socket, without an unanswered ping, and not long silent.
fn is_surely_live(reply: &Reply, work: &Work) -> bool {
    let session = reply.session;
    let (run, profile) = (session.run, &session.run.context.profile);
    let margin = 2 * run.max_transit() + run.time_error();
    let (from, until) = (reply.call.at.saturating_sub(margin), reply.at + margin);
    let ended = reply.life(work.message).end.map(|end| end.at);
    let Some(fence) = session.run_of(work.message, reply.at) else {
        return !work.is_running;
    };
    let Some(of_run) = Run::of(session, fence) else {
        return false;
    };
    let sockets = of_run.sockets();
    let is_open = sockets.iter().any(|socket| {
        let is_open = socket.closed_at.is_none_or(|closed_at| closed_at > until);
        let is_sound = run.faults.broken_from(&socket.host, socket.opened_at) > until;
        socket.opened_at < from && is_open && is_sound
    });
    let quiet_for = profile.pong_timeout.min(profile.ping_interval);
    let was_pinged = of_run
        .pings()
        .any(|at| at + quiet_for + margin > from && at <= until);
    let has_output = of_run
        .frames()
        .any(|(_, frame)| frame.at + quiet_for > until && frame.at < from);
    let is_calm = !run
        .faults
        .may_have_disrupted(of_run.host(), from.saturating_sub(quiet_for), until)
        && !run
            .faults
            .may_have_stopped_server(from.saturating_sub(quiet_for), until);
    work.is_running
        && is_open
        && has_output
        && !was_pinged
        && is_calm
        && ended.is_none_or(|ended| ended > until)
}

/// The finding about a time of the record that the log contradicts.
fn wrong_times(reply: &Reply) -> Option<Finding> {
    let data = reply.data;
    let time = |name: &str| since_beginning(reply.session, &data[name]);
    let violated = |rule: &str, name: &str| {
        let text = format!("with the {name} {}, which the log contradicts", data[name]);
        Some(reply.finding(&[RuleId::named(rule)], None, &text))
    };
    Creation::of(reply.session)?;
    let run = reply.session.run;
    if run.faults.clock().was_set(reply.at) {
        return None;
    }
    let leeway = run.time_error() + run.timing_tolerance();
    // A message that a wrapper took counts as accepted only with the event (R9.63).
    let accepted = reply.log.iter().find(|event| event.is_sent());
    let is_right = match (time("initiatedAt"), accepted) {
        (Some(at), Some(sent)) => at.abs_diff(sent.at) <= leeway && sent.at <= reply.possibly_until(),
        (None, Some(sent)) => data["initiatedAt"].is_null() && sent.at >= reply.surely_before(),
        (Some(_), None) => false,
        (None, None) => data["initiatedAt"].is_null(),
    };
    if !is_right {
        return violated("R9.63", "initiatedAt");
    }
    // The wrapper answers before the server records it, and a turn comes after that.
    let ready = reply
        .session
        .preparations
        .iter()
        .filter(|preparation| preparation.is_ready());
    let ready = ready
        .filter_map(|preparation| preparation.answer.as_ref())
        .map(|answer| answer.at);
    let ready_at = ready.min();
    let handed_over = reply.session.deliveries.first().map(|delivery| delivery.at);
    let is_right = match time("preparedAt") {
        Some(at) => ready_at.is_some_and(|ready_at| {
            at + leeway >= ready_at && handed_over.is_none_or(|handed_over| at <= handed_over + leeway)
        }),
        None => data["preparedAt"].is_null() && handed_over.is_none_or(|at| at >= reply.surely_before()),
    };
    if !is_right {
        return violated("R9.62", "preparedAt");
    }
    let (at, since) = (time("timestamp"), time("preparedAt").max(time("initiatedAt")));
    let is_right = at.is_some_and(|at| at <= reply.possibly_until() + leeway && Some(at + leeway) >= since);
    if !is_right {
        return violated("R9.64", "timestamp");
    }
    None
}

/// Findings about a version that does not count the changes of its record.
pub(super) fn sequence(replies: &[Reply]) -> Vec<Finding> {
    let views: Vec<&Reply> = replies
        .iter()
        .filter(|reply| reply.call.procedure == "getSession" && reply.status == 200)
        .collect();
    let pairs = views.windows(2).filter(|pair| pair[0].at < pair[1].call.at);
    let findings = pairs.filter_map(|pair| {
        let (before, after) = (pair[0], pair[1]);
        let versions = (before.data["version"].as_f64(), after.data["version"].as_f64());
        let is_same = RECORD.iter().all(|name| before.data[*name] == after.data[*name]);
        let is_right = match versions {
            (Some(before), Some(after)) if is_same => after >= before,
            (Some(before), Some(after)) => after > before,
            _ => false,
        };
        let faults = &after.session.run.faults;
        // Times go back with the server's clock, and a record shows that at its next change (R7.37).
        let is_later = before.data["timestamp"].as_f64() <= after.data["timestamp"].as_f64()
            || faults.clock().was_set(after.at);
        let was_stopped = faults.may_have_stopped_server(before.at, after.at);
        // The record of a server that stopped may be one that was never stored.
        (!(was_stopped || is_right && is_later)).then(|| {
            let text = format!(
                "with the version {} and the timestamp {} after {} and {}",
                after.data["version"],
                after.data["timestamp"],
                before.data["version"],
                before.data["timestamp"]
            );
            after.finding(&ids(["R9.64", "R9.65"]), None, &text)
        })
    });
    findings.collect()
}

/// The findings about a reply of `getSessionHealth`.
pub(super) fn health(reply: &Reply) -> Vec<Finding> {
    if reply.status != 200 {
        return Vec::new();
    }
    wrong_work(reply)
        .into_iter()
        .chain(wrong_sandbox(reply))
        .collect()
}

/// The finding about a health of work that the log contradicts.
fn wrong_work(reply: &Reply) -> Option<Finding> {
    let data = reply.data;
    let (id, status) = (&data["activeExecutionId"], &data["activeExecutionStatus"]);
    let moments = moments(reply);
    let health = data["executionHealth"].as_str().unwrap_or_default();
    let fits = |work: &&Option<Work>| is_work(work, id, status) && work.is_none() == (health == "none");
    let Some(work) = moments.iter().find(fits) else {
        let text = format!("with {data}, but the log has {}", shown(&moments));
        return Some(reply.finding(&ids(["R2.102", "R2.103", "R2.104"]), id.as_str(), &text));
    };
    let is_live = work.as_ref().is_some_and(|work| is_surely_live(reply, work));
    (is_live && health != "healthy").then(|| {
        let text = format!("with the executionHealth {health:?} while its wrapper was there");
        reply.finding(&ids(["R2.97", "R2.107"]), id.as_str(), &text)
    })
}

/// The finding about a sandbox status that does not fit what the wrapper did.
fn wrong_sandbox(reply: &Reply) -> Option<Finding> {
    Creation::of(reply.session)?;
    let status = reply.data["sandboxStatus"].as_str().unwrap_or_default();
    let deliveries = reply.session.deliveries.iter();
    let was_ready = deliveries
        .clone()
        .any(|delivery| delivery.at < reply.surely_before());
    let mut preparations = reply.session.preparations.iter();
    let may_be_ready = preparations.any(|preparation| preparation.is_ready() && preparation.at <= reply.at);
    let (from, until) = (reply.call.at.saturating_sub(Duration::from_secs(1)), reply.at);
    let faults = &reply.session.run.faults;
    let hosts = reply.session.bindings.iter().map(|binding| binding.host.as_str());
    let is_disturbed = hosts.clone().any(|host| faults.broken_until(host) >= from)
        || faults.may_have_disrupted_wrappers(from, until);
    let is_right = match status {
        "healthy" => may_be_ready,
        "unknown" => !was_ready,
        "unreachable" => may_be_ready && is_disturbed,
        _ => true,
    };
    (!is_right).then(|| {
        let text = format!("with the sandboxStatus {status:?}");
        reply.finding(&ids(["R2.98", "R2.100"]), None, &text)
    })
}
