//! The comparison of snapshots as text: file by file, then the changes that several files have in common.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde_json::Value;

use super::classify::{Change, What};
use super::comparison::{Compared, News, SnapshotNews};
use crate::report::style::{BAD, GOOD, QUIET};

/// The maximum number of characters shown of an object or a list. Other values are shown in full.
const VALUE_WIDTH: usize = 72;

/// A change in one line: its kind, its path, the old and the new value.
pub fn line(change: &Change) -> String {
    let name = change.what.name();
    let place = place_of(change);
    let rest = match &change.what {
        What::Added(value) | What::Removed(value) | What::OneMore { value, .. } | What::OneLess(value) => {
            short(value)
        }
        What::Renamed { value, .. } => short(value),
        What::Retyped { from, to } | What::Changed { from, to } | What::Moved { from, to } => {
            from_to(from, to)
        }
        What::NewlyNull(from) => from_to(from, &Value::Null),
        What::NoLongerNull(to) => from_to(&Value::Null, to),
    };
    format!("{name:<10}  {place}: {rest}")
}

fn place_of(change: &Change) -> String {
    match (&change.what, change.place.as_str()) {
        (What::Renamed { to, .. }, place) => format!("{place} to {to}"),
        (_, "") => "(the whole payload)".to_owned(),
        (_, place) => place.to_owned(),
    }
}

fn from_to(from: &Value, to: &Value) -> String {
    format!("{} -> {}", short(from), short(to))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_WIDTH) {
        Some((end, _)) if value.is_object() || value.is_array() => format!("{}…", &text[..end]),
        _ => text,
    }
}

/// Writes the changes of the snapshots since `revision`.
///
/// # Errors
///
/// If the writer fails.
pub fn write_text(compared: &Compared, revision: &str, out: &mut impl Write) -> io::Result<()> {
    let Compared { commit, news } = compared;
    for SnapshotNews {
        name,
        part,
        is_pending,
        news,
        ..
    } in news
    {
        let pending = if *is_pending { ", pending" } else { "" };
        match part {
            Some(part) => writeln!(out, "{name} ({}){pending}", part.name())?,
            None => writeln!(out, "{name}{pending}")?,
        }
        write_news(news, out)?;
        writeln!(out)?;
    }
    write_repeated(news, out)?;
    let since = if revision == commit {
        revision.to_owned()
    } else {
        format!("{revision} ({commit})")
    };
    if news.is_empty() {
        writeln!(out, "{GOOD}no snapshot changed{GOOD:#} since {since}")?;
    } else {
        let (breaking, compatible) = compared.count();
        let style = if breaking == 0 { GOOD } else { BAD };
        let count = news.iter().map(|it| &it.name).collect::<BTreeSet<_>>().len();
        let files = if count == 1 { "file" } else { "files" };
        writeln!(
            out,
            "{style}{breaking} breaking, {compatible} compatible{style:#} in {count} {files} since {since}"
        )?;
    }
    let pending: BTreeSet<&str> = news
        .iter()
        .filter(|it| it.is_pending)
        .map(|it| it.name.as_str())
        .collect();
    if let Some(name) = pending.first() {
        let name = name.trim_end_matches(".snap");
        writeln!(
            out,
            "{} pending; decide on each: turnstile snapshots --accept {name}, or --reject {name}",
            pending.len()
        )?;
    }
    out.flush()
}

fn write_news(news: &News, out: &mut impl Write) -> io::Result<()> {
    match news {
        News::New => writeln!(out, "  {GOOD}compatible{GOOD:#}  new"),
        News::Deleted => writeln!(out, "  {BAD}BREAKING{BAD:#}    deleted"),
        News::OtherContract => {
            writeln!(out, "  {QUIET}review{QUIET:#}      the contract changed")
        }
        News::Changed(changes) if changes.is_empty() => {
            writeln!(out, "  {QUIET}compatible  the payload did not change{QUIET:#}")
        }
        News::Changed(changes) => changes.iter().try_for_each(|change| {
            let line = line(change);
            if change.what.is_breaking() {
                writeln!(out, "  {BAD}BREAKING{BAD:#}    {line}")
            } else {
                writeln!(out, "  {GOOD}compatible{GOOD:#}  {line}")
            }
        }),
    }
}

/// Writes the changes that several files have in common, the most frequent first.
fn write_repeated(news: &[SnapshotNews], out: &mut impl Write) -> io::Result<()> {
    let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for SnapshotNews { news, .. } in news {
        if let News::Changed(changes) = news {
            for change in changes {
                *counts.entry((change.what.name(), place_of(change))).or_default() += 1;
            }
        }
    }
    let mut often: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 1).collect();
    if often.is_empty() {
        return Ok(());
    }
    often.sort_by_key(|(_, count)| Reverse(*count));
    for ((name, place), count) in often {
        writeln!(out, "{count:>4} times  {name:<10}  {place}")?;
    }
    writeln!(out)
}
