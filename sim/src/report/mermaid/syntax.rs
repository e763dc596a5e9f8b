//! Mermaid's syntax: identifiers, escaping, line breaks.

/// The maximum width of a line of a note in characters, and the maximum number of its lines.
const NOTE_WIDTH: usize = 64;
const NOTE_LINES: usize = 4;

/// Words that are not allowed as participants' names.
const RESERVED: [&str; 21] = [
    "activate",
    "actor",
    "alt",
    "and",
    "autonumber",
    "box",
    "break",
    "create",
    "critical",
    "deactivate",
    "destroy",
    "else",
    "end",
    "link",
    "links",
    "loop",
    "note",
    "opt",
    "par",
    "participant",
    "rect",
];

/// Wraps a text for a note and truncates it.
pub(super) fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is a line from the beginning");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= NOTE_WIDTH {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    if lines.len() > NOTE_LINES {
        lines.truncate(NOTE_LINES);
        lines[NOTE_LINES - 1].push('…');
    }
    lines.join("\n")
}

/// A unique identifier for each party.
pub(super) fn identifiers(names: &[String]) -> Vec<String> {
    let mut taken: Vec<String> = Vec::new();
    for name in names {
        let mut word: String = name
            .chars()
            .map(|character| {
                if character.is_ascii_alphanumeric() {
                    character
                } else {
                    '_'
                }
            })
            .collect();
        while taken.contains(&word) || RESERVED.contains(&word.to_ascii_lowercase().as_str()) {
            word.push('_');
        }
        taken.push(word);
    }
    taken
}

/// Escapes a text for Mermaid and for HTML. Line ends stay.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '#' | ';' | '<' | '>' | '&' | '%' | '{' | '}' | '\\' | '$' => {
                escaped.push_str(&format!("#{};", u32::from(character)));
            }
            '\n' => escaped.push('\n'),
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    // After these words Mermaid parses an escape as a colour and removes its end.
    escaped
        .replace("style", "#115;tyle")
        .replace("classDef", "#99;lassDef")
}

/// A text for a comment: one line, without a directive.
pub(super) fn comment(text: &str) -> String {
    let is_odd = |character: char| character.is_control() || matches!(character, '{' | '}' | '%');
    text.replace(is_odd, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_of_a_run_is_escaped() {
        assert_eq!(
            escaped("a;b #c <script> %%{init}%% & end\u{1b}style"),
            "a#59;b #35;c #60;script#62; #37;#37;#123;init#125;#37;#37; #38; end #115;tyle"
        );
        let names = ["end", "ingest:old", "a-b", "a_b"].map(str::to_owned);
        assert_eq!(identifiers(&names), ["end_", "ingest_old", "a_b", "a_b_"]);
        assert_eq!(comment("x\ny %%{init}%%"), "x y    init   ");
    }
}
