//! What was asked for along with a message (protocol §2, §3, §8): where to call back, and whether a gate has
//! to be passed.
//!
//! Nothing is judged here. Where the wire does not tell, everything that may be is said.

use std::time::Duration;

use serde_json::Value;

use super::history::{Call, SessionHistory};

/// Where a message calls back to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target<'a> {
    /// Nobody on the wire was told.
    Unknown,
    /// Nowhere.
    Nowhere,
    /// There: `{url, headers?}`.
    At(&'a Value),
}

/// Whether something is so, as far as the wire tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likely {
    Yes,
    No,
    Perhaps,
}

/// What the session's target was set to, and when.
struct Setting<'a> {
    /// It was not in force before.
    from: Duration,
    /// By then it was in force, if it ever came to be; none if nobody knows.
    until: Option<Duration>,
    target: Target<'a>,
}

/// All settings of a session's callback target.
pub(super) struct CallbackTargets<'a> {
    settings: Vec<Setting<'a>>,
    /// How far the moment of an admission may be from when the server says it was.
    time_error: Duration,
}

impl<'a> CallbackTargets<'a> {
    pub(super) fn of(session: &SessionHistory<'a>) -> Self {
        let mut settings = vec![Setting {
            from: Duration::ZERO,
            until: Some(Duration::ZERO),
            target: first_target(session),
        }];
        let updates = session
            .calls
            .iter()
            .filter(|call| call.procedure == "updateSession");
        for call in updates {
            let Some(target) = call.input.get("callbackTarget") else {
                continue;
            };
            let (until, is_refused) = match &call.reply {
                Some((at, 200, _)) => (Some(*at), false),
                Some((_, status, _)) => (None, *status < 500),
                None => (None, false),
            };
            if !is_refused {
                settings.push(Setting {
                    from: call.at,
                    until,
                    target: target_of(target),
                });
            }
        }
        Self {
            settings,
            time_error: session.run.time_error(),
        }
    }

    /// All targets that may have been in force when the server says that a message was admitted.
    pub(super) fn at(&self, admitted_at: Duration) -> Vec<Target<'a>> {
        let is_in_force_by_then = |setting: &Setting| setting.until.is_some_and(|until| until <= admitted_at);
        // One that was asked for when an earlier one was in force has taken its place.
        let is_replaced = |place: usize| {
            self.settings[place].until.is_some_and(|until| {
                let mut later = self.settings[place + 1..].iter();
                later.any(|later| later.from >= until && is_in_force_by_then(later))
            })
        };
        self.settings
            .iter()
            .enumerate()
            .filter(|(place, setting)| setting.from <= admitted_at + self.time_error && !is_replaced(*place))
            .map(|(_, setting)| setting.target)
            .collect()
    }

    /// Whether a message that was admitted then calls back.
    pub(super) fn calls_back(&self, admitted_at: Duration) -> Likely {
        let targets = self.at(admitted_at);
        let somewhere = targets.iter().filter(|target| matches!(target, Target::At(_)));
        match somewhere.count() {
            0 if targets.iter().all(|target| *target == Target::Nowhere) => Likely::No,
            count if count == targets.len() => Likely::Yes,
            _ => Likely::Perhaps,
        }
    }
}

/// The target that the session was made with.
fn first_target<'a>(session: &SessionHistory<'a>) -> Target<'a> {
    let creation = session.calls.iter().find(|call| call.is_creation());
    creation.map_or(Target::Unknown, |call| {
        target_of(if call.procedure == "start" {
            &call.input["options"]["callbackTarget"]
        } else {
            &call.input["callbackTarget"]
        })
    })
}

fn target_of(value: &Value) -> Target<'_> {
    if value.is_null() {
        Target::Nowhere
    } else {
        Target::At(value)
    }
}

/// Whether a message's work has to pass a gate: by what was asked for, else by what its wrapper was told.
pub(super) fn wants_gate(session: &SessionHistory, message: &str) -> Likely {
    let asked: Vec<bool> = session
        .calls
        .iter()
        .filter(|call| call.asked_message() == Some(message) && !call.is_refused())
        .filter_map(|call| threshold_asked_for(call))
        .map(is_on)
        .collect();
    match asked[..] {
        [first, ..] if asked.iter().all(|wanted| *wanted == first) => likely(first),
        [] => {
            let mut deliveries = session.deliveries.iter();
            let delivery = deliveries.find(|delivery| delivery.message == message);
            let threshold = delivery.map(|delivery| &delivery.body["finalization"]["gateThreshold"]);
            likely(threshold.is_some_and(is_on))
        }
        _ => Likely::Perhaps,
    }
}

fn threshold_asked_for(call: &Call) -> Option<&Value> {
    let threshold = if call.procedure == "prepareSession" {
        &call.input["gateThreshold"]
    } else {
        &call.input["finalization"]["gateThreshold"]
    };
    (!threshold.is_null()).then_some(threshold)
}

fn is_on(threshold: &Value) -> bool {
    threshold.as_str().is_some_and(|threshold| threshold != "off")
}

fn likely(yes: bool) -> Likely {
    if yes { Likely::Yes } else { Likely::No }
}

/// The branch that the session was asked to work on: an error if nobody on the wire was told.
pub(super) fn branch_asked_for<'a>(session: &SessionHistory<'a>) -> Result<Option<&'a str>, NotTold> {
    let creation = session
        .calls
        .iter()
        .find(|call| call.is_creation())
        .ok_or(NotTold)?;
    let branch = if creation.procedure == "start" {
        &creation.input["repository"]["branch"]
    } else {
        &creation.input["upstreamBranch"]
    };
    Ok(branch.as_str())
}

/// Nobody on the wire was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotTold;
