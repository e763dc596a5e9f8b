//! The rules of the protocol by their ids, read from `PROTOCOL.md`.
//!
//! The document is the only place that states a rule. This module finds its ids and texts, so that oracles, coverage
//! rules, scripts and reports can refer to a rule and `turnstile explain` can print it. It decides nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Serialize, Serializer};

const PROTOCOL: &str = include_str!("../../../reference/PROTOCOL.md");

/// The id of a rule of the protocol: `R`, the section, a dot, a number.
///
/// Parsing accepts only ids that `PROTOCOL.md` has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId {
    section: u16,
    number: u16,
}

impl RuleId {
    /// The id with this text. For tables in code, which are evaluated at compile time; a test of each table asserts
    /// [`RuleId::is_known`].
    ///
    /// # Panics
    ///
    /// Panics, in a table at compile time, if `text` does not have the form of an id.
    pub const fn named(text: &str) -> Self {
        match Self::from_bytes(text.as_bytes()) {
            Some(id) => id,
            None => panic!("an id of a rule has the form R8.3"),
        }
    }

    const fn from_bytes(text: &[u8]) -> Option<Self> {
        let Some((b'R', mut rest)) = text.split_first() else {
            return None;
        };
        let (mut section, mut number) = (0_u16, 0_u16);
        let mut digits = 0;
        let mut is_after_dot = false;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match *byte {
                b'0'..=b'9' if digits < 4 => {
                    let digit = (*byte - b'0') as u16;
                    if is_after_dot {
                        number = number * 10 + digit;
                    } else {
                        section = section * 10 + digit;
                    }
                    digits += 1;
                }
                b'.' if digits > 0 && !is_after_dot => {
                    is_after_dot = true;
                    digits = 0;
                }
                _ => return None,
            }
        }
        if is_after_dot && digits > 0 {
            Some(Self { section, number })
        } else {
            None
        }
    }

    /// The section of the protocol.
    pub const fn section(self) -> u16 {
        self.section
    }

    /// Whether the protocol has a rule with this id.
    pub fn is_known(self) -> bool {
        RULES.contains_key(&self)
    }

    /// The rule; `None` if the protocol has no rule with this id.
    pub fn rule(self) -> Option<&'static Rule> {
        RULES.get(&self)
    }
}

/// The ids with these texts; see [`RuleId::named`].
pub const fn ids<const N: usize>(texts: [&str; N]) -> [RuleId; N] {
    let mut ids = [RuleId {
        section: 0,
        number: 0,
    }; N];
    let mut place = 0;
    while place < N {
        ids[place] = RuleId::named(texts[place]);
        place += 1;
    }
    ids
}

impl fmt::Display for RuleId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "R{}.{}", self.section, self.number)
    }
}

impl Serialize for RuleId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for RuleId {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        Self::from_bytes(text.as_bytes())
            .filter(|id| id.is_known())
            .ok_or_else(|| UnknownRule(text.to_owned()))
    }
}

/// A text that is not the id of a rule of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownRule(pub String);

impl fmt::Display for UnknownRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the protocol has no rule {:?}", self.0)
    }
}

impl std::error::Error for UnknownRule {}

/// A rule of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// The title of its section, and of its subsection if it is in one.
    pub section: String,
    /// The sentence that introduces the list or table that the rule is an item of.
    pub introduction: Option<String>,
    /// Its text. A row of a table is written as `column: cell` pairs. A table or code block that the rule announces
    /// with a colon is included.
    pub text: String,
}

static RULES: LazyLock<BTreeMap<RuleId, Rule>> =
    LazyLock::new(|| parse(PROTOCOL).into_iter().map(|rule| (rule.id, rule)).collect());

/// All rules of the protocol, in order of their ids.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    RULES.values()
}

/// Reads the rules of a document, in its order, with duplicates.
fn parse(document: &str) -> Vec<Rule> {
    let mut parser = Parser {
        lines: document.lines().collect(),
        ..Parser::default()
    };
    for place in 0..parser.lines.len() {
        parser.take(place);
    }
    parser.rules
}

