//! The records that each oracle needs. Without one of them, what is missing could excuse what is there.
//!
//! An oracle that is not listed needs every kind.

use super::header::Kind::{self, Beginning, Callbacks, Calls, Deliveries, End, Faults, Ingest, Streams};

/// The kinds of records that the oracle with this name needs.
pub fn needs(oracle: &str) -> &'static [Kind] {
    match oracle {
        // Each frame, body or answer alone.
        "server-events-have-their-shape" | "event-ids-rise" => &[Streams],
        "replies-have-their-shape" => &[Calls],
        "wrapper-requests-have-their-shape" => &[Deliveries],
        "execution-id-only-in-v2" => &[Calls, Streams, Callbacks],
        // What clients see.
        "terminal-once" | "one-row-per-entity" | "replay-is-exact" => &[Beginning, Streams, Faults],
        "ten-pending-at-most" => &[Beginning, Calls, Streams, Faults],
        "refusals-say-one-thing" => &[Beginning, Calls, Faults, End],
        "no-error-without-a-cause" => &[Beginning, Calls, Faults],
        "clients-show-the-same-badges" | "snapshot-is-exact" => &[Beginning, Streams, Faults, End],
        "every-acked-message-ends" | "acked-survives" | "interrupts-settle" => {
            &[Beginning, Calls, Streams, Faults, End]
        }
        // What wrappers see and send.
        "wrapper-keeps-its-word" | "every-job-has-its-run" => &[Beginning, Deliveries, Ingest, Faults],
        "relay-is-exact" | "server-names-are-its-own" => &[Beginning, Streams, Ingest, Faults],
        "preparing-only-while-cold" | "complete-settles" => &[Beginning, Streams, Deliveries, Ingest, Faults],
        "wrapper-gets-what-was-asked" => &[Beginning, Calls, Streams, Deliveries, Faults],
        "stream-has-its-shape" => &[Beginning, Calls, Streams, Deliveries, Ingest, Faults],
        "doors-are-closed" => &[Beginning, Calls, Streams, Ingest, Faults],
        // What receivers get.
        "callbacks-repeat-unchanged" => &[Beginning, Callbacks, Faults],
        "callbacks-go-where-asked" => &[Beginning, Calls, Streams, Callbacks, Faults],
        "no-secret-leaves" => &[Beginning, Calls, Streams, Deliveries, Callbacks],
        _ => &Kind::ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::{Moment, ORACLES};

    #[test]
    fn a_rule_about_the_end_needs_the_end() {
        for oracle in ORACLES.iter().filter(|oracle| oracle.moment == Moment::AtEnd) {
            assert!(needs(oracle.name).contains(&End), "{}", oracle.name);
        }
    }

    #[test]
    fn some_rules_need_little() {
        let with = |kinds: &[Kind]| {
            let is_known = |name: &&str| needs(name).iter().all(|kind| kinds.contains(kind));
            ORACLES.iter().map(|oracle| oracle.name).filter(is_known).count()
        };
        assert_eq!(with(&[]), 0);
        assert!(with(&[Streams]) > 1);
        assert_eq!(with(&Kind::ALL), ORACLES.len());
    }
}
