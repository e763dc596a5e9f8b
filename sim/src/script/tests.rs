//! Steps and expectations of scripts are executed, and deviations are reported with the actual value.

use std::path::Path;

use turnstile_events::observation::Observation;
use turnstile_scenarios::{Scenario, Surface};

use super::{Options, Verdict, play};

/// Plays a script with these header fields, steps and expectations.
fn played(head: &str, steps: &str, expect: &str) -> Verdict {
    let expect = match expect {
        "" => String::new(),
        expect => format!("expect:\n{expect}\n"),
    };
    let text = format!("scenario: t\nabout: a\nseam: turn\n{head}\nsteps:\n{steps}\n{expect}");
    let scenario = Scenario::parse(&text, Path::new("t.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
    play(&scenario, Options::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Formats the findings, one per line.
fn findings_of(verdict: &Verdict) -> String {
    let name = |text: &str| {
        let labels = verdict.labels.iter();
        labels.fold(text.to_owned(), |text, (id, label)| {
            text.replace(id.as_str(), label)
        })
    };
    let lines = verdict
        .findings
        .iter()
        .map(|finding| format!("{}: {}", finding.rule, name(&finding.text)));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn failed_expectations_about_callbacks_are_reported() {
    let verdict = played(
        "session: { callback: true, gate: all }",
        "- start: { as: first, say: echo:one }\n- await: { callback: first }",
        "- callback: { for: first, gate: pass, path: /callback, after: 1s, before: 2s, has: { messageId: <first> } }\n\
         - callback: { for: first, gate: none }\n\
         - callback: { for: first, path: /other }\n\
         - callback: { for: first, headers: { Content-Type: present, x-callback-secret: guess } }\n\
         - callback: { for: first, has: { status: present, executionId: <first>, gateResult: fail } }\n\
         - callback: { for: first, lacks: [idempotencyKey] }\n\
         - callback: { for: first, after: 1h }\n\
         - callback: { for: first, at: 30s }",
    );
    insta::assert_snapshot!(findings_of(&verdict), @r#"
    expectation at line 10: the callback of `first` has gateResult "pass", not null
    expectation at line 11: the callback of `first` came to /callback, not /other
    expectation at line 12: the callback of `first` has the header x-callback-secret: secret-of-the-receiver, not guess
    expectation at line 13: the callback of `first` is not as expected: gateResult is "pass", not "fail"
    expectation at line 14: the callback of `first` has `idempotencyKey`, and should not
    expectation at line 15: the callback of `first` first came at 1.032 s, not after 3600.000 s
    expectation at line 16: the callback of `first` first came at 1.032 s, not at 30.000 s
    "#);
}

#[test]
fn failed_expectations_about_clients_and_wrappers_are_reported() {
    let verdict = played(
        "profile: { delivery-retry-delays-cold: [2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s, 120s] }",
        "- wrapper: { ready: { fail: { code: WORKSPACE_SETUP_FAILED } } }\n\
         - start: { as: first, say: echo:one }\n\
         - await: { message: first, is: failed, within: 10m }\n\
         - open: { client: phone }\n\
         - ingest: { open: ghost, fence: stale-run, reply: { status: 409 } }\n\
         - wait: 1s",
        "- deliveries: { of: first, times: 9 }\n\
         - deliveries: { of: first, times: 10, at: [2s, 6s, 14s, 30s, 62s, 122s, 182s, 242s, 363s] }\n\
         - badge: { client: phone, of: first, is: none }\n\
         - snapshot: { client: phone, shows: [queued first] }\n\
         - ingest: { of: ghost, refused: 404 }",
    );
    insta::assert_snapshot!(findings_of(&verdict), @r#"
    expectation at line 13: delivery of `first` was attempted 10 times, not 9: at 1.012 s, 3.016 s, 7.020 s, 15.025 s, 31.030 s, 63.037 s, 123.043 s, 183.049 s, 243.053 s, 363.059 s
    expectation at line 14: `first` was tried again 120.006 s after the attempt before, not 121.000 s: at 1.012 s, 3.016 s, 7.020 s, 15.025 s, 31.030 s, 63.037 s, 123.043 s, 183.049 s, 243.053 s, 363.059 s
    expectation at line 15: phone shows Failed to deliver for `first`, not no badge
    expectation at line 16: phone received [queued first, failed first] on connecting, not [queued first]
    expectation at line 17: the ingest socket `ghost` was refused with 409, not with 404
    "#);
}

#[test]
fn an_unexpected_answer_is_reported_with_the_difference() {
    let asked = |reply: &str| {
        let steps = format!(
            "- start: {{ as: first, say: idle }}\n- call: {{ procedure: getSession, reply: {reply} }}"
        );
        let verdict = played("", &steps, "");
        let text = findings_of(&verdict);
        let wrong = text.rsplit_once("}: ").map_or(text.as_str(), |(_, wrong)| wrong);
        wrong.to_owned()
    };
    assert_eq!(
        asked("{ has: { mode: code, kiloSessionId: present }, lacks: [token] }"),
        ""
    );
    assert_eq!(asked("{ has: { mode: plan } }"), r#"mode is "code", not "plan""#);
    assert_eq!(
        asked("{ has: { tokens: present } }"),
        r#"tokens is missing, expected "present""#
    );
    assert_eq!(asked("{ lacks: [mode] }"), "it has `mode`");
}

#[test]
fn a_script_uses_the_procedures_of_its_surface() {
    let text = "scenario: t\nabout: a\nseam: turn\napi: [unified, legacy]\nsteps:\n\
                - start: { as: first, say: idle }\n\
                - send: { as: second, say: idle }\n\
                - send: { as: third, say: idle, surface: unified }\n\
                - send: { as: fourth, say: idle, surface: legacy, form: payload }\n";
    let scenario = Scenario::parse(text, Path::new("t.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
    let asked = |surface| {
        let scenario = scenario.on(surface).expect("the script is for both surfaces");
        let verdict = play(&scenario, Options::default()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(verdict.findings, []);
        procedures(&verdict)
    };
    assert_eq!(
        asked(Surface::Unified),
        ["start", "send", "send", "sendMessageV2"]
    );
    assert_eq!(
        asked(Surface::Legacy),
        [
            "prepareSession",
            "initiateFromKilocodeSessionV2",
            "sendMessageV2",
            "send",
            "sendMessageV2"
        ]
    );
}

/// The procedures that the client called.
fn procedures(verdict: &Verdict) -> Vec<String> {
    let observations = verdict.trace.observations();
    let requests = observations.filter_map(|(_, party, observation)| match observation {
        Observation::RequestSent { path, .. } if party == "client" => Some(path.replace("/trpc/", "")),
        _ => None,
    });
    requests.collect()
}

#[test]
fn a_session_with_a_callback_is_prepared_where_start_takes_no_target() {
    let start = "- start: { as: first, say: idle }\n- await: { callback: first }";
    let verdict = played(
        "profile: { callback-at-start: false }\nsession: { callback: true }",
        start,
        "",
    );
    assert_eq!(findings_of(&verdict), "");
    let prepared = ["prepareSession", "initiateFromKilocodeSessionV2"];
    assert_eq!(procedures(&verdict), prepared);
    let verdict = played("session: { callback: true }", start, "");
    assert_eq!(procedures(&verdict), ["start"]);
}

#[test]
fn a_session_that_a_call_creates_is_observed_to_its_end() {
    let input = "{ message: { prompt: hello }, agent: { mode: code, model: fake-deterministic }, \
                 repository: { type: github, repo: a/b } }";
    let steps = format!("- call: {{ procedure: start, input: {input} }}\n- wait: 5s");
    let verdict = played(
        "",
        &steps,
        "- stream: { event: cloud.message.completed, exactly: 1 }",
    );
    assert_eq!(findings_of(&verdict), "");
}

#[test]
fn a_slow_client_shows_nothing_of_a_stream_after_its_reset() {
    let verdict = played(
        "",
        "- start: { as: first, say: tools:3:done }\n\
         - await: { message: first, is: completed }\n\
         - open: { client: phone, reads: slowly }\n\
         - wait: 3500ms\n\
         - reset: { between: [phone, server] }\n\
         - wait: 1m",
        "",
    );
    let observations = verdict.trace.observations();
    let shown = observations.filter(|(_, party, observation)| {
        *party == "phone" && matches!(observation, Observation::FrameReceived { .. })
    });
    assert_eq!(shown.count(), 4, "one frame a second");
}

#[test]
fn a_server_that_is_down_for_months_costs_little_and_is_seen_when_it_is_back() {
    let verdict = played(
        "",
        "- start: { as: first, say: idle }\n\
         - await: { message: first, is: completed }\n\
         - crash: { party: server }\n\
         - wait: 1080h\n\
         - restart: server\n\
         - send: { as: second, say: idle }\n\
         - await: { message: second, is: completed, within: 5s }",
        "",
    );
    assert_eq!(findings_of(&verdict), "");
    let records = verdict.trace.records().len();
    assert!(records < 100_000, "{records} records");
}

#[test]
fn placeholders_are_replaced() {
    let steps = r#"- start: { as: first, say: idle }
- await: { message: first, is: completed }
- call: { procedure: getSession, reply: { has: { sessionId: <session>, kiloSessionId: <kilo-session> } } }
- call: { procedure: sendMessageV2, input: { prompt: "<100001 characters>", mode: code, model: m }, reply: { status: 400 } }
- call: { procedure: send, body: { text: '{"cloudAgentSessionId":"<session>","message":{"prompt":"hi"}}' } }
- send: { as: long, characters: 200000 }
- await: { message: long, is: completed }
- send: { as: held, say: gate:hold }
- await: { message: held, is: sent }
- ingest: { open: other, fence: current }
- ingest: { send: other, event: kilocode, data: { event: session.idle, properties: { sessionID: <kilo-session>, extra: 1 } } }
- await: { stream: { event: session.idle, has: { properties: { sessionID: <kilo-session>, extra: 1 } } } }
- release: hold"#;
    let expect = "- stream: { event: session.idle, has: { properties: { sessionID: <kilo-session>, extra: 1 } }, exactly: 1 }\n\
                  - stream: { event: cloud.status, has: { cloudStatus: { type: ready } }, at-least: 1 }\n\
                  - stream: { event: cloud.status, has: { cloudStatus: { type: error } }, exactly: 0 }";
    let verdict = played("", steps, expect);
    assert_eq!(findings_of(&verdict), "");
}

#[test]
fn the_name_of_the_agents_session_stands_for_that_of_the_session_of_the_step() {
    let asked = "procedure: getSession, reply: { has: { kiloSessionId: <kilo-session> } }";
    let steps = format!(
        "- start: {{ as: first, say: idle }}\n\
         - start: {{ as: second, say: idle, session: other }}\n\
         - call: {{ {asked}, session: other }}\n\
         - call: {{ {asked} }}\n\
         - await: {{ message: second, is: completed }}\n\
         - call: {{ {asked} }}"
    );
    assert_eq!(findings_of(&played("", &steps, "")), "");

    let stored = "session: { stored: { record: { kiloSessionId: ses_given, model: <kilo-session> } } }";
    let steps = "- call: { procedure: getSession, reply: { has: { model: ses_given } } }";
    assert_eq!(findings_of(&played(stored, steps, "")), "");
}

#[test]
fn a_grouped_record_is_merged_with_the_fields_of_the_script() {
    let stored =
        "session: { stored: { form: grouped, record: { agent: { mode: plan }, future: { field: 1 } } } }";
    let steps = "- call: { procedure: getSession, reply: { has: { sessionId: <session>, mode: plan } } }\n\
                 - send: { as: first, say: idle }\n\
                 - await: { message: first, is: completed }";
    let verdict = played(stored, steps, "");
    assert_eq!(findings_of(&verdict), "");
}

#[test]
fn a_disk_is_well_again_when_its_last_fault_was_to_end_and_a_server_that_died_of_it_can_be_restarted() {
    let verdict = played(
        "",
        "- disk: { is: fails, for: 2s }\n\
         - disk: { is: full, for: 10s }\n\
         - wait: 3s\n\
         - start: { as: no, say: idle, reply: { status: 500 } }\n\
         - crash: { party: server, restart-after: 1s }\n\
         - wait: 8s\n\
         - restart: server\n\
         - start: { as: first, say: idle }\n\
         - await: { message: first, is: completed }",
        "",
    );
    assert_eq!(findings_of(&verdict), "");
}

#[test]
#[cfg(feature = "selftest")]
fn a_play_that_ends_at_a_failure_is_judged_up_to_the_failure() {
    let text = "scenario: t\nabout: a\nseam: turn\nsteps:\n\
                - start: { as: first, say: gate:hold }\n\
                - await: { gate: hold }\n\
                - interrupt: { reply: { status: 418 } }\n";
    let scenario = Scenario::parse(text, Path::new("t.yaml")).unwrap_or_else(|errors| panic!("{errors}"));
    let options = Options {
        subject: turnstile_mutants::Rule::InterruptSaysWhat.into(),
        ends_at_failure: true,
        ..Options::default()
    };
    let verdict = play(&scenario, options).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        verdict.violates("replies-have-their-shape"),
        "{}",
        findings_of(&verdict)
    );
    assert!(verdict.violates("step at line 7"), "{}", findings_of(&verdict));
}
