//! Every turn is handed over in a run that can take it (protocol §5): the wrapper was made ready for it just before, the
//! run's fence is new, and the run has not ended.
//!
//! What frames under a fence count for is the subject of `stale_fence`.

use std::collections::BTreeMap;

use super::fences::Fences;
use super::history::{Binding, Fence, SessionHistory};
use super::{Check, Finding, Moment, Oracle, secs};
use crate::rules::ids;

pub(super) const ORACLE: Oracle = Oracle {
    name: "every-job-has-its-run",
    rule: "A wrapper is made ready before each turn, every run has a run id, a generation and a connection id of its \
        own, and nothing is handed over in a run that has ended or whose first delivery failed.",
    why: "A wrapper that was not made ready refuses the turn or runs it in the wrong place. Runs with one fence \
        cannot be told apart, so events of an abandoned turn would count.",
    moment: Moment::Always,
    protocol: &ids(["R1.4", "R1.5", "R5.1", "R5.2", "R5.9", "R6.25", "R6.34"]),
    check: Check::Sessions(check),
};

fn check(session: &SessionHistory) -> Vec<Finding> {
    let mut findings = unprepared(session);
    findings.extend(mixed_up(session));
    findings.extend(out_of_order(session));
    findings.extend(after_the_end(session));
    findings.extend(kept_after_failure(session));
    findings
}

/// Findings about turns that were handed over without a request to get ready just before. Deliveries do not overlap, so
/// the n-th turn of a run follows the n-th successful request of that run.
fn unprepared(session: &SessionHistory) -> Vec<Finding> {
    let mut handed_over: BTreeMap<&str, usize> = BTreeMap::new();
    let mut findings = Vec::new();
    for delivery in &session.deliveries {
        let Some(fence) = &delivery.fence else { continue };
        let count = handed_over.entry(&fence.run).or_default();
        *count += 1;
        let is_of_run = |of: &Option<Fence>| of.as_ref() == Some(fence);
        let ready = session.preparations.iter().filter(|preparation| {
            let answered_at = preparation.answer.as_ref().map(|answer| answer.at);
            let is_in_time = answered_at.is_some_and(|at| at <= delivery.at);
            is_of_run(&preparation.fence) && preparation.is_ready() && is_in_time
        });
        let ready = ready.count();
        if ready < *count {
            let text = format!(
                "it is turn number {count} of generation {}, whose wrapper was made ready {ready} times before",
                fence.generation
            );
            findings.push(ORACLE.finding_about(&ids(["R5.2"]), delivery.at, &delivery.message, text));
        }
    }
    findings
}

/// The finding about two fences that share a part.
fn mixed_up(session: &SessionHistory) -> Option<Finding> {
    let mut known: Vec<&Fence> = Vec::new();
    for Binding { at, fence, .. } in session.bindings.iter().copied() {
        if known.contains(&fence) {
            continue;
        }
        let shares_part = |other: &&&Fence| {
            let is_same_run = other.run == fence.run || other.connection == fence.connection;
            is_same_run || other.generation == fence.generation
        };
        if let Some(other) = known.iter().find(shares_part) {
            let text = format!(
                "the fence {} shares a part with the fence {}",
                shown(fence),
                shown(other)
            );
            return Some(ORACLE.finding(&ids(["R1.4", "R1.5"]), *at, None, text));
        }
        known.push(fence);
    }
    None
}

/// The finding about a generation that is lower than one before. A request that was held up may arrive after a later one.
fn out_of_order(session: &SessionHistory) -> Option<Finding> {
    let mut highest: Option<&Binding> = None;
    for binding in &session.bindings {
        if let Some(before) = highest
            && binding.fence.generation < before.fence.generation
        {
            let margin = session.run.max_transit();
            let is_late = binding.at > before.at + margin;
            let is_held_up = session
                .run
                .faults
                .may_have_disrupted(&binding.host, before.at, binding.at);
            let given_before = session.bindings.iter();
            let mut given_before = given_before.filter(|given| given.at <= before.at);
            let was_given = given_before.any(|given| given.fence == binding.fence);
            if is_late && !is_held_up && !was_given {
                let text = format!(
                    "the wrapper got generation {} after generation {}",
                    binding.fence.generation, before.fence.generation
                );
                return Some(ORACLE.finding(&ids(["R1.5"]), binding.at, None, text));
            }
            continue;
        }
        highest = Some(binding);
    }
    None
}

