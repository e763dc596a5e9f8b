use std::time::Duration;

use serde_json::json;

use super::*;

const HEADER: &str =
    r#"{"format":"turnstile-trace","version":1,"epoch":"2026-01-01T00:00:00Z","records":["streams"]}"#;

fn read(lines: &[&str]) -> Result<Recording, String> {
    let text = lines.join("\n");
    Recording::read(text.as_bytes()).map_err(|error| error.to_string())
}

fn problem(lines: &[&str]) -> String {
    read(lines).expect_err("it is no recording")
}

#[test]
fn a_header_and_records_of_every_kind_are_read() {
    let recording = read(&[
        HEADER,
        r#"{"at_us":0,"party":"script","step":"first"}"#,
        "",
        r#"{"at_us":5,"party":"client","saw":"reply-received","exchange":1,"status":200,"body":null,"more":1}"#,
        r#"{"at_us":5,"party":"world","event":"ended","place":"every-link"}"#,
        r#"{"at_us":9,"party":"world","event":"began","fault":{"affects":"queue","is":"away"},"cause":"order"}"#,
        r#"{"at_us":9,"party":"server","submitted":"m","bytes":2,"body":{},"answer":"too-large"}"#,
    ])
    .expect("it is a recording");
    assert_eq!(recording.trace.records().len(), 5);
    assert_eq!(recording.trace.records()[4].at, Duration::from_micros(9));
    let mut written = Vec::new();
    recording.write(&mut written).expect("memory can be written to");
    assert_eq!(Recording::read(&*written).expect("it is a recording"), recording);
}

#[test]
fn a_wrong_line_is_named() {
    let late = format!(r#"{{"at_us":{},"party":"a","step":"x"}}"#, u64::MAX);
    let cases: [(&[&str], &str); 13] = [
        (&[], "it is empty"),
        (&["", "  "], "it is empty"),
        (&["{"], "line 1: it is not a header"),
        (&[r#"{"format":"har"}"#], "line 1: it is not a header such as"),
        (
            &[r#"{"format":"turnstile-trace","version":2,"x":1}"#],
            "line 1: the recording has version 2",
        ),
        (
            &[&HEADER.replace("streams", "stream")],
            "unknown variant `stream`",
        ),
        (
            &[&HEADER.replace("records", "recordz")],
            "unknown field `recordz`",
        ),
        (
            &[HEADER, "", "{\"at_us\":"],
            "line 3: EOF while parsing a value at column",
        ),
        (
            &[HEADER, "[]"],
            "line 2: it is not a record: it has none of the fields",
        ),
        (
            &[HEADER, r#"{"at_us":-1,"party":"a","step":"x"}"#],
            "line 2: it is not a record: invalid value",
        ),
        (
            &[HEADER, r#"{"at_us":1,"party":"a","saw":"smoke"}"#],
            "unknown variant `smoke`, expected one of",
        ),
        (&[HEADER, &late], "line 2: `at_us` is later than 3650 days"),
        (
            &[
                HEADER,
                r#"{"at_us":2,"party":"a","step":"x"}"#,
                r#"{"at_us":1,"party":"a","step":"x"}"#,
            ],
            "line 3: its time, 0.000001 s, is before that of the record before it, 0.000002 s",
        ),
    ];
    for (lines, expected) in cases {
        let problem = problem(lines);
        assert!(problem.contains(expected), "{problem}");
    }
}

#[test]
fn an_endless_line_is_refused_before_it_ends() {
    let endless = std::io::BufReader::new(std::io::repeat(b'x'));
    let error = Recording::read(endless).expect_err("it never ends").to_string();
    assert_eq!(error, format!("line 1: it is longer than {LONGEST_LINE} bytes"));
}

#[test]
fn rules_without_their_records_are_unknown_and_others_are_judged() {
    let frame = |id: u64| {
        let frame = json!({
            "eventId": id, "sessionId": "agent_1", "streamEventType": "complete",
            "timestamp": "2026-01-01T00:00:00.000Z", "data": {"exitCode": 0},
        });
        json!({"at_us": 1, "party": "phone", "saw": "frame-received", "socket": 1, "frame": frame})
            .to_string()
    };
    let opened = json!({
        "at_us": 0, "party": "phone", "saw": "socket-opened", "socket": 1, "to": "server",
        "path": "/stream?cloudAgentSessionId=agent_1&fromId=0",
    });
    let recording = read(&[HEADER, &opened.to_string(), &frame(7), &frame(3)]).expect("it is a recording");
    let judgement = recording.judge();
    let rules: Vec<&str> = judgement
        .findings
        .iter()
        .map(|finding| finding.rule.as_str())
        .collect();
    assert_eq!(rules, ["event-ids-rise"]);
    let is_unknown = |name: &str| judgement.unknown.iter().find(|unknown| unknown.oracle == name);
    assert_eq!(is_unknown("event-ids-rise"), None);
    let reason = is_unknown("no-error-without-a-cause").map(|unknown| unknown.reason.as_str());
    assert_eq!(reason, Some("not recorded: beginning, calls, faults"));
}

#[test]
fn the_header_keeps_the_context_without_its_secrets() {
    let context = crate::oracle::history::RunContext {
        secrets: vec!["a secret of a live server".to_owned()],
        ..Default::default()
    };
    let header = Header::of(&context, jiff::Timestamp::UNIX_EPOCH, Kind::ALL.into());
    let written = serde_json::to_string(&header).expect("a header is plain data");
    assert!(!written.contains("a secret of"), "{written}");
    let read: Header = serde_json::from_str(&written).expect("it is a header");
    assert_eq!(read, header);
    assert_eq!(read.context().timing_tolerance, context.timing_tolerance);
    assert_eq!(read.context().profile, context.profile);
}
