//! Terminal states are final (R6.1), tested with all pairs: every evidence that can end a message is followed by
//! every other. The first decides; the second changes nothing and emits nothing.
//!
//! [`evidence`] has the evidence, and [`scene`] causes pairs and knows which pairs are impossible. Impossible pairs
//! are attempted as far as possible, not skipped.

mod evidence;
mod scene;

use std::time::Duration;

use serde_json::{Value, json};
use turnstile_mutants::Rule;
use turnstile_reference::model::message::Status;
use turnstile_reference::session::Effect;

use self::evidence::{Evidence, WARM_ATTEMPTS};
use self::scene::{Case, Company, Scene, Standing, cannot_end};

/// Longer than every deadline of a wrapper and of a delivery.
const LONG: Duration = Duration::from_secs(3600);
const STANDINGS: [Standing; 3] = [Standing::Waiting, Standing::OnItsWay, Standing::Accepted];

/// Fails if there are violations.
fn report(found: &[String]) {
    assert!(found.is_empty(), "{} found:\n{}", found.len(), found.join("\n"));
}

/// Plays every pair with and without company, and collects the violations.
fn every_pair(restart: bool, broken: Option<Rule>) -> Vec<String> {
    let mut found = Vec::new();
    for standing in STANDINGS {
        for first in Evidence::ALL
            .into_iter()
            .filter(|first| cannot_end(standing, *first).is_none())
        {
            for second in Evidence::ALL {
                for company in [Company::Beside, Company::After] {
                    let case = Case {
                        standing,
                        company,
                        first,
                        second,
                        restart,
                        broken,
                    };
                    let wrong = play(case);
                    found.extend(wrong.into_iter().map(|wrong| format!("{case:?}: {wrong}")));
                }
            }
        }
    }
    found
}

fn play(case: Case) -> Vec<String> {
    let mut scene = Scene::new(case);
    scene.first();
    let mut wrong = judge_end(&scene, case);
    let outcome = scene.outcome().cloned();
    let callbacks = scene.bench.callbacks(&scene.subject);
    if case.company == Company::After && callbacks != 1 {
        wrong.push(format!(
            "its batch is finalized, and its callback was submitted {callbacks} times"
        ));
    }

    if case.restart {
        scene.restart();
    }
    match case.cannot_follow() {
        Some(reason) => wrong.extend(judge_impossible(&mut scene, reason)),
        None => wrong.extend(scene.second().err()),
    }
    // Lets all deadlines pass, and repeats the effects of a restart.
    scene.bench.pass(LONG);
    scene.bench.restart();
    scene.bench.pass(LONG);

    if scene.outcome() != outcome.as_ref() {
        wrong.push(format!("{outcome:?} became {:?}", scene.outcome()));
    }
    let names = |events: Vec<(&str, &Value)>| events.iter().map(|(name, _)| (*name).to_owned()).collect();
    let events: Vec<String> = names(scene.bench.broadcasts(&scene.subject));
    if events != expected_events(case) {
        wrong.push(format!("the events at the end are {events:?}"));
    }
    let kept: Vec<String> = names(scene.bench.kept(&scene.subject));
    if kept != events {
        wrong.push(format!("{events:?} was broadcast, and {kept:?} was kept"));
    }
    let called_back = scene.bench.callbacks(&scene.subject);
    if called_back != callbacks {
        wrong.push(format!(
            "its callback was submitted {callbacks} times, then {called_back} times"
        ));
    }
    wrong
}

/// The expected events of the message, in order.
fn expected_events(case: Case) -> Vec<&'static str> {
    let end = match case.first.row().0 {
        Status::Completed => "completed",
        Status::Failed | Status::Interrupted => "failed",
    };
    if was_accepted(case) {
        vec!["queued", "sent", end]
    } else {
        vec!["queued", end]
    }
}

/// Whether the message was accepted: the wrapper confirmed it, or answered the turn.
fn was_accepted(case: Case) -> bool {
    case.standing == Standing::Accepted || case.first.names_message()
}

/// Judges the outcome of the first evidence.
fn judge_end(scene: &Scene, case: Case) -> Vec<String> {
    let mut wrong = Vec::new();
    if !case.first.matches(scene.outcome()) {
        wrong.push(format!("the outcome is {:?}", scene.outcome()));
    }
    let events = scene.bench.broadcasts(&scene.subject);
    let names: Vec<&str> = events.iter().map(|(name, _)| *name).collect();
    if names != expected_events(case) {
        wrong.push(format!("the events are {names:?}"));
    }
    let Some((_, data)) = events.last() else {
        return wrong;
    };
    let (status, reason, source) = case.first.row();
    let accepted = was_accepted(case);
    let mut expected = json!({
        "status": status,
        "completionSource": source,
        "accepted": accepted,
        "delivery": if accepted { "sent" } else { "queued" },
        "reason": reason,
        "attempts": Value::Null,
    });
    match case.first {
        Evidence::Exhausted => expected["attempts"] = json!(WARM_ATTEMPTS),
        // One delivery failed before.
        Evidence::Refused if case.second == Evidence::Exhausted => {
            expected["attempts"] = json!(WARM_ATTEMPTS);
        }
        Evidence::Refused => expected["attempts"] = json!(2),
        _ => {}
    }
    for (key, value) in expected.as_object().into_iter().flatten() {
        if data[key] != *value {
            wrong.push(format!("{key} should be {value} in {data}"));
        }
    }
    wrong
}

/// Judges that no delivery of the message is in progress or follows.
fn judge_impossible(scene: &mut Scene, reason: &str) -> Option<String> {
    if scene.bench.delivery.is_some() {
        return Some(format!("a delivery is in progress although {reason}"));
    }
    let before = scene.bench.log().len();
    scene.bench.pass(LONG);
    let subject = &scene.subject;
    let is_delivery = |effect: &Effect| match effect {
        Effect::Deliver(delivery) => delivery.message.id == *subject,
        _ => false,
    };
    scene.bench.log()[before..]
        .iter()
        .any(|(_, effect)| is_delivery(effect))
        .then(|| format!("it is delivered again although {reason}"))
}

#[test]
fn only_the_first_evidence_has_an_effect() {
    report(&every_pair(false, None));
}

#[test]
fn an_end_is_final_after_a_restart() {
    report(&every_pair(true, None));
}

#[test]
fn a_mutant_without_final_ends_is_caught() {
    for restart in [false, true] {
        assert_ne!(every_pair(restart, Some(Rule::TerminalOnce)), [""; 0]);
    }
}

#[test]
fn unrelated_evidence_does_not_end_a_message() {
    let mut found = Vec::new();
    for standing in STANDINGS {
        for first in Evidence::ALL {
            let Some(reason) = cannot_end(standing, first) else {
                continue;
            };
            if first.is_of_delivery() {
                // No delivery exists that the evidence could be about; the pairs check that none follows.
                assert_ne!(standing, Standing::OnItsWay, "{reason}");
                continue;
            }
            let mut scene = Scene::new(Case {
                standing,
                company: Company::Beside,
                first,
                second: first,
                restart: false,
                broken: None,
            });
            first.cause(&mut scene.bench, &scene.subject.clone());
            if let Some(outcome) = scene.outcome() {
                found.push(format!(
                    "{first:?} caused {outcome:?} for a message that is {standing:?}, although {reason}"
                ));
            }
        }
    }
    report(&found);
}
