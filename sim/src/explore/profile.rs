//! The protocol profile of a seed: how often the server tries a delivery, how soon a slow client falls behind, and how much
//! a wrapper keeps that is not connected.

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
    let protocol = Profile::default();
    let limits = (client_limits(&protocol), wrapper_buffer(&protocol));
    (retry_delays(), retry_delays(), limits).prop_map(move |(warm, cold, limits)| {
        let ((subscriber_backlog, replay_round_bytes), wrapper_buffer) = limits;
        Profile {
            delivery_retry_delays_warm: warm,
            delivery_retry_delays_cold: cold,
            subscriber_backlog,
            replay_round_bytes,
            wrapper_buffer,
            ..protocol.clone()
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

/// Generates `subscriber_backlog` and `replay_round_bytes`: seldom so small that slow clients fall behind and that a replay has
/// several rounds.
fn client_limits(protocol: &Profile) -> impl Strategy<Value = (usize, usize)> + use<> {
    let backlog = prop_oneof![Just(8_usize), Just(32)];
    let round = prop_oneof![Just(1_024_usize), Just(8_192)];
    prop_oneof![
        3 => Just((protocol.subscriber_backlog, protocol.replay_round_bytes)),
        1 => (backlog, round),
    ]
}

/// Generates `wrapper_buffer`: mostly a size that a turn does not fill, but that a misbehaving wrapper fills with little work. A
/// play that overflows the protocol's takes as long as ten others. Seldom a wrapper without a connection loses events of a usual
/// turn.
fn wrapper_buffer(protocol: &Profile) -> impl Strategy<Value = usize> + use<> {
    prop_oneof![
        1 => Just(protocol.wrapper_buffer),
        15 => 80..=120_usize,
        4 => prop_oneof![Just(0_usize), Just(1), 2..=40_usize],
    ]
}

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;

    use super::*;

    #[test]
    fn small_limits_are_drawn() {
        let mut runner = TestRunner::deterministic();
        let protocol = Profile::default();
        let (mut backlogs, mut rounds, mut small, mut whole) = (0, 0, 0, 0);
        for _ in 0..400 {
            let drawn = profile().new_tree(&mut runner).unwrap().current();
            backlogs += usize::from(drawn.subscriber_backlog < protocol.subscriber_backlog);
            rounds += usize::from(drawn.replay_round_bytes < protocol.replay_round_bytes);
            small += usize::from(drawn.wrapper_buffer <= 40);
            whole += usize::from(drawn.wrapper_buffer == protocol.wrapper_buffer);
        }
        assert!(backlogs > 40 && rounds > 40 && small > 40 && whole > 5);
    }
}
