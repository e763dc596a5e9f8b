//! Tests of faults on connections with a peer outside of the harness, on real sockets.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use turnstile_fault::{Bandwidth, ConnectionEnd, Fault, Link, LinkEffect, Place};
use turnstile_seams::ByteStream;

use turnstile_world::live::{Cutoff, GivenServer, LATENESS, LiveSetup, LiveWorld, ServerUnderTest};
use turnstile_world::{AnyWorld, Stopped};

const SERVER: &str = "server";
const AUTHORITY: &str = "server:1";
const CLIENT: &str = "client";
/// Much longer than any step takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a check waits for data that must not arrive.
const QUIET: Duration = Duration::from_millis(200);

/// Bytes read so far, and how the connection ended.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<(Vec<u8>, Option<String>)>>);

impl Received {
    fn add(&self, bytes: &[u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .extend(bytes);
    }

    fn end(&self, how: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(how.to_owned());
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner).0).into_owned()
    }

    fn ended(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

/// A server that echoes each byte and records what it receives.
fn echoing() -> (GivenServer, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let address = listener.local_addr().expect("the listener is bound");
    let received = Received::default();
    let recorded = received.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            echo(&mut stream, &recorded);
        }
    });
    (
        GivenServer {
            address,
            restart_command: None,
            test_clock: None,
        },
        received,
    )
}

fn echo(stream: &mut TcpStream, received: &Received) {
    let mut buffer = [0; 64];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return received.end("end of stream"),
            Ok(count) => {
                received.add(&buffer[..count]);
                // The sender may have disconnected.
                let _ = stream.write_all(&buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return received.end("reset"),
            Err(error) => return received.end(&error.to_string()),
        }
    }
}

/// A world with an echo server and one client.
struct Play {
    world: Box<dyn AnyWorld>,
    /// What the server received.
    server: Received,
    /// What the client received.
    client: Received,
    /// What the client sends; dropping it makes the client close its connection.
    outgoing: Option<tokio::sync::mpsc::UnboundedSender<&'static str>>,
}

impl Play {
    /// Connects the client and waits for the first answer.
    fn connected() -> Self {
        let (server, received) = echoing();
        let setup = LiveSetup {
            server: ServerUnderTest::Given(server),
            party: SERVER.to_owned(),
            authority: AUTHORITY.to_owned(),
            alias: None,
            wrapper: "wrapper:1".to_owned(),
            front: None,
            door: None,
            listening: BTreeMap::new(),
            reached_at: BTreeMap::new(),
            cutoff: Cutoff::default(),
            speed: 1,
            lateness: LATENESS,
            jumps: false,
        };
        let world = LiveWorld::new(0, setup).expect("a given server needs no setup");
        let mut world: Box<dyn AnyWorld> = Box::new(world);
        world.add_host(CLIENT, |_| Box::pin(async {}));
        let (outgoing, mut to_send) = tokio::sync::mpsc::unbounded_channel::<&str>();
        let client = Received::default();
        let (recorded, seams) = (
            client.clone(),
            world.machine(CLIENT).expect("the client is up").seams,
        );
        let conversation = async move {
            let mut stream: Box<dyn ByteStream> = seams
                .network
                .connect(AUTHORITY)
                .await
                .expect("the server listens");
            let mut buffer = [0; 64];
            loop {
                tokio::select! {
                    biased;
                    word = to_send.recv() => match word {
                        // The connection may have ended.
                        Some(word) => drop(stream.write_all(word.as_bytes()).await),
                        None => return,
                    },
                    read = stream.read(&mut buffer) => match read {
                        Ok(0) => return recorded.end("end of stream"),
                        Ok(count) => recorded.add(&buffer[..count]),
                        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                            return recorded.end("reset");
                        }
                        Err(error) => return recorded.end(&error.to_string()),
                    },
                }
            }
        };
        world.spawn(CLIENT, conversation).expect("the client is up");
        let mut play = Self {
            world,
            server: received,
            client,
            outgoing: Some(outgoing),
        };
        play.send("a");
        play.wait_until(|play| play.client.text() == "a");
        play
    }

    fn send(&self, word: &'static str) {
        let outgoing = self.outgoing.as_ref().expect("the client is connected");
        outgoing.send(word).expect("the client listens");
    }

    fn wait_until(&mut self, done: impl Fn(&Self) -> bool) {
        let deadline = self.world.now() + PATIENCE;
        while !done(self) {
            let step = self.world.now() + Duration::from_millis(1);
            let stopped = self.world.run_until(Some(step), || false);
            assert_eq!(stopped, Stopped::DeadlinePassed);
            let (server, client) = (self.server.text(), self.client.text());
            assert!(
                step < deadline,
                "the server received {server:?}, the client {client:?}"
            );
        }
    }

    fn rest(&mut self) {
        let end = self.world.now() + QUIET;
        assert_eq!(self.world.run_until(Some(end), || false), Stopped::DeadlinePassed);
    }
}

