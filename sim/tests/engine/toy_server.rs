//! The toy server in `sim/tests/toy-server`, of which `sim/docs/ci.md` speaks: its three bugs are found, and nothing that
//! depends on timing.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use crate::library::top;
use crate::tool::{command, scratch, stderr, stdout};

const SECRETS: [(&str, &str); 3] = [
    ("TURNSTILE_TARGET_API_SECRET", "toy-api-secret"),
    ("TURNSTILE_TARGET_TICKET_SECRET", "toy-ticket-secret"),
    ("TURNSTILE_TARGET_INTERNAL_API_KEY", "toy-internal-key"),
];

/// A scenario, and the rule that the server violates in it.
const BUGS: [(&str, &str); 3] = [
    ("suite/turn/asked-by-others-afterwards", "R2.31"),
    ("suite/interrupt/mid-stream", "R8.13"),
    ("suite/stream/where-it-left-off", "R9.3"),
];

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Addresses that are free now.
fn free_addresses() -> [String; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    listeners.map(|listener| listener.local_addr().expect("it is bound").to_string())
}

/// Starts the server, and returns once it accepts connections.
#[expect(clippy::disallowed_methods, reason = "waits for another process")]
fn start(address: &str, wrapper: &str) -> Server {
    let port = address.rsplit(':').next().expect("an address has a port");
    let server = Command::new("python3")
        .arg(top().join("sim/tests/toy-server/server.py"))
        .args([port, &format!("http://{wrapper}")])
        .envs(SECRETS)
        .stderr(Stdio::null())
        .spawn();
    let server = Server(server.expect("python3 can be run"));
    for _ in 0..200 {
        if TcpStream::connect(address).is_ok() {
            return server;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("the toy server does not listen at {address}");
}

/// Plays a scenario against a new server.
fn play(scenario: &Path) -> Output {
    let [address, wrapper, receiver] = free_addresses();
    let _server = start(&address, &wrapper);
    let output = command(&["run", "--live", "--target", &format!("http://{address}")])
        .args(["--wrapper", &wrapper, "--receiver", &receiver])
        .args(["--trace-lines", "0"])
        .arg(scenario)
        .envs(SECRETS)
        .output();
    output.expect("the tool can be run")
}

/// The end of a run arrives while the server waits for its wrapper to get ready for the next message.
const COMPLETE_DURING_DELIVERY: &str = "\
scenario: the end of a run that is older than a delivery to it does not repeat the delivery
about: The `complete` arrives while the server still waits for the wrapper of the second message.
seam: turn
steps:
  - start: { as: first, say: gate:hold }
  - await: { gate: hold }
  - wrapper: { ready: { delay: 4s } }
  - send: { as: second, say: echo:two }
  - wait: 3s
  - release: hold
  - await: { message: second, is: completed }
expect:
  - order: [completed first, sent second, completed second]
  - deliveries: { of: second, times: 1 }
";

/// Fills the connection of a client that does not read, and then reads everything.
const SLOW_READER: &str = r#"
import signal, socket, sys, types
signal.alarm(60)
source = open(sys.argv[1]).read()
sys.argv[1:] = ["0", ""]
exec(source[:source.index("class Session")])
ours, theirs = socket.socketpair()
ignore = lambda *_: None
handler = types.SimpleNamespace(rfile=ours.makefile("rb"), wfile=ours.makefile("wb", 0), connection=ours,
    headers={"Sec-WebSocket-Key": ""}, send_response=ignore, send_header=ignore, end_headers=ignore)
client = Socket(handler)
for number in range(5000):
    client.send(f"{number:01000}")
expected = b"".join(b'\x81\x7e\x03\xea"%01000d"' % number for number in range(5000))
assert theirs.makefile("rb").read(len(expected)) == expected
"#;

fn has_python() -> bool {
    let has = Command::new("python3").arg("--version").output().is_ok();
    if !has {
        println!("nothing was tested: there is no python3");
    }
    has
}

#[test]
fn the_end_of_a_run_during_a_delivery_does_not_repeat_it() {
    if !has_python() {
        return;
    }
    let script = scratch("complete-during-delivery.yaml");
    std::fs::write(&script, COMPLETE_DURING_DELIVERY).expect("the folder for tests can be written to");
    let output = play(&script);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
}

#[test]
fn a_slow_reader_neither_delays_the_server_nor_loses_events() {
    if !has_python() {
        return;
    }
    let output = Command::new("python3")
        .args(["-c", SLOW_READER])
        .arg(top().join("sim/tests/toy-server/server.py"))
        .envs(SECRETS)
        .output();
    let output = output.expect("python3 can be run");
    assert!(output.status.success(), "{}: {}", output.status, stderr(&output));
}

#[test]
fn the_three_bugs_of_the_toy_server_are_found() {
    if !has_python() {
        return;
    }
    let mut found = Vec::new();
    thread::scope(|scope| {
        let plays =
            BUGS.map(|(scenario, rule)| scope.spawn(move || (scenario, rule, play(Path::new(scenario)))));
        found.extend(plays.map(|play| play.join().expect("the tool can be run")));
    });
    for (scenario, rule, output) in found {
        let text = stdout(&output);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{scenario}: {text}{}",
            stderr(&output)
        );
        assert!(
            text.contains(rule),
            "{scenario}: no finding names {rule}:\n{text}"
        );
    }
}
