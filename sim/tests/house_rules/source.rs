//! Rust sources as text, without what does not count for a rule: comments, literals and tests.

/// The source without comments, with its strings and characters emptied, and without what only tests have.
pub(super) struct Source {
    /// What is left.
    pub code: String,
    /// Modules in files of their own that only tests have.
    pub test_modules: Vec<String>,
}

impl Source {
    /// Reads a file's text.
    pub(super) fn read(text: &str) -> Self {
        without_tests(&without_literals(text))
    }
}

/// The text without comments, with every string and character emptied.
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

/// The length of the raw string at the beginning of `text`, if one is there.
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

/// The length of the literal at the beginning of `text` that ends with `quote`.
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

/// The length of the character at the beginning of `text`; none if a lifetime is there.
fn character(text: &str) -> Option<usize> {
    let is_escaped = text[1..].starts_with('\\');
    let has_one = text.chars().nth(2) == Some('\'');
    if is_escaped || has_one {
        escaped(text, '\'')
    } else {
        None
    }
}

/// The code without the items under `#[cfg(test)]`.
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

/// The length of the item at the beginning of `code`: up to its semicolon, or to the end of its braces.
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

/// The name of the module in a file of its own that this item declares.
fn declared_module(item: &str) -> Option<String> {
    let words: Vec<&str> = item.trim_end_matches(';').split_whitespace().collect();
    let is_declaration = item.ends_with(';') && words.iter().rev().nth(1) == Some(&"mod");
    is_declaration.then(|| words.last().copied().unwrap_or_default().to_owned())
}

/// A path of a `use` line or of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UsedPath {
    /// Where it begins: at the crate's root, or so many modules above the one that it is in.
    pub levels_above: Option<usize>,
    /// The first names of it: two, or fewer if it is shorter or branches before.
    pub names: Vec<String>,
}

/// The paths that begin with `crate::` or `super::`. A group of names is several paths.
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

/// The first two names of the path, or of each path of the group, at the beginning of `code`.
fn leaves(code: &str) -> Vec<Vec<String>> {
    let names = |part: &str| {
        let mut names = part.trim_start().split("::").map(first_word);
        let first = names.next().unwrap_or_default();
        let is_whole = part.trim_start()[first.len()..].starts_with("::");
        let second = names.next().filter(|second| is_whole && !second.is_empty());
        std::iter::once(first).chain(second).collect::<Vec<_>>()
    };
    let Some(group) = code.strip_prefix('{') else {
        return vec![names(code)];
    };
    let length = item_length(code).saturating_sub(2);
    split_at_commas(&group[..length])
        .into_iter()
        .map(names)
        .filter(|names| !names[0].is_empty())
        .collect()
}

/// The parts of a group, in which a comma inside of braces does not part anything.
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
