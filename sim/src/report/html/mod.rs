//! The report of a whole run as pages: an index of all plays, a page for each play, and its timeline.
//!
//! | file | content |
//! |---|---|
//! | `play` | the page of one play |
//! | `index` | the list of plays, findings by kind, skipped scenarios, rules of the protocol |
//! | `compare` | differences from an earlier report |
//! | `pages/` | templates, style and scripts |
//!
//! A folder has everything: pages load their data from files beside them, and nothing else. A single file has the index
//! and the plays without timelines.

mod compare;
mod index;
mod play;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};

use self::compare::{Comparison, compare};
use self::index::Index;
use self::play::PlayPage;
use super::event::{Event, Reporter};
use super::json::JsonReport;
use super::timeline;
use crate::suite::Played;

/// Templates with their names.
const TEMPLATES: [(&str, &str); 6] = [
    ("layout.html", include_str!("pages/layout.html")),
    ("index.html", include_str!("pages/index.html")),
    ("plays.html", include_str!("pages/plays.html")),
    ("rules.html", include_str!("pages/rules.html")),
    ("play.html", include_str!("pages/play.html")),
    ("play_page.html", include_str!("pages/play_page.html")),
];
const STYLE: &str = include_str!("pages/style.css");
const INDEX_SCRIPT: &str = include_str!("pages/index.js");
const PLAY_SCRIPT: &str = include_str!("pages/play.js");

/// Collects the plays of a run.
#[derive(Debug, Default)]
pub struct HtmlReport {
    with_seed: bool,
    is_single: bool,
    /// The command that made the report, or another name of the run.
    name: String,
    earlier: Option<String>,
    plays: Vec<PlayPage>,
    slugs: BTreeSet<String>,
    json: JsonReport,
}

impl HtmlReport {
    /// An empty report of a run with this name.
    pub fn new(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Also names the seed of each play.
    pub fn with_seed(mut self, with_seed: bool) -> Self {
        self.with_seed = with_seed;
        self
    }

    /// Leaves out what a single file has no place for.
    pub fn for_single_file(mut self) -> Self {
        self.is_single = true;
        self
    }

    /// Compares the run with the text of an earlier JSON report.
    pub fn compared_with(mut self, earlier: Option<String>) -> Self {
        self.earlier = earlier;
        self
    }

    fn add(&mut self, played: &Played, replay: &str) {
        let name = super::name_of_play(&played.play, self.with_seed);
        let slug = self.slug(&name);
        let page = PlayPage::of(played, replay, [name, slug], !self.is_single);
        self.plays.push(page);
    }

    /// A name for addresses that no other play has.
    fn slug(&mut self, name: &str) -> String {
        let plain = |letter: char| {
            if letter.is_ascii_alphanumeric() {
                letter.to_ascii_lowercase()
            } else {
                '-'
            }
        };
        let plain: String = name.chars().map(plain).collect();
        let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
        let slug = words.join("-");
        let mut unique = slug.clone();
        let mut number = 2;
        while !self.slugs.insert(unique.clone()) {
            unique = format!("{slug}-{number}");
            number += 1;
        }
        unique
    }

    /// Checks the text of an earlier report.
    ///
    /// # Errors
    ///
    /// It is no report that this version can compare with.
    pub fn check_earlier(text: &str) -> Result<(), serde_json::Error> {
        compare(text, &JsonReport::default()).map(drop)
    }

    fn comparison(&self) -> Option<Comparison> {
        // It was checked before the run.
        compare(self.earlier.as_deref()?, &self.json).ok()
    }

    fn index(&self) -> Index<'_> {
        Index::of(&self.name, &self.plays, &self.json, self.comparison())
    }

    /// Writes the pages into a folder that exists.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write_folder(&self, folder: &Path) -> io::Result<()> {
        let templates = Templates::new();
        for part in ["plays", "data"] {
            let part = folder.join(part);
            if part.is_dir() {
                fs::remove_dir_all(&part)?;
            }
            fs::create_dir_all(part)?;
        }
        fs::write(folder.join("style.css"), STYLE)?;
        fs::write(folder.join("index.js"), INDEX_SCRIPT)?;
        fs::write(folder.join("play.js"), [timeline::UNPACK, PLAY_SCRIPT].concat())?;
        fs::write(folder.join("timeline.html"), timeline::shell())?;
        for play in &self.plays {
            let page = templates.filled(
                "play_page.html",
                context! { play => Value::from(Serde(play)), is_single => false },
            )?;
            fs::write(folder.join("plays").join(format!("{}.html", play.slug)), page)?;
            if play.has_timeline() {
                // A page that was opened from a disk may load scripts, but no other files.
                let data = format!("turnstileData(\"{}\");\n", play.data);
                fs::write(folder.join("data").join(format!("{}.js", play.slug)), data)?;
            }
        }
        let index = Value::from(Serde(self.index()));
        let plays = Value::from(Serde(&self.plays));
        let page = templates.filled("index.html", context! { index, plays, is_single => false })?;
        fs::write(folder.join("index.html"), page)?;
        let mut json = serde_json::to_vec_pretty(&self.json)?;
        json.push(b'\n');
        fs::write(folder.join("report.json"), json)
    }

    /// Writes one page with the index and all plays, without timelines.
    ///
    /// # Errors
    ///
    /// If the writer fails.
    pub fn write_file(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let style = Value::from_safe_string(STYLE.to_owned());
        let script = Value::from_safe_string(INDEX_SCRIPT.to_owned());
        let index = Value::from(Serde(self.index()));
        let plays = Value::from(Serde(&self.plays));
        let context = context! { index, plays, is_single => true, style, script };
        out.write_all(Templates::new().filled("index.html", context)?.as_bytes())
    }
}

impl Reporter for HtmlReport {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        self.json.report(event)?;
        if let Event::Played { played, replay } = *event {
            self.add(played, replay);
        }
        Ok(())
    }
}

/// The templates of the pages.
struct Templates(Environment<'static>);

impl Templates {
    fn new() -> Self {
        let mut environment = Environment::new();
        // A large report has thousands of lines of blanks otherwise.
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        environment.set_syntax(syntax.build().expect("the delimiters are the usual ones"));
        for (name, text) in TEMPLATES {
            environment
                .add_template(name, text)
                .expect("the templates are valid");
        }
        Self(environment)
    }

    fn filled(&self, name: &str, context: Value) -> io::Result<String> {
        let template = self.0.get_template(name);
        template
            .and_then(|template| template.render(context))
            .map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests;
