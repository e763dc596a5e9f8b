//! What a change means for existing clients. Text, Markdown, JSON and the page show the same verdicts.

use super::classify::What;
use super::comparison::News;
use super::words::line;

/// What a change means for existing clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It can break a client.
    Breaking,
    /// It breaks no client.
    Compatible,
    /// A person has to decide.
    Review,
}

impl Verdict {
    /// The verdict on a change of a payload.
    pub fn of(what: &What) -> Self {
        match what.is_breaking() {
            true => Self::Breaking,
            false => Self::Compatible,
        }
    }

    /// Its name for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Breaking => "breaking",
            Self::Compatible => "compatible",
            Self::Review => "review",
        }
    }

    /// As people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Breaking => "BREAKING",
            Self::Compatible | Self::Review => self.name(),
        }
    }
}

/// One change of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it means.
    pub verdict: Verdict,
    /// The change in words.
    pub text: String,
    /// The path of the field; empty for the whole page.
    pub place: String,
}

/// The changes of a page, at least one.
pub fn rows(news: &News) -> Vec<Row> {
    let whole = |verdict, text: &str| {
        vec![Row {
            verdict,
            text: text.to_owned(),
            place: String::new(),
        }]
    };
    match news {
        News::New => whole(Verdict::Compatible, "new"),
        News::Deleted => whole(Verdict::Breaking, "deleted"),
        News::OtherContract => whole(Verdict::Review, "the contract changed"),
        News::Changed(changes) if changes.is_empty() => {
            whole(Verdict::Compatible, "the payload did not change")
        }
        News::Changed(changes) => changes
            .iter()
            .map(|change| Row {
                verdict: Verdict::of(&change.what),
                text: line(change),
                place: change.place.clone(),
            })
            .collect(),
    }
}
