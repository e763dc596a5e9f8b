//! What seeds cost, on one core: seeds as they come, and what one more fault and one more session add.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use turnstile::explore::{self, Playing};
use turnstile::script::{self, Options};
use turnstile_scenarios::Scenario;

/// As the tool has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many seeds are played at once, so that small and large ones are among them.
const SEEDS: u64 = 100;

fn scenario(steps: &str) -> Scenario {
    let text = format!(
        "scenario: b\nabout: b\nseam: turn\ntolerant: true\nsession: {{ callback: true }}\nsteps:\n{steps}"
    );
    Scenario::parse(&text, Path::new("bench.yaml")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn seeds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seeds");
    group.sample_size(10);
    group.throughput(Throughput::Elements(SEEDS));
    group.bench_function("generated", |bencher| {
        bencher.iter(|| (0..SEEDS).for_each(|seed| drop(black_box(explore::scenario(seed)))));
    });
    group.bench_function("played", |bencher| {
        bencher.iter(|| {
            for seed in 0..SEEDS {
                black_box(explore::play_seed(seed, &Playing::default()));
            }
        });
    });
    group.finish();
}

fn faults(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("faults");
    for count in [0, 1, 10] {
        let mut steps = "  - start: { as: a, say: slow:20:200 }\n".to_owned();
        for _ in 0..count {
            steps += "  - reset: { between: [wrapper, server] }\n  - wait: 100ms\n";
        }
        steps += "  - await: { message: a, is: completed }\n";
        let scenario = scenario(&steps);
        group.bench_with_input(
            BenchmarkId::new("resets", count),
            &scenario,
            |bencher, scenario| {
                bencher.iter(|| script::play(scenario, Options::default()));
            },
        );
    }
    group.finish();
}

fn sessions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sessions");
    for count in [1, 2, 8] {
        let mut steps = "  - start: { as: m0, say: echo:x }\n".to_owned();
        for number in 1..count {
            writeln!(
                steps,
                "  - start: {{ as: m{number}, say: echo:x, session: s{number} }}"
            )
            .expect("a string can be written to");
        }
        for number in 0..count {
            writeln!(steps, "  - await: {{ callback: m{number} }}").expect("a string can be written to");
        }
        let scenario = scenario(&steps);
        group.bench_with_input(
            BenchmarkId::from_parameter(count),
            &scenario,
            |bencher, scenario| {
                bencher.iter(|| script::play(scenario, Options::default()));
            },
        );
    }
    group.finish();
}

criterion_group!(benches, seeds, faults, sessions);
criterion_main!(benches);
