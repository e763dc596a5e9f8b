//! The comparison of snapshots in Markdown, for a comment on a pull request, and as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};
use similar::TextDiff;

use super::comparison::{Compared, News, SnapshotNews};
use super::reliance::Contracts;
use super::snapshot::Part;
use super::terminal::line;

/// Most pages that are shown in full: the length of a comment is limited.
const PAGES: usize = 20;

/// Writes the changes since `revision` in Markdown.
///
/// # Errors
///
/// If the writer fails.
pub fn write_markdown(
    compared: &Compared,
    contracts: &Contracts,
    revision: &str,
    out: &mut impl Write,
) -> io::Result<()> {
    let (breaking, compatible) = compared.count();
    writeln!(
        out,
        "### Payloads: {breaking} breaking, {compatible} compatible changes since `{revision}`"
    )?;
    for news in compared.news.iter().take(PAGES) {
        write_page(news, contracts, out)?;
    }
    match compared.news.len().saturating_sub(PAGES) {
        0 => {}
        others => writeln!(out, "\n{others} more payloads changed.")?,
    }
    out.flush()
}

fn write_page(page: &SnapshotNews, contracts: &Contracts, out: &mut impl Write) -> io::Result<()> {
    let part = page
        .part
        .map(|part| format!(" ({})", part.name()))
        .unwrap_or_default();
    let pending = if page.is_pending { ", not accepted yet" } else { "" };
    writeln!(out, "\n#### `{}`{part}{pending}\n", page.name)?;
    if let Some(description) = &page.description {
        writeln!(out, "Shows {description}.\n")?;
    }
    writeln!(out, "| | change | relied on by |\n|---|---|---|")?;
    for Row { verdict, text, place } in rows(&page.news) {
        let relied = contracts.naming(place).join("; ");
        let text = text.replace('|', "\\|");
        writeln!(out, "| {verdict} | `{text}` | {relied} |")?;
    }
    let (Some(before), Some(after)) = &page.payloads else {
        return Ok(());
    };
    let (before, after) = (format!("{before:#}\n"), format!("{after:#}\n"));
    let diff = TextDiff::from_lines(&before, &after);
    writeln!(out, "\n<details><summary>before and after</summary>\n\n~~~diff")?;
    write!(out, "{}", diff.unified_diff().context_radius(3))?;
    writeln!(out, "~~~\n\n</details>")
}

struct Row<'a> {
    verdict: &'static str,
    text: String,
    place: &'a str,
}

fn rows(news: &News) -> Vec<Row<'_>> {
    let whole = |verdict, text: &str| {
        vec![Row {
            verdict,
            text: text.to_owned(),
            place: "",
        }]
    };
    match news {
        News::New => whole("compatible", "new"),
        News::Deleted => whole("**BREAKING**", "deleted"),
        News::OtherContract => whole("review", "the contract changed"),
        News::Changed(changes) if changes.is_empty() => whole("compatible", "the payload did not change"),
        News::Changed(changes) => changes
            .iter()
            .map(|change| Row {
                verdict: if change.what.is_breaking() {
                    "**BREAKING**"
                } else {
                    "compatible"
                },
                text: line(change),
                place: &change.place,
            })
            .collect(),
    }
}

/// The changes since `revision` as JSON.
pub fn to_json(compared: &Compared, contracts: &Contracts, revision: &str) -> Value {
    let (breaking, compatible) = compared.count();
    let pages: Vec<Value> = compared
        .news
        .iter()
        .map(|page| page_as_json(page, contracts))
        .collect();
    json!({
        "since": revision, "commit": compared.commit, "breaking": breaking, "compatible": compatible, "pages": pages,
    })
}

fn page_as_json(page: &SnapshotNews, contracts: &Contracts) -> Value {
    let changes: Vec<Value> = rows(&page.news)
        .into_iter()
        .map(|row| {
            json!({
                "breaking": row.verdict.contains("BREAKING"), "text": row.text, "place": row.place,
                "relied_on_by": contracts.naming(row.place),
            })
        })
        .collect();
    let (before, after) = &page.payloads;
    json!({
        "page": page.name, "payload": page.part.map(Part::name), "pending": page.is_pending,
        "description": page.description, "changes": changes, "before": before, "after": after,
    })
}
