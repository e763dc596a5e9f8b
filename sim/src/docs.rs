//! Regions of documents that are generated from code.
//!
//! A region is the text between `<!-- generated: NAME -->` and `<!-- generated end -->`. The code is the only place that
//! states the facts; `turnstile docs` rewrites the regions, and a test fails while one differs. What a region contains
//! is decided by its function, not here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use similar::TextDiff;
use turnstile_scenarios::LibraryErrors;

/// Start of the line that begins a region.
const BEGIN: &str = "<!-- generated: ";
/// End of the line that begins a region.
const BEGIN_END: &str = " -->";
/// The line that ends a region.
const END: &str = "<!-- generated end -->";
/// Folders without documents of the project.
const SKIPPED: [&str; 2] = ["target", "node_modules"];

/// A generated part of documents.
#[derive(Debug, Clone, Copy)]
pub struct Region {
    /// The name in the marks.
    pub name: &'static str,
    /// How its text is written.
    pub writer: Writer,
}

/// Writes the text of a region as Markdown, without an end of line at its end.
#[derive(Debug, Clone, Copy)]
pub enum Writer {
    /// From tables in the code.
    Code(fn() -> String),
    /// From plays of the scenarios in the folder with the documents, which take seconds.
    Plays(fn(&Path) -> Result<String, LibraryErrors>),
}

/// A file that is generated as a whole.
#[derive(Debug, Clone, Copy)]
pub struct GeneratedFile {
    /// Its path from the folder with the documents.
    pub path: &'static str,
    /// Writes its text.
    pub write: fn() -> String,
}

/// Which regions are regenerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// All.
    All,
    /// Those that need no plays.
    WithoutPlays,
}

/// A document whose regions differ from what the code generates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outdated {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub current: String,
    /// Its text with regenerated regions.
    pub expected: String,
}

impl Outdated {
    /// The difference, as a unified diff.
    pub fn diff(&self) -> String {
        let path = self.path.display().to_string();
        TextDiff::from_lines(&self.current, &self.expected)
            .unified_diff()
            .header(&path, &path)
            .to_string()
    }

    /// Writes the expected text to the file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be written.
    pub fn update(&self) -> Result<(), DocsError> {
        fs::write(&self.path, &self.expected).map_err(|source| DocsError::Io {
            path: self.path.clone(),
            source,
        })
    }
}

/// Why documents could not be generated.
#[derive(Debug, thiserror::Error)]
pub enum DocsError {
    /// A file or folder could not be read or written.
    #[error("cannot access {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The scenarios could not be loaded.
    #[error(transparent)]
    Scenarios(#[from] LibraryErrors),
    /// No function writes this region.
    #[error("{}:{line}: no region is named {name:?}; known: {known}", path.display())]
    Unknown {
        /// The document.
        path: PathBuf,
        /// The line of the mark, from 1.
        line: usize,
        /// The name in the mark.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A region has no end.
    #[error("{}:{line}: the region has no `{END}`", path.display())]
    Open {
        /// The document.
        path: PathBuf,
        /// The line of the mark, from 1.
        line: usize,
    },
}

/// Finds all documents below `root` whose selected regions are outdated, in order of their paths.
///
/// # Errors
///
/// Fails if a document or a scenario cannot be read, or if a mark is wrong.
pub fn outdated(root: &Path, regions: &[Region], selection: Selection) -> Result<Vec<Outdated>, DocsError> {
    let generator = Generator {
        root,
        regions,
        selection,
    };
    let mut documents = Vec::new();
    find_documents(root, &mut documents)?;
    documents.sort_unstable();
    let mut outdated = Vec::new();
    for path in documents {
        let current = fs::read_to_string(&path).map_err(|source| DocsError::Io {
            path: path.clone(),
            source,
        })?;
        let expected = generator.regenerate(&path, &current)?;
        if expected != current {
            outdated.push(Outdated {
                path,
                current,
                expected,
            });
        }
    }
    Ok(outdated)
}

/// Compares a generated file below `root` with what the code generates. `None` if it is up to date, or if the folder has
/// no place for it.
///
/// # Errors
///
/// Fails if the file exists and cannot be read.
pub fn outdated_file(root: &Path, file: &GeneratedFile) -> Result<Option<Outdated>, DocsError> {
    let path = root.join(file.path);
    if !path.parent().is_some_and(Path::is_dir) {
        return Ok(None);
    }
    let current = match fs::read_to_string(&path) {
        Ok(current) => current,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(DocsError::Io { path, source }),
    };
    let expected = (file.write)();
    Ok((expected != current).then_some(Outdated {
        path,
        current,
        expected,
    }))
}

fn find_documents(folder: &Path, documents: &mut Vec<PathBuf>) -> Result<(), DocsError> {
    let failed = |source| DocsError::Io {
        path: folder.to_owned(),
        source,
    };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if name.starts_with('.') || SKIPPED.contains(&&*name) {
            continue;
        }
        if entry.file_type().map_err(failed)?.is_dir() {
            find_documents(&path, documents)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
    Ok(())
}

/// Regenerates the regions of documents.
struct Generator<'a> {
    root: &'a Path,
    regions: &'a [Region],
    selection: Selection,
}

impl Generator<'_> {
    fn regenerate(&self, path: &Path, text: &str) -> Result<String, DocsError> {
        let mut out = String::with_capacity(text.len());
        let mut lines = text.split_inclusive('\n').enumerate();
        while let Some((index, line)) = lines.next() {
            out.push_str(line);
            let Some(name) = region_name(line) else { continue };
            let region = self.regions.iter().find(|region| region.name == name);
            let region = region.ok_or_else(|| DocsError::Unknown {
                path: path.to_owned(),
                line: index + 1,
                name: name.to_owned(),
                known: self
                    .regions
                    .iter()
                    .map(|region| region.name)
                    .collect::<Vec<_>>()
                    .join(", "),
            })?;
            let mut kept = String::new();
            let mut rest = lines.by_ref().map(|(_, line)| line);
            let end = rest.find(|line| {
                let is_end = line.trim_end() == END;
                if !is_end {
                    kept.push_str(line);
                }
                is_end
            });
            let end = end.ok_or_else(|| DocsError::Open {
                path: path.to_owned(),
                line: index + 1,
            })?;
            match self.text(region)? {
                Some(text) => out.push_str(&format!("\n{text}\n\n")),
                None => out.push_str(&kept),
            }
            out.push_str(end);
        }
        Ok(out)
    }

    /// The text of a region; `None` if it is not selected.
    fn text(&self, region: &Region) -> Result<Option<String>, DocsError> {
        Ok(match (region.writer, self.selection) {
            (Writer::Code(write), _) => Some(write()),
            (Writer::Plays(write), Selection::All) => Some(write(self.root)?),
            (Writer::Plays(_), Selection::WithoutPlays) => None,
        })
    }
}

fn region_name(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix(BEGIN)?.strip_suffix(BEGIN_END)
}

/// A Markdown table.
pub fn table<const N: usize>(columns: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String; N]| format!("| {} |", cells.join(" | "));
    let head = columns.map(str::to_owned);
    let rule = columns.map(|_| "---").join("|");
    let mut lines = vec![line(&head), format!("|{rule}|")];
    lines.extend(
        rows.into_iter()
            .map(|row| line(&row.map(|cell| cell.replace('|', "\\|")))),
    );
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGIONS: [Region; 2] = [
        Region {
            name: "numbers",
            writer: Writer::Code(|| table(["n", "text"], [["1".to_owned(), "one | eins".to_owned()]])),
        },
        Region {
            name: "plays",
            writer: Writer::Plays(|_| Ok("played".to_owned())),
        },
    ];

