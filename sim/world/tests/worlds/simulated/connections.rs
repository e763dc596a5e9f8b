//! Tests of data between hosts and the effects of faults on it.

use super::*;
use turnstile_fault::{Bandwidth, ConnectionEnd, Fault, LinkEffect, Place};

const MEGABYTES: usize = 8 << 20;

fn pattern(index: usize) -> u8 {
    (index ^ (index >> 8) ^ (index >> 16)).to_le_bytes()[0]
}

#[test]
fn bytes_sent_during_a_cut_arrive_complete_and_in_order() {
    let mut world = world(1);
    add_server(&mut world, "server", |_, mut stream| async move {
        let bytes: Vec<u8> = (0..MEGABYTES).map(pattern).collect();
        stream.write_all(&bytes).await.unwrap();
    });
    let client = add_client(&mut world, "client");
    let log = Log::default();
    let (seen, clock) = (log.clone(), client.seams.clock.clone());
    let start = world.now();
    world
        .spawn("client", async move {
            let mut stream = client.seams.network.connect("server:80").await.unwrap();
            let (mut received, mut bytes) = (0, [0; 1024]);
            loop {
                let count = stream.read(&mut bytes).await.unwrap();
                if count == 0 {
                    break;
                }
                assert!(
                    bytes[..count]
                        .iter()
                        .enumerate()
                        .all(|(index, byte)| *byte == pattern(received + index))
                );
                received += count;
            }
            assert_eq!(received, MEGABYTES);
            seen.add("received");
        })
        .unwrap();
    world.schedule(start + Duration::from_millis(50), |world| {
        world
            .apply(&Fault::cut(&Link::between("server", "client")))
            .unwrap();
    });
    world.schedule(start + Duration::from_millis(4_050), |world| {
        world
            .heal(&Place::link(&Link::between("server", "client")))
            .unwrap();
    });
    assert_eq!(world.run_until(None, || log.has("received")), Stopped::Done);
    let taken = clock.now().duration_since(start);
    assert!(taken.as_secs_f64() > 4.05 && taken.as_secs_f64() < 6.0, "{taken}");
}

#[test]
fn a_slow_reader_does_not_stall_a_full_connection() {
    let mut world = world(1);
    add_server(&mut world, "server", |_, mut stream| async move {
        stream.write_all(&vec![7; 300_000]).await.unwrap();
    });
    let client = add_client(&mut world, "client");
    let log = Log::default();
    let seen = log.clone();
    world
        .spawn("client", async move {
            let mut stream = client.seams.network.connect("server:80").await.unwrap();
            let (mut received, mut bytes) = (0, [0; 700]);
            while let count @ 1.. = stream.read(&mut bytes).await.unwrap() {
                received += count;
                client.seams.clock.sleep(Duration::from_millis(3)).await;
            }
            seen.add(format!("{received}"));
        })
        .unwrap();
    assert_eq!(world.run_until(None, || log.has("300000")), Stopped::Done);
}

/// Sends `one` over a working connection, then `two` during a black hole in `link`. Returns what the server
/// received and the result of the client.
fn send_into_a_black_hole(link: &Link) -> Vec<String> {
    let mut world = world(2);
    let log = Log::default();
    let received = log.clone();
    world.add_host("server", move |machine| {
        let received = received.clone();
        Box::pin(async move {
            let mut listener = machine.seams.network.listen("server:80").await.unwrap();
            let mut stream = listener.accept().await.unwrap();
            let mut bytes = [0; 3];
            while stream.read_exact(&mut bytes).await.is_ok() {
                received.add(format!("server receives {}", String::from_utf8_lossy(&bytes)));
                stream.write_all(&bytes).await.unwrap();
            }
        })
    });
    let client = add_client(&mut world, "client");
    let received = log.clone();
    world
        .spawn("client", async move {
            let mut stream = client.seams.network.connect("server:80").await.unwrap();
            for question in ["one", "two"] {
                let answer = ask(&mut stream, question).await.unwrap();
                received.add(format!("client receives {answer}"));
                client.seams.clock.sleep(Duration::from_secs(1)).await;
            }
        })
        .unwrap();
    assert_eq!(
        world.run_until(None, || log.has("client receives one")),
        Stopped::Done
    );
    world.apply(&Fault::black_hole(link)).unwrap();
    let deadline = after(&world, Duration::from_secs(10));
    assert_eq!(world.run_until(deadline, || false), Stopped::DeadlinePassed);
    world.heal(&Place::link(link)).unwrap();
    let waiting = vec!["server".to_owned(), "client".to_owned()];
    assert_eq!(world.run_until(None, || false), Stopped::Deadlock { waiting });
    log.all()
}

