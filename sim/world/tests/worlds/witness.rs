//! Checks that a party observes the same effects of a fault in both worlds, with small plays that run in
//! each.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use turnstile_fault::{Bandwidth, ClockChange, ConnectionEnd, Fault, Link, LinkEffect, Place};
use turnstile_seams::{BoxFuture, ByteStream, ClockExt as _};

use turnstile_world::{AnyWorld, Machine, Stopped, WorldError, WorldKind};

type Stream = Box<dyn ByteStream>;

const TICK: Duration = Duration::from_millis(1);

/// Entries of all hosts so far.
#[derive(Clone)]
struct Log {
    start: Timestamp,
    entries: Arc<Mutex<Vec<String>>>,
}

impl Log {
    fn add(&self, entry: impl Into<String>) {
        self.entries.lock().unwrap().push(entry.into());
    }

    /// Adds an entry with its time in tenths of a second, which hides the ticks of one world.
    fn add_at(&self, machine: &Machine, entry: &str) {
        let elapsed = machine.seams.clock.now().duration_since(self.start);
        self.add(format!("{:.1} s: {entry}", elapsed.as_secs_f64()));
    }

    fn has(&self, entry: &str) -> bool {
        self.entries.lock().unwrap().iter().any(|there| there == entry)
    }
}

/// A world with a log and two hosts: `server`, which echoes at port 80 and logs the end of each connection,
/// and `client`, which runs nothing by default.
struct Play {
    world: Box<dyn AnyWorld>,
    log: Log,
}

impl Play {
    fn new(kind: WorldKind) -> Self {
        let start = "2030-01-01T00:00:00Z".parse().unwrap();
        let log = Log {
            start,
            entries: Arc::default(),
        };
        let mut world = kind.create(1, start);
        let seen = log.clone();
        world.add_host("server", move |machine| {
            let seen = seen.clone();
            Box::pin(async move {
                let mut listener = machine.seams.network.listen("server:80").await.unwrap();
                loop {
                    let stream = listener.accept().await.unwrap();
                    tokio::spawn(answer(machine.clone(), stream, seen.clone()));
                }
            })
        });
        world.add_host("client", |_| Box::pin(async {}));
        let mut play = Self { world, log };
        play.run_for(Duration::ZERO);
        play
    }

    fn run_for(&mut self, duration: Duration) {
        let end = self.world.now() + duration;
        assert_eq!(self.world.run_until(Some(end), || false), Stopped::DeadlinePassed);
    }

    /// Runs a task on the client.
    fn client<F>(&mut self, act: impl FnOnce(Machine, Log) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let machine = self.world.machine("client").unwrap();
        self.world
            .spawn("client", act(machine, self.log.clone()))
            .unwrap();
    }

    /// Opens a connection and sends something every second while answers arrive.
    fn send_every_second(&mut self) {
        self.client(|machine, log| async move {
            let mut stream = match machine.seams.network.connect("server:80").await {
                Ok(stream) => stream,
                Err(error) => return log.add_at(&machine, &format!("client: {:?}", error.kind())),
            };
            log.add_at(&machine, "client is connected");
            for word in ["one", "two", "three", "four"] {
                match ask(&mut stream, word).await {
                    Ok(()) => log.add_at(&machine, &format!("client is answered {word}")),
                    Err(error) => return log.add_at(&machine, &format!("client: {:?}", error.kind())),
                }
                machine.seams.clock.sleep(Duration::from_secs(1)).await;
            }
        });
    }

    /// All entries, sorted, because the order within a tick or an instant depends on the world.
    fn finish(self) -> Vec<String> {
        let mut entries = self.log.entries.lock().unwrap().clone();
        entries.sort();
        entries
    }
}

async fn answer(machine: Machine, mut stream: Stream, log: Log) {
    let mut bytes = [0; 256];
    loop {
        match stream.read(&mut bytes).await {
            Ok(0) => return log.add_at(&machine, "server reads the end"),
            Ok(count) => {
                log.add_at(&machine, &format!("server receives {count}"));
                let _ = stream.write_all(&bytes[..count]).await;
            }
            Err(error) => return log.add_at(&machine, &format!("server: {:?}", error.kind())),
        }
    }
}

