//! Tests of the loop: when it ends, what it costs, and that it is deterministic.

use super::*;
use turnstile_fault::{ConnectionEnd, Fault, Place};

#[test]
fn a_deadlock_is_reported_with_the_waiting_hosts() {
    let mut world = world(1);
    add_server(&mut world, "server", echo);
    add_client(&mut world, "idler");
    let client = add_client(&mut world, "client");
    world
        .spawn("client", async move {
            let mut stream = client.seams.network.connect("server:80").await.unwrap();
            stream.read_u8().await.unwrap();
        })
        .unwrap();
    let waiting = vec!["server".to_owned(), "client".to_owned()];
    assert_eq!(world.run_until(None, || false), Stopped::Deadlock { waiting });
}

#[test]
fn a_panic_in_any_task_of_a_host_is_reported_and_crashes_the_host() {
    let mut world = world(1);
    world.add_host("server", |machine| {
        Box::pin(async move {
            machine.seams.clock.sleep(Duration::from_secs(1)).await;
            let unjoined = tokio::spawn(async { panic!("a bug") });
            drop(unjoined);
        })
    });
    let Stopped::Panicked { host, message } = world.run_until(None, || false) else {
        panic!("no panic was reported");
    };
    assert_eq!(host, "server");
    assert!(message.starts_with("a bug (at "), "{message}");
    assert!(!world.is_up("server").unwrap());
    assert_eq!(
        world.run_until(None, || false),
        Stopped::Deadlock { waiting: vec![] }
    );
}

#[test]
fn a_panic_in_a_boot_function_or_in_a_destructor_is_reported() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    let mut world = world(1);
    world.add_host("early", |_| panic!("in boot"));
    world.add_host("late", |_| {
        Box::pin(async {
            let _bomb = Bomb;
            std::future::pending::<()>().await;
        })
    });
    for expected in ["in boot", "in a destructor"] {
        let stopped = world.run_until(None, || false);
        assert!(
            matches!(&stopped, Stopped::Panicked { message, .. } if message.starts_with(expected)),
            "{stopped:?}"
        );
        if world.is_up("late").unwrap() {
            world.run_until(None, || true);
            world.apply(&Fault::crash("late")).unwrap();
        }
    }
}

#[test]
fn no_task_of_a_host_runs_after_a_panic() {
    let mut world = world(1);
    let log = Log::default();
    let seen = log.clone();
    world.add_host("clumsy", move |_| {
        let seen = seen.clone();
        Box::pin(async move {
            let other = seen.clone();
            tokio::spawn(async move {
                other.add("before".to_owned());
                tokio::task::yield_now().await;
                other.add("after".to_owned());
            });
            tokio::spawn(async { panic!("a task panics") });
            seen.add("spawned".to_owned());
        })
    });
    let stopped = world.run_until(None, || false);
    assert!(matches!(&stopped, Stopped::Panicked { .. }), "{stopped:?}");
    assert_eq!(log.all(), ["spawned", "before"]);
}

// Polls are counted by a hook that tokio has only with this flag.
#[cfg(tokio_unstable)]
#[test]
fn a_livelocked_host_is_reported_and_others_can_continue() {
    let mut world = world(1);
    world.add_host("restless", |_| {
        Box::pin(async {
            loop {
                tokio::task::yield_now().await;
            }
        })
    });
    let host = "restless".to_owned();
    assert_eq!(world.run_until(None, || false), Stopped::Livelock { host });
    world.apply(&Fault::crash("restless")).unwrap();
    assert_eq!(world.run_until(None, || true), Stopped::Done);
}

#[test]
fn an_idle_hour_costs_a_few_steps() {
    let mut world = world(1);
    add_server(&mut world, "server", echo);
    let client = add_client(&mut world, "client");
    world
        .spawn("client", async move {
            let mut stream = client.seams.network.connect("server:80").await.unwrap();
            loop {
                client.seams.clock.sleep(Duration::from_secs(1800)).await;
                ask(&mut stream, "still there?").await.unwrap();
            }
        })
        .unwrap();
    let hour = after(&world, Duration::from_secs(3601));
    assert_eq!(world.run_until(hour, || false), Stopped::DeadlinePassed);
    assert_eq!(Some(world.now()), hour);
    assert!(world.steps() < 40, "{} steps", world.steps());
}