#[test]
fn data_held_by_a_cut_arrives_complete_and_in_order_after_healing() {
    let mut play = Play::connected();
    let link = Link::between(CLIENT, SERVER);
    play.world.apply(&Fault::cut(&link)).expect("both hosts exist");
    play.send("b");
    play.send("c");
    play.rest();
    assert_eq!(play.server.text(), "a");
    play.world.heal(&Place::link(&link)).expect("both hosts exist");
    play.wait_until(|play| play.client.text() == "abc");
}

#[test]
fn a_connection_that_lost_data_never_recovers() {
    let mut play = Play::connected();
    let link = Link::one_way(CLIENT, SERVER);
    play.world
        .apply(&Fault::black_hole(&link))
        .expect("both hosts exist");
    play.send("b");
    play.rest();
    play.world.heal(&Place::link(&link)).expect("both hosts exist");
    play.send("c");
    play.outgoing = None;
    play.rest();
    assert_eq!((play.server.text().as_str(), play.server.ended()), ("a", None));
}

#[test]
fn data_on_a_slow_link_arrives_later() {
    let mut play = Play::connected();
    let link = Link::one_way(SERVER, CLIENT);
    let extra = Duration::from_millis(400);
    play.world
        .apply(&Fault::delay(&link, extra))
        .expect("both hosts exist");
    let begun = play.world.now();
    play.send("b");
    play.wait_until(|play| play.client.text() == "ab");
    let took: Duration = play
        .world
        .now()
        .duration_since(begun)
        .try_into()
        .expect("time passes");
    assert!(took >= extra, "{took:?}");
}

#[test]
fn data_on_a_throttled_link_arrives_at_its_rate() {
    let mut play = Play::connected();
    let link = Link::one_way(SERVER, CLIENT);
    let rate = Bandwidth::bytes_per_second(20);
    play.world
        .apply(&Fault::on(&link, LinkEffect::Throttle { rate }))
        .expect("both hosts exist");
    let begun = play.world.now();
    play.send("bcdefghijk");
    play.wait_until(|play| play.client.text() == "abcdefghijk");
    let took: Duration = play
        .world
        .now()
        .duration_since(begun)
        .try_into()
        .expect("time passes");
    assert!(took >= Duration::from_millis(500), "{took:?}");
}

#[test]
fn both_ends_observe_a_reset() {
    let mut play = Play::connected();
    play.world
        .apply(&Fault::end_of(CLIENT, SERVER, ConnectionEnd::Reset))
        .expect("both hosts exist");
    play.wait_until(|play| play.server.ended().is_some() && play.client.ended().is_some());
    assert_eq!(play.server.ended().as_deref(), Some("reset"));
    assert_eq!(play.client.ended().as_deref(), Some("reset"));
}

#[test]
fn a_fin_follows_the_data_sent_before() {
    let mut play = Play::connected();
    let link = Link::one_way(CLIENT, SERVER);
    play.world.apply(&Fault::cut(&link)).expect("both hosts exist");
    play.send("b");
    play.rest();
    play.world
        .apply(&Fault::end_of(CLIENT, SERVER, ConnectionEnd::Finish))
        .expect("both hosts exist");
    play.world.heal(&Place::link(&link)).expect("both hosts exist");
    play.wait_until(|play| play.server.ended().is_some() && play.client.ended().is_some());
    assert_eq!(play.server.text(), "ab");
    assert_eq!(play.server.ended().as_deref(), Some("end of stream"));
}

#[test]
fn a_silenced_connection_gives_no_sign_and_a_new_one_works() {
    let mut play = Play::connected();
    play.world
        .apply(&Fault::end_of(CLIENT, SERVER, ConnectionEnd::Silence))
        .expect("both hosts exist");
    play.send("b");
    play.outgoing = None;
    play.rest();
    assert_eq!((play.server.text().as_str(), play.server.ended()), ("a", None));
    assert_eq!(play.client.ended(), None);
}

#[test]
fn a_stalled_connection_holds_what_is_sent_until_it_heals() {
    let mut play = Play::connected();
    let link = Link::between(CLIENT, SERVER);
    play.world
        .apply(&Fault::on(&link, LinkEffect::Stall))
        .expect("both hosts exist");
    play.send("b");
    play.rest();
    assert_eq!((play.server.text().as_str(), play.server.ended()), ("a", None));
    play.world.heal(&Place::link(&link)).expect("both hosts exist");
    play.wait_until(|play| play.server.text() == "ab");
}

#[test]
fn a_crash_ends_the_connections_of_its_party() {
    let mut play = Play::connected();
    play.world.apply(&Fault::crash(CLIENT)).expect("the client is up");
    play.wait_until(|play| play.server.ended().is_some());
    assert_eq!(play.world.is_up(CLIENT), Ok(false));
    play.world.heal(&Place::host(CLIENT)).expect("the client is down");
    assert_eq!(play.world.is_up(CLIENT), Ok(true));
}
