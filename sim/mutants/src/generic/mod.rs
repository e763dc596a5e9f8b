//! Generic mutants: one operation on one kind of thing that the server does, such as "drop each `ping`".
//!
//! Nothing is listed by hand. A [census](mod@census) of a play finds the targets: the effects and rows of decisions, the frames,
//! replies and requests on the wire, and all their fields. `operation` defines which operations fit a value.
//!
//! | file | what is in it |
//! |---|---|
//! | `operation`, `target` | a mutant as data, and its name |
//! | `tree` | the fields of JSON values |
//! | `census` | collects the targets of a play |
//! | `planted` | decides what happens to one unit: an effect, a row, a frame, a reply or a request |
//! | `kinds` | the kinds of effects and events |
//! | `decision`, `rows` | effects and rows, with an interceptor |
//! | `profile` | durations, limits and choices |
//! | `wire` | frames, replies and requests, at the network of the server |

pub mod census;
mod decision;
mod kinds;
mod operation;
mod planted;
mod profile;
mod rows;
mod target;
mod tree;
mod wire;

use std::sync::Arc;

use turnstile_reference::server::{Config, Hooks};
use turnstile_seams::{Seams, Wrapped};

pub use self::operation::Operation;
use self::planted::Planted;
pub use self::target::{Malformed, Place, Rewrite, Target};

impl Rewrite {
    /// Configures a server so that it has this mutation. State of the mutant is reset at each server start.
    pub fn install(&self, config: &mut Config, hooks: &mut Hooks, seams: &mut Seams) {
        if self.target.place == Place::Profile {
            let profile = Arc::make_mut(&mut config.profile);
            profile::rewrite(profile, self);
        }
        plant(Planted::mutation(self.clone()), hooks, seams);
    }
}

/// Configures a server so that its targets are reported to the census of this thread. It is otherwise unchanged.
pub fn observe(config: &Config, hooks: &mut Hooks, seams: &mut Seams) {
    profile::count(&config.profile);
    plant(Planted::census(), hooks, seams);
}

/// Both a mutant and a census use all edges, so that their plays differ by the mutation alone.
fn plant(planted: Planted, hooks: &mut Hooks, seams: &mut Seams) {
    let planted = Arc::new(planted);
    hooks.interceptor = Some(Arc::new(decision::Decisions::new(Arc::clone(&planted))));
    let rewriting = wire::Rewriting {
        clock: Arc::clone(&seams.clock),
        planted,
    };
    seams.network = Arc::new(Wrapped::new(Arc::clone(&seams.network), rewriting));
}
