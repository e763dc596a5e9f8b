//! Mutants whose ends of messages have another cause than the one that they name (protocol §6, §7).

use std::sync::Arc;

use serde_json::json;
use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::model::message::{Message, Outcome, Reason, Source, State, Status};
use turnstile_reference::session::Input;
use turnstile_reference::session::events::{Event, ended};
use turnstile_reference::session::frame::Meaning;
use turnstile_reference::session::kilo::KiloEvent;

use crate::change_events;
use crate::core_row::{CoreRow, change_core};

/// Leaves a deadline of an accepted message as it is when a frame arrives that should move or cancel it.
pub struct LeavesDeadline {
    deadline: &'static str,
    is_moved_by: fn(&Meaning) -> bool,
}

impl LeavesDeadline {
    /// Idle reconciliation goes on although the root is busy again; violates R7.5.
    pub const RECONCILIATION: Self = Self {
        deadline: "reconciliation",
        is_moved_by: |meaning| {
            matches!(
                meaning,
                Meaning::Kilo(KiloEvent::SessionStatus { is_busy: true, .. })
            )
        },
    };
    /// A wrapper is unhealthy although it answered the ping; violates R7.3.
    pub const PONG: Self = Self {
        deadline: "pong",
        is_moved_by: |meaning| matches!(meaning, Meaning::Pong),
    };
    /// A wrapper is unhealthy although it sent output; violates R7.4.
    pub const NO_OUTPUT: Self = Self {
        deadline: "noOutput",
        is_moved_by: |meaning| matches!(meaning, Meaning::Kilo(_) | Meaning::Other),
    };
}

impl Interceptor for LeavesDeadline {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let Input::IngestEvent { frame, .. } = moment.input else {
            return Memory::Stays;
        };
        let planned = CoreRow::of(moment.before).deadline(self.deadline);
        let has_accepted = decided.session.messages().any(Message::is_accepted);
        if planned.is_null() || !has_accepted || !(self.is_moved_by)(frame.meaning()) {
            return Memory::Stays;
        }
        change_core(decided, |core| core.set_deadline(self.deadline, &planned));
        Memory::IsReread
    }
}

/// Ends messages that lost their wrapper with another cause.
pub struct BlamesLoss(fn(&mut Outcome));

impl BlamesLoss {
    /// On a fatal error that the wrapper never sent; violates R6.6.
    pub const ON_AN_ERROR: Self = Self(|outcome| outcome.reason = Some(Reason::WrapperError));
    /// On an interrupt that no user requested; violates R6.6.
    pub const ON_AN_INTERRUPT: Self = Self(|outcome| {
        outcome.status = Status::Interrupted;
        outcome.source = Source::Interrupt;
        outcome.reason = Some(Reason::Interrupted);
    });
}

impl Interceptor for BlamesLoss {
    fn decided(&self, _: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut blamed = Vec::new();
        for row in &mut decided.commit.messages {
            let lost = row
                .outcome()
                .filter(|outcome| outcome.reason == Some(Reason::WrapperDisconnected));
            if let Some(mut outcome) = lost.cloned() {
                (self.0)(&mut outcome);
                row.to_mut().state = State::Terminal(outcome);
                blamed.push((json!(row.id), ended(row)));
            }
        }
        if blamed.is_empty() {
            return Memory::Stays;
        }
        let blame = |event: &mut Event| {
            let end = blamed
                .iter()
                .find(|(id, (name, _))| event.data["messageId"] == *id && event.stream_event_type == *name);
            if let Some((_, (_, data))) = end {
                event.data = Arc::new(data.clone());
            }
        };
        change_events(decided, blame);
        Memory::IsReread
    }
}
