//! Cost of plays: the whole suite, a sweep, each further message, and an idle hour.
//!
//! Throughput in elements is virtual seconds per second of one core.

mod measure;

use std::hint::black_box;
use std::iter;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use turnstile::script::{self, Options, SweepFault};
use turnstile::suite::{self, Play};
use turnstile::sweep::{self as sweeping, Sweeping};
use turnstile_scenarios::Library;

/// The allocator of the tool, so that results are comparable.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn library() -> Library {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    Library::load(&folder).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Total virtual time of all plays: up to the last step of each, and including settling.
fn virtual_time(library: &Library) -> (Duration, Duration) {
    let verdicts = library.entries().iter().map(|entry| {
        script::play(&entry.scenario, Options::default())
            .unwrap_or_else(|error| panic!("{}: {error}", entry.id))
    });
    verdicts.fold((Duration::ZERO, Duration::ZERO), |(played, elapsed), verdict| {
        (played + verdict.played, elapsed + verdict.elapsed)
    })
}

fn whole_suite(criterion: &mut Criterion) {
    let library = library();
    let options = Options::default();
    let plays: Vec<Play> = library
        .entries()
        .iter()
        .map(|entry| Play { entry, options })
        .collect();
    let (played, elapsed) = virtual_time(&library);
    let mut group = criterion.benchmark_group("suite");
    group.sample_size(10);
    group.bench_function("all cores", |bencher| {
        bencher.iter(|| {
            suite::play_all(
                plays.iter().copied(),
                suite::all_cores(),
                |_| {},
                |played| drop(black_box(played)),
            );
        });
    });
    for (name, seconds) in [
        ("one core, steps only", played),
        ("one core, with settling", elapsed),
    ] {
        group.throughput(Throughput::Elements(seconds.as_secs()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for play in &plays {
                    black_box(suite::play_timed(*play));
                }
            });
        });
    }
    group.finish();
}

/// A sweep of a script of medium length: each play is the script with one more fault.
fn sweep(criterion: &mut Criterion) {
    let library = library();
    let scripts = library.entries();
    let swept = scripts
        .iter()
        .find(|entry| entry.id == "suite/interrupt/mid-stream");
    let scenario = &swept.expect("the suite has the script").scenario;
    let kinds: Vec<&SweepFault> = SweepFault::ALL.iter().collect();
    let jobs = NonZeroUsize::MIN;
    let plan = Sweeping {
        options: Options::default(),
        kinds: &kinds,
        then: &[],
        jobs,
        has_all_moments: true,
        is_over: &|| false,
    };
    let sweep = || sweeping::sweep(scenario, &plan, |_, _| {});
    let strips = sweep().unwrap_or_else(|error| panic!("{error}"));
    let plays: usize = strips.iter().map(|strip| strip.moments.len()).sum();
    let mut group = criterion.benchmark_group("sweep");
    group.sample_size(10);
    group.throughput(Throughput::Elements(plays as u64));
    group.bench_function("one core", |bencher| bencher.iter(sweep));
    group.finish();
}

fn one_more_message(criterion: &mut Criterion) {
    measure::plays(criterion, "messages", [1, 11, 101], |count| {
        let first = "  - start: { as: m0, say: echo:x }\n  - await: { callback: m0 }\n".to_owned();
        let further = (1..count).map(|number| {
            format!("  - send: {{ as: m{number}, say: echo:x }}\n  - await: {{ callback: m{number} }}\n")
        });
        iter::once(first).chain(further).collect()
    });
}

fn idle_hour(criterion: &mut Criterion) {
    measure::plays(criterion, "idle/hours", [0, 1, 100], |hours| {
        format!("  - start: {{ as: a, say: echo:x }}\n  - await: {{ callback: a }}\n  - wait: {hours}h\n")
    });
}

criterion_group!(benches, whole_suite, sweep, one_more_message, idle_hour);
criterion_main!(benches);