async fn ask(stream: &mut Stream, question: &str) -> io::Result<()> {
    stream.write_all(question.as_bytes()).await?;
    let mut answer = vec![0; question.len()];
    stream.read_exact(&mut answer).await?;
    Ok(())
}

/// Runs a play in both worlds, asserts that the entries are equal, and returns them.
fn in_both(what: &str, play: impl Fn(&mut Play)) -> Vec<String> {
    let [first, witnessed] = [WorldKind::Events, WorldKind::Witness { tick: TICK }].map(|kind| {
        let mut playing = Play::new(kind);
        play(&mut playing);
        playing.finish()
    });
    assert_eq!(first, witnessed, "{what}");
    first
}

type Boot = fn(Machine) -> BoxFuture<'static, ()>;
type Strike = fn(&mut dyn AnyWorld, &Link) -> Result<(), WorldError>;

#[test]
fn link_faults_look_the_same_in_both_worlds() {
    let strikes: [(&str, Strike); 4] = [
        ("stall", |world, link| {
            world.apply(&Fault::on(link, LinkEffect::Stall))
        }),
        ("cut", |world, link| world.apply(&Fault::cut(link))),
        ("black hole", |world, link| world.apply(&Fault::black_hole(link))),
        ("delay", |world, link| {
            world.apply(&Fault::delay(link, Duration::from_secs(3)))
        }),
    ];
    let links = [
        Link::between("client", "server"),
        Link::one_way("client", "server"),
        Link::one_way("server", "client"),
    ];
    let mut seen = Vec::new();
    for (name, strike) in strikes {
        for link in &links {
            // With a connection in use, and before one is opened.
            for from in [0, 1500] {
                let struck = |play: &mut Play| {
                    if from > 0 {
                        play.send_every_second();
                        play.run_for(Duration::from_millis(from));
                    }
                    strike(&mut *play.world, link).unwrap();
                    if from == 0 {
                        play.send_every_second();
                    }
                    play.run_for(Duration::from_secs(10));
                    play.world.heal(&Place::link(link)).unwrap();
                    play.run_for(Duration::from_secs(20));
                };
                seen.push(in_both(&format!("{name} on {link:?} from {from} ms on"), struck));
            }
        }
    }
    seen.sort();
    seen.dedup();
    assert!(seen.len() >= 12, "most of these faults look different: {seen:#?}");
}

#[test]
fn faults_that_turmoil_cannot_implement_are_refused_and_change_nothing() {
    let mut play = Play::new(WorldKind::Witness { tick: TICK });
    play.send_every_second();
    play.run_for(Duration::from_millis(500));
    let (there, back) = (
        Link::one_way("client", "server"),
        Link::one_way("server", "client"),
    );
    play.world.apply(&Fault::cut(&there)).unwrap();
    let refused = play.world.apply(&Fault::black_hole(&back)).unwrap_err();
    assert!(matches!(refused, WorldError::Unsupported(_)), "{refused}");
    play.world.heal(&Place::link(&there)).unwrap();
    play.world
        .apply(&Fault::delay(&there, Duration::from_millis(10)))
        .unwrap();
    let refused = play
        .world
        .apply(&Fault::delay(&back, Duration::from_millis(20)))
        .unwrap_err();
    assert!(matches!(refused, WorldError::Unsupported(_)), "{refused}");
    let rate = Bandwidth::bytes_per_second(1_000);
    let throttle = Fault::on(&there, LinkEffect::Throttle { rate });
    let refused = play.world.apply(&throttle).unwrap_err();
    assert!(matches!(refused, WorldError::Unsupported(_)), "{refused}");
    play.run_for(Duration::from_secs(9));
    assert!(
        play.finish()
            .iter()
            .any(|entry| entry.ends_with("client is answered four"))
    );
}

