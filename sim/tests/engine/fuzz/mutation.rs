//! Damages texts: removes, repeats, moves and inserts parts, and splices texts together.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Words with a special meaning in YAML, JSON, scripts, directives, URLs or HTTP, and values beyond limits.
const WORDS: [&str; 61] = [
    "{",
    "}",
    "[",
    "]",
    "- ",
    ": ",
    ", ",
    "\n",
    "\n  ",
    "\t",
    "'",
    "\"",
    "\\",
    "#",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "|\n",
    ">-\n",
    "---\n",
    "...\n",
    "%YAML 1.2\n",
    "null",
    "~",
    "true",
    ".inf",
    ".nan",
    "-1",
    "0",
    "1e308",
    "18446744073709551616",
    "9007199254740993",
    "8760h",
    "8761h",
    "9999999999999h",
    "-1s",
    "<first>",
    "<session>",
    "<kilo-session>",
    "<16777217 characters>",
    "<4000000000 characters>",
    "slow:4000000000:0",
    "slow:3:200",
    "tools:99999:a",
    "__fake__:",
    "gate:",
    "\u{0}",
    "\u{1b}[31m",
    "\u{feff}",
    "\u{202e}",
    "\\ud800",
    "%00",
    "%ff",
    "%2e%2e/",
    "&",
    "=",
    "?",
    "+",
    "..",
    "Bearer ",
];

/// Valid texts.
pub struct Corpus(Vec<String>);

/// One change of a text.
#[derive(Debug, Clone)]
enum Change {
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Move(Index, Index, usize),
    Insert(Index, Index),
    Type(Index, String),
    /// Replaces a number.
    Number(Index, Index),
    /// Continues with another text of the corpus.
    Splice(Index, Index, Index),
}

impl Corpus {
    /// A corpus of at least one text.
    pub fn of(texts: impl IntoIterator<Item = String>) -> Self {
        let texts: Vec<String> = texts.into_iter().collect();
        assert!(!texts.is_empty(), "a corpus has a text");
        Self(texts)
    }

    /// Texts with up to five changes.
    pub fn damaged(&self) -> impl Strategy<Value = String> {
        let texts = self.0.clone();
        (any::<Index>(), vec(change(), 0..6)).prop_map(move |(chosen, changes)| {
            let mut text: Vec<char> = texts[chosen.index(texts.len())].chars().collect();
            for change in &changes {
                change.apply(&mut text, &texts);
            }
            text.into_iter().collect()
        })
    }
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 1..40_usize).prop_map(|(start, length)| Change::Remove(start, length)),
        2 => (at(), 1..30_usize, 1..40_usize).prop_map(|(start, length, times)| Change::Repeat(start, length, times)),
        1 => (at(), 1..5_usize, 100..3_000_usize)
            .prop_map(|(start, length, times)| Change::Repeat(start, length, times)),
        2 => (at(), at(), 1..60_usize).prop_map(|(start, to, length)| Change::Move(start, to, length)),
        5 => (at(), at()).prop_map(|(to, word)| Change::Insert(to, word)),
        2 => (at(), "\\PC{0,6}|[ -~]{1,8}").prop_map(|(to, text)| Change::Type(to, text)),
        4 => (at(), at()).prop_map(|(number, word)| Change::Number(number, word)),
        1 => (at(), at(), at()).prop_map(|(to, other, from)| Change::Splice(to, other, from)),
    ]
}

impl Change {
    fn apply(&self, text: &mut Vec<char>, texts: &[String]) {
        let place = |index: &Index, text: &[char]| index.index(text.len() + 1);
        match self {
            Self::Remove(start, length) => {
                let start = place(start, text);
                let end = (start + length).min(text.len());
                text.drain(start..end);
            }
            Self::Repeat(start, length, times) => {
                let start = place(start, text);
                let end = (start + length).min(text.len());
                let part = text[start..end].repeat(*times);
                text.splice(end..end, part);
            }
            Self::Move(start, to, length) => {
                let start = place(start, text);
                let end = (start + length).min(text.len());
                let part: Vec<char> = text.drain(start..end).collect();
                let to = place(to, text);
                text.splice(to..to, part);
            }
            Self::Insert(to, word) => {
                let to = place(to, text);
                text.splice(to..to, word.get(&WORDS).chars());
            }
            Self::Type(to, typed) => {
                let to = place(to, text);
                text.splice(to..to, typed.chars());
            }
            Self::Number(number, word) => {
                let is_digit = |index: &usize| text[*index].is_ascii_digit();
                let starts: Vec<usize> = (0..text.len())
                    .filter(|index| is_digit(index) && (*index == 0 || !is_digit(&(index - 1))))
                    .collect();
                if starts.is_empty() {
                    return;
                }
                let start = starts[number.index(starts.len())];
                let length = text[start..]
                    .iter()
                    .take_while(|char| char.is_ascii_digit())
                    .count();
                text.splice(start..start + length, word.get(&WORDS[28..37]).chars());
            }
            Self::Splice(to, other, from) => {
                let other: Vec<char> = texts[other.index(texts.len())].chars().collect();
                let from = place(from, &other);
                text.truncate(place(to, text));
                text.extend(&other[from..]);
            }
        }
    }
}
