//! The latest assistant message (R2.110 to R2.128).
//!
//! The log has only the last version of a row. The streams show the versions before it. A version that no stream shows
//! leaves the content open.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::{Reply, StreamEvent, since_beginning};
use crate::oracle::Finding;
use crate::oracle::history::SeenEvent;
use crate::parties::OBSERVER;
use crate::rules::ids;

pub(super) fn check(reply: &Reply) -> Vec<Finding> {
    if reply.status != 200 {
        return Vec::new();
    }
    let message = &reply.data["message"];
    let mut rows = versions(reply, |event| info(event).is_some());
    // Whether a message that changed its role still is an assistant's is nowhere stated.
    let changed_role = |versions: &Vec<&StreamEvent>| {
        let of_assistant = versions.iter().filter(|version| is_of_assistant(version));
        (1..versions.len()).contains(&of_assistant.count())
    };
    if rows.values().any(changed_role) {
        return Vec::new();
    }
    rows.retain(|_, versions| is_of_assistant(versions[0]));
    let finding = |violated, text: &str| vec![reply.finding(violated, None, text)];
    // The last row that certainly existed, and all that may have come before the reply.
    let certain = rows
        .iter()
        .rev()
        .find(|(_, versions)| versions[0].at < reply.surely_before());
    let certain = certain.map_or(0, |(id, _)| *id);
    let may_exist = |id: u64| {
        let first = rows.get(&id).map(|versions| first_from(reply, id, versions));
        id >= certain && first.is_some_and(|first| first <= reply.possibly_until())
    };
    let id = message["eventId"].as_u64();
    match id {
        None if message.is_null() && certain == 0 => return Vec::new(),
        Some(id) if may_exist(id) => {}
        _ => {
            let text = format!(
                "with the row {}, but the latest assistant message has {certain}",
                message["eventId"]
            );
            return finding(&ids(["R2.110"]), &text);
        }
    }
    if !is_watched(reply) {
        return Vec::new();
    }
    let versions = id
        .and_then(|id| rows.get(&id))
        .map(Vec::as_slice)
        .unwrap_or_default();
    let possible = possible(reply, versions);
    let is_version = |version: &&&StreamEvent| info(version) == Some(&message["info"]);
    let Some(version) = possible.iter().find(is_version) else {
        return finding(
            &ids(["R2.127"]),
            "with an `info` that no version of its row had then",
        );
    };
    let mut same = possible.iter().filter(is_version);
    let reported_at = since_beginning(reply.session, &message["timestamp"]);
    let time_error = reply.session.run.time_error();
    let is_its_time = |version: &&StreamEvent| {
        reported_at.is_some_and(|reported_at| reported_at.abs_diff(version.at) <= time_error)
    };
    if !reply.session.run.faults.clock().was_set(reply.at) && !same.any(is_its_time) {
        let text = format!("with the timestamp {} of another version", message["timestamp"]);
        return finding(&ids(["R2.126"]), &text);
    }
    let named = info(version)
        .and_then(|info| info["id"].as_str())
        .unwrap_or_default();
    match wrong_parts(reply, named, &message["parts"]) {
        Some(text) => finding(&ids(["R2.128"]), &text),
        None => Vec::new(),
    }
}

fn info(event: &StreamEvent) -> Option<&Value> {
    match event.kilo()? {
        ("message.updated", properties) => Some(&properties["info"]),
        _ => None,
    }
}

/// Whether the observer's stream was open all the time around a reply, and the server ran since it was opened.
fn is_shown(reply: &Reply) -> bool {
    let margin = 2 * reply.session.run.max_transit();
    let faults = &reply.session.run.faults;
    let mut streams = reply.session.streams.iter();
    streams.any(|stream| {
        stream.party == OBSERVER
            && stream.opened_at + margin < reply.call.at
            && stream
                .closed_at
                .is_none_or(|closed_at| closed_at > reply.at + margin)
            && !faults.may_have_stopped_server(stream.opened_at, reply.at + margin)
    })
}

/// Whether the streams show every version that a reply may have.
fn is_watched(reply: &Reply) -> bool {
    let margin = 2 * reply.session.run.max_transit();
    let faults = &reply.session.run.faults;
    is_shown(reply) && !faults.may_have_stopped_server(Duration::ZERO, reply.at + margin)
}

/// The earliest time of the first version of a row. A stream that is open shows a version of each row. If it may have missed
/// the first one, the last row before it that is never overwritten is a lower bound.
fn first_from(reply: &Reply, id: u64, versions: &[&StreamEvent]) -> Duration {
    if is_shown(reply) {
        return versions[0].at;
    }
    let before = reply
        .log
        .iter()
        .filter(|event| event.id < id && !event.is_upserted());
    before.map(|event| event.at).max().unwrap_or_default()
}

fn is_of_assistant(event: &StreamEvent) -> bool {
    info(event).is_some_and(|info| info["role"] == "assistant")
}

/// The versions of kept rows that satisfy a condition, by row, in order of time.
fn versions<'a>(
    reply: &Reply<'_, 'a>,
    is_wanted: impl Fn(&StreamEvent) -> bool,
) -> BTreeMap<u64, Vec<&'a StreamEvent>> {
    let mut rows: BTreeMap<u64, Vec<&StreamEvent>> = BTreeMap::new();
    let seen = reply.session.seen().map(|seen: &SeenEvent| &seen.event);
    for event in seen.filter(|event| event.id > 0 && is_wanted(event)) {
        let versions = rows.entry(event.id).or_default();
        if !versions
            .iter()
            .any(|known| known.at == event.at && known.data == event.data)
        {
            versions.push(event);
        }
    }
    for versions in rows.values_mut() {
        versions.sort_by_key(|version| version.at);
    }
    rows
}

/// The versions of a row that a reply may have: the last one before the request, and all until the reply.
fn possible<'a>(reply: &Reply, versions: &[&'a StreamEvent]) -> Vec<&'a StreamEvent> {
    let last_before = versions
        .iter()
        .rfind(|version| version.at < reply.surely_before());
    let since = last_before.map_or(Duration::ZERO, |version| version.at);
    let is_in_time = |version: &&StreamEvent| version.at >= since && version.at <= reply.possibly_until();
    versions.iter().copied().filter(is_in_time).collect()
}

fn part(event: &StreamEvent) -> Option<&Value> {
    match event.kilo()? {
        ("message.part.updated", properties) => Some(&properties["part"]),
        _ => None,
    }
}

/// What is wrong with the parts of an assistant message.
fn wrong_parts(reply: &Reply, message: &str, parts: &Value) -> Option<String> {
    let Some(parts) = parts.as_array() else {
        return Some("without a list of parts".to_owned());
    };
    let mut removals = reply.log.iter().filter_map(|event| event.kilo());
    if removals.any(|(name, properties)| name == "message.part.removed" && properties["messageID"] == message)
    {
        // Which version was removed when is open.
        return None;
    }
    let rows = versions(reply, |event| {
        part(event).is_some_and(|part| part["messageID"] == message)
    });
    let mut known = 0;
    for versions in rows.values() {
        let possible = possible(reply, versions);
        let is_shown = possible
            .iter()
            .any(|version| part(version).is_some_and(|part| parts.contains(part)));
        if is_shown {
            known += 1;
        } else if versions[0].at < reply.surely_before() {
            let id = part(versions[0]).map_or(&Value::Null, |part| &part["id"]);
            return Some(format!("without the part {id} as it was then"));
        }
    }
    (parts.len() > known).then(|| format!("with {} parts, of which the log has {known}", parts.len()))
}
