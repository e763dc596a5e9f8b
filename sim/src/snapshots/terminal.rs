//! The comparison of snapshots as text: file by file, then the changes that several files have in common.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::comparison::{Compared, News, SnapshotNews};
use super::verdict::{Row, Verdict, rows};
use super::words::place_of;
use crate::report::style::{BAD, GOOD, QUIET};

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
    rows(news).into_iter().try_for_each(|Row { verdict, text, .. }| {
        let style = match verdict {
            Verdict::Breaking => BAD,
            Verdict::Compatible => GOOD,
            Verdict::Review => QUIET,
        };
        let word = verdict.word();
        writeln!(out, "  {style}{word:<10}{style:#}  {text}")
    })
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
