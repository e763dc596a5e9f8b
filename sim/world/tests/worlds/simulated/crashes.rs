//! Tests of crashes and restarts, and of what is left on the disks.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;

use redb::{Database, Durability, ReadableDatabase as _, StorageBackend as _, TableDefinition};
use turnstile_events::world::Cause;
use turnstile_fault::{CrashPoint, DiskBehaviour, DiskOperation, Fault, Place};
use turnstile_world::{Disk, Reporting};

use super::*;

const TABLE: TableDefinition<&str, u64> = TableDefinition::new("table");

type BringDown = fn(&mut World);

fn open(disk: &Disk) -> Database {
    let file = disk.open("data/test.redb").unwrap();
    Database::builder().create_with_backend(file).unwrap()
}

fn put(database: &Database, key: &str, durability: Durability) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(durability)?;
    transaction.open_table(TABLE)?.insert(key, 1)?;
    transaction.commit()?;
    Ok(())
}

fn has(database: &Database, key: &str) -> bool {
    let table = database.begin_read().unwrap().open_table(TABLE).unwrap();
    table.get(key).unwrap().is_some()
}

#[test]
fn a_restarted_host_listens_on_its_old_port() {
    let ways: [(&str, BringDown, &str); 4] = [
        (
            "process",
            |world| world.apply(&Fault::crash("server")).unwrap(),
            "UnexpectedEof",
        ),
        (
            "power",
            |world| world.apply(&Fault::power_loss("server")).unwrap(),
            "silence",
        ),
        (
            "process behind a cut",
            |world| {
                world
                    .apply(&Fault::cut(&Link::between("server", "client")))
                    .unwrap();
                world.apply(&Fault::crash("server")).unwrap();
            },
            "silence",
        ),
        (
            "power behind a one-way black hole",
            |world| {
                world
                    .apply(&Fault::black_hole(&Link::one_way("client", "server")))
                    .unwrap();
                world.apply(&Fault::power_loss("server")).unwrap();
            },
            "silence",
        ),
    ];
    for (way, bring_down, seen_by_peer) in ways {
        let mut world = world(7);
        add_server(&mut world, "server", echo);
        let client = add_client(&mut world, "client");
        let log = Log::default();
        let (seen, machine) = (log.clone(), client.clone());
        world
            .spawn("client", async move {
                let mut stream = machine.seams.network.connect("server:80").await.unwrap();
                seen.add(ask(&mut stream, "hello").await.unwrap());
                let loss = stream.read_u8().await.unwrap_err();
                seen.add(format!("{:?}", loss.kind()));
                // A FIN is the last packet of a dead process.
                machine.seams.clock.sleep(Duration::from_secs(1)).await;
                assert_eq!(stream.read_u8().await.unwrap_err().kind(), loss.kind());
            })
            .unwrap();
        assert_eq!(world.run_until(None, || log.has("hello")), Stopped::Done);
        bring_down(&mut world);
        let deadline = after(&world, Duration::from_secs(60));
        world.run_until(deadline, || false);
        let loss = log.all().get(1).cloned();
        assert_eq!(loss.as_deref().unwrap_or("silence"), seen_by_peer, "{way}");

        world.heal(&Place::host("server")).unwrap();
        let deadline = after(&world, Duration::from_secs(60));
        world.run_until(deadline, || false);
        world.heal(&Place::EveryLink).unwrap();
        let seen = log.clone();
        world
            .spawn("client", async move {
                let mut stream = client.seams.network.connect("server:80").await.unwrap();
                seen.add(ask(&mut stream, "again").await.unwrap());
            })
            .unwrap();
        assert_eq!(world.run_until(None, || log.has("again")), Stopped::Done, "{way}");
    }
}