    fn regenerated_in(text: &str, selection: Selection) -> Result<String, String> {
        let generator = Generator {
            root: Path::new("."),
            regions: &REGIONS,
            selection,
        };
        let text = generator.regenerate(Path::new("a.md"), text);
        text.map_err(|error| error.to_string())
    }

    fn regenerated(text: &str) -> Result<String, String> {
        regenerated_in(text, Selection::All)
    }

    #[test]
    fn a_region_from_plays_is_kept_if_it_is_not_selected() {
        let text = "<!-- generated: plays -->\nold\n<!-- generated end -->\n";
        assert_eq!(regenerated_in(text, Selection::WithoutPlays).unwrap(), text);
        assert!(regenerated(text).unwrap().contains("\nplayed\n"));
    }

    #[test]
    fn the_text_between_the_marks_is_replaced() {
        let text = "a\n<!-- generated: numbers -->\nold\n<!-- generated end -->\nb\n";
        let expected = "a\n<!-- generated: numbers -->\n\n| n | text |\n|---|---|\n| 1 | one \\| eins |\n\n<!-- generated end -->\nb\n";
        assert_eq!(regenerated(text).unwrap(), expected);
        assert_eq!(regenerated(expected).unwrap(), expected);
        assert_eq!(regenerated("no region\n").unwrap(), "no region\n");
    }

    #[test]
    fn an_unknown_region_and_one_without_end_are_errors() {
        assert_eq!(
            regenerated("\n<!-- generated: letters -->\n<!-- generated end -->\n").unwrap_err(),
            "a.md:2: no region is named \"letters\"; known: numbers, plays"
        );
        assert_eq!(
            regenerated("<!-- generated: numbers -->\n").unwrap_err(),
            "a.md:1: the region has no `<!-- generated end -->`"
        );
    }

    #[test]
    fn outdated_documents_are_found_and_updated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.md");
        fs::write(&path, "<!-- generated: numbers -->\n<!-- generated end -->\n").unwrap();
        fs::write(folder.path().join("b.txt"), "<!-- generated: letters -->\n").unwrap();
        let found = outdated(folder.path(), &REGIONS, Selection::All).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].diff().contains("+| n | text |\n"), "{}", found[0].diff());
        found[0].update().unwrap();
        assert_eq!(outdated(folder.path(), &REGIONS, Selection::All).unwrap(), []);
    }
}
