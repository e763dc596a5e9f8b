//! Mutants of a server whose clock was set back while it was down (protocol §4, §7).

use turnstile_reference::host::interception::{Decided, Interceptor, Memory, Moment};
use turnstile_reference::session::Input;

use crate::core_row::{CoreRow, change_core};

/// Names of the deadlines that the mutant leaves where they are.
const DEADLINES: [&str; 4] = ["noOutput", "reconciliation", "keepWarm", "drain"];

/// Keeps deadlines that a clock put off; violates R7.36.
pub struct WaitsForTheClock;

impl Interceptor for WaitsForTheClock {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        if !matches!(moment.input, Input::Resume) {
            return Memory::Stays;
        }
        let before = CoreRow::of(moment.before);
        let after = CoreRow::of(decided.session);
        let is_put_off = |name: &&&str| {
            after
                .deadline_at(name)
                .is_some_and(|at| before.deadline_at(name) > Some(at))
        };
        let put_off: Vec<&&str> = DEADLINES.iter().filter(is_put_off).collect();
        if put_off.is_empty() {
            return Memory::Stays;
        }
        change_core(decided, |core| {
            for name in put_off {
                core.set_deadline(name, &before.deadline(name));
            }
        });
        Memory::IsReread
    }
}

/// Orders messages by the time that the clock shows; violates R4.25.
pub struct OrdersByTheClock;

impl Interceptor for OrdersByTheClock {
    fn decided(&self, moment: &Moment<'_>, decided: &mut Decided<'_>) -> Memory {
        let mut memory = Memory::Stays;
        for row in &mut decided.commit.messages {
            if moment.before.message(&row.id).is_none() && row.created_at > moment.now {
                row.to_mut().created_at = moment.now;
                memory = Memory::IsReread;
            }
        }
        memory
    }
}
