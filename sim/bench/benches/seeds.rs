//! Cost of seeds on one core: generated seeds, plays of a guided exploration, each further fault, and each further session.

mod measure;

use std::hint::black_box;
use std::iter;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use turnstile::explore::{self, Playing};
use turnstile::stage::{StoreChoice, Subject};

/// The allocator of the tool, so that results are comparable.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds in one measurement: enough for a mix of small and large workloads.
const SEEDS: u64 = 100;

fn seeds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seeds");
    group.sample_size(10);
    group.throughput(Throughput::Elements(SEEDS));
    group.bench_function("generated", |bencher| {
        bencher.iter(|| (0..SEEDS).for_each(|seed| drop(black_box(explore::scenario(seed)))));
    });
    for (name, store) in [
        ("played", StoreChoice::Journal),
        ("played with the database", StoreChoice::Database),
    ] {
        let playing = Playing {
            subject: Subject::default().with_store(store),
            ..Playing::default()
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for seed in 0..SEEDS {
                    black_box(explore::play_seed(seed, &playing));
                }
            });
        });
    }
    let playing = Playing::default();
    group.bench_function("guided", |bencher| {
        bencher.iter(|| {
            explore::explore_guided(
                0..SEEDS,
                NonZeroUsize::MIN,
                &playing,
                |_| {},
                |explored| {
                    black_box(explored);
                    ControlFlow::Continue(())
                },
            );
        });
    });
    group.finish();
}

fn faults(criterion: &mut Criterion) {
    measure::plays(criterion, "faults/resets", [0, 1, 10], |count| {
        // The same length for any number of resets; the wrapper has time to reconnect after each.
        let mut steps = "  - start: { as: a, say: slow:60:500 }\n  - wait: 2s\n".to_owned();
        for _ in 0..count {
            steps += "  - reset: { between: [wrapper, server] }\n  - wait: 2s\n";
        }
        steps + "  - await: { message: a, is: completed }\n"
    });
}

fn sessions(criterion: &mut Criterion) {
    measure::plays(criterion, "sessions", [1, 2, 8], |count| {
        let starts = (1..count)
            .map(|number| format!("  - start: {{ as: m{number}, say: echo:x, session: s{number} }}\n"));
        let ends = (0..count).map(|number| format!("  - await: {{ callback: m{number} }}\n"));
        let first = "  - start: { as: m0, say: echo:x }\n".to_owned();
        iter::once(first).chain(starts).chain(ends).collect()
    });
}

criterion_group!(benches, seeds, faults, sessions);
criterion_main!(benches);
