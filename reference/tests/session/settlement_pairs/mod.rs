//! Terminal once (protocol §6), by the table: every evidence that can end a message is followed by every
//! other. The first one decides, and the second changes nothing and tells nothing.
//!
//! [`evidence`] has the rows, [`scene`] the ways to bring one after another and the reasons why some cannot
//! be. Here is what must hold of every pair. What cannot be is tried as far as it goes, not left out.

mod evidence;
mod scene;

use std::time::Duration;

use serde_json::{Value, json};
use turnstile_mutants::Rule;
use turnstile_reference::model::message::Status;
use turnstile_reference::session::Effect;

use self::evidence::{Evidence, WARM_ATTEMPTS};
use self::scene::{Case, Company, Scene, Standing, cannot_end};

/// Long enough for every deadline of a wrapper and of a delivery.
const LONG: Duration = Duration::from_secs(3600);
const STANDINGS: [Standing; 3] = [Standing::Waiting, Standing::OnItsWay, Standing::Accepted];

/// Fails with all that was found, if anything was.
fn report(found: &[String]) {
    assert!(found.is_empty(), "{} found:\n{}", found.len(), found.join("\n"));
}

/// Plays every pair with and without company, and collects what is wrong with each.
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
            "its batch is over, and it was called back {callbacks} times"
        ));
    }

    if case.restart {
        scene.restart();
    }
    match case.cannot_follow() {
        Some(reason) => wrong.extend(judge_impossible(&mut scene, reason)),
        None => wrong.extend(scene.second().err()),
    }
    // What is left of the second comes out, and once more what a restart would bring.
    scene.bench.pass(LONG);
    scene.bench.restart();
    scene.bench.pass(LONG);

    if scene.outcome() != outcome.as_ref() {
        wrong.push(format!("{outcome:?} became {:?}", scene.outcome()));
    }
    let names = |told: Vec<(&str, &Value)>| told.iter().map(|(name, _)| (*name).to_owned()).collect();
    let told: Vec<String> = names(scene.bench.broadcasts(&scene.subject));
    if told != told_by(case) {
        wrong.push(format!("in the end clients were told {told:?}"));
    }
    let kept: Vec<String> = names(scene.bench.kept(&scene.subject));
    if kept != told {
        wrong.push(format!("clients were told {told:?}, and {kept:?} was kept"));
    }
    let called_back = scene.bench.callbacks(&scene.subject);
    if called_back != callbacks {
        wrong.push(format!(
            "it was called back {callbacks} times, and then {called_back} times"
        ));
    }
    wrong
}

/// What clients must have been told of the message, in order.
fn told_by(case: Case) -> Vec<&'static str> {
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

/// Whether the message counts as accepted: the wrapper said so, or answered the turn.
fn was_accepted(case: Case) -> bool {
    case.standing == Standing::Accepted || case.first.names_message()
}

/// Judges the end that the first evidence made.
fn judge_end(scene: &Scene, case: Case) -> Vec<String> {
    let mut wrong = Vec::new();
    if !case.first.made(scene.outcome()) {
        wrong.push(format!("it made {:?}", scene.outcome()));
    }
    let told = scene.bench.broadcasts(&scene.subject);
    let names: Vec<&str> = told.iter().map(|(name, _)| *name).collect();
    if names != told_by(case) {
        wrong.push(format!("clients were told {names:?}"));
    }
    let Some((_, data)) = told.last() else {
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
        // One failed before, so that the message was on its way for the second time.
        Evidence::NotRetryable if case.second == Evidence::Exhausted => {
            expected["attempts"] = json!(WARM_ATTEMPTS);
        }
        Evidence::NotRetryable => expected["attempts"] = json!(2),
        _ => {}
    }
    for (key, value) in expected.as_object().into_iter().flatten() {
        if data[key] != *value {
            wrong.push(format!("{key} should be {value} in {data}"));
        }
    }
    wrong
}

/// Judges that a delivery of the message neither is under way nor ever will be.
fn judge_impossible(scene: &mut Scene, reason: &str) -> Option<String> {
    if scene.bench.delivery.is_some() {
        return Some(format!("a delivery is under way although {reason}"));
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
fn the_first_evidence_decides_and_no_other_changes_or_tells_anything() {
    report(&every_pair(false, None));
}

#[test]
fn an_end_that_a_restart_lies_behind_is_as_final() {
    report(&every_pair(true, None));
}

#[test]
fn a_server_whose_ends_are_not_final_is_found_out() {
    for restart in [false, true] {
        assert_ne!(every_pair(restart, Some(Rule::TerminalOnce)), [""; 0]);
    }
}

#[test]
fn evidence_that_is_not_about_a_message_does_not_end_it() {
    let mut found = Vec::new();
    for standing in STANDINGS {
        for first in Evidence::ALL {
            let Some(reason) = cannot_end(standing, first) else {
                continue;
            };
            if first.is_of_delivery() {
                // There is no delivery that it could be about; the pairs see to it that none follows.
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
            first.bring(&mut scene.bench, &scene.subject.clone());
            if let Some(outcome) = scene.outcome() {
                found.push(format!(
                    "{first:?} made {outcome:?} of a message that is {standing:?}, although {reason}"
                ));
            }
        }
    }
    report(&found);
}
