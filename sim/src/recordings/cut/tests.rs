use std::path::PathBuf;

use turnstile_scenarios::Entry;

use super::super::header_of;
use super::*;
use crate::script::{Options, play};
use crate::suite::Play;

/// The script that is cut from a play of these steps.
fn cut_from(head: &str, steps: &str) -> Cut {
    let text = format!("scenario: a\nabout: a\nseam: turn\n{head}steps:\n{steps}");
    let path = Path::new("some.yaml");
    let entry = Entry {
        id: "some".to_owned(),
        path: PathBuf::new(),
        scenario: Scenario::parse(&text, path).unwrap_or_else(|errors| panic!("{errors}")),
        text: None,
    };
    let options = Options::default();
    let verdict = play(&entry.scenario, options).expect("the harness works");
    let entry = &entry;
    let header = header_of(&Play { entry, options }, &verdict);
    let recording = Recording {
        header,
        trace: verdict.trace,
    };
    scenario_from(&recording, "some.jsonl").expect("it has a session")
}

/// The steps without pauses, as lines of YAML.
fn steps(cut: &Cut) -> Vec<String> {
    let steps = cut
        .scenario
        .steps
        .iter()
        .map(|step| serde_json::to_string(&step.value));
    let steps: Result<Vec<String>, _> = steps.collect();
    let mut steps = steps.expect("steps are plain data");
    steps.retain(|step| !step.starts_with("{\"wait\""));
    steps
}

