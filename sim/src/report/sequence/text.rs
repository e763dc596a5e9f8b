//! A sequence as lines of text, with the time, the parties and what happened in columns.

use super::{Line, Look, Sequence, Shape};
use crate::report::picture::Picture;
use crate::script::Verdict;

/// The maximum width of a line in characters.
const WIDTH: usize = 150;

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
