//! Mutants of what a client learns about the session when it connects, and of the cloud statuses (protocol §5, §9).

use serde_json::{Value, json};
use turnstile_reference::host::Subscription;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::session::events::{Event, name};
use turnstile_reference::session::{Effect, Session};

/// Leaves a cloud status out of `connected`; violates R9.36.
pub struct HidesStatus {
    /// The type of the status.
    status: &'static str,
}

impl HidesStatus {
    /// Hides that the session is ready.
    pub const READY: Self = Self { status: "ready" };
    /// Hides that the session is being prepared.
    pub const PREPARING: Self = Self { status: "preparing" };
}

impl Interceptor for HidesStatus {
    fn subscribed(&self, _: &Session, subscription: &mut Subscription) {
        subscription.cloud_status = subscription.cloud_status.filter(|status| *status != self.status);
    }
}

/// Shows clients an empty catalogue when they connect; violates R9.20.
pub struct HidesCatalogue;

impl Interceptor for HidesCatalogue {
    fn subscribed(&self, _: &Session, subscription: &mut Subscription) {
        subscription.commands = json!([]);
    }
}

/// Sends no status after an event; violates R5.21, R5.22 or R5.86.
pub struct HidesStatusAfter {
    /// The name of the event.
    cause: &'static str,
}

impl HidesStatusAfter {
    /// Hides what follows an acceptance.
    pub const ACCEPTANCE: Self = Self { cause: name::SENT };
    /// Hides what follows an error.
    pub const ERROR: Self = Self { cause: name::ERROR };
    /// Hides what follows a commit.
    pub const COMMIT: Self = Self {
        cause: name::AUTOCOMMIT_COMPLETED,
    };
}

impl Interceptor for HidesStatusAfter {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is = |effect: &Effect, wanted: &str| matches!(effect, Effect::Broadcast(event) if event.stream_event_type == wanted);
        if decided.effects.iter().any(|effect| is(effect, self.cause)) {
            decided.effects.retain(|effect| !is(effect, name::CLOUD_STATUS));
        }
        Memory::Stays
    }
}

/// Sends no `ready` after the end of work; violates R5.70.
pub struct HidesReadyAgain;

impl Interceptor for HidesReadyAgain {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let is = |effect: &Effect, names: &[&str]| matches!(effect, Effect::Broadcast(event) if names.contains(&event.stream_event_type.as_str()));
        let ends_work = decided
            .effects
            .iter()
            .any(|effect| is(effect, &[name::FAILED, name::COMPLETE]));
        let is_ready = |effect: &Effect| matches!(effect, Effect::Broadcast(event) if event.data["cloudStatus"]["type"] == "ready");
        // An acceptance shows it for another reason.
        if ends_work && !decided.effects.iter().any(|effect| is(effect, &[name::SENT])) {
            decided.effects.retain(|effect| !is_ready(effect));
        }
        Memory::Stays
    }
}

/// Shows the status of a commit whenever kilo is idle; violates R5.85.
pub struct CommitsWhenIdle;

impl Interceptor for CommitsWhenIdle {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let status = json!({"type": "finalizing", "step": "committing", "message": "Committing"});
        add_status(decided, status, |event| event.data["event"] == "session.idle");
        Memory::Stays
    }
}

/// Shows the status of a fatal error after a warning; violates R5.22.
pub struct ShowsWarnings;

impl Interceptor for ShowsWarnings {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let status = json!({"type": "error", "message": "The wrapper reports an error"});
        let is_warning =
            |event: &Event| event.stream_event_type == name::ERROR && event.data["fatal"] == false;
        add_status(decided, status, is_warning);
        Memory::Stays
    }
}

/// Sends a cloud status after an event that passes `is_cause`.
fn add_status(decided: &mut Decided<'_>, status: Value, is_cause: impl Fn(&Event) -> bool) {
    let cause = decided.effects.iter().find_map(|effect| match effect {
        Effect::Broadcast(event) if is_cause(event) => Some(event.clone()),
        _ => None,
    });
    if let Some(cause) = cause {
        decided.effects.push(Effect::Broadcast(Event {
            id: 0,
            stream_event_type: name::CLOUD_STATUS.to_owned(),
            data: json!({"cloudStatus": status}).into(),
            ..cause
        }));
    }
}