#[test]
fn calls_streams_and_faults_become_steps() {
    let cut = cut_from(
        "session: { callback: true }\nreceiver: [500, stall, drop]\n",
        "  - start: { as: first, say: echo:hi }\n\
         \x20 - open: { client: phone }\n\
         \x20 - await: { message: first, is: completed }\n\
         \x20 - send: { as: second, say: gate:hold, client: phone }\n\
         \x20 - await: { gate: hold }\n\
         \x20 - cut: { between: [wrapper, server], for: 3s }\n\
         \x20 - close: { client: phone }\n\
         \x20 - release: hold\n\
         \x20 - wait: 5s\n\
         \x20 - crash: { party: server, restart-after: 2s }\n\
         \x20 - wait: 5s\n\
         \x20 - open: { client: phone, from: last }\n\
         \x20 - send: { as: again, say: gate:hold, repeat: second, reply: { status: 400 } }\n\
         \x20 - interrupt: {}\n",
    );
    assert_eq!(cut.left_out, BTreeMap::new());
    insta::assert_snapshot!(steps(&cut).join("\n"), @r#"
    {"start":{"as":"first","say":"echo:hi"}}
    {"open":{"client":"phone"}}
    {"send":{"as":"second","say":"gate:hold","client":"phone"}}
    {"close":{"client":"phone"}}
    {"cut":{"between":["wrapper","server"],"for":"3s"}}
    {"release":"hold"}
    {"crash":{"party":"server","restart-after":"2s"}}
    {"send":{"as":"message-1","say":"gate:hold","repeat":"second","reply":{"status":400}}}
    {"open":{"client":"phone","from":"last"}}
    {"interrupt":{}}
    "#);
    insta::assert_snapshot!(serde_json::to_string(&cut.scenario.session).expect("it is plain data"), @r#"{"callback":true,"model":"fake-deterministic","mode":"code"}"#);
    let answers = serde_json::to_string(&cut.scenario.receiver).expect("it is plain data");
    assert_eq!(answers, r#"[500,"stall","drop"]"#);
    assert!(cut.scenario.expect.is_empty() && cut.scenario.tolerant);
}

#[expect(clippy::too_many_lines, reason = "the records of one turn")]
#[test]
fn a_prompt_for_a_real_model_becomes_a_directive_with_the_recorded_course() {
    let text =
        r#"{"format":"turnstile-trace","version":1,"epoch":"2026-01-01T00:00:00Z","records":["calls"]}"#;
    let call = |at: u64, saw: &str, rest: Value| {
        let mut line = json!({"at_us": at, "party": "client", "saw": saw, "exchange": 1});
        let fields = line.as_object_mut().expect("it is an object");
        fields.extend(rest.as_object().expect("it is an object").clone());
        line.to_string()
    };
    let id = "msg_0123456789abABCDEFGHIJKLMN";
    let input = json!({"message": {"prompt": "Fix it", "id": id}, "agent": {"mode": "code", "model": "m"}});
    let data = json!({"cloudAgentSessionId": "agent_1", "messageId": id, "delivery": "queued"});
    let wrapper = |at: u64, saw: &str, rest: Value| call(at, saw, rest).replace("\"client\"", "\"wrapper\"");
    let ingest = "/sessions/u/agent_1/ingest?wrapperRunId=wr_1&wrapperGeneration=1&wrapperConnectionId=c";
    let kilo = |name: &str, properties: Value| {
        let data = json!({"event": name, "type": name, "properties": properties});
        json!({"socket": 1, "frame": {"streamEventType": "kilocode", "data": data}})
    };
    let body = json!({"message": {"id": id}, "session": {"ingestUrl": "ws://s/sessions/u/agent_1/ingest"}});
    let lines = [
        text.to_owned(),
        call(
            0,
            "request-sent",
            json!({"to": "server", "method": "POST", "path": "/trpc/start", "body": input}),
        ),
        call(
            5,
            "reply-received",
            json!({"status": 200, "body": {"result": {"data": data}}}),
        ),
        wrapper(
            8,
            "request-received",
            json!({"method": "POST", "path": "/session/ready", "body": body}),
        ),
        wrapper(
            9,
            "reply-sent",
            json!({"status": 503, "body": {"error": "NOT_READY"}}),
        ),
        wrapper(
            10,
            "socket-opened",
            json!({"socket": 1, "to": "server", "path": ingest}),
        ),
        wrapper(
            20,
            "request-received",
            json!({"method": "POST", "path": "/job/prompt", "body": body}),
        ),
        wrapper(
            30,
            "reply-sent",
            json!({"status": 200, "body": {"status": "sent"}}),
        ),
        wrapper(
            40,
            "frame-sent",
            kilo("message.updated", json!({"info": {"id": "a", "parentID": id}})),
        ),
        wrapper(
            50,
            "frame-sent",
            kilo("message.part.delta", json!({"messageID": "a"})),
        ),
        wrapper(
            60,
            "frame-sent",
            kilo("message.part.delta", json!({"messageID": "a"})),
        ),
        wrapper(
            61,
            "frame-sent",
            kilo(
                "message.part.updated",
                json!({"part": {"messageID": "a", "text": "Yes"}}),
            ),
        ),
        wrapper(
            4_000_040,
            "frame-sent",
            kilo(
                "message.updated",
                json!({"info": {"id": "a", "parentID": id, "time": {"completed": 5}}}),
            ),
        ),
        wrapper(
            5_000_000,
            "socket-closed",
            json!({"socket": 1, "code": null, "by": "lost"}),
        ),
    ];
    let recording = Recording::read(lines.join("\n").as_bytes()).expect("it is a recording");
    let cut = scenario_from(&recording, "incident").expect("it has a session");
    insta::assert_snapshot!(steps(&cut).join("\n"), @r#"
    {"start":{"as":"message-1","say":"slow:2:2000"}}
    {"wrapper":{"ready":{"reply":{"status":503,"body":{"error":"NOT_READY"},"times":1}}}}
    {"reset":{"between":["wrapper","server"]}}
    "#);
    assert_eq!(cut.left_out, BTreeMap::new());
}

#[test]
fn a_recording_without_a_session_is_refused() {
    let text = r#"{"format":"turnstile-trace","version":1,"epoch":"2026-01-01T00:00:00Z","records":[]}"#;
    let recording = Recording::read(text.as_bytes()).expect("it is a recording");
    assert!(matches!(scenario_from(&recording, "x"), Err(CutError::NoSession)));
}
