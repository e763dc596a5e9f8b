//! The protocol profile of a seed: how often the server tries a delivery, and how soon a slow client falls behind.

use std::time::Duration;

use proptest::prelude::*;
use turnstile_profile::Profile;

/// Delays of a server that is patient with a warm session, in seconds.
const PATIENT_WARM: [u64; 5] = [2, 4, 8, 15, 15];
/// Delays of a server that is patient with a cold session, in seconds.
const PATIENT_COLD: [u64; 10] = [2, 4, 8, 16, 32, 60, 60, 60, 120, 120];

/// Generates the profile of a seed.
///
/// With the protocol's single retry, an outage of some seconds exhausts every message, so some seeds have longer lists.
pub(super) fn profile() -> impl Strategy<Value = Profile> {
    (retry_delays(), retry_delays(), limits()).prop_map(|(warm, cold, limits)| {
        let (subscriber_backlog, replay_round_bytes) = limits;
        Profile {
            delivery_retry_delays_warm: warm,
            delivery_retry_delays_cold: cold,
            subscriber_backlog,
            replay_round_bytes,
            ..Profile::default()
        }
    })
}

fn retry_delays() -> impl Strategy<Value = Vec<Duration>> {
    prop_oneof![
        3 => Just(&[2][..]),
        1 => Just(&PATIENT_WARM[..]),
        1 => Just(&PATIENT_COLD[..]),
    ]
    .prop_map(|delays| delays.iter().copied().map(Duration::from_secs).collect())
}

/// Generates `subscriber_backlog` and `replay_round_bytes`: seldom so small that slow clients fall behind and that a
/// replay has several rounds.
fn limits() -> impl Strategy<Value = (usize, usize)> {
    let protocol = Profile::default();
    prop_oneof![
        3 => Just((protocol.subscriber_backlog, protocol.replay_round_bytes)),
        1 => (prop_oneof![Just(8_usize), Just(32)], prop_oneof![Just(1_024_usize), Just(8_192)]),
    ]
}