#[test]
fn connection_faults_look_the_same_in_both_worlds() {
    let strikes: [(&str, Strike); 4] = [
        ("fin of the client", |world, _| {
            world.apply(&Fault::end_of("client", "server", ConnectionEnd::Finish))
        }),
        ("fin of the server", |world, _| {
            world.apply(&Fault::end_of("server", "client", ConnectionEnd::Finish))
        }),
        ("rst", |world, _| {
            world.apply(&Fault::end_of("client", "server", ConnectionEnd::Reset))
        }),
        ("silence", |world, _| {
            world.apply(&Fault::end_of("client", "server", ConnectionEnd::Silence))
        }),
    ];
    let link = Link::between("client", "server");
    for (name, strike) in strikes {
        let seen = in_both(name, |play| {
            play.send_every_second();
            play.run_for(Duration::from_millis(500));
            strike(&mut *play.world, &link).unwrap();
            play.run_for(Duration::from_secs(2));
            play.send_every_second();
            play.run_for(Duration::from_secs(10));
        });
        assert!(
            seen.iter()
                .any(|entry| entry.ends_with("client is answered four")),
            "{name}: {seen:#?}"
        );
    }
}

#[test]
fn a_clock_that_was_set_is_seen_by_its_host_alone() {
    let fault = Fault::Clock {
        host: "server".to_owned(),
        set: ClockChange::Back("1h".parse().unwrap()),
    };
    let seen = in_both("clock", |play| {
        let refused = play.world.apply(&fault).unwrap_err();
        assert_eq!(refused, WorldError::Up("server".to_owned()));
        play.world.apply(&Fault::crash("server")).unwrap();
        play.world.apply(&fault).unwrap();
        play.world.heal(&Place::host("server")).unwrap();
        play.run_for(Duration::from_millis(550));
        play.send_every_second();
        play.run_for(Duration::from_secs(1));
    });
    for entry in ["-3599.4 s: server receives 3", "0.6 s: client is answered one"] {
        assert!(seen.contains(&entry.to_owned()), "{seen:#?}");
    }
}

#[test]
fn a_crash_looks_the_same_to_open_and_to_new_connections() {
    let strikes: [(&str, Strike); 4] = [
        ("process", |world, _| world.apply(&Fault::crash("server"))),
        ("power", |world, _| world.apply(&Fault::power_loss("server"))),
        ("process behind a cut", |world, link| {
            world.apply(&Fault::cut(link))?;
            world.apply(&Fault::crash("server"))
        }),
        ("power behind a black hole", |world, link| {
            world.apply(&Fault::black_hole(link))?;
            world.apply(&Fault::power_loss("server"))
        }),
    ];
    let link = Link::between("client", "server");
    for (name, strike) in strikes {
        in_both(name, |play| {
            play.send_every_second();
            play.run_for(Duration::from_millis(500));
            strike(&mut *play.world, &link).unwrap();
            assert_eq!(play.world.is_up("server"), Ok(false));
            play.run_for(Duration::from_secs(2));
            if name != "process behind a cut" {
                play.send_every_second();
            }
            play.run_for(Duration::from_secs(2));
            play.world.heal(&Place::host("server")).unwrap();
            play.run_for(Duration::from_secs(2));
            play.world.heal(&Place::EveryLink).unwrap();
            play.run_for(Duration::from_secs(2));
            play.send_every_second();
            play.run_for(Duration::from_secs(10));
        });
    }
}

