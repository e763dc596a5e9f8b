//! Text of error messages.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The number of names that an error message lists.
const MOST_NAMES: usize = 40;

/// Joins names for display: `a, b`, or `none`. Lists only the first of very many names.
pub(crate) fn listed<T: std::fmt::Display>(names: impl IntoIterator<Item = T>) -> String {
    let mut names = names.into_iter();
    let first: Vec<String> = names
        .by_ref()
        .take(MOST_NAMES)
        .map(|name| name.to_string())
        .collect();
    if first.is_empty() {
        return "none".to_owned();
    }
    match names.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Whether a terminal takes a character for a command, or shows the text around it in another order.
fn is_unprintable(char: char) -> bool {
    let changes_direction =
        matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char.is_control() && !matches!(char, '\n' | '\t') || changes_direction
}

/// The first character of a text that must not reach a terminal.
pub(crate) fn first_unprintable(text: &str) -> Option<char> {
    text.chars().find(|char| is_unprintable(*char))
}

/// A text that a terminal can show: control characters other than line breaks and tabs are written as escapes such
/// as `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if first_unprintable(text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unprintable(char) {
            shown.extend(char.escape_unicode());
        } else {
            shown.push(char);
        }
    }
    Cow::Owned(shown)
}

/// At most `most` characters of a text. The end of a longer text is replaced by its length.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    let Some((end, _)) = text.char_indices().nth(most) else {
        return Cow::Borrowed(text);
    };
    let mut shown = text[..end].to_owned();
    let left = text[end..].chars().count();
    // Writing to a string cannot fail.
    let _ = write!(shown, "… ({left} more characters)");
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_line_breaks_are_kept() {
        assert_eq!(printable("a\nü"), "a\nü");
        assert_eq!(printable("\u{1b}[31m\u{7}\u{202e}"), r"\u{1b}[31m\u{7}\u{202e}");
    }

    #[test]
    fn long_texts_and_lists_are_cut() {
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöü", 1), "ä… (2 more characters)");
        assert_eq!(listed([1, 2]), "1, 2");
        assert!(listed(0..50).ends_with("38, 39 and 10 more"));
    }
}