#[test]
fn a_dead_process_refuses_connections_and_a_dead_machine_does_not_answer() {
    let mut world = world(8);
    add_server(&mut world, "server", echo);
    let client = add_client(&mut world, "client");
    world.run_until(None, || true);
    let log = Log::default();
    let connect = |world: &mut World| {
        let (seen, machine) = (log.clone(), client.clone());
        let attempt = async move {
            match machine.seams.network.connect("server:80").await {
                Ok(_) => seen.add("connected"),
                Err(error) => seen.add(format!("{:?}", error.kind())),
            }
        };
        world.spawn("client", attempt).unwrap();
    };
    world.apply(&Fault::crash("server")).unwrap();
    connect(&mut world);
    assert_eq!(
        world.run_until(None, || log.has("ConnectionRefused")),
        Stopped::Done
    );
    world.heal(&Place::host("server")).unwrap();
    world.run_until(None, || true);
    world.apply(&Fault::power_loss("server")).unwrap();
    connect(&mut world);
    let deadline = after(&world, Duration::from_secs(60));
    assert_eq!(
        world.run_until(deadline, || log.has("connected")),
        Stopped::DeadlinePassed
    );
    world.heal(&Place::host("server")).unwrap();
    assert_eq!(world.run_until(None, || log.has("connected")), Stopped::Done);
}

#[test]
fn a_connection_abandoned_during_a_cut_frees_its_port() {
    let mut world = world(9);
    add_server(&mut world, "server", echo);
    let client = add_client(&mut world, "client");
    let log = Log::default();
    let seen = log.clone();
    world
        .apply(&Fault::cut(&Link::one_way("server", "client")))
        .unwrap();
    world
        .spawn("client", async move {
            let attempt = client.seams.network.connect("server:80");
            let given_up = client.seams.clock.timeout(Duration::from_secs(1), attempt).await;
            seen.add(format!("given up: {}", given_up.is_err()));
        })
        .unwrap();
    assert_eq!(world.run_until(None, || log.has("given up: true")), Stopped::Done);
    world.heal(&Place::EveryLink).unwrap();
    let deadline = after(&world, Duration::from_secs(1));
    world.run_until(deadline, || false);
    world.apply(&Fault::crash("server")).unwrap();
    world.heal(&Place::host("server")).unwrap();
    let deadline = after(&world, Duration::from_secs(1));
    assert_eq!(world.run_until(deadline, || false), Stopped::DeadlinePassed);
}

#[test]
fn only_synced_data_survives_a_crash() {
    let mut world = world(10);
    let found: Log = Log::default();
    let (seen, is_restarted) = (found.clone(), Cell::new(false));
    world.add_host("host", move |machine| {
        if is_restarted.replace(true) {
            let database = open(&machine.disk);
            for key in ["synced", "unsynced", "posthumous"] {
                seen.add(format!("{key} {}", has(&database, key)));
            }
            seen.add(format!(
                "scratch {}",
                machine.disk.open("scratch").unwrap().len().unwrap()
            ));
        }
        Box::pin(async {})
    });
    let client = world.machine("host").unwrap();
    let old = open(&client.disk);
    put(&old, "synced", Durability::Immediate).unwrap();
    put(&old, "unsynced", Durability::None).unwrap();
    assert!(has(&old, "unsynced"));
    let scratch = client.disk.open("scratch").unwrap();
    scratch.write(0, b"never synced").unwrap();

    world.apply(&Fault::crash("host")).unwrap();
    assert!(put(&old, "posthumous", Durability::Immediate).is_err());
    assert!(scratch.write(0, b"posthumous").is_err() && scratch.len().is_err());
    assert!(client.disk.open("data/test.redb").is_err());
    drop(old);

    world.heal(&Place::host("host")).unwrap();
    assert_eq!(
        found.all(),
        ["synced true", "unsynced false", "posthumous false", "scratch 0"]
    );
}

#[test]
fn a_file_that_shrinks_and_grows_is_zero_in_the_new_part() {
    let mut world = world(12);
    let client = add_client(&mut world, "host");
    let file = client.disk.open("file").unwrap();
    file.write(0, b"abcdef").unwrap();
    file.sync_data().unwrap();
    file.set_len(2).unwrap();
    file.set_len(4).unwrap();
    let mut bytes = [1; 4];
    file.read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"ab\0\0");
    assert!(file.read(0, &mut [0; 5]).is_err());
}

