//! Timeline pages in a browser: a page draws itself, draws only what is in view, and escapes all content of a run.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use turnstile::report::{Heading, timeline};
use turnstile::script::{Options, Verdict};
use turnstile::stage::epoch;
use turnstile::suite::{self, Play};
use turnstile_events::credentials::Credentials;
use turnstile_events::observation::Observation;
use turnstile_events::world::WorldEvent;
use turnstile_fault::{Fault, Link, Place};
use turnstile_judge::oracle::{Finding, Severity};
use turnstile_judge::trace::{Record, Trace, What};
use turnstile_scenarios::{Entry, Scenario, Surface};

use crate::browser::drawn;
use crate::library::library;

/// Maximum number of elements in a view, for runs of any length.
const MAX_ELEMENTS: usize = 1500;

fn entry(id: &str) -> Entry {
    library().matching(Some(id))[0].clone()
}

/// Plays a scenario and renders its page.
fn page_of(entry: &Entry, options: Options) -> (Verdict, String) {
    let played = suite::play_timed(Play { entry, options });
    let heading = Heading::of(&played.play, "turnstile replay some.yaml");
    let verdict = played.verdict.expect("the harness works");
    let page = timeline::page(&verdict, &heading, entry);
    (verdict, page)
}

#[test]
fn a_run_is_drawn_with_its_lanes_arrows_faults_steps_and_states() {
    let entry = entry("suite/reconnect/inside-the-grace");
    let (verdict, page) = page_of(&entry, Options::default());
    let Some(drawn) = drawn("small", &page, "#zoom=whole") else {
        return;
    };
    let records = verdict.trace.records().len();
    assert_eq!(drawn.count("events"), records);
    assert_eq!(drawn.count("rows"), records);
    assert_eq!(drawn.count("lanes"), 6);
    assert_eq!(
        (
            drawn.count("faults"),
            drawn.count("messages"),
            drawn.count("findings")
        ),
        (1, 2, 0)
    );
    assert!(drawn.count("arrows") > records / 2, "most events have an arrow");
    assert!(drawn.count("drawn") < MAX_ELEMENTS);
    assert_eq!(
        drawn.shows(&entry.scenario.title),
        1 + 1,
        "in the header and in the script"
    );
    assert_eq!(
        drawn.shows("start: { as: first, say: gate:hold }"),
        1 + 1,
        "in the drawing and in the script"
    );
    for look in [
        "wire request",
        "wire reply",
        "wire frame",
        "bar queued",
        "bar sent",
        "step-tick",
        "hatch-ground cut",
        "strike",
    ] {
        assert!(drawn.shows(&format!("class=\"{look}\"")) >= 1, "no {look}");
    }
}

#[test]
fn filtered_events_are_shown_alone_and_a_selected_event_in_full() {
    let (verdict, page) = page_of(&entry("suite/reconnect/inside-the-grace"), Options::default());
    let is_sent = |record: &Record| record.what.to_string().contains("cloud.message.sent");
    let sent = verdict
        .trace
        .records()
        .iter()
        .position(is_sent)
        .expect("it is sent");
    let address = format!("#message=first&hide=gateway&event={sent}");
    let Some(drawn) = drawn("chosen", &page, &address) else {
        return;
    };
    assert_eq!(drawn.count("lanes"), 5);
    assert!(drawn.count("rows") < drawn.count("events") / 2);
    assert_eq!(drawn.shows("aria-selected=\"true\""), 1);
    assert_eq!(drawn.shows("\"streamEventType\": \"cloud.message.sent\""), 1);
}

