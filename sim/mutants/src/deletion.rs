//! A mutant of deletions (protocol §2). The one that drops callbacks is a value of the profile.

use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::session::events::name;
use turnstile_reference::session::{Effect, Input};

/// Deletes a session without telling its clients how its messages ended; violates R2.93.
pub struct DeletesInSilence;

impl Interceptor for DeletesInSilence {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        if let Input::Delete = moment.input {
            let is_end = |effect: &Effect| matches!(effect, Effect::Broadcast(event) if event.stream_event_type == name::FAILED);
            decided.effects.retain(|effect| !is_end(effect));
        }
        Memory::Stays
    }
}
