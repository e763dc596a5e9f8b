//! Shared code of the play benchmarks: builds scripts and measures one play for each of several sizes.

use std::fmt::Display;
use std::path::Path;

use criterion::{BenchmarkId, Criterion};
use turnstile::script::{self, Options};
use turnstile_scenarios::Scenario;

/// Builds a scenario from `steps`, one step a line.
fn scenario(steps: &str) -> Scenario {
    let text = format!(
        "scenario: b\nabout: b\nseam: turn\ntolerant: true\nsession: {{ callback: true }}\nsteps:\n{steps}"
    );
    Scenario::parse(&text, Path::new("bench.yaml")).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Measures one play for each of `sizes`; `steps` makes the script of a size.
pub fn plays<N: Copy + Display, const COUNT: usize>(
    criterion: &mut Criterion,
    group: &str,
    sizes: [N; COUNT],
    steps: impl Fn(N) -> String,
) {
    let mut group = criterion.benchmark_group(group);
    for size in sizes {
        let scenario = scenario(&steps(size));
        group.bench_with_input(
            BenchmarkId::from_parameter(size),
            &scenario,
            |bencher, scenario| {
                bencher.iter(|| script::play(scenario, Options::default()));
            },
        );
    }
    group.finish();
}
