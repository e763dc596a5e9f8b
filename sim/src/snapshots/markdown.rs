//! The comparison of snapshots in Markdown, for a comment on a pull request, and as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};
use similar::TextDiff;

use super::comparison::{Compared, SnapshotNews};
use super::reliance::Contracts;
use super::snapshot::Part;
use super::verdict::{Row, Verdict, rows};

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
        let relied = contracts.naming(&place).join("; ");
        let text = text.replace('|', "\\|");
        let verdict = match verdict {
            Verdict::Breaking => format!("**{}**", verdict.word()),
            Verdict::Compatible | Verdict::Review => verdict.word().to_owned(),
        };
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
                "verdict": row.verdict.name(), "breaking": row.verdict == Verdict::Breaking,
                "text": row.text, "place": row.place, "relied_on_by": contracts.naming(&row.place),
            })
        })
        .collect();
    let (before, after) = &page.payloads;
    json!({
        "page": page.name, "payload": page.part.map(Part::name), "pending": page.is_pending,
        "description": page.description, "changes": changes, "before": before, "after": after,
    })
}
