//! Cost on one core of the explanation of a failure, of a seed against a mutant.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use criterion::{Criterion, criterion_group, criterion_main};
use turnstile::explore;
use turnstile::script::Options;
use turnstile::stage::Subject;
use turnstile::suite;
use turnstile::why::{self, Effort};
use turnstile_mutants::Rule;

/// The allocator of the tool, so that results are comparable.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EFFORT: Effort = Effort {
    variations: Effort::VARIATIONS,
    moments: Effort::MOMENTS,
    jobs: NonZeroUsize::MIN,
};

fn explanation(criterion: &mut Criterion) {
    let scenario = explore::scenario(0);
    let options = Options {
        subject: Subject::from(Rule::LastOfBatchIsRepresentative).unchecked(),
        ..Options::default()
    };
    let verdict = suite::play_safely(&scenario, options).expect("the harness works");
    let explain = || {
        let proceed = |_| ControlFlow::Continue(());
        let found = why::curve(&scenario, options, &verdict, None, EFFORT, proceed);
        found.expect("seed 0 detects the mutant")
    };
    let mut group = criterion.benchmark_group("why");
    group.sample_size(10);
    group.bench_function("one core", |bencher| bencher.iter(explain));
    group.finish();
}

criterion_group!(benches, explanation);
criterion_main!(benches);