#[derive(Default)]
struct Parser<'a> {
    lines: Vec<&'a str>,
    section: &'a str,
    subsection: Option<&'a str>,
    /// The columns of the table that the current line is in.
    columns: Vec<&'a str>,
    /// The paragraph or list item before the current list or table, if it ends with a colon.
    introduction: Option<String>,
    /// The paragraph that is being read, if it is no rule.
    paragraph: String,
    /// Whether the line before this one is of a rule, so that this one may continue it.
    in_rule: bool,
    in_code: bool,
    rules: Vec<Rule>,
}

impl<'a> Parser<'a> {
    fn take(&mut self, place: usize) {
        let line = self.lines[place];
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            self.in_code = !self.in_code;
        }
        if self.in_code || trimmed.starts_with("```") {
            return;
        }
        if let Some(title) = line.strip_prefix("## ") {
            (self.section, self.subsection, self.introduction) = (title, None, None);
        } else if let Some(title) = line.strip_prefix("### ") {
            (self.subsection, self.introduction) = (Some(title), None);
        } else if let Some((id, rest)) = rule_start(line) {
            self.add(place, id, rest);
        } else if trimmed.is_empty() {
            self.columns.clear();
            self.in_rule = false;
            self.end_paragraph();
        } else if trimmed.starts_with('|') {
            self.take_table_line(trimmed);
        } else if let Some(item) = after_list_mark(trimmed) {
            item.clone_into(&mut self.paragraph);
            self.in_rule = false;
        } else if !self.in_rule {
            push_words(&mut self.paragraph, trimmed);
        }
    }

    fn end_paragraph(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        if !paragraph.is_empty() {
            self.introduction = paragraph.ends_with(':').then_some(paragraph);
        }
    }

    fn take_table_line(&mut self, line: &'a str) {
        if self.columns.is_empty() {
            self.columns = cells(line);
        }
    }

    fn add(&mut self, place: usize, id: RuleId, rest: &'a str) {
        self.end_paragraph();
        self.in_rule = true;
        let line = self.lines[place].trim_start();
        let is_row = line.starts_with('|');
        let text = if is_row {
            self.row(rest)
        } else {
            self.prose(place, rest)
        };
        let is_item = is_row || is_list_item(line);
        let introduction = self.introduction.clone().filter(|_| is_item);
        if !is_item {
            self.introduction = text.ends_with(':').then(|| text.clone());
        }
        let subsection = self
            .subsection
            .map(|title| format!(", {title}"))
            .unwrap_or_default();
        self.rules.push(Rule {
            id,
            section: format!("{}{subsection}", self.section),
            introduction,
            text,
        });
    }

    /// The cells after the id, each with the name of its column.
    fn row(&self, rest: &str) -> String {
        let columns = self.columns.iter().skip(1).copied().chain(std::iter::repeat(""));
        let pairs = cells(rest).into_iter().zip(columns);
        let pairs = pairs.filter(|(cell, _)| !cell.is_empty());
        let pairs = pairs.map(|(cell, column)| match column {
            "" => cell.to_owned(),
            _ => format!("{column}: {cell}"),
        });
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// A paragraph or list item, with the block that it announces.
    fn prose(&self, place: usize, rest: &str) -> String {
        let mut text = rest.to_owned();
        let mut next = place + 1;
        while let Some(line) = self.lines.get(next).map(|line| line.trim()) {
            let is_over = line.is_empty() || line.starts_with(['|', '#', '`']) || is_list_item(line);
            if (is_over && !line.starts_with('`')) || line.starts_with("```") || rule_start(line).is_some() {
                break;
            }
            push_words(&mut text, line);
            next += 1;
        }
        if text.ends_with(':') {
            self.push_announced_block(next, &mut text);
        }
        text
    }

    /// Adds the code block or the table without ids that begins after line `next`.
    fn push_announced_block(&self, next: usize, text: &mut String) {
        let is_blank = |line: &&&str| line.trim().is_empty();
        let lines = &self.lines[next.min(self.lines.len())..];
        let block = &lines[lines.iter().take_while(is_blank).count()..];
        let length = match block.first().map(|line| line.trim_start()) {
            Some(line) if line.starts_with("```") => {
                let inner = block[1..]
                    .iter()
                    .take_while(|line| !line.trim_start().starts_with("```"));
                inner.count() + 2
            }
            Some(line) if line.starts_with('|') => block
                .iter()
                .take_while(|line| line.trim_start().starts_with('|'))
                .count(),
            _ => 0,
        };
        let block = &block[..length.min(block.len())];
        if block.iter().any(|line| rule_start(line).is_some()) {
            return;
        }
        text.push('\n');
        for line in block {
            text.push('\n');
            text.push_str(line);
        }
    }
}

