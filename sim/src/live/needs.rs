//! What a scenario needs of a server under test beyond the protocol, and which of it a server offers.

use std::collections::BTreeSet;
use std::time::Duration;

use turnstile_scenarios::{Machine, Scenario, Step};

/// A server that is to be there again after this time may as well be there at once.
const SOON: Duration = Duration::from_secs(2);

/// Makes the enum, with all of its kinds, their names and what they mean.
macro_rules! needs {
    ($($kind:ident: $name:literal, $text:literal;)*) => {
        /// Something that not every server can be asked for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Need {
            $(#[doc = $text] $kind,)*
        }

        impl Need {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// What a scenario needs, to be read after "it needs".
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)*
                }
            }
        }
    };
}

needs! {
    Crash: "crash", "a server that is killed and started again";
    Downtime: "downtime", "a server that stays down for as long as the scenario wants";
    CrashPoint: "crash-point", "a crash at a named point of the server's own work";
    PowerLoss: "power-loss", "a machine that loses its power";
    Queue: "queue", "a hand on the server's callback queue";
    Disk: "disk", "a hand on the server's disk";
    StoredSession: "stored-session", "a session that an older service left in the server's store";
    Sandboxes: "sandboxes", "a sandbox of its own for each session";
}

impl Need {
    /// All that a scenario needs.
    pub fn of(scenario: &Scenario) -> BTreeSet<Self> {
        let mut needs = BTreeSet::new();
        if scenario.session.stored.is_some() {
            needs.insert(Self::StoredSession);
        }
        if !scenario.other_sessions().is_empty() {
            needs.insert(Self::Sandboxes);
        }
        for step in &scenario.steps {
            match &step.value {
                Step::Crash(crash) => {
                    if crash.party.value == Machine::Server {
                        needs.insert(Self::Crash);
                        if crash.restart_after.is_none_or(|after| *after > SOON) {
                            needs.insert(Self::Downtime);
                        }
                    }
                    if crash.at.is_some() {
                        needs.insert(Self::CrashPoint);
                    }
                    if crash.power_loss {
                        needs.insert(Self::PowerLoss);
                    }
                }
                Step::Queue(_) => {
                    needs.insert(Self::Queue);
                }
                Step::Disk(_) => {
                    needs.insert(Self::Disk);
                }
                _ => {}
            }
        }
        needs
    }
}