#[test]
fn a_black_hole_loses_data_permanently_in_its_directions() {
    let before = ["server receives one", "client receives one"];
    let both_ways = send_into_a_black_hole(&Link::between("client", "server"));
    assert_eq!(both_ways, before);
    assert_eq!(send_into_a_black_hole(&Link::one_way("client", "server")), before);
    let answers_only = send_into_a_black_hole(&Link::one_way("server", "client"));
    assert_eq!(answers_only, [before[0], before[1], "server receives two"]);
}

#[test]
fn a_delay_lasts_until_it_is_healed() {
    let mut world = world(3);
    add_server(&mut world, "server", echo);
    let client = add_client(&mut world, "client");
    let log = Log::default();
    let seen = log.clone();
    world
        .spawn("client", async move {
            let mut stream = client.seams.network.connect("server:80").await.unwrap();
            loop {
                let asked = client.seams.clock.now();
                ask(&mut stream, "?").await.unwrap();
                seen.add(format!(
                    "{:.0}",
                    client.seams.clock.now().duration_since(asked).as_secs_f64()
                ));
                client.seams.clock.sleep(Duration::from_secs(10)).await;
            }
        })
        .unwrap();
    let link = Link::one_way("server", "client");
    assert_eq!(world.run_until(None, || log.all() == ["0"]), Stopped::Done);
    world.apply(&Fault::delay(&link, Duration::from_secs(3))).unwrap();
    assert_eq!(world.run_until(None, || log.all() == ["0", "3"]), Stopped::Done);
    world.heal(&Place::EveryLink).unwrap();
    assert_eq!(
        world.run_until(None, || log.all() == ["0", "3", "0"]),
        Stopped::Done
    );
}

#[test]
fn a_throttled_direction_passes_bytes_at_its_rate_and_the_rest_at_once_when_it_heals() {
    const BYTES: usize = 1 << 20;
    for (healed_after, within) in [(None, 104..108), (Some(20), 20..22)] {
        let mut world = world(1);
        add_server(&mut world, "server", |_, mut stream| async move {
            let bytes: Vec<u8> = (0..BYTES).map(pattern).collect();
            stream.write_all(&bytes).await.unwrap();
        });
        let client = add_client(&mut world, "client");
        let link = Link::one_way("server", "client");
        let rate = Bandwidth::bytes_per_second(10_000);
        let throttle = Fault::on(&link, LinkEffect::Throttle { rate });
        world.apply(&throttle).unwrap();
        let start = world.now();
        if let Some(seconds) = healed_after {
            world.schedule(start + Duration::from_secs(seconds), move |world| {
                world.heal(&Place::link(&link)).unwrap();
            });
        }
        let log = Log::default();
        let seen = log.clone();
        world
            .spawn("client", async move {
                let mut stream = client.seams.network.connect("server:80").await.unwrap();
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).await.unwrap();
                assert!(bytes.into_iter().eq((0..BYTES).map(pattern)));
                seen.add("complete");
            })
            .unwrap();
        assert_eq!(world.run_until(None, || log.has("complete")), Stopped::Done);
        let took = world.now().duration_since(start).as_secs();
        assert!(within.contains(&took), "{healed_after:?}: {took} s");
    }
}

