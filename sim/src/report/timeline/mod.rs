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
//! | `unpack.js`, `payloads.js` | unpacks large data; the records of events |
//! | `starter.js` | starts the other scripts when packed data are there |
//! | `loader.js` | loads the data of one run of many |
//! | `folding.js` | folds runs of alike events |
//! | `axis.js` | positions of rows on the time axis |
//! | `columns.js` | positions of columns, and text that fits into them |
//! | `legend.js` | marks and their meaning |
//! | `drawing.js` | draws the visible part |
//! | `header.js` | the header, the filters, the URL fragment |
//! | `details.js` | the selected event or finding |
//! | `timeline.js` | the state of the view, keys, wheel and pointer |

use std::io;

use serde::Serialize;
use turnstile_events::world::WorldEvent;
use turnstile_judge::rules::RuleId;
use turnstile_judge::trace::{Record, What};
use turnstile_scenarios::{Entry, Scenario};

use super::event::{Document, Event, Reporter};
use super::finding::LabelledFinding;
use super::mark::Mark;
use super::packed::{Beginning, Packer, packed};
use super::picture::{
    ArrowKind, Event as PictureEvent, EventKind, Fate, FaultSpan, Lanes, Message, Picture, microseconds,
};
use super::source::Source;
use super::{Heading, worth_showing};
use crate::script::Verdict;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
/// Unpacks large data. Goes before scripts that do so.
pub(super) const UNPACK: &str = include_str!("unpack.js");
/// In the order of their dependencies.
const SCRIPTS: [&str; 10] = [
    UNPACK,
    include_str!("payloads.js"),
    include_str!("axis.js"),
    include_str!("folding.js"),
    include_str!("legend.js"),
    include_str!("columns.js"),
    include_str!("drawing.js"),
    include_str!("header.js"),
    include_str!("details.js"),
    include_str!("timeline.js"),
];

/// The placeholders of the style, the data and the script in the frame, in order.
const PLACES: [&str; 3] = ["/* style */", "/* data */", "<!-- scripts -->"];
/// The number of records that are packed together.
const CHUNK: usize = 250;
/// The number of records above which a page has all of its data packed, and the records in it packed once more, so that
/// they are unpacked only when they are looked at.
const LONG: usize = 2000;
/// Starts the scripts with packed data.
const STARTER: &str = include_str!("starter.js");
/// Loads the packed data of one of many runs.
const LOADER: &str = include_str!("loader.js");
/// Takes the packed data that a page has left, and goes back to that page when the address changes.
const IN_PAGE: &str =
    "addEventListener(\"hashchange\", () => location.reload());\nturnstileData(turnstileRun);\n";
/// Has the packed data of the only run.
const PACKED_DATA: &str = "packed";

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
        let Some(verdict) = worth_showing(played, self.is_only_play) else {
            return Ok(());
        };
        let page = || {
            let heading = Heading::of(&played.play, replay);
            marked_page(verdict, &heading, played.play.entry, Mark::of(played).as_ref())
        };
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
pub(super) struct Data<'a> {
    title: &'a str,
    id: &'a str,
    surface: &'a str,
    seed: u64,
    replay: &'a str,
    digest: String,
    played_us: u64,
    elapsed_us: u64,
    findings: Vec<FindingData>,
    lanes: Lanes,
    messages: Vec<Message>,
    faults: Vec<FaultSpan>,
    events: Events<'a>,
    /// What the records of the events say beside time and party, [`CHUNK`] in each element.
    payloads: Vec<Payload<'a>>,
    /// The lines of the script.
    script: Vec<String>,
}

/// Records of consecutive events. The page unpacks them when it shows one of them.
#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    /// In data that are packed as a whole, and are short.
    Plain(Vec<&'a What>),
    Packed(String),
}

impl<'a> Payload<'a> {
    fn of(records: &'a [Record], is_packed: bool) -> Self {
        let said = records.iter().map(|record| &record.what).collect();
        if is_packed {
            Self::Packed(packed(&said))
        } else {
            Self::Plain(said)
        }
    }
}

/// The parts of an arrow: from, to, kind, fate, and the event of the arrival.
type ArrowParts = (usize, usize, ArrowKind, Fate, Option<usize>);

/// The events without their records. Each field is in a list of its own, which compresses better than a list of events.
#[derive(Default, Serialize)]
struct Events<'a> {
    lane: Vec<Option<usize>>,
    kind: Vec<EventKind>,
    headline: Vec<String>,
    detail: Vec<String>,
    messages: Vec<Vec<usize>>,
    arrow: Vec<Option<ArrowParts>>,
    at_us: Vec<u64>,
    party: Vec<&'a str>,
    /// The line of a step; 0 for everything else.
    line: Vec<u32>,
    /// A change of the world.
    world: Vec<Option<&'a WorldEvent>>,
}

impl<'a> Events<'a> {
    fn of(events: Vec<PictureEvent<'a>>, lines: Vec<u32>) -> Self {
        let mut lists = Self {
            line: lines,
            ..Self::default()
        };
        for event in events {
            lists.lane.push(event.lane);
            lists.kind.push(event.kind);
            lists.headline.push(event.headline);
            lists.detail.push(event.detail);
            lists.messages.push(event.messages);
            let arrow = event.arrow;
            lists
                .arrow
                .push(arrow.map(|arrow| (arrow.from, arrow.to, arrow.kind, arrow.fate, arrow.arrives)));
            lists.at_us.push(microseconds(event.record.at));
            lists.party.push(&event.record.party);
            lists.world.push(match &event.record.what {
                What::World(event) => Some(event),
                _ => None,
            });
        }
        lists
    }
}

