//! Rust sources as text, without comments, literals and tests.

/// Source code without comments, literal contents and test-only items.
pub(super) struct Source {
    /// The remaining code.
    pub code: String,
    /// Test-only modules in separate files.
    pub test_modules: Vec<String>,
}

impl Source {
    /// Reads the text of a file.
    pub(super) fn read(text: &str) -> Self {
        without_tests(&without_literals(text))
    }
}

/// Removes comments and the contents of strings and characters.
fn without_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_in_word = code.ends_with(is_word);
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_string(rest).filter(|_| !is_in_word) {
            length
        } else if first == '"' {
            escaped(rest, '"').unwrap_or(rest.len())
        } else if first == '\'' {
            character(rest).unwrap_or(0)
        } else {
            0
        };
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Length of the raw string at the start of `text`, if any.
fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?;
    let opening = hashes
        .find('"')
        .filter(|end| hashes[..*end].chars().all(|hash| hash == '#'))?;
    let closing = format!("\"{}", &hashes[..opening]);
    let content = 1 + opening + 1;
    text[content..]
        .find(&closing)
        .map(|end| content + end + closing.len())
}

/// Length of the literal at the start of `text` that ends with `quote`.
fn escaped(text: &str, quote: char) -> Option<usize> {
    let mut letters = text.char_indices().skip(1);
    while let Some((place, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == quote {
            return Some(place + 1);
        }
    }
    None
}

/// Length of the character literal at the start of `text`; `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let is_escaped = text[1..].starts_with('\\');
    let has_one = text.chars().nth(2) == Some('\'');
    if is_escaped || has_one {
        escaped(text, '\'')
    } else {
        None
    }
}

/// Removes the items under `#[cfg(test)]`.
fn without_tests(code: &str) -> Source {
    const MARKS: [&str; 2] = ["#[cfg(test)]", "#[cfg(all(test"];
    let mut kept = String::with_capacity(code.len());
    let mut test_modules = Vec::new();
    let mut rest = code;
    while let Some(start) = MARKS.iter().filter_map(|mark| rest.find(mark)).min() {
        kept.push_str(&rest[..start]);
        let item = &rest[start..];
        let length = item_length(item);
        test_modules.extend(declared_module(&item[..length]));
        rest = &item[length..];
    }
    kept.push_str(rest);
    Source {
        code: kept,
        test_modules,
    }
}

/// Length of the item at the start of `code`: up to its semicolon or closing brace.
fn item_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (place, letter) in code.char_indices() {
        match letter {
            '{' | '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return place + 1;
                }
            }
            ';' if depth == 0 => return place + 1,
            _ => {}
        }
    }
    code.len()
}

/// Name of the module that this item declares in a separate file.
fn declared_module(item: &str) -> Option<String> {
    let words: Vec<&str> = item.trim_end_matches(';').split_whitespace().collect();
    let is_declaration = item.ends_with(';') && words.iter().rev().nth(1) == Some(&"mod");
    is_declaration.then(|| words.last().copied().unwrap_or_default().to_owned())
}

/// A path in a `use` line or an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UsedPath {
    /// Start of the path: the crate root, or the number of parent modules.
    pub levels_above: Option<usize>,
    /// The names after that start.
    pub names: Vec<String>,
}

/// The paths that start with `crate::` or `super::`. A group of names gives several paths.
pub(super) fn paths(code: &str) -> Vec<UsedPath> {
    const CRATE: &str = "crate::";
    const SUPER: &str = "super::";
    let mut paths = Vec::new();
    let mut rest = code;
    while let Some(place) = [CRATE, SUPER].iter().filter_map(|word| rest.find(word)).min() {
        let is_path = !rest[..place].ends_with(is_word) && !rest[..place].ends_with('$');
        let tail = &rest[place..];
        let levels = tail.split(SUPER).take_while(|between| between.is_empty()).count();
        let (levels_above, length) = match levels {
            0 => (None, CRATE.len()),
            levels => (Some(levels), levels * SUPER.len()),
        };
        rest = &tail[length..];
        if is_path {
            paths.extend(
                leaves(rest)
                    .into_iter()
                    .map(|names| UsedPath { levels_above, names }),
            );
        }
    }
    paths
}

/// The names of each path at the start of `code`. A group gives a path for each of its members.
fn leaves(code: &str) -> Vec<Vec<String>> {
    let code = code.trim_start();
    if code.starts_with('{') {
        let length = item_length(code);
        let group = &code[1..length.saturating_sub(1).max(1)];
        return split_at_commas(group).into_iter().flat_map(leaves).collect();
    }
    let name = first_word(code);
    if name.is_empty() {
        return Vec::new();
    }
    let rest = code[name.len()..].strip_prefix("::");
    let ends = rest.map(leaves).unwrap_or_default();
    if ends.is_empty() {
        return vec![vec![name]];
    }
    ends.into_iter()
        .map(|end| [vec![name.clone()], end].concat())
        .collect()
}

/// Splits a group at its top-level commas.
fn split_at_commas(group: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let is_separator = |letter: char| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    };
    group.split(is_separator).collect()
}

fn first_word(code: &str) -> String {
    code.chars().take_while(|letter| is_word(*letter)).collect()
}