/// Connects a client to a server that only reads, applies `fault`, and returns what both observe within an
/// hour, and whether a new connection works afterwards.
fn strike(fault: impl FnOnce(&mut World)) -> Vec<String> {
    async fn watch(mut stream: Stream, who: &str, log: &Log) {
        let mut bytes = [0; 64];
        loop {
            let seen = stream.read(&mut bytes).await;
            match &seen {
                Ok(0) => log.add(format!("{who} reads the end")),
                Ok(count) => log.add(format!("{who} reads {count}")),
                Err(error) => log.add(format!("{who}: {:?}", error.kind())),
            }
            if !matches!(seen, Ok(1..)) {
                break;
            }
        }
        if let Err(error) = stream.write_all(b"late").await {
            log.add(format!("{who} cannot write: {:?}", error.kind()));
        }
        std::future::pending::<()>().await;
    }
    let mut world = world(4);
    let log = Log::default();
    let seen = log.clone();
    world.add_host("server", move |machine| {
        let seen = seen.clone();
        Box::pin(async move {
            let mut listener = machine.seams.network.listen("0.0.0.0:80").await.unwrap();
            loop {
                let stream = listener.accept().await.unwrap();
                let seen = seen.clone();
                tokio::spawn(async move { watch(stream, "server", &seen).await });
            }
        })
    });
    let client = add_client(&mut world, "client");
    for words in ["first", "second!"] {
        let (seen, machine) = (log.clone(), client.clone());
        let client = async move {
            let mut stream = machine.seams.network.connect("server:80").await.unwrap();
            stream.write_all(words.as_bytes()).await.unwrap();
            watch(stream, "client", &seen).await;
        };
        if words == "first" {
            world.spawn("client", client).unwrap();
            assert_eq!(world.run_until(None, || log.has("server reads 5")), Stopped::Done);
        } else {
            world.schedule(world.now() + Duration::from_secs(3600), move |world| {
                world.spawn("client", client).unwrap();
            });
        }
    }
    fault(&mut world);
    assert_eq!(world.run_until(None, || log.has("server reads 7")), Stopped::Done);
    log.all().split_off(1)
}

#[test]
fn a_fin_an_rst_and_silence_differ_for_the_peer() {
    let finished = strike(|world| {
        world
            .apply(&Fault::end_of("client", "server", ConnectionEnd::Finish))
            .unwrap();
    });
    // Later data of the server meets a client that has ended its reads but not closed the connection.
    let ends = [
        "client reads the end",
        "client cannot write: BrokenPipe",
        "server reads the end",
    ];
    assert_eq!(finished, [&ends[..], &["server reads 7"]].concat());

    let reset = strike(|world| {
        world
            .apply(&Fault::end_of("client", "server", ConnectionEnd::Reset))
            .unwrap();
    });
    let ends = ["server: ConnectionReset", "server cannot write: ConnectionReset"];
    let other = ["client: ConnectionReset", "client cannot write: ConnectionReset"];
    assert_eq!(reset, [&ends[..], &other, &["server reads 7"]].concat());

    let silent = strike(|world| {
        world
            .apply(&Fault::end_of("client", "server", ConnectionEnd::Silence))
            .unwrap();
    });
    assert_eq!(silent, ["server reads 7"]);
}

#[test]
fn a_reset_is_an_error_at_once_for_a_reader_with_unread_data() {
    let mut world = world(6);
    add_server(&mut world, "server", |_, mut stream| async move {
        stream.write_all(&[7; 10_000]).await.unwrap();
        std::future::pending::<()>().await;
    });
    let client = add_client(&mut world, "client");
    let log = Log::default();
    let seen = log.clone();
    world
        .spawn("client", async move {
            let mut stream = client.seams.network.connect("server:80").await.unwrap();
            stream.read_exact(&mut [0; 10]).await.unwrap();
            seen.add("begun");
            client.seams.clock.sleep(Duration::from_secs(5)).await;
            let next = stream.read(&mut [0; 10]).await;
            seen.add(format!("{:?}", next.map_err(|error| error.kind())));
        })
        .unwrap();
    assert_eq!(world.run_until(None, || log.has("begun")), Stopped::Done);
    let reset = Fault::end_of("client", "server", ConnectionEnd::Reset);
    world.apply(&reset).unwrap();
    let deadline = after(&world, Duration::from_secs(6));
    assert_eq!(world.run_until(deadline, || log.all().len() > 1), Stopped::Done);
    assert_eq!(log.all(), ["begun", "Err(ConnectionReset)"]);
}

