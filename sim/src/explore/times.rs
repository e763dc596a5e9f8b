//! Durations worth trying: short ones, and those close to a deadline of the protocol.

use std::time::Duration;

use proptest::prelude::*;
use turnstile_scenarios::Lapse;

/// Deadlines in seconds (protocol §4, §5, §7, §8).
const DEADLINES_S: [u64; 10] = [1, 2, 4, 10, 15, 30, 60, 90, 120, 300];
/// Maximum distance from a deadline.
const AROUND_MS: u64 = 300;

/// A duration between two bounds, in milliseconds.
pub(super) fn between(shortest: u64, longest: u64) -> impl Strategy<Value = Lapse> {
    (shortest..=longest).prop_map(|milliseconds| Lapse::from(Duration::from_millis(milliseconds)))
}

/// A duration close to a deadline.
fn around_a_deadline() -> impl Strategy<Value = Lapse> {
    // Exactly at the deadline, two things happen at the same instant.
    let offset = prop_oneof![1 => Just(AROUND_MS), 4 => 0..=2 * AROUND_MS];
    (0..DEADLINES_S.len(), offset).prop_map(|(which, offset)| {
        let milliseconds = DEADLINES_S[which] * 1000 + offset - AROUND_MS;
        Lapse::from(Duration::from_millis(milliseconds))
    })
}

/// The pause between two steps.
pub(super) fn moment() -> impl Strategy<Value = Lapse> {
    prop_oneof![5 => between(1, 400), 3 => between(400, 12_000), 2 => around_a_deadline()]
}

/// The duration of a fault.
pub(super) fn lasting() -> impl Strategy<Value = Lapse> {
    prop_oneof![2 => between(1, 2_000), 4 => between(2_000, 25_000), 3 => around_a_deadline()]
}
