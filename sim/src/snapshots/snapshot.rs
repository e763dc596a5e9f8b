//! A snapshot's file: the header that `insta` writes between two lines of dashes, then a page.
//!
//! A page has up to three sections: the V2 payload, its unified counterpart, and the differences between them.
//! Rendering and reading of pages are both here. Writing files is `insta`'s part.

use std::collections::BTreeMap;
use std::str::Utf8Error;

use serde_json::Value;

/// The field of a payload that shows the request. It is there for the reader and is no part of what the server sends.
pub const ASKED: &str = "asked";
/// The line before a snapshot's header, and after it.
const FENCE: &str = "---";
/// The heading above the differences.
const DIFFERENCE: &str = "# From the unified payload to the V2 payload";

/// The payloads of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What an old client, or the receiver of its callbacks, gets.
    V2,
    /// What a client of the unified surface gets in its place.
    Unified,
}

impl Part {
    /// All payloads of a page, in the order of the file.
    pub const ALL: [Self; 2] = [Self::V2, Self::Unified];

    /// What it is called in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::V2 => "V2",
            Self::Unified => "unified",
        }
    }

    /// The heading above it.
    fn heading(self) -> &'static str {
        match self {
            Self::V2 => "# V2",
            Self::Unified => "# Unified",
        }
    }
}

/// Renders a page from the V2 payload and its counterpart, if any, with the differences.
pub fn page(v2: &Value, counterpart: Option<(&Value, &str)>) -> String {
    let mut sections = vec![(Part::V2.heading(), format!("{v2:#}"))];
    if let Some((unified, difference)) = counterpart {
        sections.push((Part::Unified.heading(), format!("{unified:#}")));
        sections.push((DIFFERENCE, difference.to_owned()));
    }
    let sections = sections.iter();
    let sections: Vec<String> = sections
        .map(|(heading, content)| format!("{heading}\n\n{content}\n"))
        .collect();
    sections.join("\n")
}

/// Why a file cannot be read as a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is not text.
    #[error("it is not UTF-8")]
    NoText(#[from] Utf8Error),
    /// It has no header.
    #[error("it does not begin with a header between two lines `{FENCE}`")]
    NoHead,
    /// It is not divided into sections.
    #[error("below its header, line {line:?} is in no section; a page begins with `# V2`")]
    NoSection {
        /// The line.
        line: String,
    },
    /// A payload is not JSON.
    #[error("its {} payload is not JSON", part.name())]
    NoJson {
        /// Which payload.
        part: Part,
        /// What the parser reports.
        source: serde_json::Error,
    },
}

/// The payloads of a snapshot, without the requests ([`ASKED`]). The differences follow from them and are left out.
///
/// # Errors
///
/// If the file is not a snapshot of a page.
pub fn payloads_of(file: &[u8]) -> Result<BTreeMap<Part, Value>, Unreadable> {
    let mut sections: BTreeMap<Part, String> = BTreeMap::new();
    let mut current = None;
    for line in content_of(std::str::from_utf8(file)?)?.lines() {
        if line == DIFFERENCE {
            break;
        }
        if let Some(part) = Part::ALL.into_iter().find(|part| part.heading() == line) {
            current = Some(sections.entry(part).or_default());
        } else if let Some(section) = &mut current {
            section.push_str(line);
            section.push('\n');
        } else if !line.is_empty() {
            return Err(Unreadable::NoSection {
                line: line.to_owned(),
            });
        }
    }
    let payload = |(part, section): (Part, String)| match serde_json::from_str(section.trim()) {
        Ok(payload) => Ok((part, without_asked(payload))),
        Err(source) => Err(Unreadable::NoJson { part, source }),
    };
    sections.into_iter().map(payload).collect()
}

/// The description in the header of a file.
pub(super) fn description_of(file: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(file).ok()?;
    let header = text.strip_prefix(FENCE)?.split_once("\n---\n")?.0;
    let line = header
        .lines()
        .find_map(|line| line.strip_prefix("description: "))?;
    Some(line.trim_matches('"').to_owned())
}

/// A payload without the [requests](ASKED).
pub fn without_asked(mut payload: Value) -> Value {
    let parts = match &mut payload {
        Value::Array(parts) => parts.iter_mut().collect(),
        part => vec![part],
    };
    for part in parts {
        if let Some(fields) = part.as_object_mut() {
            fields.remove(ASKED);
        }
    }
    payload
}

/// The text below the header.
fn content_of(text: &str) -> Result<&str, Unreadable> {
    let mut rest = text;
    let mut next_line = || {
        let (line, others) = rest.split_once('\n')?;
        rest = others;
        Some(line.trim_end())
    };
    if next_line() != Some(FENCE) {
        return Err(Unreadable::NoHead);
    }
    loop {
        match next_line() {
            Some(FENCE) => return Ok(rest),
            Some(_) => {}
            None => return Err(Unreadable::NoHead),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn file(content: &str) -> Vec<u8> {
        format!("---\nsource: a\n---\n{content}").into_bytes()
    }

    #[test]
    fn a_page_is_read_as_it_was_rendered_without_requests_and_differences() {
        let v2 = json!({"asked": {"a": 1}, "answered": {"asked": 2, "text": "# Unified\n\n# V2"}});
        let unified = json!([{"asked": 1, "shown": []}]);
        let of_v2 = json!({"answered": {"asked": 2, "text": "# Unified\n\n# V2"}});
        let both = file(&page(&v2, Some((&unified, "removed     a"))));
        let both_payloads =
            BTreeMap::from([(Part::V2, of_v2.clone()), (Part::Unified, json!([{"shown": []}]))]);
        assert_eq!(payloads_of(&both).unwrap(), both_payloads);
        let with_carriage_returns = String::from_utf8(both).unwrap().replace('\n', "\r\n");
        assert_eq!(
            payloads_of(with_carriage_returns.as_bytes()).unwrap(),
            both_payloads
        );
        let alone = file(&page(&v2, None));
        assert_eq!(payloads_of(&alone).unwrap(), BTreeMap::from([(Part::V2, of_v2)]));
    }

    #[test]
    fn a_file_that_is_not_a_snapshot_is_an_error() {
        for (file, why) in [
            (&b"\xff"[..], "it is not UTF-8"),
            (b"{}", "it does not begin with a header between two lines `---`"),
            (
                b"---\nsource: a\n{}\n",
                "it does not begin with a header between two lines `---`",
            ),
            (
                b"---\nsource: a\n---\n<<<<<<< HEAD\n",
                "below its header, line \"<<<<<<< HEAD\" is in no section; a page begins with `# V2`",
            ),
            (
                b"---\nsource: a\n---\n# V2\n\n<<<<<<< HEAD\n",
                "its V2 payload is not JSON",
            ),
        ] {
            assert_eq!(payloads_of(file).unwrap_err().to_string(), why);
        }
    }
}