#[test]
fn closing_with_unread_data_and_writing_to_a_closed_connection_cause_a_reset() {
    let mut world = world(5);
    add_server(&mut world, "rude", |_, mut stream| async move {
        stream.read_u8().await.unwrap();
    });
    add_server(&mut world, "polite", |_, mut stream| async move {
        stream.read_exact(&mut [0; 5]).await.unwrap();
    });
    let client = add_client(&mut world, "client");
    let log = Log::default();
    let seen = log.clone();
    world
        .spawn("client", async move {
            let mut connections = Vec::new();
            for server in ["rude:80", "polite:80"] {
                let mut stream = client.seams.network.connect(server).await.unwrap();
                stream.write_all(b"words").await.unwrap();
                let answer = stream.read_u8().await.unwrap_err();
                seen.add(format!("{server} {:?}", answer.kind()));
                connections.push(stream);
            }
            let mut ended = connections.pop().unwrap();
            ended.write_all(b"more").await.unwrap();
            client.seams.clock.sleep(Duration::from_secs(1)).await;
            let error = ended.write_all(b"still more").await.unwrap_err();
            seen.add(format!("late {:?}", error.kind()));
        })
        .unwrap();
    assert_eq!(world.run_until(None, || log.all().len() == 3), Stopped::Done);
    let expected = [
        "rude:80 ConnectionReset",
        "polite:80 UnexpectedEof",
        "late ConnectionReset",
    ];
    assert_eq!(log.all(), expected);
}

#[test]
fn unknown_hosts_closed_ports_and_foreign_addresses_are_errors() {
    let mut world = world(6);
    let client = add_client(&mut world, "client");
    add_client(&mut world, "server");
    let log = Log::default();
    let seen = log.clone();
    world
        .spawn("client", async move {
            let network = client.seams.network;
            for authority in ["nobody:80", "server:80", "server"] {
                seen.add(format!(
                    "{:?}",
                    network.connect(authority).await.err().unwrap().kind()
                ));
            }
            seen.add(format!(
                "{:?}",
                network.listen("server:80").await.err().unwrap().kind()
            ));
            let listener = network.listen("client:0").await.unwrap();
            assert!(network.connect(&listener.authority()).await.is_ok());
            let taken = network.listen(&listener.authority()).await;
            seen.add(format!("{:?}", taken.err().unwrap().kind()));
        })
        .unwrap();
    assert_eq!(world.run_until(None, || log.all().len() == 5), Stopped::Done);
    let expected = [
        "NotFound",
        "ConnectionRefused",
        "InvalidInput",
        "AddrNotAvailable",
        "AddrInUse",
    ];
    assert_eq!(log.all(), expected);
    assert!(
        world
            .apply(&Fault::cut(&Link::between("client", "nobody")))
            .is_err()
    );
    assert!(
        world
            .apply(&Fault::cut(&Link::between("client", "client")))
            .is_err()
    );
}

/// Asks on two connections one after another, the first of which stalls, and heals after 5 s.
fn asks_with_a_stall(stall: &Link, stall_first: bool) -> Vec<String> {
    let mut world = world(7);
    add_server(&mut world, "server", echo);
    let client = add_client(&mut world, "client");
    let log = Log::default();
    let seen = log.clone();
    let fault = Fault::on(stall, LinkEffect::Stall);
    if stall_first {
        world.apply(&fault).unwrap();
    }
    world
        .spawn("client", async move {
            let (network, clock) = (client.seams.network, client.seams.clock);
            let start = clock.now();
            let asking = |name: &'static str, pause: u64| {
                let (network, clock, seen) = (&network, &clock, &seen);
                async move {
                    clock.sleep(Duration::from_millis(pause)).await;
                    let mut stream = network.connect("server:80").await.unwrap();
                    clock.sleep(Duration::from_secs(1)).await;
                    assert_eq!(ask(&mut stream, name).await.unwrap(), name);
                    let seconds = clock.now().duration_since(start).as_secs();
                    seen.add(format!("{name} {seconds}"));
                }
            };
            tokio::join!(asking("first", 0), asking("second", 1_000));
        })
        .unwrap();
    if !stall_first {
        world.run_until(after(&world, Duration::from_millis(500)), || false);
        world.apply(&fault).unwrap();
    }
    let healed = after(&world, Duration::from_secs(5));
    world.run_until(healed, || false);
    world.heal(&Place::link(stall)).unwrap();
    world.run_until(after(&world, Duration::from_secs(5)), || log.all().len() == 2);
    log.all()
}

#[test]
fn an_open_connection_stalls_and_a_new_one_works() {
    let entries = asks_with_a_stall(&Link::between("server", "client"), false);
    assert_eq!(entries, ["second 2", "first 5"]);
}

#[test]
fn the_next_connection_stalls_and_the_one_after_it_works() {
    let entries = asks_with_a_stall(&Link::one_way("client", "server"), true);
    assert_eq!(entries, ["second 2", "first 6"]);
}
