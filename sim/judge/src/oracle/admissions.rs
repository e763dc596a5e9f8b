//! The options of admitted messages (protocol §2, §3, §8): callback targets, gate thresholds and branches.
//!
//! This module judges nothing. Where the wire leaves a value open, it returns every possible value.

use std::time::Duration;

use http::Uri;
use serde_json::Value;

use super::history::{Call, SessionHistory};

/// The callback target of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target<'a> {
    /// The wire does not show it.
    Unknown,
    /// The message has no target.
    Nowhere,
    /// The target, `{url, headers?}`.
    At(&'a Value),
}

/// What the wire shows of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likely {
    Yes,
    No,
    Perhaps,
}

/// One setting of the session's callback target.
struct Setting<'a> {
    /// The earliest time at which it was in force.
    from: Duration,
    /// The latest time at which it came into force, if it ever did; `None` if unknown.
    until: Option<Duration>,
    target: Target<'a>,
}

/// All settings of a session's callback target.
pub(super) struct CallbackTargets<'a> {
    settings: Vec<Setting<'a>>,
    /// How far the time of an admission may be from the time that the server reports.
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

    /// All targets that may have been in force at a reported time of admission.
    pub(super) fn at(&self, admitted_at: Duration) -> Vec<Target<'a>> {
        let is_in_force_by_then = |setting: &Setting| setting.until.is_some_and(|until| until <= admitted_at);
        // A setting replaces one that was in force before it was requested.
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

    /// Whether a request to every target that may have been in force at a reported time of admission reaches the
    /// receiver at `authority`. A request that cannot be sent counts as one without an answer (protocol §8).
    pub(super) fn reach(&self, authority: &str, admitted_at: Duration) -> bool {
        self.at(admitted_at).into_iter().all(|target| match target {
            Target::At(target) => is_at(target, authority),
            Target::Nowhere | Target::Unknown => true,
        })
    }

    /// The size of the largest target that may have been in force at a reported time of admission, in bytes of JSON.
    pub(super) fn largest(&self, admitted_at: Duration) -> usize {
        let sizes = self.at(admitted_at).into_iter().map(|target| match target {
            Target::At(target) => target.to_string().len(),
            Target::Nowhere | Target::Unknown => 0,
        });
        sizes.max().unwrap_or(0)
    }

    /// Whether a message that was admitted at that time has a callback.
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

/// The target that the session was created with.
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

/// Whether the url of a target is at `authority`, without TLS.
fn is_at(target: &Value, authority: &str) -> bool {
    let url = target["url"].as_str().and_then(|url| url.parse::<Uri>().ok());
    url.is_some_and(|url| {
        let host_and_port = url
            .authority()
            .map(|place| match place.as_str().rsplit_once('@') {
                Some((_, host_and_port)) => host_and_port,
                None => place.as_str(),
            });
        url.scheme_str() == Some("http")
            && host_and_port.is_some_and(|place| place.eq_ignore_ascii_case(authority))
    })
}

fn target_of(value: &Value) -> Target<'_> {
    if value.is_null() {
        Target::Nowhere
    } else {
        Target::At(value)
    }
}

/// Whether a message has a gate: by its request, else by the turn that its wrapper received.
pub(super) fn wants_gate(session: &SessionHistory, message: &str) -> Likely {
    let requested: Vec<bool> = session
        .requests_of(message)
        .iter()
        .filter(|call| call.session() == Some(session.id) && !call.is_refused())
        .filter_map(|call| requested_threshold(call))
        .map(is_on)
        .collect();
    match requested[..] {
        [first, ..] if requested.iter().all(|wanted| *wanted == first) => likely(first),
        [] => {
            let mut deliveries = session.deliveries.iter();
            let delivery = deliveries.find(|delivery| delivery.message == message);
            let threshold = delivery.map(|delivery| delivery.gate_threshold());
            likely(threshold.is_some_and(is_on))
        }
        _ => Likely::Perhaps,
    }
}

fn requested_threshold(call: &Call) -> Option<&Value> {
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

/// The branch that the session was created with; an error if the wire does not show it.
pub(super) fn requested_branch<'a>(session: &SessionHistory<'a>) -> Result<Option<&'a str>, NotOnWire> {
    let creation = session
        .calls
        .iter()
        .find(|call| call.is_creation())
        .ok_or(NotOnWire)?;
    let branch = if creation.procedure == "start" {
        &creation.input["repository"]["branch"]
    } else {
        &creation.input["upstreamBranch"]
    };
    Ok(branch.as_str())
}

/// The wire does not show the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotOnWire;