#[test]
fn keyboard_wheel_and_pointer_navigate_the_run() {
    let (_, page) = page_of(&entry("suite/reconnect/inside-the-grace"), Options::default());
    // Simulates user input step by step and notes each result.
    const TRIED: &str = r#"<script nonce="turnstile">
        const tried = [];
        const note = (name, isSo) => tried.push(`${name}: ${isSo ? "yes" : "no"}`);
        const press = (key) => {
            page.drawing.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
            drawNow();
        };
        const point = (kind, more) => {
            const { left, top } = page.drawing.getBoundingClientRect();
            const place = { clientX: left + more.x, clientY: top + more.y, bubbles: true };
            const Kind = kind === "wheel" ? WheelEvent : PointerEvent;
            page.drawing.dispatchEvent(new Kind(kind, { ...place, ...more }));
            drawNow();
        };
        page.drawing.setPointerCapture = () => {};
        press("ArrowDown"); press("ArrowDown");
        note("an arrow key selects the next event", shown.selected === 1);
        note("what is selected is shown in full", !page.details.hidden);
        press("Escape");
        note("escape closes it", page.details.hidden && shown.selected < 0);
        note("a run that fits is shown as a whole", fits() === (view.scale * shown.axis.end <= view.height));
        press("1");
        let before = view.top;
        point("wheel", { x: 500, y: 100, deltaY: 200 });
        note("the wheel moves along", view.top > before);
        before = view.scale;
        point("wheel", { x: 500, y: 100, deltaY: -200, ctrlKey: true });
        note("the wheel zooms", view.scale > before);
        before = view.top;
        point("pointerdown", { x: 500, y: 300 });
        point("pointermove", { x: 500, y: 200 });
        point("pointerup", { x: 500, y: 200 });
        note("dragging moves along", view.top > before && shown.selected < 0);
        press("1");
        point("pointerdown", { x: 500, y: 200 });
        point("pointerup", { x: 500, y: 200 });
        note("a click selects", shown.selected >= 0);
        before = view.top;
        point("pointerdown", { x: 10, y: view.height - 5 });
        point("pointerup", { x: 10, y: view.height - 5 });
        note("a click on the map goes there", view.top > before);
        press("t");
        note("the axis can be changed", choice.isTrue && document.body.dataset.axis === "true");
        press("t"); press("0");
        note("the whole run fits", view.scale * shown.axis.end <= view.height);
        press("Home");
        press("ArrowDown");
        const sent = shown.longArrows[0];
        selectEvent(sent); press("ArrowRight");
        note("an arrow is followed to its end", shown.axis.rows[shown.selected].event === run.events[sent].arrow.arrives);
        note("the address keeps the selection", location.hash.includes(`event=${run.events[sent].arrow.arrives}`));
        page.find.value = "cloud.message"; page.find.dispatchEvent(new Event("input")); drawNow();
        note("a text is found", shown.axis.rows.length > 0 && shown.axis.rows.length < run.events.length / 2);
        document.body.dataset.tried = tried.join("; ");
    </script></body>"#;
    let page = page.replace("</body>", TRIED);
    let Some(drawn) = drawn("moved", &page, "") else {
        return;
    };
    let tried = drawn.attribute("tried").expect("everything was tried");
    assert_eq!(tried.matches(": yes").count(), 14, "{tried}");
    assert!(!tried.contains(": no"), "{tried}");
}

#[cfg(feature = "selftest")]
#[test]
fn a_finding_is_marked_at_its_event() {
    use turnstile::stage::Subject;
    use turnstile_mutants::Rule;
    let options = Options {
        seed: 0,
        subject: Subject::from(Rule::TerminalOnce),
        ..Options::default()
    };
    let (verdict, page) = page_of(&entry("suite/turn/tool-loop"), options);
    let rules: Vec<&str> = verdict
        .findings
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect();
    assert!(rules.contains(&"terminal-once"), "{rules:?}");
    let Some(drawn) = drawn("broken", &page, "#fold=no") else {
        return;
    };
    assert_eq!(drawn.count("findings"), verdict.findings.len());
    assert_eq!(
        drawn.count("rows"),
        drawn.count("events") + verdict.findings.len()
    );
    assert!(
        drawn.shows("class=\"finding-flag\"") >= 1,
        "the view begins at the finding"
    );
    assert!(
        drawn.shows(">terminal-once<") >= 2,
        "in the list and at the event"
    );
}

#[test]
fn only_events_in_view_are_drawn() {
    const EVENTS: usize = 8_000;
    let verdict = long_run(EVENTS);
    let heading = Heading {
        title: "a long run",
        id: "suite/turn/long",
        surface: Surface::Unified,
        seed: 7,
        replay: "turnstile replay long.yaml --seed 7",
    };
    let page = timeline::page(&verdict, &heading, &entry("suite/turn/cold"));
    assert!(page.len() < 3 << 20, "{} bytes", page.len());
    for (name, address) in [
        ("rows", "#fold=no"),
        ("whole", "#fold=no&zoom=whole"),
        ("true-whole", "#fold=no&axis=true&zoom=whole"),
    ] {
        let Some(drawn) = drawn(&format!("long-{name}"), &page, address) else {
            return;
        };
        assert_eq!(drawn.count("events"), EVENTS);
        assert!(drawn.count("arrows") > EVENTS / 2);
        assert!(drawn.count("faults") > 100);
        let elements = drawn.count("drawn");
        assert!(
            (50..MAX_ELEMENTS).contains(&elements),
            "{name}: {elements} elements"
        );
    }
}

#[test]
fn content_of_a_run_is_escaped() {
    const HOSTILE: &str = "</script><script>document.body.dataset.pwned = 1</script>\
                           <img src=x onerror=document.body.dataset.pwned=1><b>";
    let script = format!(
        "scenario: a prompt is a prompt\nabout: a\nseam: turn\nsteps:\n  - start: {{ as: first, text: '{HOSTILE}' }}\n"
    );
    let path = Path::new("hostile.yaml");
    let entry = Entry {
        id: HOSTILE.to_owned(),
        path: path.to_owned(),
        scenario: Scenario::parse(&script, path).unwrap_or_else(|errors| panic!("{errors}")),
        text: Some(script.into()),
    };
    let (_, page) = page_of(&entry, Options::default());
    let Some(drawn) = drawn("hostile", &page, "#event=1") else {
        return;
    };
    assert_eq!(drawn.attribute("pwned"), None);
    assert_eq!(
        (drawn.shows("<img"), drawn.shows("<script"), drawn.shows("<b>")),
        (0, 0, 0)
    );
    assert!(drawn.shows("&lt;/script&gt;") >= 2, "it is shown as text");
}

