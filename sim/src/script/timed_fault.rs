//! Temporary faults that sweeps inject at a fixed time, without a step.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use turnstile_fault::{
    Bandwidth, ConnectionEnd, DiskBehaviour, DiskOperation, Fault, Link, LinkEffect, QueueBehaviour,
};
use turnstile_judge::parties::{OBSERVER, SERVER, WRAPPER};
use turnstile_scenarios::ClientName;

use super::player::Player;
use super::{Options, Reseed, Silence, TimedFault};

/// Duration of most faults.
const RECOVERY: Duration = Duration::from_secs(2);
/// Duration of a cut between server and wrapper, below the disconnect grace (R7.1).
const CUT: Duration = Duration::from_secs(4);
/// Duration of faults that end what is under way: above the deadlines of most of it.
const OUTAGE: Duration = Duration::from_secs(60);

/// A kind of fault that a sweep injects.
pub struct SweepFault {
    /// Name on the command line.
    pub name: &'static str,
    /// Short description.
    pub text: &'static str,
    fault: fn() -> Fault,
    lasts: Duration,
}

impl SweepFault {
    /// All kinds.
    pub const ALL: &[Self] = &[
        Self {
            name: "server-crash",
            text: "the server crashes and is back two seconds later",
            fault: || Fault::crash(SERVER),
            lasts: RECOVERY,
        },
        Self {
            name: "wrapper-crash",
            text: "the wrapper crashes and is back two seconds later",
            fault: || Fault::crash(WRAPPER),
            lasts: RECOVERY,
        },
        Self {
            name: "cut",
            text: "nothing passes between the server and the wrapper for four seconds",
            fault: || Fault::cut(&Link::between(SERVER, WRAPPER)),
            lasts: CUT,
        },
        Self {
            name: "throttle",
            text: "a kilobyte a second passes between the server and the wrapper for four seconds",
            fault: || {
                let rate = Bandwidth::bytes_per_second(1_000);
                Fault::on(&Link::between(SERVER, WRAPPER), LinkEffect::Throttle { rate })
            },
            lasts: CUT,
        },
        Self {
            name: "reset",
            text: "the connections between the server and the wrapper are reset",
            fault: || Fault::end_of(SERVER, WRAPPER, ConnectionEnd::Reset),
            lasts: Duration::ZERO,
        },
        Self {
            name: "queue-loses-ack",
            text: "the callback queue takes jobs and says that it does not, for two seconds",
            fault: || Fault::Queue {
                is: QueueBehaviour::LosesAck,
            },
            lasts: RECOVERY,
        },
        Self {
            name: "disk-fails",
            text: "nothing can be written to the server's disk for two seconds",
            fault: || Fault::disk(SERVER, DiskBehaviour::Fails),
            lasts: RECOVERY,
        },
        Self {
            name: "sync-fails",
            text: "the next sync of the server's disk fails",
            fault: || Fault::Disk {
                host: SERVER.to_owned(),
                is: DiskBehaviour::Fails,
                at: Some(DiskOperation::Sync(NonZeroU32::MIN)),
            },
            lasts: RECOVERY,
        },
        Self {
            name: "stall",
            text: "the open connections between the server and the wrapper stall for four seconds, new ones work",
            fault: || Fault::on(&Link::between(SERVER, WRAPPER), LinkEffect::Stall),
            lasts: CUT,
        },
    ];

    /// Kinds that end, at once and for long, what is under way at a moment. Sweeps do not inject them.
    pub(crate) const ENDING: &[Self] = &[
        Self {
            name: "server-outage",
            text: "the server crashes and is back a minute later",
            fault: || Fault::crash(SERVER),
            lasts: OUTAGE,
        },
        Self {
            name: "wrapper-outage",
            text: "the wrapper crashes and is back a minute later",
            fault: || Fault::crash(WRAPPER),
            lasts: OUTAGE,
        },
        Self {
            name: "client-cut",
            text: "nothing passes between the client and the server for a minute",
            fault: || Fault::cut(&Link::between(&ClientName::default(), SERVER)),
            lasts: OUTAGE,
        },
    ];

    /// The fault.
    pub(super) fn fault(&self) -> Fault {
        (self.fault)()
    }
}

impl fmt::Debug for SweepFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

impl PartialEq for SweepFault {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for SweepFault {}

impl Player<'_> {
    /// Schedules what comes in addition to the steps of the script.
    pub(super) fn arrange_disturbances(&mut self, options: &Options) {
        if options.are_faults_late {
            self.late_until = Some(self.stage.world.now());
        }
        for TimedFault { at, kind } in options.faults.into_iter().flatten() {
            self.arrange_timed_fault(at, kind);
        }
        if let Some(Reseed { at, seed }) = options.reseed {
            self.arrange_beside(at, at, move |world| world.reseed(seed));
        }
        if let Some(silence) = options.silence {
            self.arrange_silence(silence);
        }
    }

    /// Schedules a silence. Worlds that cannot do it have none.
    fn arrange_silence(&mut self, silence: Silence) {
        let Silence {
            at,
            healed_at,
            reporting,
        } = silence;
        self.arrange_beside(at, healed_at.max(at), move |world| {
            let others = world
                .host_names()
                .filter(|name| ![OBSERVER, SERVER].contains(name));
            let others: Vec<String> = others.map(str::to_owned).collect();
            let _ = world.deafen(SERVER, &others, reporting);
            let _ = world.keep_down(SERVER);
        });
    }

    /// Schedules a fault for the time `at` of the run.
    fn arrange_timed_fault(&mut self, at: Duration, kind: &'static SweepFault) {
        let faults = self.stage.faults.clone();
        let lasts = kind.lasts;
        self.arrange_beside(at, at + lasts, move |world| {
            // The host may already be down.
            let Ok(applied) = faults.apply(world, &kind.fault()) else {
                return;
            };
            let end = world.now() + lasts;
            world.schedule(end, move |world| faults.end(world, &applied));
        });
    }
}
