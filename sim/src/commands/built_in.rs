//! The scripts and pages that are part of the program.
//!
//! Debug builds contain none and read the checkout that they were built from, see `build.rs`.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::Path;

use turnstile_scenarios::{Library, LibraryErrors};

#[path = "../../embedding.rs"]
mod embedding;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The folder that paths of built-in scripts begin with.
const ROOT: &str = "scenarios";

/// A name and a text.
type Text = (Cow<'static, str>, Cow<'static, str>);

/// The built-in scenarios. Their paths begin with `scenarios`, and no such files need to exist.
pub(crate) fn library() -> Result<Library, LibraryErrors> {
    let scripts = scripts();
    Library::of(
        Path::new(ROOT),
        scripts.iter().map(|(path, text)| (&**path, &**text)),
    )
}

/// The text of a built-in script. The path may begin with `scenarios`.
pub(crate) fn script(file: &Path) -> Option<Cow<'static, str>> {
    let below = file.strip_prefix(ROOT).unwrap_or(file);
    let mut scripts = scripts().into_iter();
    scripts
        .find(|(path, _)| Path::new(&**path) == below)
        .map(|(_, text)| text)
}

/// The pages for users: the name, and the text in Markdown.
pub(crate) fn pages() -> Vec<Text> {
    texts(PAGES, embedding::pages)
}

fn scripts() -> Vec<Text> {
    texts(SCRIPTS, embedding::scripts)
}

fn texts(
    embedded: Option<&'static [(&str, &str)]>,
    in_checkout: fn(&Path) -> io::Result<embedding::Texts>,
) -> Vec<Text> {
    if let Some(embedded) = embedded {
        let borrowed = |(name, text): &(&'static str, &'static str)| (Cow::from(*name), Cow::from(*text));
        return embedded.iter().map(borrowed).collect();
    }
    let checkout = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let read = |(name, path)| Some((Cow::from(name), Cow::from(fs::read_to_string(path).ok()?)));
    let files = in_checkout(checkout).unwrap_or_default();
    files.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

    #[test]
    fn built_in_scenarios_are_those_of_the_folder() {
        let folder = Path::new(CHECKOUT).join(ROOT);
        let of_folder = Library::load(&folder).unwrap();
        let built_in = library().unwrap();
        assert_eq!(built_in.entries().len(), of_folder.entries().len());
        for (one, other) in built_in.entries().iter().zip(of_folder.entries()) {
            assert_eq!((&one.id, &one.scenario), (&other.id, &other.scenario));
        }
    }

    #[test]
    fn a_built_in_script_is_found_by_its_path_with_and_without_the_folder() {
        let path = "suite/turn/cold.yaml";
        assert!(script(Path::new(path)).is_some());
        assert_eq!(script(Path::new(path)), script(&Path::new(ROOT).join(path)));
        assert_eq!(script(Path::new("suite/turn/none.yaml")), None);
    }
}
