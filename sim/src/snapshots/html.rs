//! The comparison of snapshots as a page: the payloads of each changed page side by side.

use std::io::{self, Write};

use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;
use similar::{ChangeTag, DiffOp, TextDiff};

use super::comparison::{Compared, SnapshotNews};
use super::reliance::Contracts;
use super::snapshot::Part;
use super::verdict::rows;

/// Lines around a change that are shown.
const CONTEXT: usize = 4;
const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");

/// A changed page.
#[derive(Serialize)]
struct Page<'a> {
    name: &'a str,
    part: Option<&'static str>,
    is_pending: bool,
    description: Option<&'a str>,
    changes: Vec<Change<'a>>,
    /// Groups of lines with a change. Empty without two payloads.
    groups: Vec<Vec<Line>>,
}

#[derive(Serialize)]
struct Change<'a> {
    verdict: &'static str,
    word: &'static str,
    text: String,
    relied_on_by: Vec<&'a str>,
}

/// A line of both payloads, or of one.
#[derive(Serialize)]
struct Line {
    before: Option<Side>,
    after: Option<Side>,
    is_changed: bool,
}

/// A line of one payload with its number from 1.
#[derive(Serialize)]
struct Side {
    number: usize,
    text: String,
}

/// Writes the changes since `revision` as one page without further files.
///
/// # Errors
///
/// If the writer fails.
pub fn write_html(
    compared: &Compared,
    contracts: &Contracts,
    revision: &str,
    out: &mut (impl Write + ?Sized),
) -> io::Result<()> {
    let (breaking, compatible) = compared.count();
    let pages: Vec<Page> = compared
        .news
        .iter()
        .map(|page| page_of(page, contracts))
        .collect();
    let mut environment = Environment::new();
    let rendered = environment.add_template("page.html", TEMPLATE).and_then(|()| {
        environment.get_template("page.html")?.render(context! {
            style => STYLE, revision, commit => compared.commit.as_str(), breaking, compatible, pages => Serde(pages),
        })
    });
    let rendered = rendered.map_err(io::Error::other)?;
    out.write_all(rendered.as_bytes())
}

fn page_of<'a>(page: &'a SnapshotNews, contracts: &'a Contracts) -> Page<'a> {
    let changes = rows(&page.news).into_iter().map(|row| Change {
        verdict: row.verdict.name(),
        word: row.verdict.word(),
        relied_on_by: contracts.naming(&row.place),
        text: row.text,
    });
    let groups = match &page.payloads {
        (Some(before), Some(after)) => groups(&format!("{before:#}\n"), &format!("{after:#}\n")),
        _ => Vec::new(),
    };
    Page {
        name: &page.name,
        part: page.part.map(Part::name),
        is_pending: page.is_pending,
        description: page.description.as_deref(),
        changes: changes.collect(),
        groups,
    }
}

/// The lines of two texts side by side, as far as they are near a change.
fn groups(before: &str, after: &str) -> Vec<Vec<Line>> {
    let diff = TextDiff::from_lines(before, after);
    let of_group = |operations: Vec<DiffOp>| {
        let lines = operations
            .iter()
            .flat_map(|operation| side_by_side(&diff, operation));
        lines.collect()
    };
    diff.grouped_ops(CONTEXT).into_iter().map(of_group).collect()
}

/// The lines of one operation: the n-th removed line is beside the n-th added one.
fn side_by_side(diff: &TextDiff<'_, '_, '_, str>, operation: &DiffOp) -> Vec<Line> {
    let side = |index: Option<usize>, text: &str| Side {
        number: index.unwrap_or_default() + 1,
        text: text.trim_end_matches('\n').to_owned(),
    };
    let mut lines: Vec<Line> = Vec::new();
    let mut added = 0;
    for change in diff.iter_changes(operation) {
        let before = || side(change.old_index(), change.value());
        let after = || side(change.new_index(), change.value());
        match change.tag() {
            ChangeTag::Equal => lines.push(Line {
                before: Some(before()),
                after: Some(after()),
                is_changed: false,
            }),
            ChangeTag::Delete => lines.push(Line {
                before: Some(before()),
                after: None,
                is_changed: true,
            }),
            ChangeTag::Insert => {
                match lines.get_mut(added) {
                    Some(line) => line.after = Some(after()),
                    None => lines.push(Line {
                        before: None,
                        after: Some(after()),
                        is_changed: true,
                    }),
                }
                added += 1;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_lines_are_beside_each_other() {
        let lines: Vec<_> = groups("a\nb\nc\n", "a\nB\nC\nd\n").remove(0);
        let shown: Vec<_> = lines
            .iter()
            .map(|line| {
                let text = |side: &Option<Side>| side.as_ref().map(|side| (side.number, side.text.clone()));
                (text(&line.before), text(&line.after), line.is_changed)
            })
            .collect();
        let side = |number, text: &str| Some((number, text.to_owned()));
        assert_eq!(
            shown,
            [
                (side(1, "a"), side(1, "a"), false),
                (side(2, "b"), side(2, "B"), true),
                (side(3, "c"), side(3, "C"), true),
                (None, side(4, "d"), true),
            ]
        );
    }
}
