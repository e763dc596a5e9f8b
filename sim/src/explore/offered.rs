//! Reduces a generated scenario to what a server offers.

use std::collections::BTreeSet;

use turnstile_fault::{Capability, Fault};
use turnstile_judge::parties::SERVER;
use turnstile_scenarios::{Injection, Lapse, Scenario, Step};

use super::shrink::playable;

/// The downtime of a server that cannot stay down.
const AT_ONCE: Lapse = Lapse::from_secs(1);

/// Replaces crashes at points of the server's work by kills at that time, and leaves out faults that the server does not
/// offer, together with the steps that depend on them.
pub(super) fn reduce(mut scenario: Scenario, offers: &BTreeSet<Capability>) -> Scenario {
    scenario.steps.retain_mut(|step| {
        let Step::Fault(injection) = &mut step.value else {
            return true;
        };
        if let Some(kill) = as_kill(injection, offers) {
            *injection = kill;
        }
        let needs = injection.fault.needs(injection.lasts.as_deref().copied());
        needs.is_subset(offers)
    });
    playable(scenario.clone()).unwrap_or(scenario)
}

/// A kill of the host, in place of a crash that the server may not offer.
fn as_kill(injection: &Injection, offers: &BTreeSet<Capability>) -> Option<Injection> {
    let Fault::Host { host, .. } = &injection.fault else {
        return None;
    };
    let stays_down = *host != SERVER || offers.contains(&Capability::Downtime);
    let lasts = if stays_down {
        injection.lasts
    } else {
        Some(AT_ONCE)
    };
    Some(Injection::new(Fault::crash(host), lasts))
}

#[cfg(test)]
mod tests {
    use turnstile_profile::Profile;

    use super::super::generate::{scenario, scenario_for};
    use super::*;

    #[test]
    fn a_reduced_scenario_needs_only_what_is_offered() {
        let profile = Profile::default();
        let (mut kills, mut same) = (0, 0);
        for seed in 0..60 {
            let whole = scenario_for(seed, &profile, &Capability::ALL.iter().copied().collect());
            for offers in [
                BTreeSet::new(),
                BTreeSet::from([Capability::Crash]),
                BTreeSet::from([Capability::Crash, Capability::Downtime, Capability::Sandboxes]),
            ] {
                let reduced = scenario_for(seed, &profile, &offers);
                let needs = reduced.needs();
                assert!(needs.is_subset(&offers), "seed {seed}: {needs:?}");
                assert_eq!(reduced.profile.first_missing_in(&profile), None);
                kills += usize::from(needs.contains(&Capability::Crash));
                same += usize::from(reduced.steps.len() == whole.steps.len());
            }
        }
        assert!(kills > 20, "only {kills} kill the server");
        assert!(same > 60, "only {same} keep all steps");
        assert!(scenario(1) == scenario(1), "a seed is one scenario");
    }
}
