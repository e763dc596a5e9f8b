//! What faults do to connections with a peer that is not the harness's, on the machine's own sockets.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use turnstile_fault::{ConnectionEnd, Fault, Link, Place};
use turnstile_seams::ByteStream;

use super::{GivenServer, LiveSetup, LiveWorld, ServerUnderTest};
use crate::{AnyWorld, Stopped};

const SERVER: &str = "server";
const AUTHORITY: &str = "server:1";
const CLIENT: &str = "client";
/// Longer than anything here takes, by far.
const PATIENCE: Duration = Duration::from_secs(20);
/// For so long nothing must happen where nothing is to.
const QUIET: Duration = Duration::from_millis(200);

/// What somebody has read, and how it ended.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<(Vec<u8>, Option<String>)>>);

impl Heard {
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

/// A server that answers each byte with itself and tells what it heard.
fn echoing() -> (GivenServer, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let heard = Heard::default();
    let told = heard.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            echo(&mut stream, &told);
        }
    });
    let restart_command = None;
    (
        GivenServer {
            address,
            restart_command,
        },
        heard,
    )
}

fn echo(stream: &mut TcpStream, heard: &Heard) {
    let mut buffer = [0; 64];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return heard.end("end of stream"),
            Ok(count) => {
                heard.add(&buffer[..count]);
                // Whoever sent it may be gone.
                let _ = stream.write_all(&buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return heard.end("reset"),
            Err(error) => return heard.end(&error.to_string()),
        }
    }
}

/// A world with an echoing server and one client in it.
struct Play {
    world: Box<dyn AnyWorld>,
    /// What the server heard.
    server: Heard,
    /// What the client heard.
    client: Heard,
    /// What the client is to say; when it is dropped, the client lets go of its connection.
    words: Option<tokio::sync::mpsc::UnboundedSender<&'static str>>,
}

impl Play {
    /// Has the client connected, and has heard the server answer to that.
    fn connected() -> Self {
        let (server, heard) = echoing();
        let setup = LiveSetup {
            server: ServerUnderTest::Given(server),
            party: SERVER.to_owned(),
            authority: AUTHORITY.to_owned(),
            alias: None,
            wrapper: "wrapper:1".to_owned(),
            front: None,
            listening: BTreeMap::new(),
            reached_at: BTreeMap::new(),
            interruption: Arc::default(),
            speed: 1,
        };
        let world = LiveWorld::new(0, setup).expect("a server that was given needs nothing");
        let mut world: Box<dyn AnyWorld> = Box::new(world);
        world.add_host(CLIENT, |_| Box::pin(async {}));
        let (words, mut said) = tokio::sync::mpsc::unbounded_channel::<&str>();
        let client = Heard::default();
        let (told, seams) = (client.clone(), world.machine(CLIENT).expect("it is up").seams);
        let conversation = async move {
            let mut stream: Box<dyn ByteStream> = seams.network.connect(AUTHORITY).await.expect("it listens");
            let mut buffer = [0; 64];
            loop {
                tokio::select! {
                    biased;
                    word = said.recv() => match word {
                        // It may be too late for it.
                        Some(word) => drop(stream.write_all(word.as_bytes()).await),
                        None => return,
                    },
                    read = stream.read(&mut buffer) => match read {
                        Ok(count) if count > 0 => told.add(&buffer[..count]),
                        _ => return told.end("end of stream"),
                    },
                }
            }
        };
        world.spawn(CLIENT, conversation).expect("it is up");
        let mut play = Self {
            world,
            server: heard,
            client,
            words: Some(words),
        };
        play.say("a");
        play.wait_until(|play| play.client.text() == "a");
        play
    }

    fn say(&self, word: &'static str) {
        let words = self.words.as_ref().expect("the client is still there");
        words.send(word).expect("the client listens");
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
                "the server heard {server:?}, the client {client:?}"
            );
        }
    }

    fn rest(&mut self) {
        let end = self.world.now() + QUIET;
        assert_eq!(self.world.run_until(Some(end), || false), Stopped::DeadlinePassed);
    }
}

#[test]
fn what_a_cut_holds_arrives_whole_and_in_order_when_it_is_healed() {
    let mut play = Play::connected();
    let link = Link::between(CLIENT, SERVER);
    play.world.apply(&Fault::cut(&link)).expect("both are there");
    play.say("b");
    play.say("c");
    play.rest();
    assert_eq!(play.server.text(), "a");
    play.world.heal(&Place::link(&link)).expect("both are there");
    play.wait_until(|play| play.client.text() == "abc");
}

#[test]
fn a_connection_that_lost_something_is_never_read_on() {
    let mut play = Play::connected();
    let link = Link::one_way(CLIENT, SERVER);
    play.world
        .apply(&Fault::black_hole(&link))
        .expect("both are there");
    play.say("b");
    play.rest();
    play.world.heal(&Place::link(&link)).expect("both are there");
    play.say("c");
    play.words = None;
    play.rest();
    assert_eq!((play.server.text().as_str(), play.server.ended()), ("a", None));
}

#[test]
fn what_is_sent_on_a_slow_link_arrives_so_much_later() {
    let mut play = Play::connected();
    let link = Link::one_way(SERVER, CLIENT);
    let extra = Duration::from_millis(400);
    play.world
        .apply(&Fault::delay(&link, extra))
        .expect("both are there");
    let begun = play.world.now();
    play.say("b");
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
fn a_reset_is_a_reset_for_the_peer() {
    let mut play = Play::connected();
    play.world
        .apply(&Fault::end_of(CLIENT, SERVER, ConnectionEnd::Reset))
        .expect("both are there");
    play.wait_until(|play| play.server.ended().is_some() && play.client.ended().is_some());
    assert_eq!(play.server.ended().as_deref(), Some("reset"));
}

#[test]
fn who_is_said_to_be_done_is_done_behind_what_it_said_before() {
    let mut play = Play::connected();
    let link = Link::one_way(CLIENT, SERVER);
    play.world.apply(&Fault::cut(&link)).expect("both are there");
    play.say("b");
    play.rest();
    play.world
        .apply(&Fault::end_of(CLIENT, SERVER, ConnectionEnd::Finish))
        .expect("both are there");
    play.world.heal(&Place::link(&link)).expect("both are there");
    play.wait_until(|play| play.server.ended().is_some() && play.client.ended().is_some());
    assert_eq!(play.server.text(), "ab");
    assert_eq!(play.server.ended().as_deref(), Some("end of stream"));
}

#[test]
fn a_silenced_connection_tells_nobody_and_a_new_one_works() {
    let mut play = Play::connected();
    play.world
        .apply(&Fault::end_of(CLIENT, SERVER, ConnectionEnd::Silence))
        .expect("both are there");
    play.say("b");
    play.words = None;
    play.rest();
    assert_eq!((play.server.text().as_str(), play.server.ended()), ("a", None));
    assert_eq!(play.client.ended(), None);
}

#[test]
fn the_connections_of_a_party_that_crashes_end() {
    let mut play = Play::connected();
    play.world.apply(&Fault::crash(CLIENT)).expect("it is up");
    play.wait_until(|play| play.server.ended().is_some());
    assert_eq!(play.world.is_up(CLIENT), Ok(false));
    play.world.heal(&Place::host(CLIENT)).expect("it is down");
    assert_eq!(play.world.is_up(CLIENT), Ok(true));
}
