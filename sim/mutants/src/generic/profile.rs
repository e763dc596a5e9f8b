//! Mutations of the profile that the server alone then has.

use serde_json::{Value, json};
use turnstile_profile::Profile;

use super::planted::{Fate, Planted, Unit};
use super::{Place, Rewrite};

/// Fields about wrappers, which a server does not read.
const OF_WRAPPERS: [&str; 3] = [
    "wrapper_reconnect_pauses",
    "wrapper_buffer",
    "wrapper_abandons_after",
];

/// Notes all fields in the census of this thread.
pub fn count(profile: &Profile) {
    let _ = fates(profile, &Planted::census());
}

/// Applies a mutation.
pub fn rewrite(profile: &mut Profile, rewrite: &Rewrite) {
    if let Some(changed) = fates(profile, &Planted::mutation(rewrite.clone())) {
        *profile = changed;
    }
}

/// The changed profile, if a mutation changes it. Each field of a profile is a unit with one field.
fn fates(profile: &Profile, planted: &Planted) -> Option<Profile> {
    let whole = json!(profile);
    let with = |name: &str, unit: &Value| {
        let mut changed = whole.clone();
        changed[name] = unit.get("value")?.clone();
        serde_json::from_value::<Profile>(changed).ok()
    };
    let mut found = None;
    let fields = whole.as_object().into_iter().flatten();
    for (name, value) in fields.filter(|(name, _)| !OF_WRAPPERS.contains(&name.as_str())) {
        let unit = Unit {
            place: Place::Profile,
            kind: name,
            whole: &[],
            value: &json!({"value": value}),
            is_possible: &|changed| with(name, changed).is_some_and(|changed| changed != *profile),
        };
        if let Fate::Changed(changed) = planted.fate(name, &unit) {
            found = with(name, &changed);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::census;
    use super::*;

    #[test]
    fn all_fields_have_mutants_that_change_the_profile() {
        let ((), rewrites) = census::take(|| count(&Profile::default()));
        for field in Profile::fields()
            .iter()
            .filter(|field| field.name != "permanent_refusals" && !OF_WRAPPERS.contains(&field.name))
        {
            assert!(
                rewrites.iter().any(|rewrite| rewrite.target.kind == field.name),
                "{}",
                field.name
            );
        }
        for mutation in &rewrites {
            let mut profile = Profile::default();
            rewrite(&mut profile, mutation);
            assert_ne!(profile, Profile::default(), "{mutation}");
        }
    }

    #[test]
    fn a_raised_duration_is_twice_as_long() {
        let mut profile = Profile::default();
        rewrite(&mut profile, &"raise:profile:drain_delay:value".parse().unwrap());
        assert_eq!(profile.drain_delay, Duration::from_secs(2));
    }
}