#[test]
fn a_faulty_disk_refuses_writes_until_it_is_healed() {
    let mut world = world(11);
    let client = add_client(&mut world, "host");
    let database = open(&client.disk);
    put(&database, "before", Durability::Immediate).unwrap();
    for fault in [DiskBehaviour::Full, DiskBehaviour::Fails] {
        world.apply(&Fault::disk("host", fault)).unwrap();
        let database = client.disk.open("data/test.redb").unwrap();
        assert!(database.len().unwrap() > 0);
        assert!(database.write(0, b"x").is_err());
        assert_eq!(database.sync_data().is_ok(), fault == DiskBehaviour::Full);
    }
    assert!(put(&database, "during", Durability::Immediate).is_err());
    drop(database);
    world.heal(&Place::disk("host")).unwrap();
    let database = open(&client.disk);
    put(&database, "after", Durability::Immediate).unwrap();
    assert!(has(&database, "before") && !has(&database, "during") && has(&database, "after"));
}

#[test]
fn one_operation_of_a_disk_fails_and_the_next_one_works() {
    let mut world = world(13);
    let client = add_client(&mut world, "host");
    let file = client.disk.open("file").unwrap();
    let second = NonZeroU32::new(2).unwrap();
    let fails_at = |at| Fault::Disk {
        host: "host".to_owned(),
        is: DiskBehaviour::Fails,
        at: Some(at),
    };
    world.apply(&fails_at(DiskOperation::Write(second))).unwrap();
    let written: Vec<bool> = (0..3).map(|_| file.write(0, b"x").is_ok()).collect();
    assert_eq!(written, [true, false, true]);
    world.apply(&fails_at(DiskOperation::Sync(second))).unwrap();
    file.write(0, b"y").unwrap();
    let synced: Vec<bool> = (0..3).map(|_| file.sync_data().is_ok()).collect();
    assert_eq!(synced, [true, false, true]);
    // A fault that did not happen yet ends with the others.
    world.apply(&fails_at(DiskOperation::Sync(second))).unwrap();
    world.heal(&Place::disk("host")).unwrap();
    assert!((0..3).all(|_| file.sync_data().is_ok()));
}

#[test]
fn a_host_crashes_between_two_writes_and_loses_what_it_did_not_sync() {
    let mut world = world(14);
    let log = Log::default();
    let seen = log.clone();
    world.add_host("server", move |machine| {
        let seen = seen.clone();
        Box::pin(async move {
            let file = machine.disk.open("file").unwrap();
            if machine.restarts > 0 {
                let mut bytes = [0; 2];
                file.read(0, &mut bytes).unwrap();
                seen.add(String::from_utf8_lossy(&bytes));
                return;
            }
            file.set_len(2).unwrap();
            file.write(0, b"aa").unwrap();
            file.sync_data().unwrap();
            machine.seams.clock.sleep(Duration::from_secs(1)).await;
            file.write(0, b"b").unwrap();
            assert!(file.write(1, b"b").is_err());
            assert!(machine.disk.is_faulty(), "a process sees why its operations fail");
            machine.seams.clock.sleep(Duration::from_secs(1)).await;
            seen.add("must not run");
        })
    });
    world.run_until(after(&world, Duration::from_millis(500)), || false);
    let crash = Fault::Host {
        host: "server".to_owned(),
        power_loss: true,
        at: Some(CrashPoint::Write(NonZeroU32::MIN)),
    };
    world.apply(&crash).unwrap();
    world.run_until(after(&world, Duration::from_secs(5)), || false);
    assert_eq!(world.is_up("server"), Ok(false));
    world.heal(&Place::host("server")).unwrap();
    world.run_until(after(&world, Duration::from_secs(1)), || false);
    assert_eq!(log.all(), ["aa"]);
}

