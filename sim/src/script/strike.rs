//! Faults that strike at a moment, without a step that asks for them, and are over some time later.

use std::time::Duration;

use turnstile_events::world::{DiskFault, Link};
use turnstile_judge::parties::{SERVER, WRAPPER};
use turnstile_world::AnyWorld;

use super::player::Player;
use crate::stage::QueueBehaviour;

/// After how long a machine that was struck starts again, and anything else that was struck is well.
const RECOVERY: Duration = Duration::from_secs(2);
/// How long the link between the server and its wrapper is cut: shorter than the grace (protocol §7).
const CUT: Duration = Duration::from_secs(4);

/// Makes the enum, with all of its kinds, their names and what they do.
macro_rules! strike_kinds {
    ($($kind:ident: $name:literal, $text:literal;)*) => {
        /// What can strike at any moment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum StrikeKind {
            $(#[doc = $text] $kind,)*
        }

        impl StrikeKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// What it does, in a few words.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)*
                }
            }
        }
    };
}

strike_kinds! {
    ServerCrash: "server-crash", "the server crashes and is back two seconds later";
    WrapperCrash: "wrapper-crash", "the wrapper crashes and is back two seconds later";
    Cut: "cut", "nothing passes between the server and the wrapper for four seconds";
    Reset: "reset", "the connections between the server and the wrapper are reset";
    QueueLosesAck: "queue-loses-ack", "the callback queue takes jobs and says that it does not, for two seconds";
    DiskFails: "disk-fails", "nothing can be written to the server's disk for two seconds";
}

impl Player<'_> {
    /// Has a fault strike when the run is `at`.
    pub(super) fn arrange_strike(&mut self, at: Duration, kind: StrikeKind) {
        let wire = Link::between(SERVER, WRAPPER);
        match kind {
            StrikeKind::ServerCrash => self.arrange_crash(at, SERVER),
            StrikeKind::WrapperCrash => self.arrange_crash(at, WRAPPER),
            StrikeKind::Cut => {
                let healed = wire.clone();
                self.arrange(at, move |world| world.cut(&wire).expect(KNOWN));
                self.arrange(at + CUT, move |world| world.heal(&healed).expect(KNOWN));
            }
            StrikeKind::Reset => {
                self.arrange(at, |world| world.reset(SERVER, WRAPPER).expect(KNOWN));
            }
            StrikeKind::QueueLosesAck => {
                let (queue, works) = (self.stage.queue.clone(), self.stage.queue.clone());
                self.arrange(at, move |_| {
                    queue.set(QueueBehaviour::LosesAck);
                });
                self.arrange(at + RECOVERY, move |_| {
                    works.set(QueueBehaviour::Works);
                });
            }
            StrikeKind::DiskFails => {
                self.disk_orders.set(self.disk_orders.get() + 1);
                self.arrange(at, |world| {
                    world.fail_disk(SERVER, DiskFault::WriteError).expect(KNOWN);
                });
                self.arrange(at + RECOVERY, |world| world.heal_disk(SERVER).expect(KNOWN));
            }
        }
    }

    fn arrange_crash(&mut self, at: Duration, host: &'static str) {
        self.arrange(at, |world: &mut dyn AnyWorld| {
            // The script may have brought it down itself.
            if world.is_up(host) == Ok(true) {
                world.crash(host).expect(KNOWN);
            }
        });
        self.arrange(at + RECOVERY, |world: &mut dyn AnyWorld| {
            if world.is_up(host) == Ok(false) {
                world.restart(host).expect(KNOWN);
            }
        });
    }
}

/// Why the world cannot refuse.
const KNOWN: &str = "the machines of the server and its wrapper are always there";