/// A run with `events` events: turns of several messages, each with a fault, and one finding.
fn long_run(events: usize) -> Verdict {
    let mut trace = Trace::new(epoch());
    let mut labels = turnstile_judge::trace::Labels::new();
    let mut turn = 0_u64;
    while trace.records().len() < events {
        let message = format!("msg_{turn:026}");
        labels.insert(message.clone(), format!("m{turn}"));
        for (party, what) in turn_of(turn, &message) {
            // Short intervals with an occasional long pause.
            let number = trace.records().len() as u64;
            let at = Duration::from_micros(number * 700 + number / 997 * 90_000_000);
            let party = party.into();
            if trace.records().len() < events {
                trace.push(Record { at, party, what });
            }
        }
        turn += 1;
    }
    let end = trace.records().last().map(|record| record.at).unwrap_or_default();
    let finding = Finding {
        rule: "terminal-once".to_owned(),
        protocol: Vec::new(),
        at: end / 2,
        message: None,
        text: "an end came twice".to_owned(),
        severity: Severity::Violation,
    };
    Verdict {
        findings: vec![finding],
        warnings: Vec::new(),
        unknown: Vec::new(),
        context: Default::default(),
        inspection_start: trace.records().len(),
        trace,
        labels,
        played: end,
        elapsed: end,
    }
}

#[expect(clippy::too_many_lines, reason = "the trace of one turn")]
fn turn_of(turn: u64, message: &str) -> Vec<(&'static str, What)> {
    let body = || json!({"message": {"id": message, "prompt": "x"}});
    let frame = |name: &str| json!({"eventId": turn, "streamEventType": name, "data": {"messageId": message, "delivery": "sent"}});
    let shown = |name: &str| {
        (
            "observer",
            What::Observation(Observation::FrameReceived {
                socket: 1,
                frame: frame(name).into(),
            }),
        )
    };
    let post = |path: &str| ("POST".to_owned(), path.to_owned());
    let (method, path) = post("/trpc/send");
    let (asked_method, asked_path) = post("/api/openrouter/chat/completions");
    let exchange = turn + 1;
    let link = Link::between("wrapper", "server");
    let host = "wrapper".to_owned();
    let mut records = vec![
        (
            "script",
            What::Step {
                line: u32::try_from(turn).unwrap_or(1) + 1,
                step: json!({"send": {"as": "m"}}).to_string(),
            },
        ),
        (
            "client",
            What::Observation(Observation::RequestSent {
                exchange,
                to: "server".to_owned(),
                method,
                path,
                credentials: Credentials::Own,
                body: body(),
            }),
        ),
        (
            "client",
            What::Observation(Observation::ReplyReceived {
                exchange,
                status: 200,
                body: Value::Null,
            }),
        ),
        shown("cloud.message.queued"),
        (
            "wrapper",
            What::Observation(Observation::RequestSent {
                exchange,
                to: "gateway".to_owned(),
                method: asked_method.clone(),
                path: asked_path.clone(),
                credentials: Credentials::Own,
                body: body(),
            }),
        ),
        ("world", What::World(WorldEvent::of(&Fault::cut(&link)))),
        (
            "gateway",
            What::Observation(Observation::RequestReceived {
                exchange,
                method: asked_method,
                path: asked_path,
                headers: Value::Null,
                body: body(),
            }),
        ),
        (
            "gateway",
            What::Observation(Observation::ReplySent {
                exchange,
                status: 200,
                body: Value::Null,
            }),
        ),
        (
            "wrapper",
            What::Observation(Observation::ReplyReceived {
                exchange,
                status: 200,
                body: Value::Null,
            }),
        ),
        (
            "world",
            What::World(WorldEvent::Ended {
                place: Place::Link(link),
            }),
        ),
        shown("cloud.message.sent"),
        ("world", What::World(WorldEvent::of(&Fault::crash(&host)))),
        (
            "world",
            What::World(WorldEvent::Ended {
                place: Place::Host(host),
            }),
        ),
    ];
    if turn == 0 {
        let opened = Observation::SocketOpened {
            socket: 1,
            to: "server".to_owned(),
            path: "/stream".to_owned(),
            credentials: Credentials::Own,
        };
        records.insert(0, ("observer", What::Observation(opened)));
    }
    records.extend((0..25).map(|_| shown("kilocode")));
    records.push(shown("cloud.message.completed"));
    records
}
