//! How some composed scenarios begin: with a deadline that passes, which needs a session without other work.

use turnstile_seams::Randomness;
use turnstile_world::Streams;

use crate::explore::composition::{Composition, Drawer, Move};
use crate::explore::imported::timing_out;
use crate::explore::situations::passing;
use crate::explore::workload::Saying;

/// The label of the stream of randomness.
const BEGINNING: &str = "guided:beginning";
/// One of so many composed scenarios begins with a deadline that passes.
const ONE_PASSING_IN: u64 = 3;
/// One of so many of these is the time-out of an execution.
const ONE_EXECUTION_IN: u64 = 8;

/// Lets a scenario begin with a deadline that passes, sometimes. The first message ends soon, and no gate result is awaited,
/// because other work begins deadlines again. The deadline is not chosen by what is new: the ones with the fewest traits would be left out.
pub(super) fn beginning(
    composition: &mut Composition,
    streams: Streams,
    random: &Randomness,
) -> Option<Move> {
    if random.below(ONE_PASSING_IN) > 0 {
        return None;
    }
    let mut drawer = Drawer::new(streams, BEGINNING);
    composition.first = Saying::Echo;
    composition.imported = None;
    composition.settings.gate = None;
    composition.verdict = None;
    if random.below(ONE_EXECUTION_IN) == 0 {
        composition.imported = Some(drawer.draw(timing_out()));
        return None;
    }
    let passing = drawer.draw(passing(&composition.profile));
    Some(Move::Disturbance(passing))
}
