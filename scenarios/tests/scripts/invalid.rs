//! Tests of the errors that invalid scripts give.

use std::path::Path;

use turnstile_scenarios::Scenario;

/// The errors of a script as `line:column: message`.
fn problems(source: &str) -> Vec<String> {
    let Err(errors) = Scenario::parse(source, Path::new("wrong.yaml")) else {
        return Vec::new();
    };
    let problems = errors.problems.iter();
    problems
        .map(|problem| {
            format!(
                "{}:{}: {}",
                problem.spot.line, problem.spot.column, problem.message
            )
        })
        .collect()
}

/// A script with `lines` from line 6 on, after a `start` of `first` in line 5.
fn steps(lines: &str) -> String {
    format!("scenario: s\nabout: a\nseam: turn\nsteps:\n- start: {{ as: first, say: gate:hold }}\n{lines}\n")
}

/// A script with expectations from line 9 on; it has the messages `first` and, refused, `no`.
fn expecting(lines: &str) -> String {
    let refused = "- send: { as: no, say: idle, reply: { status: 400 } }\n- open: { client: phone }";
    format!("{}expect:\n{lines}\n", steps(refused))
}

/// Each of the given lines, followed by its errors.
fn errors_of(script: fn(&str) -> String, all: &[&str]) -> String {
    let one = |lines: &&str| {
        let problems = problems(&script(lines));
        assert!(!problems.is_empty(), "no error for {lines}");
        format!("{lines}\n    {}", problems.join("\n    "))
    };
    all.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_error_shows_file_line_and_caret() {
    let script = steps("- release: hold\n- release: old");
    let errors = Scenario::parse(&script, Path::new("suite/x.yaml")).unwrap_err();
    insta::assert_snapshot!(errors, @r#"
    suite/x.yaml:7:12: no admitted message uses `gate:old`; known tags: hold
      |
    7 | - release: old
      |            ^
    "#);
}

#[test]
fn all_errors_of_a_script_are_reported_together_in_order_of_line() {
    let script = "\
scenario: ''
seam: recconnect
colour: red
session: { callback: maybe }
receiver: [500, 700]
steps:
  - start: { as: first, say: gate:hold }
  - heal
  - send: { as: second, say: gate:x, text: b }
  - await: { message: second, is: sent }
  - release: x
  - await: { message: third, is: sent }
  - send: { as: fourth, as: fifth, say: idle }
  - wait: 4s
    release: hold
expect:
  - order: [queued fifth, done fifth]
  - callback: { for: sixth }
";
    insta::assert_snapshot!(problems(script).join("\n"), @r#"
    1:1: missing key `about`; required: scenario, about, seam, steps
    1:11: `scenario` is empty: write a sentence
    2:7: unknown word `recconnect`; allowed: turn, queue, interrupt, gateway, callback, reconnect, crash, stream, wrapper, legacy, deletion
    3:1: unknown word `colour`; allowed: scenario, about, seam, rules, api, seed, tolerant, profile, latency, session, receiver, steps, expect
    4:22: expected true or false
    5:17: `700` is not an answer of the receiver; allowed: an HTTP status from 200 to 599, stall, drop, twice, or a map such as { delay: 3s, status: 200 }
    8:5: expected a map with one key, such as `wait: 4s` or `interrupt: {}`
    9:11: a message needs exactly one of `say` (a directive), `text` (a raw prompt), `characters` (the length of a prompt) and `command`
    12:23: unknown label `third`; known: first
    13:25: duplicate key `as`
    15:5: an element has one key: begin the next element with `-`
    17:27: `done fifth` is not a moment of a message; allowed: queued, sent, completed, failed or interrupted, then the message's label
    18:22: unknown label `sixth`; known: fifth, first
    "#);
}

#[test]
fn errors_in_the_profile_name_the_similar_value_or_the_expected_kind() {
    fn script(profile: &str) -> String {
        steps(&format!("profile:\n{profile}"))
    }
    let profiles = [
        "  delivery-retry-delay-cold: [2s]",
        "  callback_at_start: false",
        "  callback-at-start: maybe",
        "  pending-limit: -1",
        "  callback-attempts: 0",
        "  disconnect-grace: 10",
        "  pending-limit: 3\n  delivery-retry-delays-cold: [2s, soon]",
        "  permanent-refusals: INVALID_REQUEST",
        "  pending-limit: 3\n  pending-limit: 4",
        "  [pending-limit]",
    ];
    insta::assert_snapshot!(errors_of(script, &profiles), @r"
    delivery-retry-delay-cold: [2s]
      7:3: `delivery-retry-delay-cold` is not a value of the profile; did you mean `delivery-retry-delays-cold`?
    callback_at_start: false
      7:3: `callback_at_start` is not a value of the profile; did you mean `callback-at-start`?
    callback-at-start: maybe
      7:22: expected true or false
    pending-limit: -1
      7:18: expected a whole number from 0 to 1073741824
    callback-attempts: 0
      7:22: expected a whole number from 1 to 16
    disconnect-grace: 10
      7:21: expected a duration up to 8760h, such as 2s
    pending-limit: 3
    delivery-retry-delays-cold: [2s, soon]
      8:31: expected a list of at most 100 durations up to 8760h, such as [2s, 4s]
    permanent-refusals: INVALID_REQUEST
      7:23: expected a list of texts, such as [INVALID_REQUEST]
    pending-limit: 3
    pending-limit: 4
      8:3: duplicate key `pending-limit`
    [pending-limit]
      7:3: expected a map, such as { key: value }
    ");
}

#[test]
fn files_that_are_not_scripts_are_rejected() {
    let whole = |source: &&str| problems(source).join("\n");
    let scripts = [
        "",
        "- a",
        "scenario: s\nabout: a\nseam: turn\nsteps: []\n",
        "scenario: s\nabout: \"a\nseam: turn\n",
        "scenario: s\nabout: a\nseam: turn\nsteps:\n- start: { as: a b, say: idle }\n- send: [a\n- wait: 4s\n",
    ];
    insta::assert_snapshot!(scripts.iter().map(whole).collect::<Vec<_>>().join("\n\n"), @r#"
    1:1: missing key `scenario`; required: scenario, about, seam, steps
    1:1: missing key `about`; required: scenario, about, seam, steps
    1:1: missing key `seam`; required: scenario, about, seam, steps
    1:1: missing key `steps`; required: scenario, about, seam, steps

    1:1: expected a map, such as { key: value }

    4:1: `steps` is empty: begin with a step such as `start`

    3:1: invalid indentation in multiline quoted scalar

    5:16: `a b` is not a valid name: use letters, digits, `-` and `_`
    6:9: expected a map, such as { key: value }
    7:7: illegal placement of ':' indicator
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn errors_in_steps_say_what_is_allowed() {
    let scripts = [
        "- frob: 1",
        "- interrupt",
        "- wait: 4",
        "- wait: -4s",
        "- wait: { until: 4s }",
        "- restart: client",
        "- restart: { host: server }",
        "- crash: client",
        "- start: { as: a, say: idle, id: msg_1 }",
        "- start: { as: a, say: idle, session: other, user: user-2 }",
        "- send: { as: a, say: idle, id: msg_0123456789ABABCDEFGHIJKLMN }",
        "- open: { client: phone, ticket: wrong }",
        "- ingest: { send: a, raw: b, ticket: none }",
        "- await: { stream: { client: phone } }",
        "- await: { stream: { event: complete }, is: sent }",
        "- wrapper: { job: { reply: { status: 42 } } }",
        "- send: { as: a b, say: idle }",
        "- send: { as: a }",
        "- send: { say: idle }",
        "- send: { as: a, say: shout:hi }",
        "- send: { as: a, say: 'echo:a b' }",
        "- send: { as: a, say: slow:0:1 }",
        "- send: { as: a, say: 'error:' }",
        "- send: { as: a, say: 'gate:' }",
        "- send: { as: a, say: 'tools:3' }",
        "- send: { as: a, say: 'tools:0:done' }",
        "- send: { as: a, characters: 100000000 }",
        "- send: { as: kilo-session, say: idle }",
        "- send: { as: a, say: idle, repeat: first, id: server }",
        "- send: { as: a, say: idle, reply: { status: 42 } }",
        "- send: { as: a, say: idle, reply: { success: true } }",
        "- open: { client: observer }",
        "- open: { client: gateway }",
        "- open: { client: phone, from: end }",
        "- await: { gate: hold, quiet: 1s }",
        "- await: { within: 1s }",
        "- await: { message: first }",
        "- await: { gate: hold, is: sent }",
        "- await: { gate: hold, times: 2 }",
        "- await: { callback: first, times: 0 }",
        "- await: { gate: hold, within: 0s }",
        "- await: { quiet: 2m }",
        "- cut: { for: 4s }",
        "- cut: { between: [server, wrapper], from: server, to: wrapper }",
        "- cut: { between: [server, wrapper], for: 0s }",
        "- cut: { between: [server] }",
        "- cut: { from: server }",
        "- heal: { between: [server, wrapper], for: 4s }",
        "- delay: { between: [server, wrapper] }",
        "- throttle: { between: [server, wrapper], for: 5s }",
        "- throttle: { between: [server, wrapper], rate: 10kb }",
        "- throttle: { between: [server, wrapper], by: 5s }",
        "- black-hole: { between: [gateway, server] }",
        "- fin: { from: wrapper, to: wrapper }",
        "- silence: { between: [server, observer] }",
        "- crash: { party: client }",
        "- crash: { party: server, at: before-commit }",
        "- receiver: { answers: [200, sulk] }",
        "- receiver: { answers: [{ delay: 0s, status: 200 }] }",
        "- receiver: { answers: [{ delay: 1s }] }",
        "- send: { as: a, command: { name: x }, say: idle }",
        "- send: { as: a, command: { name: x }, form: flat }",
        "- send: { as: a, command: { name: x }, model: m }",
        "- send: { as: a, say: idle, surface: newer }",
        "- send: { as: a, say: idle, finalization: { commit: true } }",
        "- prepare: { say: idle }",
        "- update: { callback: other }",
        "- call: { input: {} }",
        "- call: { procedure: 'get Session' }",
        "- call: { procedure: health, method: put }",
        "- call: { procedure: health, reply: { has: [1] } }",
        "- call: { procedure: send, by: friend }",
        "- call: { procedure: send, body: { text: x }, input: {} }",
        "- call: { procedure: send, body: { text: x }, method: get }",
        "- call: { procedure: send, body: { characters: 1 } }",
        "- open: { client: phone, reads: backwards }",
        "- wrapper: { sulks: true }",
        "- wrapper: { ready: { fail: { code: SEND_ERROR } } }",
        "- wrapper: { job: { fail: { code: SEND_ERROR, times: 0 } } }",
        "- queue: sulks",
        "- queue: { is: refuses }",
        "- queue: { is: works, for: 4s }",
        "- disk: { is: melts, for: 4s }",
        "- disk: { is: fails, for: 4s, at: { write: 1 } }",
        "- disk: { is: full, at: { write: 1 } }",
        "- disk: { is: works, for: 4s }",
        "- disk: { is: fails, at: { sync: 0 } }",
        "- crash: { party: server, at: { read: 1 } }",
        "- stall: { for: 4s }",
        "- ingest: { open: a }",
        "- ingest: { open: a, fence: current, code: 1000 }",
        "- ingest: { send: a }",
        "- ingest: { send: a, raw: b, data: {} }",
        "- ingest: { close: a, code: 99 }",
        "- ingest: { open: a, close: a }",
    ];
    insta::assert_snapshot!(errors_of(steps, &scripts), @r#"
    - frob: 1
        6:3: unknown word `frob`; allowed: start, send, prepare, initiate, update, delete, interrupt, call, open, close, await, release, cut, black-hole, delay, throttle, stall, heal, reset, silence, fin, crash, restart, wrapper, receiver, queue, disk, clock, ingest, wait
    - interrupt
        6:3: expected a map with one key, such as `wait: 4s` or `interrupt: {}`
    - wait: 4
        6:9: `4` is not a duration: write numbers with units, such as 4s, 250ms, 2m or 1h
    - wait: -4s
        6:9: `-4s` is negative: durations start at 0s
    - wait: { until: 4s }
        6:11: unknown word `until`; allowed: for
    - restart: client
        6:3: unknown word `client`; allowed: server, wrapper, gateway, receiver
    - restart: { host: server }
        6:14: unknown word `host`; allowed: party
    - crash: client
        6:3: unknown word `client`; allowed: server, wrapper, gateway, receiver
    - start: { as: a, say: idle, id: msg_1 }
        6:34: `msg_1` is not a message id: use `msg_`, 12 lower-case hex digits and 14 letters or digits; `call` can send any other text
    - start: { as: a, say: idle, session: other, user: user-2 }
        6:52: `user-2` is the stranger, who owns no session
    - send: { as: a, say: idle, id: msg_0123456789ABABCDEFGHIJKLMN }
        6:33: `msg_0123456789ABABCDEFGHIJKLMN` is not valid for `id`; allowed: client, server, a message id such as msg_0123456789abABCDEFGHIJKLMN
    - open: { client: phone, ticket: wrong }
        6:34: unknown word `wrong`; allowed: own, stranger, expired, none, other-session, other-kind
    - ingest: { send: a, raw: b, ticket: none }
        6:11: `ticket` is only allowed with `open`
    - await: { stream: { client: phone } }
        6:10: `stream` needs `event`, `has` or both
    - await: { stream: { event: complete }, is: sent }
        6:10: `is` is only allowed with `message`
    - wrapper: { job: { reply: { status: 42 } } }
        6:38: 42 is not a valid status: use 200 to 599
    - send: { as: a b, say: idle }
        6:15: `a b` is not a valid name: use letters, digits, `-` and `_`
    - send: { as: a }
        6:9: a message needs exactly one of `say` (a directive), `text` (a raw prompt), `characters` (the length of a prompt) and `command`
    - send: { say: idle }
        6:11: `as` is missing
    - send: { as: a, say: shout:hi }
        6:23: `shout:hi` is not a directive; allowed: echo:<text>, slow:<chunks>:<milliseconds>, idle, hang, error:<message>, gate:<tag>, tools:<calls>:<text>; write any other prompt with `text`
    - send: { as: a, say: 'echo:a b' }
        6:23: `echo` needs a text of letters, digits, `-` and `_`, such as echo:hi, not `a b`
    - send: { as: a, say: slow:0:1 }
        6:23: `slow` needs a number of chunks from 1 to 10000 and a pause in milliseconds up to 86400000, such as slow:3:200, not `0:1`
    - send: { as: a, say: 'error:' }
        6:23: `error` needs a message, such as error:no credit
    - send: { as: a, say: 'gate:' }
        6:23: `gate` needs a tag of letters, digits, `-` and `_`, such as gate:hold, not ``
    - send: { as: a, say: 'tools:3' }
        6:23: `tools` needs a number of calls from 1 to 1000 and a text of letters, digits, `-` and `_`, such as tools:3:hi, not `3`
    - send: { as: a, say: 'tools:0:done' }
        6:23: `tools` needs a number of calls from 1 to 1000 and a text of letters, digits, `-` and `_`, such as tools:3:hi, not `0:done`
    - send: { as: a, characters: 100000000 }
        6:9: 100000000 characters are too many: the maximum is 16777216
    - send: { as: kilo-session, say: idle }
        6:15: `<kilo-session>` stands for an id of the session: choose another label
    - send: { as: a, say: idle, repeat: first, id: server }
        6:9: `id` is not allowed with `repeat`: the id is that of the repeated message
    - send: { as: a, say: idle, reply: { status: 42 } }
        6:46: 42 is not a valid status: use 200 to 599
    - send: { as: a, say: idle, reply: { success: true } }
        6:38: unknown word `success`; allowed: status, contains, lost, unawaited
    - open: { client: observer }
        6:19: `observer` is the harness's own client: scripts cannot use it
    - open: { client: gateway }
        6:19: `gateway` is the name of a party and cannot name a client; parties: server, wrapper, gateway, receiver
    - open: { client: phone, from: end }
        6:32: a stream cannot open from `end`; allowed: start, last, none, an event id
    - await: { gate: hold, quiet: 1s }
        6:10: `await` needs exactly one of `gate`, `message` (with `is`), `callback` or `stream` (optionally with `times`), `quiet`
    - await: { within: 1s }
        6:10: `await` needs exactly one of `gate`, `message` (with `is`), `callback` or `stream` (optionally with `times`), `quiet`
    - await: { message: first }
        6:10: `message` needs `is`: queued, sent, completed, failed or interrupted
    - await: { gate: hold, is: sent }
        6:10: `is` is only allowed with `message`
    - await: { gate: hold, times: 2 }
        6:10: `times` is only allowed with `callback` and `stream`
    - await: { callback: first, times: 0 }
        6:29: expected a number above 0
    - await: { gate: hold, within: 0s }
        6:32: the duration must be longer than zero
    - await: { quiet: 2m }
        6:10: 2m of quiet do not fit within 1m: set a longer `within`
    - cut: { for: 4s }
        6:8: specify either `between: [one, two]`, or `from` and `to`
    - cut: { between: [server, wrapper], from: server, to: wrapper }
        6:8: specify either `between: [one, two]`, or `from` and `to`
    - cut: { between: [server, wrapper], for: 0s }
        6:43: the duration must be longer than zero
    - cut: { between: [server] }
        6:19: `between` needs exactly two parties, not 1
    - cut: { from: server }
        6:8: specify either `between: [one, two]`, or `from` and `to`
    - heal: { between: [server, wrapper], for: 4s }
        6:39: unknown word `for`; allowed: between, from, to
    - delay: { between: [server, wrapper] }
        6:12: `by` is missing
    - throttle: { between: [server, wrapper], for: 5s }
        6:43: `rate` is missing
    - throttle: { between: [server, wrapper], rate: 10kb }
        6:49: `10kb` is not a rate: write a whole number above 0 with its unit, such as 500B/s, 10KB/s or 2MB/s
    - throttle: { between: [server, wrapper], by: 5s }
        6:43: unknown word `by`; allowed: between, from, to, rate, for
    - black-hole: { between: [gateway, server] }
        6:26: there is no link between `gateway` and `server`; links: server and wrapper, server and receiver, server and a client, wrapper and gateway
    - fin: { from: wrapper, to: wrapper }
        6:8: the two ends of a link must differ, but both are `wrapper`
    - silence: { between: [server, observer] }
        6:32: `observer` is the harness's own client: scripts cannot use it
    - crash: { party: client }
        6:19: unknown word `client`; allowed: server, wrapper, gateway, receiver
    - crash: { party: server, at: before-commit }
        6:31: unknown word `before-commit`; allowed: between-commits, after-commit, after-enqueue, write, sync
    - receiver: { answers: [200, sulk] }
        6:30: `sulk` is not an answer of the receiver; allowed: an HTTP status from 200 to 599, stall, drop, twice, or a map such as { delay: 3s, status: 200 }
    - receiver: { answers: [{ delay: 0s, status: 200 }] }
        6:34: the duration must be longer than zero
    - receiver: { answers: [{ delay: 1s }] }
        6:27: `status` is missing
    - send: { as: a, command: { name: x }, say: idle }
        6:9: a message needs exactly one of `say` (a directive), `text` (a raw prompt), `characters` (the length of a prompt) and `command`
    - send: { as: a, command: { name: x }, form: flat }
        6:9: a command has only the form `payload` and no `model`
    - send: { as: a, command: { name: x }, model: m }
        6:9: a command has only the form `payload` and no `model`
    - send: { as: a, say: idle, surface: newer }
        6:38: unknown word `newer`; allowed: unified, legacy
    - send: { as: a, say: idle, finalization: { commit: true } }
        6:45: unknown word `commit`; allowed: auto-commit, condense-on-complete, gate
    - prepare: { say: idle }
        6:14: `as` is missing
    - update: { callback: other }
        6:23: `other` is not a callback target; allowed: none, receiver, a path of the receiver such as /other, out-of-reach, no-such-host, https
    - call: { input: {} }
        6:11: `procedure` is missing
    - call: { procedure: 'get Session' }
        6:3: `procedure` is a name of at most 100 letters, digits, `.`, `-` and `_`
    - call: { procedure: health, method: put }
        6:38: unknown word `put`; allowed: get, post
    - call: { procedure: health, reply: { has: [1] } }
        6:44: expected a map, such as { key: value }
    - call: { procedure: send, by: friend }
        6:32: unknown word `friend`; allowed: owner, outsider, latecomer, stranger, nobody, wrapper, viewer
    - call: { procedure: send, body: { text: x }, input: {} }
        6:34: `body` replaces `input` and needs POST
    - call: { procedure: send, body: { text: x }, method: get }
        6:34: `body` replaces `input` and needs POST
    - call: { procedure: send, body: { characters: 1 } }
        6:34: `characters` must be from 2 to 16777216
    - open: { client: phone, reads: backwards }
        6:33: unknown word `backwards`; allowed: eagerly, slowly
    - wrapper: { sulks: true }
        6:14: unknown word `sulks`; allowed: ready, job, deaf, silent, babble, late, duplicate, ends-out-of-order, no-reply, unfinished-reply, child-idle, loses-buffer, keeps-old-socket, complete, fatal, latency, heartbeat, finalize, long-text, parts, lone-surrogate, commands, preparing, abandons-opening
    - wrapper: { ready: { fail: { code: SEND_ERROR } } }
        6:37: unknown word `SEND_ERROR`; allowed: WORKSPACE_SETUP_FAILED, KILO_SERVER_FAILED, INVALID_REQUEST, NOT_READY
    - wrapper: { job: { fail: { code: SEND_ERROR, times: 0 } } }
        6:47: expected a number above 0
    - queue: sulks
        6:3: unknown word `sulks`; allowed: works, refuses, loses-ack, away, delivers-twice
    - queue: { is: refuses }
        6:12: `for` is missing
    - queue: { is: works, for: 4s }
        6:10: `for` has no meaning with the normal behaviour: remove it
    - disk: { is: melts, for: 4s }
        6:15: unknown word `melts`; allowed: works, fails, full
    - disk: { is: fails, for: 4s, at: { write: 1 } }
        6:9: specify either `for` or `at`
    - disk: { is: full, at: { write: 1 } }
        6:9: a disk is full for every write: use `is: fails` with `at`
    - disk: { is: works, for: 4s }
        6:9: the normal behaviour needs no `for` and no `at`: write only the word
    - disk: { is: fails, at: { sync: 0 } }
        6:22: expected a number above 0
    - crash: { party: server, at: { read: 1 } }
        6:33: unknown word `read`; allowed: between-commits, after-commit, after-enqueue, write, sync
    - stall: { for: 4s }
        6:10: specify either `between: [one, two]`, or `from` and `to`
    - ingest: { open: a }
        6:11: `open` needs either `execution` or `fence`
    - ingest: { open: a, fence: current, code: 1000 }
        6:11: `code` is only allowed with `close`
    - ingest: { send: a }
        6:11: `send` needs exactly one of `event` (optionally with `data`), `raw`, `binary: true`
    - ingest: { send: a, raw: b, data: {} }
        6:11: `send` needs exactly one of `event` (optionally with `data`), `raw`, `binary: true`
    - ingest: { close: a, code: 99 }
        6:11: 99 is not a valid close code: use 1000 to 4999
    - ingest: { open: a, close: a }
        6:11: `ingest` needs exactly one of `open` (with `execution` or `fence`), `send`, `close`
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn impossible_steps_are_rejected() {
    let scripts = [
        "- start: { as: second, say: idle }",
        "- send: { as: first, say: idle }",
        "- send: { as: a, say: idle, repeat: b }",
        "- send: { as: a, say: idle, id: server, reply: { status: 400 } }\n- send: { as: b, say: idle, repeat: a }",
        "- send: { as: a, say: idle, id: server, reply: { unawaited: true } }",
        "- interrupt: { reply: { unawaited: true, success: true } }",
        "- send: { as: a, say: idle, client: phone }",
        "- await: { message: second, is: sent }",
        "- send: { as: a, say: gate:x, reply: { status: 429 } }\n- await: { gate: x }\n- await: { message: a, is: queued }",
        "- await: { callback: first }",
        "- release: hold\n- release: hold",
        "- open: { client: phone, from: last }",
        "- close: { client: phone }\n- close: { client: client }",
        "- cut: { between: [server, phone] }",
        "- cut: { from: server, to: wrapper }\n- heal: { between: [wrapper, server] }\n- heal: { from: server, to: wrapper }",
        "- restart: wrapper",
        "- crash: wrapper\n- crash: { party: wrapper }\n- restart: { party: gateway }",
        "- send: { as: a, say: idle, id: msg_0123456789abABCDEFGHIJKLMN }\n- send: { as: b, say: idle, id: msg_0123456789abABCDEFGHIJKLMN }",
        "- call: { procedure: getSession, as: a }",
        "- call: { procedure: send, as: a, reply: { status: 400 } }\n- await: { message: a, is: sent }",
        "- call: { procedure: start, session: other, by: stranger }",
        "- call: { procedure: send, input: { prompt: '__fake__:gate:x' } }\n- await: { gate: x }\n- await: { gate: y }",
        "- open: { client: phone, reply: { status: 403 } }\n- close: { client: phone }\n- await: { stream: { client: phone, event: complete } }",
        "- await: { stream: { has: { messageId: <no> } } }",
        "- wrapper: { job: { reply: { body: { messageId: <no> } } } }",
        "- crash: { party: wrapper, at: after-commit }",
        "- crash: { party: server }\n- crash: { party: server }\n- interrupt: {}\n- open: { client: phone }",
        "- crash: { party: gateway }\n- release: hold",
        "- prepare: { as: second, say: idle }",
        "- start: { as: a, say: idle, session: other }\n- send: { as: b, say: idle, session: third }",
        "- send: { as: a, command: { name: x } }",
        "- send: { as: a, say: idle, form: payload }",
        "- send: { as: a, say: idle, surface: legacy, finalization: { gate: all } }",
        "- call: { procedure: send, input: { x: [<nobody>] }, reply: { has: { y: <no> } } }",
        "- open: { client: phone, executions: [old], since: 2s, until: 1s }",
        "- crash: { party: wrapper }\n- wrapper: {}",
        "- ingest: { open: a, execution: first }\n- ingest: { send: b, event: e }",
        "- ingest: { open: a, fence: current }\n- ingest: { open: a, fence: current }\n- ingest: { close: a }\n- ingest: { send: a, event: e, data: { id: <x> } }",
        "- ingest: { open: a, fence: stale-run, reply: { status: 409 } }\n- ingest: { send: a, binary: true }",
    ];
    insta::assert_snapshot!(errors_of(steps, &scripts), @r#"
    - start: { as: second, say: idle }
        6:3: the session `session` already exists (created in line 5): name another one, such as `session: other`
    - send: { as: first, say: idle }
        6:15: the label `first` is already used in line 5
    - send: { as: a, say: idle, repeat: b }
        6:37: unknown label `b`; known: first
    - send: { as: a, say: idle, id: server, reply: { status: 400 } }
    - send: { as: b, say: idle, repeat: a }
        7:37: `a` has no id to repeat: the server creates its id, and refuses it (line 6)
    - send: { as: a, say: idle, id: server, reply: { unawaited: true } }
        6:3: the id that later steps need is in the answer, so `reply` cannot be `unawaited` here
    - interrupt: { reply: { unawaited: true, success: true } }
        6:3: an answer that is not awaited cannot be checked: remove the other fields of `reply`
    - send: { as: a, say: idle, client: phone }
        6:37: unknown client `phone`; known: client; `open` introduces a client
    - await: { message: second, is: sent }
        6:21: unknown label `second`; known: first
    - send: { as: a, say: gate:x, reply: { status: 429 } }
    - await: { gate: x }
    - await: { message: a, is: queued }
        7:18: no admitted message uses `gate:x`; known tags: hold
        8:21: `a` is expected to be refused (line 6), so it is never admitted
    - await: { callback: first }
        6:3: the session has no callback target: set `callback: true` in `session`
    - release: hold
    - release: hold
        7:12: `hold` was already released in line 6, and no message has used it since
    - open: { client: phone, from: last }
        6:19: `phone` has received no event yet, so its first stream cannot start from `last`
    - close: { client: phone }
    - close: { client: client }
        6:20: unknown client `phone`; known: client; `open` introduces a client
        7:20: `client` has no open stream here: open it before this step
    - cut: { between: [server, phone] }
        6:28: unknown client `phone`; known: client; `open` introduces a client
    - cut: { from: server, to: wrapper }
    - heal: { between: [wrapper, server] }
    - heal: { from: server, to: wrapper }
        8:3: nothing to heal from server to wrapper: no fault of the link is active
    - restart: wrapper
        6:12: the wrapper has not crashed, so it cannot be restarted
    - crash: wrapper
    - crash: { party: wrapper }
    - restart: { party: gateway }
        7:19: the wrapper is already down since line 6
        8:21: the gateway has not crashed, so it cannot be restarted
    - send: { as: a, say: idle, id: msg_0123456789abABCDEFGHIJKLMN }
    - send: { as: b, say: idle, id: msg_0123456789abABCDEFGHIJKLMN }
        7:33: this is the id of `a`: use `repeat: a` to send it again
    - call: { procedure: getSession, as: a }
        6:38: `getSession` sends no message, so it has no label
    - call: { procedure: send, as: a, reply: { status: 400 } }
    - await: { message: a, is: sent }
        7:21: `a` is expected to be refused (line 6), so it is never admitted
    - call: { procedure: start, session: other, by: stranger }
        6:38: only a session of the owner has a name: remove `session`
    - call: { procedure: send, input: { prompt: '__fake__:gate:x' } }
    - await: { gate: x }
    - await: { gate: y }
        8:18: no admitted message uses `gate:y`; known tags: hold, x
    - open: { client: phone, reply: { status: 403 } }
    - close: { client: phone }
    - await: { stream: { client: phone, event: complete } }
        7:20: `phone` has no open stream here: open it before this step
        8:30: `phone` never opens a stream, so it receives nothing
    - await: { stream: { has: { messageId: <no> } } }
        6:27: unknown label `no` in `<no>`; known: first
    - wrapper: { job: { reply: { body: { messageId: <no> } } } }
        6:3: unknown label `no` in `<no>`; known: first
    - crash: { party: wrapper, at: after-commit }
        6:32: `at` is only allowed for the server, not the wrapper
    - crash: { party: server }
    - crash: { party: server }
    - interrupt: {}
    - open: { client: phone }
        7:19: the server is already down since line 6
        8:3: the server is down since line 6: restart it first
        9:3: the server is down since line 6: restart it first
    - crash: { party: gateway }
    - release: hold
        7:3: the gateway is down since line 6: restart it first
    - prepare: { as: second, say: idle }
        6:3: the session `session` already exists (created in line 5): name another one, such as `session: other`
    - start: { as: a, say: idle, session: other }
    - send: { as: b, say: idle, session: third }
        7:3: unknown session `third`; known: other, session
    - send: { as: a, command: { name: x } }
        6:3: the unified surface has no commands: use `surface: legacy` or `api: [legacy]`
    - send: { as: a, say: idle, form: payload }
        6:35: the unified surface has no `form`: use `surface: legacy` or `api: [legacy]`
    - send: { as: a, say: idle, surface: legacy, finalization: { gate: all } }
        6:3: the legacy surface has no `gate` for a single message: use `surface: unified`
    - call: { procedure: send, input: { x: [<nobody>] }, reply: { has: { y: <no> } } }
        6:35: unknown label `nobody` in `<nobody>`; known: first
        6:68: unknown label `no` in `<no>`; known: first
    - open: { client: phone, executions: [old], since: 2s, until: 1s }
        6:3: `since` (2s) is later than `until` (1s)
        6:39: unknown label `old`; known: first
    - crash: { party: wrapper }
    - wrapper: {}
        7:3: the wrapper is down since line 6: restart it first
    - ingest: { open: a, execution: first }
    - ingest: { send: b, event: e }
        6:33: `first` is a message, not an execution
        7:19: unknown ingest socket `b`; known: a
    - ingest: { open: a, fence: current }
    - ingest: { open: a, fence: current }
    - ingest: { close: a }
    - ingest: { send: a, event: e, data: { id: <x> } }
        7:19: the ingest socket `a` was already opened in line 6: use another name
        9:19: the ingest socket `a` was closed in line 8
        9:38: unknown label `x` in `<x>`; known: first
    - ingest: { open: a, fence: stale-run, reply: { status: 409 } }
    - ingest: { send: a, binary: true }
        7:19: the ingest socket `a` is expected to be refused (line 6)
    "#);
}

#[test]
fn a_missing_or_refused_session_cannot_be_used() {
    let script = "\
scenario: s
about: a
seam: turn
steps:
- wrapper: { deaf: true }
- open: { client: phone }
- start: { as: a, say: idle, reply: { status: 400 } }
- interrupt: {}
- start: { as: b, say: idle }
- interrupt: {}
- start: { as: c, say: idle }
";
    insta::assert_snapshot!(problems(script).join("\n"), @r#"
    6:3: there is no session yet: create it with `start` or `prepare` before this step, or with `stored`
    8:3: there is no session: its creation is expected to be refused (line 7)
    11:3: the session `session` already exists (created in line 9): name another one, such as `session: other`
    "#);
}

#[test]
fn a_stored_session_is_the_default_session() {
    let script = "\
scenario: s
about: a
seam: turn
api: [legacy, legacy]
session:
  stored:
    record: { prompt: hi, x: <nobody> }
    initial-message: first
    executions:
      - { as: old, status: running, message: first }
      - { as: old, status: completed, started-before: 1h, message: second }
steps:
- initiate: {}
- await: { message: old, is: completed }
- await: { callback: old }
- ingest: { open: one, execution: old }
- ingest: { open: two, execution: second }
- ingest: { open: three, execution: exc_unknown }
- start: { as: a, say: idle }
";
    insta::assert_snapshot!(problems(script).join("\n"), @r#"
    4:6: `api` names legacy twice
    7:13: unknown label `nobody` in `<nobody>`; known: first, old, second
    11:15: the label `old` is already used in line 10
    14:21: `old` is an execution, not a message
    15:3: the session has no callback target: set `callback: true` in `session`
    17:35: `second` is a message, not an execution
    19:3: the session `session` already exists (`stored`): name another one, such as `session: other`
    "#);
    let wrong = |stored: &&str| {
        let script = format!(
            "scenario: s\nabout: a\nseam: turn\nsession: {{ stored: {stored} }}\nsteps:\n- interrupt: {{}}\n"
        );
        problems(&script).join("\n")
    };
    let all = [
        "{ record: [] }",
        "{ executions: [{ as: a, status: done }] }",
        "{ executions: [{ as: a, status: running, id: ex_1 }] }",
    ];
    insta::assert_snapshot!(all.iter().map(wrong).collect::<Vec<_>>().join("\n"), @r#"
    4:30: expected a map, such as { key: value }
    4:52: unknown word `done`; allowed: pending, running, completed, failed, interrupted
    4:65: `ex_1` is not the id of an execution: `exc_`, then letters, digits, `-` and `_`
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn impossible_expectations_are_rejected() {
    let scripts = [
        "- order: [sent first]",
        "- order: [sent first, done first]",
        "- order: [sent first, completed a]",
        "- order: [completed first, sent first]",
        "- message: { of: no, is: failed }",
        "- message: { of: first, is: queued }",
        "- message: { of: first, is: failed, reason: bored }",
        "- message: { of: first, is: completed, reason: exhausted }",
        "- message: { of: first, is: completed, accepted: false }",
        "- message: { of: first, is: failed, accepted: false, delivery: sent }",
        "- callback: { for: first }",
        "- callback: { for: first, times: 0, text: a }",
        "- callbacks: 1",
        "- stream: { event: e }",
        "- stream: { event: '', exactly: 1 }",
        "- stream: { event: e, exactly: 1, at-most: 1 }",
        "- stream: { event: e, at-least: 2, at-most: 1 }",
        "- stream: { event: e, client: client, exactly: 1 }",
        "- stream: { event: e, client: tablet, exactly: 1 }",
        "- gateway: { waiters: few }",
        "- deliveries: { of: no, times: 1 }",
        "- deliveries: { of: first, times: 3, at: [2s] }",
        "- deliveries: { of: first, times: 3, at: [2s, 2s] }",
        "- callback: { for: first, times: 0, path: /a, at: 2s }",
        "- callback: { for: first, after: 3s, before: 2s, has: { a: <x> } }",
        "- badge: { client: client, of: first, is: Queued }",
        "- badge: { client: phone, of: first, is: queued }",
        "- snapshot: { client: phone, shows: [queued no, sent] }",
        "- ingest: { of: a, closed: 1000 }",
        "- ingest: { of: a }",
        "- ingest: { of: a, closed: 1000, refused: 409 }",
    ];
    insta::assert_snapshot!(errors_of(expecting, &scripts), @r#"
    - order: [sent first]
        9:3: `order` needs at least two moments
    - order: [sent first, done first]
        9:23: `done first` is not a moment of a message; allowed: queued, sent, completed, failed or interrupted, then the message's label
    - order: [sent first, completed a]
        9:23: unknown label `a`; known: first, no
    - order: [completed first, sent first]
        9:28: `sent first` cannot follow `completed first`: a message is queued, then sent, then ends, each at most once
    - message: { of: no, is: failed }
        9:18: `no` is expected to be refused (line 6), so it is never admitted
    - message: { of: first, is: queued }
        9:29: unknown word `queued`; allowed: completed, failed, interrupted
    - message: { of: first, is: failed, reason: bored }
        9:45: unknown word `bored`; allowed: assistant_error, interrupted, wrapper_error, wrapper_disconnected, wrapper_failure, missing_assistant_reply, exhausted
    - message: { of: first, is: completed, reason: exhausted }
        9:3: a completed message has no `reason` and no `error`
    - message: { of: first, is: completed, accepted: false }
        9:3: a completed message was accepted, and its `delivery` is `sent`
    - message: { of: first, is: failed, accepted: false, delivery: sent }
        9:3: `delivery` is `sent` for an accepted message and `queued` otherwise
    - callback: { for: first }
        9:3: the session has no callback target: set `callback: true` in `session`
    - callback: { for: first, times: 0, text: a }
        9:3: with `times: 0` there is no callback, so nothing can be expected of its content
    - callbacks: 1
        9:3: the session has no callback target: set `callback: true` in `session`
    - stream: { event: e }
        9:11: specify how often: `exactly`, or `at-least`, `at-most` or both
    - stream: { event: '', exactly: 1 }
        9:11: `event` is empty: name a stream event type or a kilo event
    - stream: { event: e, exactly: 1, at-most: 1 }
        9:11: `exactly` excludes `at-least` and `at-most`
    - stream: { event: e, at-least: 2, at-most: 1 }
        9:11: `at-least` (2) is greater than `at-most` (1)
    - stream: { event: e, client: client, exactly: 1 }
        9:31: `client` never opens a stream, so it receives nothing
    - stream: { event: e, client: tablet, exactly: 1 }
        9:31: unknown client `tablet`; known: client, phone; `open` introduces a client
    - gateway: { waiters: few }
        9:23: expected a whole number, 0 or above
    - deliveries: { of: no, times: 1 }
        9:21: `no` is expected to be refused (line 6), so it is never admitted
    - deliveries: { of: first, times: 3, at: [2s] }
        9:15: `at` needs a time for each attempt except the first: 2 with these `times`, not 1
    - deliveries: { of: first, times: 3, at: [2s, 2s] }
        9:15: the times in `at` must rise, but 2s does not
    - callback: { for: first, times: 0, path: /a, at: 2s }
        9:3: with `times: 0` there is no callback, so nothing can be expected of its content
        9:3: without a request there is no time for `at`, `after` or `before`
    - callback: { for: first, after: 3s, before: 2s, has: { a: <x> } }
        9:3: the session has no callback target: set `callback: true` in `session`
        9:3: `after` (3s) is later than `before` (2s)
        9:55: unknown label `x` in `<x>`; known: first, no
    - badge: { client: client, of: first, is: Queued }
        9:20: `client` never opens a stream, so it receives nothing
    - badge: { client: phone, of: first, is: queued }
        9:42: unknown word `queued`; allowed: Queued, Failed to deliver, none
    - snapshot: { client: phone, shows: [queued no, sent] }
        9:49: `sent` is not a moment of a message; allowed: queued, sent, completed, failed or interrupted, then the message's label
    - ingest: { of: a, closed: 1000 }
        9:17: unknown ingest socket `a`; known: none
    - ingest: { of: a }
        9:11: specify how it ended: `closed`, `refused` or `error-frame`
    - ingest: { of: a, closed: 1000, refused: 409 }
        9:11: `refused` excludes `closed` and `error-frame`
    "#);
}

#[test]
fn steps_that_depend_on_timing_are_accepted() {
    let scripts = [
        "- cut: { between: [server, wrapper], for: 1s }\n- wait: 2s\n- heal: { from: wrapper, to: server }",
        "- crash: { party: server, restart-after: 1s }\n- interrupt: {}\n- restart: server",
        "- crash: { party: server, at: after-commit }\n- interrupt: {}\n- restart: server\n- interrupt: {}",
        "- crash: { party: server }\n- crash: { party: server, at: after-enqueue }\n- restart: server\n- restart: server",
        "- crash: { party: server }\n- restart: server\n- crash: { party: server }\n- await: { message: first, is: failed }",
        "- release: hold\n- send: { as: a, say: gate:hold }\n- release: hold",
        "- send: { as: a, say: idle, reply: { status: 400 } }\n- send: { as: b, say: idle, repeat: a }\n- await: { message: b, is: sent }",
        "- open: { client: phone }\n- cut: { between: [server, phone] }\n- open: { client: phone, from: last }\n- close: { client: phone }",
    ];
    for script in scripts {
        assert_eq!(problems(&steps(script)), [""; 0], "{script}");
    }
}

#[test]
fn a_rule_id_without_the_form_of_one_is_an_error() {
    let script =
        "scenario: s\nabout: a\nseam: turn\nrules: [R8.3, R8]\nsteps:\n- start: { as: a, say: idle }\n";
    insta::assert_snapshot!(
        problems(script).join("\n"),
        @"4:15: `R8` is not the id of a rule: it is `R`, the section, a dot and a number, such as `R8.3`"
    );
}