/// The id that a paragraph, list item or table row begins with, and the text after it.
fn rule_start(line: &str) -> Option<(RuleId, &str)> {
    let line = line.trim_start();
    let marked = line
        .strip_prefix("| ")
        .unwrap_or_else(|| after_list_mark(line).unwrap_or(line));
    let (id, rest) = marked.strip_prefix("**")?.split_once("**")?;
    let rest = rest.strip_prefix(" |").unwrap_or(rest);
    Some((RuleId::from_bytes(id.as_bytes())?, rest.trim()))
}

fn is_list_item(line: &str) -> bool {
    after_list_mark(line).is_some()
}

/// The text of a list item after its `- ` or `1. `.
fn after_list_mark(line: &str) -> Option<&str> {
    line.strip_prefix("- ").or_else(|| {
        let rest = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
        rest.strip_prefix(". ").filter(|_| rest.len() < line.len())
    })
}

fn cells(row: &str) -> Vec<&str> {
    let row = row.trim();
    let row = row.strip_prefix('|').unwrap_or(row);
    let row = row.strip_suffix('|').unwrap_or(row);
    row.split('|').map(str::trim).collect()
}

fn push_words(text: &mut String, words: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(words);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rule(text: &str) -> &'static Rule {
        let id: RuleId = text.parse().unwrap();
        id.rule().unwrap()
    }

    #[test]
    fn no_id_is_used_twice() {
        let mut known = BTreeSet::new();
        for rule in parse(PROTOCOL) {
            assert!(known.insert(rule.id), "{} is used twice", rule.id);
        }
        assert!(known.len() > 300, "{}", known.len());
    }

    #[test]
    fn every_id_of_the_document_is_found_in_its_own_section() {
        let is_id = |(_, after): &(&str, &str)| after.starts_with(|letter: char| letter.is_ascii_digit());
        let marked = PROTOCOL
            .match_indices("**R")
            .map(|(at, mark)| (mark, &PROTOCOL[at + mark.len()..]));
        assert_eq!(parse(PROTOCOL).len(), marked.filter(is_id).count());
        for rule in all() {
            let section = format!("{}. ", rule.id.section());
            assert!(rule.section.starts_with(&section), "{rule:?}");
            assert!(!rule.text.is_empty(), "{}", rule.id);
        }
    }

    #[test]
    fn a_rule_has_its_text_and_what_introduces_it() {
        let idle = rule("R8.3");
        assert_eq!(idle.section, "8. Callbacks, The idle batch");
        assert!(idle.text.starts_with("the session is idle, or"), "{}", idle.text);
        assert!(idle.text.ends_with("`complete`;"), "{}", idle.text);
        let introduction = |id: &str| rule(id).introduction.clone().unwrap_or_default();
        assert!(introduction("R8.3").starts_with("The batch finalizes"));
        assert_eq!(introduction("R8.4"), introduction("R8.3"));
        assert_eq!(introduction("R3.1"), "The input is checked:");
        assert_eq!(introduction("R9.44"), rule("R9.43").text);
    }

    #[test]
    fn a_row_of_a_table_is_written_with_the_names_of_its_columns() {
        assert_eq!(rule("R8.16").text, "field: `kiloSessionId`; value: if known");
    }

    #[test]
    fn a_block_that_a_rule_announces_belongs_to_it() {
        let body = &rule("R2.6").text;
        assert!(body.contains("\"message\": \"Session not found\""), "{body}");
        assert!(body.ends_with("```"), "{body}");
        let limit = rule("R4.4");
        assert_eq!(
            limit.text,
            "The head blocks the queue: no message overtakes it, however long it waits."
        );
    }

    #[test]
    fn only_ids_of_the_document_are_accepted() {
        for text in [
            "", "R", "R8", "R8.0", "R99.1", "r8.3", "R8.3 ", "R+8.3", "8.3", "R8", "R8.", "R.3", "R8.3.1",
            "R08.3x",
        ] {
            assert_eq!(text.parse::<RuleId>(), Err(UnknownRule(text.to_owned())));
        }
        assert_eq!("R8.3".parse::<RuleId>().unwrap().to_string(), "R8.3");
    }
}