/// A finding.
#[derive(Serialize)]
struct FindingData {
    rule: String,
    /// The rules of the protocol, each with its text.
    protocol: Vec<(String, String)>,
    line: usize,
    at_us: u64,
    /// An index into the picture's messages.
    message: Option<usize>,
    expected: String,
    text: String,
}

impl FindingData {
    /// A mark, which is listed among the findings.
    fn marking(mark: &Mark) -> Self {
        Self {
            rule: mark.title.to_owned(),
            protocol: Vec::new(),
            line: 0,
            at_us: microseconds(mark.at),
            message: None,
            expected: String::new(),
            text: mark.text.clone(),
        }
    }
}

impl<'a> Data<'a> {
    /// The data of a run that are packed as a whole. `source` is the text of `scenario`.
    pub fn to_pack(
        verdict: &'a Verdict,
        picture: Picture<'a>,
        heading: &Heading<'a>,
        source: &Source,
        scenario: &Scenario,
    ) -> Self {
        Self::of(verdict, picture, heading, source, scenario, is_long(verdict))
    }

    /// Lists a mark among the findings, after those of the same time.
    pub fn marking(mut self, mark: Option<&Mark>) -> Self {
        self.findings.extend(mark.map(FindingData::marking));
        self.findings.sort_by_key(|finding| finding.at_us);
        self
    }

    fn of(
        verdict: &'a Verdict,
        picture: Picture<'a>,
        heading: &Heading<'a>,
        source: &Source,
        scenario: &Scenario,
        are_payloads_packed: bool,
    ) -> Self {
        let place_of = |id: &str| picture.messages.iter().position(|message| message.id == id);
        let text_of = |id: &RuleId| id.rule().map_or(String::new(), |rule| rule.text.clone());
        let findings = LabelledFinding::all(verdict).map(|finding| FindingData {
            at_us: microseconds(finding.at),
            message: finding.message.as_deref().and_then(place_of),
            line: finding.line().unwrap_or(0),
            expected: source.expected(&finding),
            protocol: finding
                .protocol
                .iter()
                .map(|id| (id.to_string(), text_of(id)))
                .collect(),
            rule: finding.rule,
            text: finding.text,
        });
        let findings = findings.collect();
        let lines = source.lines_of(&verdict.trace, scenario);
        Self {
            title: heading.title,
            id: heading.id,
            surface: heading.surface.name(),
            seed: heading.seed,
            replay: heading.replay,
            digest: verdict.trace.digest().to_string(),
            played_us: microseconds(verdict.played),
            elapsed_us: microseconds(verdict.elapsed),
            findings,
            lanes: picture.lanes,
            messages: picture.messages,
            faults: picture.faults,
            events: Events::of(picture.events, lines),
            payloads: verdict
                .trace
                .records()
                .chunks(CHUNK)
                .map(|records| Payload::of(records, are_payloads_packed))
                .collect(),
            script: source.lines.clone(),
        }
    }
}

/// Whether the data of a run are packed as a whole.
fn is_long(verdict: &Verdict) -> bool {
    verdict.trace.records().len() > LONG
}

/// The page of a run of a scenario.
pub fn page(verdict: &Verdict, heading: &Heading, entry: &Entry) -> String {
    marked_page(verdict, heading, entry, None)
}

/// As [`page`], with a mark among the findings.
fn marked_page(verdict: &Verdict, heading: &Heading, entry: &Entry, mark: Option<&Mark>) -> String {
    let source = Source::of(entry);
    let picture = Picture::of(verdict);
    let data = Data::of(verdict, picture, heading, &source, &entry.scenario, true).marking(mark);
    if is_long(verdict) {
        let data = packed(&data);
        let begin = format!("turnstileData(document.getElementById(\"{PACKED_DATA}\").textContent);\n");
        let data = format!("<script type=\"text/plain\" id=\"{PACKED_DATA}\">{data}</script>\n");
        let starter = started_by(&begin, &Packer::default().beginning());
        return filled([STYLE, "", &(data + &starter)]);
    }
    let code = SCRIPTS.concat();
    filled([
        STYLE,
        &inert(&data),
        &format!("<script nonce=\"turnstile\">\n{code}</script>"),
    ])
}

/// The scripts as a text, and a script that starts them with packed data, which `begin` brings.
fn started_by(begin: &str, beginning: &Beginning) -> String {
    let code = SCRIPTS.concat();
    let beginning = constant(beginning);
    format!(
        "<script type=\"text/plain\" id=\"code\">\n{code}</script>\n\
         <script nonce=\"turnstile\">\n{UNPACK}{beginning}{STARTER}{begin}</script>"
    )
}

/// A script with the beginning that packed data share. Goes before scripts that unpack them.
pub(super) fn constant(beginning: &Beginning) -> String {
    let json = serde_json::to_string(beginning).expect("it is plain data");
    format!("const BEGINNING = {json};\n")
}

/// A page for many runs: it loads the data of the run that its address names, such as `#play=suite-turn-cold`, from the
/// folder `data` beside it.
pub(super) fn shell(beginning: &Beginning) -> String {
    filled([STYLE, "", &started_by(LOADER, beginning)])
}

/// A page for many runs that a page with their data opens in its own place. That page leaves the data in `turnstileRun`.
pub(super) fn shell_in_page(beginning: &Beginning) -> String {
    filled([STYLE, "", &started_by(IN_PAGE, beginning)])
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
        page(verdict, &heading, &entry)
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
