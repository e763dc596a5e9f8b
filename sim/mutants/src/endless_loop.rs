//! A server that loops without end inside one step.
//!
//! It is no mutant of a rule: no oracle can judge it, because no play against it ends. It tests the harness's limit of
//! wall-clock time.

use std::hint;

use turnstile_reference::host::interception::{Interceptor, Memory};
use turnstile_reference::session::{Input, Session};

/// Never returns from the first admission.
pub struct EndlessLoop;

impl Interceptor for EndlessLoop {
    fn before(&self, _: &Session, input: &mut Input) -> Memory {
        if matches!(input, Input::Admit(_) | Input::Initiate | Input::Prepare) {
            loop {
                hint::spin_loop();
            }
        }
        Memory::Stays
    }
}
