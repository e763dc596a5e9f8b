//! Cost of seeds on one core: generated seeds, plays of a guided exploration, each further fault, each further session, and the
//! explanation of a failure.

mod measure;

use std::hint::black_box;
use std::iter;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use turnstile::explore::{self, Playing};
#[cfg(feature = "selftest")]
use turnstile::script::Options;
use turnstile::stage::{StoreChoice, Subject};
#[cfg(feature = "selftest")]
use turnstile::suite;
#[cfg(feature = "selftest")]
use turnstile::why::{self, Effort};
#[cfg(feature = "selftest")]
use turnstile_mutants::Rule;

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

/// Where the cause of a failure is, of a seed against a mutant.
#[cfg(feature = "selftest")]
fn explanation(criterion: &mut Criterion) {
    const EFFORT: Effort = Effort {
        variations: Effort::VARIATIONS,
        moments: Effort::MOMENTS,
        jobs: NonZeroUsize::MIN,
    };
    let scenario = explore::scenario(0);
    let options = Options {
        subject: Subject::from(Rule::LastOfBatchIsRepresentative).unchecked(),
        ..Options::default()
    };
    let verdict = suite::play_safely(&scenario, options).expect("the harness works");
    let mut group = criterion.benchmark_group("why");
    group.sample_size(10);
    group.bench_function("one core", |bencher| {
        bencher.iter(|| {
            why::curve(&scenario, options, &verdict, None, EFFORT, |_| {
                ControlFlow::Continue(())
            })
        });
    });
    group.finish();
}

#[cfg(not(feature = "selftest"))]
fn explanation(_criterion: &mut Criterion) {}

criterion_group!(benches, seeds, faults, sessions, explanation);
criterion_main!(benches);