/// Findings about bindings that were handed over after the end of their run. A request may be in transit.
fn after_the_end(session: &SessionHistory) -> Vec<Finding> {
    let fences = Fences::of(session);
    let run = session.run;
    let late = session.bindings.iter().filter_map(|binding| {
        let generation = binding.fence.generation;
        let ended_at = fences.ended_at(generation)?;
        let allowed = ended_at + run.time_error() + 3 * run.max_transit();
        let is_held_up = run.faults.may_have_disrupted(&binding.host, ended_at, binding.at);
        (binding.at > allowed && !is_held_up).then(|| {
            let text = format!(
                "the wrapper got generation {generation}, whose run had ended at {}",
                secs(ended_at)
            );
            ORACLE.finding(&ids(["R5.1", "R6.25", "R6.34"]), binding.at, None, text)
        })
    });
    late.collect()
}

/// Findings about runs that were kept although the delivery that they were allocated for failed.
fn kept_after_failure(session: &SessionHistory) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut judged: Vec<&Fence> = Vec::new();
    for preparation in &session.preparations {
        let Some(fence) = &preparation.fence else { continue };
        if judged.contains(&fence) {
            continue;
        }
        judged.push(fence);
        let before = session
            .bindings
            .iter()
            .filter(|binding| binding.at < preparation.at);
        let since = before.map(|binding| binding.at).max().unwrap_or_default();
        let Some((failed_at, is_taken)) = failure_of_first(session, fence) else {
            continue;
        };
        let mut later = session.bindings.iter().filter(|binding| binding.fence == *fence);
        let Some(kept) = later.find(|binding| binding.at > failed_at) else {
            continue;
        };
        // A run that outlived a restart of the server was not allocated for this delivery.
        if !is_taken && !session.run.faults.may_have_stopped_server(since, kept.at) {
            let text = format!(
                "the wrapper got generation {} again, although its first delivery failed at {}",
                fence.generation,
                secs(failed_at)
            );
            findings.push(ORACLE.finding(&ids(["R5.9"]), kept.at, None, text));
        }
    }
    findings
}

/// The time at which a wrapper refused the first delivery of a run, and whether its message may have been accepted by
/// other evidence (R4.22), also while the wrapper got ready. `None` if the wrapper did not refuse it.
fn failure_of_first(session: &SessionHistory, fence: &Fence) -> Option<(std::time::Duration, bool)> {
    let mut preparations = session.preparations.iter();
    let first = preparations.find(|preparation| preparation.fence.as_ref() == Some(fence))?;
    let answer = first.answer.as_ref()?;
    if !answer.is_success() {
        let margin = session.run.time_error();
        let mut sent = session.sent.iter();
        let is_taken = sent.any(|sent| sent.at + margin >= first.at && sent.at <= answer.at + margin);
        return Some((answer.at, is_taken));
    }
    let mut deliveries = session.deliveries.iter();
    let delivery = deliveries.find(|delivery| delivery.fence.as_ref() == Some(fence))?;
    let answer = delivery.answer.as_ref().filter(|answer| !answer.is_success())?;
    let mut sent = session.sent.iter();
    let is_taken = sent.any(|sent| sent.message() == Some(&delivery.message));
    Some((answer.at, is_taken))
}

