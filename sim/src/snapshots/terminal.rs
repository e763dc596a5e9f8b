//! What became of the snapshots, as people read it.

use std::io::{self, Write};

use serde_json::Value;

use super::classify::{Change, What};
use super::comparison::{Compared, News, SnapshotNews};
use crate::report::style::{BAD, GOOD, QUIET};

/// Characters that are shown of an object or a list that came or went; a single value is shown whole.
const VALUE_WIDTH: usize = 72;

/// A change in a line: in which way, where, and what there was and is.
pub fn line(Change { place, what }: &Change) -> String {
    let place = if place.is_empty() { "(all of it)" } else { place };
    let (way, rest) = match what {
        What::Added(value) => ("added", format!("{place}: {}", short(value))),
        What::Removed(value) => ("removed", format!("{place}: {}", short(value))),
        What::Renamed { to, value } => ("renamed", format!("{place} to {to}: {}", short(value))),
        What::Retyped { from, to } => ("retyped", from_to(place, from, to)),
        What::NewlyNull(from) => ("newly null", from_to(place, from, &Value::Null)),
        What::NoLongerNull(to) => ("not null", from_to(place, &Value::Null, to)),
        What::Changed { from, to } => ("changed", from_to(place, from, to)),
        What::Moved { from, to } => ("moved", from_to(place, from, to)),
        What::OneMore { value, .. } => ("one more", format!("{place}: {}", short(value))),
        What::OneLess(value) => ("one less", format!("{place}: {}", short(value))),
    };
    format!("{way:<10}  {rest}")
}

fn from_to(place: &str, from: &Value, to: &Value) -> String {
    format!("{place}: {} -> {}", short(from), short(to))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_WIDTH) {
        Some((end, _)) if value.is_object() || value.is_array() => format!("{}…", &text[..end]),
        _ => text,
    }
}

/// Tells what became of the snapshots since `revision`.
///
/// # Errors
///
/// As the writer fails.
pub fn tell(compared: &Compared, revision: &str, out: &mut impl Write) -> io::Result<()> {
    let Compared { commit, news } = compared;
    let since = if revision == commit {
        revision.to_owned()
    } else {
        format!("{revision} ({commit})")
    };
    for SnapshotNews { name, news } in news {
        writeln!(out, "{name}")?;
        match news {
            News::New => writeln!(out, "  {GOOD}compatible{GOOD:#}  new")?,
            News::Deleted => writeln!(out, "  {BAD}BREAKING{BAD:#}    deleted")?,
            News::OtherContract => {
                writeln!(
                    out,
                    "  {QUIET}to be read{QUIET:#}  the contract says something else"
                )?;
            }
            News::Changed(changes) if changes.is_empty() => {
                writeln!(out, "  {QUIET}compatible  the payload is as it was{QUIET:#}")?;
            }
            News::Changed(changes) => {
                for change in changes {
                    let line = line(change);
                    if change.what.is_breaking() {
                        writeln!(out, "  {BAD}BREAKING{BAD:#}    {line}")?;
                    } else {
                        writeln!(out, "  {GOOD}compatible{GOOD:#}  {line}")?;
                    }
                }
            }
        }
        writeln!(out)?;
    }
    if news.is_empty() {
        writeln!(out, "{GOOD}no snapshot changed{GOOD:#} since {since}")?;
    } else {
        let (breaking, compatible) = compared.count();
        let style = if breaking == 0 { GOOD } else { BAD };
        let files = if news.len() == 1 { "file" } else { "files" };
        writeln!(
            out,
            "{style}{breaking} breaking, {compatible} compatible{style:#} in {} {files} since {since}",
            news.len()
        )?;
    }
    out.flush()
}
