//! A sequence as lines of text, with the time, the parties and what happened in columns.

use serde::Serialize;

use super::{Line, Look, Sequence, Shape};
use crate::report::mark::Mark;
use crate::report::picture::Picture;
use crate::script::Verdict;

/// The maximum width of a line in characters.
const WIDTH: usize = 150;

/// A line as a row of a table.
#[derive(Debug, Serialize)]
pub(in crate::report) struct Row {
    /// Seconds since the start; empty for a remark.
    pub at: String,
    /// The parties.
    pub place: String,
    /// What happened.
    pub text: String,
    /// Whether it is a finding or a remark, and not an event.
    pub is_remark: bool,
    /// Whether something did not arrive.
    pub is_lost: bool,
}

/// The essential events of the whole run with its findings and a mark, as about `limit` rows of a table.
pub(in crate::report) fn rows(
    verdict: &Verdict,
    picture: &Picture,
    limit: usize,
    mark: Option<&Mark>,
) -> Vec<Row> {
    let limit = limit + picture.lanes.names().len();
    let mut sequence = Sequence::of(verdict, picture, limit);
    if let Some(mark) = mark {
        sequence.add_mark(mark);
    }
    let row = |line: &Line| {
        let is_remark = line.shape == Shape::Remark;
        Row {
            at: if is_remark {
                String::new()
            } else {
                format!("{:.3}", line.at.as_secs_f64())
            },
            place: place(&sequence, line),
            text: line.text.clone(),
            is_remark,
            is_lost: matches!(line.shape, Shape::Arrow(_, Look::Lost | Look::LostRequest, _)),
        }
    };
    sequence.lines.iter().map(row).collect()
}

/// The essential events up to the first finding, in about `limit` lines; none if `limit` is 0.
pub(crate) fn lines_up_to_finding(verdict: &Verdict, limit: usize) -> Vec<String> {
    if limit == 0 {
        return Vec::new();
    }
    let picture = Picture::of(verdict);
    let participants = picture.lanes.names().len();
    let sequence = Sequence::up_to_finding(verdict, &picture, limit + participants);
    let places: Vec<String> = sequence.lines.iter().map(|line| place(&sequence, line)).collect();
    let width = places
        .iter()
        .map(|place| place.chars().count())
        .max()
        .unwrap_or(0);
    let lines = sequence.lines.iter().zip(places);
    lines.map(|(line, place)| text(line, &place, width)).collect()
}

fn place(sequence: &Sequence, line: &Line) -> String {
    let name = |lane: usize| &sequence.names[lane];
    match line.shape {
        Shape::Arrow(from, Look::LostRequest | Look::Lost, to) => format!("{} ─✕ {}", name(from), name(to)),
        Shape::Arrow(from, _, to) => format!("{} → {}", name(from), name(to)),
        Shape::Note(from, to) if from == to => name(from).clone(),
        Shape::Note(from, to) => format!("{} ↔ {}", name(from), name(to)),
        Shape::Remark => String::new(),
    }
}

fn text(line: &Line, place: &str, width: usize) -> String {
    let text = match line.shape {
        Shape::Remark => format!("{:>11} {}", "", line.text),
        Shape::Arrow(..) | Shape::Note(..) => {
            format!("{:>9.3} s {place:<width$}  {}", line.at.as_secs_f64(), line.text)
        }
    };
    if text.chars().count() <= WIDTH {
        return text;
    }
    text.chars().take(WIDTH - 1).chain(['…']).collect()
}
