//! Cost of a virtual second in each of the two worlds, and the ratio between them.
//!
//! Prints the ratios at the end. Both worlds run the same work in one process, so other load on the machine
//! affects both.

use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::Criterion;
use serde_json::json;
use turnstile::stage::Subject;
use turnstile::stage::client::{Awaited, Content};
use turnstile::stage::identity::{Login, PlayIdentity, USER};
use turnstile::stage::stream::{From, StreamRequest};
use turnstile::stage::{self, Stage, Wrappers};
use turnstile_events::observation::Observation;
use turnstile_judge::parties::Secrets;
use turnstile_judge::trace::What;
use turnstile_profile::Profile;
use turnstile_world::{Stopped, WorldKind};

/// The allocator of the tool, so that results are comparable.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The resolution of turmoil's clock, and its default tick.
const TICK: Duration = Duration::from_millis(1);
const WORLDS: [(&str, WorldKind); 2] = [
    ("events", WorldKind::Events),
    ("witness", WorldKind::Witness { tick: TICK }),
];
const HOSTS: [&str; 6] = ["observer", "server", "wrapper", "gateway", "receiver", "client"];
const IDLE: Duration = Duration::from_secs(300);
/// A turn as in the suite's scripts: 5 chunks, 100 ms apart.
const TURN: &str = "__fake__:slow:5:100";
/// A turn with work at almost every tick. The cost of that work is the same in both worlds, so this turn shows
/// the overhead of the loop least.
const DENSE_TURN: &str = "__fake__:slow:500:10";
const LIMIT: Duration = Duration::from_secs(60);

/// Runs six hosts that only wait on a timer that fires in a year.
fn idle(kind: WorldKind) -> Duration {
    let mut world = kind.create(1, stage::epoch());
    for name in HOSTS {
        world.add_host(name, |machine| {
            Box::pin(async move {
                let next_year = machine.seams.clock.now() + Duration::from_hours(365 * 24);
                machine.seams.clock.sleep_until(next_year).await;
            })
        });
    }
    let end = world.now() + IDLE;
    assert_eq!(world.run_until(Some(end), || false), Stopped::DeadlinePassed);
    IDLE
}

/// Starts a session with a prompt; a client follows its stream until the turn ends.
fn busy(kind: WorldKind, prompt: &str) -> Duration {
    let world = kind.create(1, stage::epoch());
    let stage = Stage::in_world(
        world,
        Secrets::default(),
        Profile::default(),
        Wrappers::default(),
        PlayIdentity::default(),
        Subject::default(),
        None,
    );
    let mut stage = stage.expect("both worlds carry it");
    let client = stage.add_client("client");
    let input = json!({
        "message": {"prompt": prompt, "id": client.draw_message_id()},
        "agent": {"mode": "code", "model": "fake-deterministic"},
        "repository": {"type": "github", "repo": "o/r"},
    });
    let deadline = Some(stage.world.now() + LIMIT);
    let awaited = Awaited::default();
    let login = Login::owner();
    let starting = client
        .clone()
        .call("start".to_owned(), Content::Json(input), login, awaited.clone());
    stage.world.spawn("client", starting).expect("the client is up");
    assert_eq!(
        stage.world.run_until(deadline, || awaited.get().is_some()),
        Stopped::Done
    );
    let (_, answer) = awaited.get().flatten().expect("the server answers");
    let session = answer["result"]["data"]["cloudAgentSessionId"].as_str();
    let session = session.expect("a session was started").to_owned();
    let request = StreamRequest::of(USER.into(), From::After(0));
    let following = client.stream(session, request, Awaited::default());
    stage.world.spawn("client", following).expect("the client is up");
    let mut read = 0;
    let recorder = stage.recorder.clone();
    let stopped = stage.world.run_until(deadline, || {
        recorder.read(|trace| {
            let new = &trace.records()[read..];
            read = trace.records().len();
            new.iter().any(|record| match &record.what {
                What::Observation(Observation::FrameReceived { frame, .. }) => {
                    frame["streamEventType"] == "cloud.message.completed"
                }
                _ => false,
            })
        })
    });
    assert_eq!(stopped, Stopped::Done);
    stage.elapsed()
}

/// Wall time and virtual time of the measured runs.
#[derive(Clone, Copy, Default)]
struct Measured {
    wall: Duration,
    passed: Duration,
}

impl Measured {
    /// Wall time per virtual second, in microseconds.
    fn cost(self) -> f64 {
        self.wall.as_secs_f64() * 1e6 / self.passed.as_secs_f64()
    }
}

/// Measures `run` in both worlds and prints the cost of a virtual second in each.
fn compare(criterion: &mut Criterion, name: &str, run: impl Fn(WorldKind) -> Duration) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10);
    let [first, witness] = WORLDS.map(|(world, kind)| {
        let measured = RefCell::new(Measured::default());
        group.bench_function(world, |bencher| {
            bencher.iter_custom(|times| {
                #[expect(clippy::disallowed_methods, reason = "the benchmark measures wall time")]
                let start = Instant::now();
                let passed: Duration = (0..times).map(|_| black_box(run(kind))).sum();
                let wall = start.elapsed();
                let mut measured = measured.borrow_mut();
                measured.wall += wall;
                measured.passed += passed;
                wall
            });
        });
        measured.into_inner()
    });
    group.finish();
    // With a filter, one world may have no measurement.
    if !first.passed.is_zero() && !witness.passed.is_zero() {
        let (first, witness) = (first.cost(), witness.cost());
        let ratio = witness / first;
        println!(
            "{name}: a virtual second takes {first:.1} µs in the event world and {witness:.0} µs in the witness, \
             {ratio:.1} times as long\n"
        );
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    compare(&mut criterion, "idle", idle);
    compare(&mut criterion, "turn", |kind| busy(kind, TURN));
    compare(&mut criterion, "dense turn", |kind| busy(kind, DENSE_TURN));
    criterion.final_summary();
}
