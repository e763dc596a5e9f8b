//! The report of a whole run as pages: an index of all plays, a page for each play, and its timeline.
//!
//! | file | content |
//! |---|---|
//! | `play`, `moment` | the page of one play, and the moment of its failure |
//! | `index` | the list of plays, findings by kind, skipped scenarios, rules of the protocol |
//! | `compare` | differences from an earlier report |
//! | `prose` | texts of rules and findings as HTML |
//! | `pages/` | templates, style and scripts |
//!
//! A folder has everything: pages load their data from files beside them, and nothing else. A single file has the index
//! and the plays, and timelines and wire logs as far as it has room for them.

mod compare;
mod index;
mod moment;
mod play;
mod prose;

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
use self::prose::prose;
use super::event::{Event, Reporter};
use super::json::JsonReport;
use super::packed::{Packer, packed};
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
/// Where a single file has the data of plays.
const DATA_PLACE: &str = "<!-- data -->\n";
/// The room for packed timelines and wire logs in a single file, in bytes.
const MOST_DATA: usize = 6_000_000;

/// Collects the plays of a run.
#[derive(Debug, Default)]
pub struct HtmlReport {
    with_seed: bool,
    /// The command that made the report, or another name of the run.
    name: String,
    earlier: Option<String>,
    plays: Vec<PlayPage>,
    slugs: BTreeSet<String>,
    packer: Packer,
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

    /// Compares the run with the text of an earlier JSON report.
    pub fn compared_with(mut self, earlier: Option<String>) -> Self {
        self.earlier = earlier;
        self
    }

    fn add(&mut self, played: &Played, replay: &str) {
        let name = super::name_of_play(&played.play, self.with_seed);
        let slug = self.slug(&name);
        let page = PlayPage::of(played, replay, [name, slug], &mut self.packer);
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
        Index::of(
            &self.name,
            &self.plays,
            &self.json,
            self.comparison(),
            self.with_seed,
        )
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
        fs::write(folder.join("play.js"), self.play_script())?;
        let timeline = timeline::shell(&self.packer.beginning());
        fs::write(folder.join("timeline.html"), timeline)?;
        for play in &self.plays {
            let page = templates.filled(
                "play_page.html",
                context! { play => Value::from(Serde(play)), is_single => false },
            )?;
            fs::write(folder.join("plays").join(format!("{}.html", play.slug)), page)?;
            if play.has_data {
                // A page that was opened from a disk may load scripts, but no other files.
                let data = format!("turnstileData(\"{}\");\n", play.data);
                fs::write(folder.join("data").join(format!("{}.js", play.slug)), data)?;
            }
        }
        let index = Value::from(Serde(self.index()));
        let page = templates.filled("index.html", context! { index, is_single => false })?;
        fs::write(folder.join("index.html"), page)?;
        let mut json = serde_json::to_vec_pretty(&self.json)?;
        json.push(b'\n');
        fs::write(folder.join("report.json"), json)
    }

    /// Writes one page with the index and all plays, with the timelines and wire logs of as many as it has room for: of
    /// failed ones first.
    ///
    /// # Errors
    ///
    /// If the writer fails.
    pub fn write_file(mut self, out: &mut dyn io::Write) -> io::Result<()> {
        self.keep_data_of_at_most(MOST_DATA);
        let style = Value::from_safe_string(STYLE.to_owned());
        // A timeline in place of this page has constants with the same names, so these are in a block.
        let script = format!("\"use strict\";\n{{\n{}{INDEX_SCRIPT}}}\n", self.play_script());
        let script = Value::from_safe_string(script);
        let index = Value::from(Serde(self.index()));
        let plays = Value::from(Serde(&self.plays));
        let without_data = self
            .plays
            .iter()
            .filter(|play| play.events > 0 && !play.has_data)
            .count();
        let context = context! { index, plays, is_single => true, style, script, without_data };
        let page = Templates::new().filled("index.html", context)?;
        // No content can contain the place, because a tag or comment in it is escaped.
        let (before, after) = page.split_once(DATA_PLACE).expect("the template has the place");
        out.write_all(before.as_bytes())?;
        for play in self.plays.iter().filter(|play| play.has_data) {
            let PlayPage { slug, data, .. } = play;
            writeln!(
                out,
                "<script type=\"text/plain\" id=\"data-{slug}\">{data}</script>"
            )?;
        }
        let timeline = packed(&timeline::shell_in_page(&self.packer.beginning()));
        writeln!(
            out,
            "<script type=\"text/plain\" id=\"timeline\">{timeline}</script>"
        )?;
        out.write_all(after.as_bytes())
    }

    /// Drops data of timelines that do not fit into so many bytes.
    fn keep_data_of_at_most(&mut self, mut room: usize) {
        let mut plays: Vec<&mut PlayPage> = self.plays.iter_mut().filter(|play| play.has_data).collect();
        plays.sort_by_key(|play| play.findings.is_empty());
        for play in plays {
            match room.checked_sub(play.data.len()) {
                Some(rest) => room = rest,
                None => play.has_data = false,
            }
        }
    }

    /// The script of a page with plays.
    fn play_script(&self) -> String {
        let beginning = timeline::constant(&self.packer.beginning());
        [timeline::UNPACK, &beginning, PLAY_SCRIPT].concat()
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
        environment.add_filter("prose", |text: &str| Value::from_safe_string(prose(text)));
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