fn shown(fence: &Fence) -> String {
    format!("{} {} {}", fence.run, fence.generation, fence.connection)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::oracle::written::Writer;

    const NOTHING: [&str; 0] = [];
    const FOUND: [&str; 1] = ["every-job-has-its-run"];

    /// The first message has ended, and another one is queued.
    fn with_another(mut writer: Writer) -> Writer {
        writer.completed("m1");
        writer.acked("send", "m2", json!({}));
        writer.queued("m2");
        writer
    }

    /// The second message is accepted and completes.
    fn runs_second(mut writer: Writer, generation: u64) -> Vec<String> {
        writer.delivered_unprepared("m2", generation);
        writer.sent("m2");
        writer.ended("m2")
    }

    #[test]
    fn a_turn_without_a_request_to_get_ready_is_found() {
        for (is_asked, rules) in [(true, &NOTHING[..]), (false, &FOUND)] {
            let mut writer = with_another(Writer::at_work());
            if is_asked {
                writer.bound(1);
            }
            assert_eq!(runs_second(writer, 1), rules);
        }
    }

    #[test]
    fn a_run_that_shares_a_part_of_its_fence_is_found() {
        for (part, rules) in [
            (json!({}), &NOTHING[..]),
            (json!({"wrapperConnectionId": "c1"}), &FOUND),
            (json!({"wrapperRunId": "wr_1"}), &FOUND),
            (json!({"wrapperGeneration": 1}), &FOUND),
        ] {
            let mut writer = with_another(Writer::at_work());
            writer.bound_as(2, part);
            let mut found = runs_second(writer, 2);
            found.retain(|rule| rule == FOUND[0]);
            // The turn of the run with the right fence was not prepared, which is found too.
            let is_mixed_up = found.len() == rules.len();
            assert!(is_mixed_up || rules == NOTHING, "{found:?}");
        }
    }

    #[test]
    fn a_lower_generation_after_a_higher_one_is_found() {
        for (generations, rules) in [([2, 3], &NOTHING[..]), ([3, 2], &FOUND)] {
            let mut writer = with_another(Writer::at_work());
            for generation in generations {
                writer.bound(generation);
                writer.wait(2);
            }
            let mut found = runs_second(writer, generations[1]);
            found.retain(|rule| rule == FOUND[0]);
            assert_eq!(found, rules);
        }
    }

    #[test]
    fn a_turn_in_a_run_that_has_ended_is_found() {
        for (generation, rules) in [(2, &NOTHING[..]), (1, &FOUND)] {
            let mut writer = Writer::at_work();
            writer.wrapper_sends(1, "error", json!({"fatal": true, "error": "no"}));
            let data =
                json!({"reason": "wrapper_error", "completionSource": "wrapper_failure", "error": "no"});
            writer.failed("m1", data);
            writer.acked("send", "m2", json!({}));
            writer.queued("m2");
            writer.bound(generation);
            let mut found = runs_second(writer, generation);
            found.retain(|rule| rule == FOUND[0]);
            found.dedup();
            assert_eq!(found, rules, "{generation}");
        }
    }

    #[test]
    fn a_run_whose_first_delivery_failed_is_not_used_again() {
        for (generation, rules) in [(2, &NOTHING[..]), (1, &FOUND)] {
            let mut writer = Writer::started("m1");
            writer.queued("m1");
            writer.is_refused_ready(1);
            writer.wait(2);
            writer.bound(generation);
            writer.opens_ingest(generation);
            writer.delivered_to("m1", generation);
            writer.sent("m1");
            assert_eq!(writer.ended("m1"), rules, "{generation}");
        }
    }

    #[test]
    fn a_run_may_be_used_again_whose_message_was_accepted_while_the_wrapper_got_ready() {
        for (is_accepted, rules) in [(true, &NOTHING[..]), (false, &FOUND)] {
            let mut writer = Writer::started("m1");
            writer.queued("m1");
            writer.is_refused_ready_after(1, |writer| {
                if is_accepted {
                    writer.opens_ingest(1);
                    writer.wrapper_reports(1, "m1");
                    writer.sent("m1");
                    writer.impostor_answers(1, "m1", "a1");
                    writer.completed_with("m1", json!({"assistantMessageId": "a1"}));
                }
            });
            writer.acked("send", "m2", json!({}));
            writer.queued("m2");
            writer.bound(1);
            let mut found = runs_second(writer, 1);
            found.retain(|rule| rule == FOUND[0]);
            assert_eq!(found, rules, "{is_accepted}");
        }
    }
}