#[test]
fn a_host_that_pulls_its_power_switch_stops_at_once() {
    let mut world = world(12);
    let log = Log::default();
    let seen = log.clone();
    world.add_host("server", move |machine| {
        let seen = seen.clone();
        Box::pin(async move {
            let mut listener = machine.seams.network.listen("server:80").await.unwrap();
            let mut stream = listener.accept().await.unwrap();
            if machine.restarts > 0 {
                return;
            }
            let file = machine.disk.open("file").unwrap();
            stream.write_all(b"before").await.unwrap();
            let neighbour = seen.clone();
            tokio::spawn(async move { neighbour.add("a task that must not run") });
            machine.power.crash();
            assert!(file.write(0, b"after").is_err());
            stream.write_all(b"after").await.unwrap();
            seen.add("a line that must not be reached");
        })
    });
    let client = add_client(&mut world, "client");
    let seen = log.clone();
    world
        .spawn("client", async move {
            let mut stream = client.seams.network.connect("server:80").await.unwrap();
            let mut words = String::new();
            stream.read_to_string(&mut words).await.unwrap();
            seen.add(words);
        })
        .unwrap();
    let events: Arc<Mutex<Vec<WorldEvent>>> = Arc::default();
    let recorded = Arc::clone(&events);
    world.set_listener(Box::new(move |_, event| recorded.lock().unwrap().push(event)));
    assert_eq!(world.run_until(None, || log.all().len() == 1), Stopped::Done);
    assert_eq!(log.all(), ["before"]);
    assert!(!world.is_up("server").unwrap());
    assert!(world.apply(&Fault::crash("server")).is_err());
    assert!(world.machine("server").is_err());
    world.heal(&Place::host("server")).unwrap();
    assert!(world.heal(&Place::host("server")).is_err());
    world.machine("server").unwrap().power.crash_silently();
    assert_eq!(world.run_until(None, || true), Stopped::Done);
    assert!(!world.is_up("server").unwrap());
    let crashed = WorldEvent::began(Fault::crash("server"), Cause::Itself);
    let restarted = WorldEvent::Ended {
        place: Place::host("server"),
    };
    assert_eq!(events.lock().unwrap()[..2], [crashed, restarted]);
}

/// Sends a tick every second, and logs what it reads in between.
async fn tick(machine: &Machine, mut stream: Stream, log: &Log) {
    let mut bytes = [0; 16];
    for _ in 0..3 {
        stream.write_all(b"tick").await.unwrap();
        tokio::select! {
            biased;
            read = stream.read(&mut bytes) => {
                let count = read.unwrap();
                log.add(format!("server reads {}", String::from_utf8_lossy(&bytes[..count])));
            }
            () = machine.seams.clock.sleep(Duration::from_secs(1)) => log.add("server reads nothing"),
        }
    }
}

#[test]
fn a_deaf_host_still_sends_and_stays_down() {
    for (reporting, reported) in [(Reporting::Reported, 1), (Reporting::Unreported, 0)] {
        deafen_a_server(reporting, reported);
    }
}

fn deafen_a_server(reporting: Reporting, reported: usize) {
    let mut world = world(15);
    let events = Rc::new(Cell::new(0));
    let counted = Rc::clone(&events);
    world.set_listener(Box::new(move |_, _| counted.set(counted.get() + 1)));
    let log = Log::default();
    let seen = log.clone();
    world.add_host("server", move |machine| {
        let seen = seen.clone();
        Box::pin(async move {
            let mut listener = machine.seams.network.listen("server:80").await.unwrap();
            loop {
                let stream = listener.accept().await.unwrap();
                let (machine, seen) = (machine.clone(), seen.clone());
                tokio::spawn(async move { tick(&machine, stream, &seen).await });
            }
        })
    });
    let client = add_client(&mut world, "client");
    let seen = log.clone();
    world
        .spawn("client", async move {
            let mut stream = client.seams.network.connect("server:80").await.unwrap();
            let mut bytes = [0; 4];
            while stream.read_exact(&mut bytes).await.is_ok() {
                seen.add("client reads a tick");
                stream.write_all(b"thanks").await.unwrap();
            }
        })
        .unwrap();
    let is_ticked = || log.has("client reads a tick");
    assert_eq!(world.run_until(None, is_ticked), Stopped::Done);
    // The client's first thanks are on their way.
    world.deafen("server", &["client".to_owned()], reporting).unwrap();
    assert_eq!(events.get(), reported);
    world.keep_down("server").unwrap();
    let deadline = after(&world, Duration::from_secs(10));
    world.run_until(deadline, || false);
    let ticks = log
        .all()
        .iter()
        .filter(|entry| *entry == "client reads a tick")
        .count();
    assert_eq!(ticks, 3);
    assert!(!log.has("server reads thanks"), "{:?}", log.all());
    world.apply(&Fault::crash("server")).unwrap();
    world.heal(&Place::host("server")).unwrap();
    assert!(!world.is_up("server").unwrap());
}
