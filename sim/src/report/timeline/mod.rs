//! One run as an interactive page: a lane for each party, arrows for messages, shaded faults, and marked findings.
//!
//! The page is one file that loads nothing. Content of a run (prompts, bodies, texts of errors) is in it only as JSON, in
//! which no tag can start; the script inserts it as text. The content is derived by `picture`, the appearance is decided
//! by the files beside this one:
//!
//! | file | content |
//! |---|---|
//! | `page.html` | the frame |
//! | `style.css` | colours and sizes, light and dark |
//! | `axis.js` | positions of rows on the time axis |
//! | `columns.js` | positions of columns, and text that fits into them |
//! | `legend.js` | marks and their meaning |
//! | `drawing.js` | draws the visible part |
//! | `header.js` | the header, the filters, the URL fragment |
//! | `timeline.js` | the state of the view, keys, wheel and pointer |

use std::io;

use serde::Serialize;

use super::Heading;
use super::event::{Document, Event, Reporter};
use super::finding::LabelledFinding;
use super::picture::{Picture, microseconds};
use crate::script::Verdict;
use crate::suite::Outcome;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
/// In the order of their dependencies.
const SCRIPTS: [&str; 6] = [
    include_str!("axis.js"),
    include_str!("legend.js"),
    include_str!("columns.js"),
    include_str!("drawing.js"),
    include_str!("header.js"),
    include_str!("timeline.js"),
];

/// The placeholders of the style, the data and the script in the frame, in order.
const PLACES: [&str; 3] = ["/* style */", "/* data */", "/* script */"];

/// The page of the only play, or of the first play with findings.
#[derive(Debug)]
pub struct TimelineReport {
    is_only_play: bool,
    page: Option<String>,
}

impl TimelineReport {
    /// An empty report for `plays` plays.
    pub fn new(plays: usize) -> Self {
        Self {
            is_only_play: plays == 1,
            page: None,
        }
    }
}

impl Reporter for TimelineReport {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        let Event::Played { played, replay } = *event else {
            return Ok(());
        };
        let verdict = match played.outcome() {
            Outcome::Failed(verdict) => verdict,
            Outcome::Passed(verdict) if self.is_only_play => verdict,
            Outcome::Passed(_) | Outcome::HarnessFailed(_) => return Ok(()),
        };
        let page = || page(verdict, &Heading::of(&played.play, replay));
        self.page.get_or_insert_with(page);
        Ok(())
    }
}

impl Document for TimelineReport {
    fn name(&self) -> &'static str {
        "timeline"
    }

    fn absence(&self) -> Option<&'static str> {
        match (&self.page, self.is_only_play) {
            (Some(_), _) => None,
            (None, true) => Some("the harness failed, so there is nothing to draw"),
            (None, false) => Some("no play failed, and of several plays only a failed one is drawn"),
        }
    }

    fn write(self: Box<Self>, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(self.page.unwrap_or_default().as_bytes())
    }
}

/// The data of a page.
#[derive(Serialize)]
struct Data<'a> {
    title: &'a str,
    id: &'a str,
    surface: &'a str,
    seed: u64,
    replay: &'a str,
    digest: String,
    played_us: u64,
    elapsed_us: u64,
    findings: Vec<FindingData>,
    #[serde(flatten)]
    picture: Picture<'a>,
}

/// A finding.
#[derive(Serialize)]
struct FindingData {
    rule: String,
    at_us: u64,
    /// An index into the picture's messages.
    message: Option<usize>,
    text: String,
}

/// The page of a run.
pub fn page(verdict: &Verdict, heading: &Heading) -> String {
    let picture = Picture::of(verdict);
    let place_of = |id: &str| picture.messages.iter().position(|message| message.id == id);
    let findings = LabelledFinding::all(verdict).map(|finding| FindingData {
        rule: finding.rule,
        at_us: microseconds(finding.at),
        message: finding.message.as_deref().and_then(place_of),
        text: finding.text,
    });
    let findings = findings.collect();
    let data = Data {
        title: heading.title,
        id: heading.id,
        surface: heading.surface.name(),
        seed: heading.seed,
        replay: heading.replay,
        digest: verdict.trace.digest().to_string(),
        played_us: microseconds(verdict.played),
        elapsed_us: microseconds(verdict.elapsed),
        findings,
        picture,
    };
    filled([STYLE, &inert(&data), &SCRIPTS.concat()])
}

/// JSON in which no tag and no comment can start, so that it is safe anywhere in a page.
fn inert(data: &Data) -> String {
    let json = serde_json::to_string(data).expect("all of it is plain data");
    json.replace('<', "\\u003c")
}

/// The frame with its placeholders replaced. Inserted parts are not searched for placeholders.
fn filled(parts: [&str; 3]) -> String {
    let mut page = String::new();
    let mut rest = PAGE;
    for (place, part) in PLACES.into_iter().zip(parts) {
        let (before, after) = rest
            .split_once(place)
            .unwrap_or_else(|| panic!("the page's frame has a place `{place}`, after those before it"));
        page.push_str(before);
        page.push_str(part);
        rest = after;
    }
    page.push_str(rest);
    page
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::report::played::{entry, played};

    /// A text that would run as markup.
    const HOSTILE: &str =
        "</script><script>document.body.dataset.pwned = 1</script><!-- <img src=x onerror=alert(1)>";

    fn hostile_page() -> String {
        let entry = entry(&format!("- start: {{ as: first, text: '{HOSTILE}' }}"), "");
        let played = played(&entry, 0);
        let verdict = played.verdict.as_ref().expect("the harness works");
        let heading = Heading {
            title: HOSTILE,
            ..Heading::of(&played.play, "turnstile replay /* data */ <b>")
        };
        page(verdict, &heading)
    }

    #[test]
    fn content_of_a_run_is_in_the_page_as_data_only() {
        let page = hostile_page();
        let (_, data) = page.split_once("id=\"data\">").expect("there is data");
        let (data, script) = data.split_once("</script>").expect("it ends");
        assert!(!data.contains('<'));
        let data: Value = serde_json::from_str(data).expect("the data is JSON");
        assert_eq!(data["title"], HOSTILE);
        assert_eq!(data["replay"], "turnstile replay /* data */ <b>");
        for outside in [page.split_once("id=\"data\">").unwrap().0, script] {
            assert!(!outside.contains("pwned"));
        }
    }

    #[test]
    fn the_page_loads_nothing() {
        let frame = filled([STYLE, "", &SCRIPTS.concat()]);
        for word in ["http://", "https://", "@import", "url(", "fetch(", "src="] {
            let addresses = frame.matches(word).count();
            // The namespace of SVG is not loaded, and patterns are in the page.
            let own = frame.matches("http://www.w3.org/2000/svg").count() * usize::from(word == "http://")
                + frame.matches("url(#").count() * usize::from(word == "url(");
            assert_eq!(addresses, own, "{word}");
        }
    }
}