/// Two clients send at random times during many faults. Returns all entries.
fn eventful_run(seed: u64) -> Vec<String> {
    let mut world = world(seed);
    let log = Log::default();
    let recorded = log.clone();
    world.set_listener(Box::new(move |now, event| {
        recorded.add(format!("{now} {}", serde_json::to_string(&event).unwrap()));
    }));
    add_server(&mut world, "server", echo);
    for name in ["one", "two"] {
        let seen = log.clone();
        world.add_host(name, move |machine| {
            let seen = seen.clone();
            Box::pin(async move {
                let (clock, random) = (&machine.seams.clock, &machine.seams.randomness);
                loop {
                    clock.sleep(Duration::from_millis(random.below(500))).await;
                    let outcome = async {
                        let mut stream = machine.seams.network.connect("server:80").await?;
                        ask(&mut stream, &random.uuid().to_string()).await
                    };
                    let outcome = clock.timeout(Duration::from_secs(1), outcome).await;
                    seen.add(format!("{} {} {outcome:?}", clock.now(), machine.name));
                }
            })
        });
    }
    let start = world.now();
    let at = |millis| start + Duration::from_millis(millis);
    world.schedule(at(1_000), |world| {
        world.apply(&Fault::cut(&Link::one_way("server", "one"))).unwrap();
    });
    world.schedule(at(3_000), |world| world.heal(&Place::EveryLink).unwrap());
    world.schedule(at(4_000), |world| world.apply(&Fault::crash("server")).unwrap());
    world.schedule(at(5_000), |world| world.heal(&Place::host("server")).unwrap());
    world.schedule(at(6_000), |world| {
        world
            .apply(&Fault::end_of("one", "server", ConnectionEnd::Reset))
            .unwrap();
    });
    assert_eq!(
        world.run_until(Some(at(10_000)), || false),
        Stopped::DeadlinePassed
    );
    log.all()
}

#[test]
fn equal_seeds_give_equal_runs_and_different_seeds_different_runs() {
    let run = eventful_run(42);
    assert!(run.len() > 40, "{run:#?}");
    assert!(run.iter().any(|entry| {
        entry.contains(r#""link":{"from":"server","to":"one","one_way":true},"effect":"cut"}"#)
    }));
    assert_eq!(run, eventful_run(42));
    assert_ne!(run, eventful_run(43));
}

#[test]
fn hosts_wake_each_other_through_shared_memory() {
    let mut world = world(1);
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let log = Log::default();
    let seen = log.clone();
    let early = add_client(&mut world, "early");
    add_client(&mut world, "late");
    world
        .spawn("early", async move { seen.add(receiver.await.unwrap()) })
        .unwrap();
    world
        .spawn("late", async move {
            early.seams.clock.sleep(Duration::from_secs(1)).await;
            sender.send("word").unwrap();
        })
        .unwrap();
    assert_eq!(world.run_until(None, || log.has("word")), Stopped::Done);
}

#[test]
#[should_panic(expected = "a thread has room for one at a time")]
fn a_second_world_on_a_thread_is_refused() {
    let _first = world(1);
    let _second = world(2);
}

#[test]
fn a_world_can_be_dropped_while_its_parts_are_in_use() {
    let held: Arc<Mutex<Vec<Box<dyn Send>>>> = Arc::default();
    for seed in 0..2 {
        let mut world = world(seed);
        add_server(&mut world, "server", |_, stream| async move {
            let _stream = stream;
            std::future::pending::<()>().await;
        });
        let client = add_client(&mut world, "client");
        let (hold, machine) = (Arc::clone(&held), client.clone());
        world
            .spawn("client", async move {
                let network = Arc::clone(&machine.seams.network);
                let listener = network.listen("client:80").await.unwrap();
                let stream = network.connect("server:80").await.unwrap();
                let attempt = Box::pin(async move { network.connect("server:81").await.is_ok() });
                let sleep = machine.seams.clock.sleep(Duration::from_secs(1));
                let things: [Box<dyn Send>; 4] = [
                    Box::new(listener),
                    Box::new(stream),
                    Box::new(attempt),
                    sleep_box(sleep),
                ];
                hold.lock().unwrap().extend(things);
                std::future::pending::<()>().await;
            })
            .unwrap();
        assert_eq!(
            world.run_until(None, || !held.lock().unwrap().is_empty()),
            Stopped::Done
        );
        drop(world);
        held.lock().unwrap().clear();
    }
}

fn sleep_box(sleep: turnstile_seams::BoxFuture<'static, ()>) -> Box<dyn Send> {
    Box::new(sleep)
}