#[test]
fn a_slow_reader_gets_all_data_and_the_end_after_a_cut() {
    const BYTES: usize = 300_000;
    let seen = in_both("300 000 bytes", |play| {
        play.world.add_host("source", |machine| {
            Box::pin(async move {
                let mut listener = machine.seams.network.listen("source:80").await.unwrap();
                let mut stream = listener.accept().await.unwrap();
                let bytes: Vec<u8> = (0..BYTES).map(|index| index.to_le_bytes()[0]).collect();
                stream.write_all(&bytes).await.unwrap();
            })
        });
        play.client(|machine, log| async move {
            machine.seams.clock.sleep(Duration::from_millis(100)).await;
            let mut stream = machine.seams.network.connect("source:80").await.unwrap();
            let (mut received, mut bytes) = (Vec::new(), [0; 700]);
            while let count @ 1.. = stream.read(&mut bytes).await.unwrap() {
                received.extend_from_slice(&bytes[..count]);
                machine.seams.clock.sleep(Duration::from_millis(3)).await;
            }
            let whole = received
                .iter()
                .enumerate()
                .all(|(index, byte)| *byte == index.to_le_bytes()[0]);
            log.add(format!("{} bytes, in order: {whole}", received.len()));
        });
        play.run_for(Duration::from_millis(300));
        let link = Link::between("source", "client");
        play.world.apply(&Fault::cut(&link)).unwrap();
        play.run_for(Duration::from_secs(4));
        play.world.heal(&Place::link(&link)).unwrap();
        play.run_for(Duration::from_secs(30));
    });
    assert_eq!(seen, [format!("{BYTES} bytes, in order: true")]);
}

#[test]
fn a_host_that_pulls_its_power_switch_looks_the_same_to_its_peers() {
    for power_loss in [false, true] {
        let seen = in_both("switch", |play| {
            play.world.add_host("doomed", move |machine| {
                Box::pin(async move {
                    let mut stream = machine.seams.network.connect("server:80").await.unwrap();
                    machine.seams.clock.sleep(Duration::from_secs(1)).await;
                    match power_loss {
                        true => machine.power.crash_silently(),
                        false => machine.power.crash(),
                    }
                    stream.write_all(b"late").await.unwrap();
                })
            });
            play.run_for(Duration::from_secs(5));
            assert_eq!(play.world.is_up("doomed"), Ok(false));
        });
        let expected: &[&str] = if power_loss {
            &[]
        } else {
            &["1.0 s: server reads the end"]
        };
        assert_eq!(seen, expected);
    }
}

#[test]
fn a_panic_is_reported_with_its_host_and_crashes_only_that_host() {
    let doomed: [(&str, Boot); 3] = [
        ("in boot", |_| panic!("a bug")),
        ("in the first task", |_| Box::pin(async { panic!("a bug") })),
        ("in another task", |machine| {
            Box::pin(async move {
                machine.seams.clock.sleep(Duration::from_secs(1)).await;
                drop(tokio::spawn(async { panic!("a bug") }));
                std::future::pending::<()>().await;
            })
        }),
    ];
    for (place, boot) in doomed {
        let seen = in_both(place, |play| {
            play.world.add_host("doomed", boot);
            let end = play.world.now() + Duration::from_secs(3);
            let Stopped::Panicked { host, message } = play.world.run_until(Some(end), || false) else {
                panic!("no panic was reported");
            };
            assert_eq!(host, "doomed");
            assert!(message.starts_with("a bug (at "), "{message}");
            assert_eq!(play.world.is_up("doomed"), Ok(false));
            play.send_every_second();
            play.run_for(Duration::from_secs(9));
        });
        assert!(
            seen.iter()
                .any(|entry| entry.ends_with("client is answered four")),
            "{seen:#?}"
        );
    }
}

#[test]
fn the_witness_runs_scheduled_actions_in_order_and_exact_to_the_tick() {
    let mut play = Play::new(WorldKind::Witness {
        tick: Duration::from_millis(10),
    });
    let start = play.world.now();
    for (at, name) in [(25, "second"), (5, "first"), (25, "third")] {
        let log = play.log.clone();
        play.world
            .schedule(start + Duration::from_millis(at), move |_| log.add(name));
    }
    play.client(|machine, log| async move {
        machine.seams.clock.sleep(Duration::from_millis(31)).await;
        let elapsed = machine.seams.clock.now().duration_since(start);
        log.add(format!("awake after {} ms", elapsed.as_millis()));
    });
    let log = play.log.clone();
    assert_eq!(
        play.world.run_until(None, || log.has("awake after 40 ms")),
        Stopped::Done
    );
    let entries = log.entries.lock().unwrap().clone();
    assert_eq!(entries, ["first", "second", "third", "awake after 40 ms"]);
}
