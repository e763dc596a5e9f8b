//! Faults and the places that they affect.
//!
//! Applying a fault is the task of a world.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::behaviour::{CrashPoint, DiskBehaviour, DiskOperation, QueueBehaviour};
use crate::capability::Capability;
use crate::clock::ClockChange;
use crate::kind::FaultKind;
use crate::link::{Link, LinkEffect};
use crate::wrapper::WrapperBehaviour;

/// Name of the server's host. Only some targets can crash and restart it.
const SERVER: &str = "server";
/// A target that restarts a crashed server at once also serves a downtime up to this.
const SOON: Duration = Duration::from_secs(2);

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "affects", rename_all = "kebab-case")]
pub enum Fault {
    /// Affects the packets of a link, on existing and new connections, until the link is healed.
    Link {
        /// The link.
        link: Link,
        /// The effect.
        effect: LinkEffect,
    },
    /// Ends the connections that are open between two hosts.
    Connections {
        /// A host; the closing one for [`ConnectionEnd::Finish`].
        from: String,
        /// The other host.
        to: String,
        /// How they end.
        end: ConnectionEnd,
    },
    /// Crashes a host until it is restarted: its memory is lost, and its disk loses unsynced data.
    Host {
        /// The host.
        host: String,
        /// Whether its machine loses power, so that peers get no sign that the connections ended.
        power_loss: bool,
        /// Arms the crash instead: it happens when the server next passes this point.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<CrashPoint>,
    },
    /// Sets the behaviour of a host's disk, across restarts.
    Disk {
        /// The host.
        host: String,
        /// The behaviour.
        is: DiskBehaviour,
        /// The only operation to which the behaviour applies; `None` for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<DiskOperation>,
    },
    /// Sets the clock of a host that is down. It stays so, also across further restarts.
    Clock {
        /// The host.
        host: String,
        /// How it is set.
        set: ClockChange,
    },
    /// Sets the behaviour of the server's callback queue, across restarts.
    Queue {
        /// The behaviour.
        is: QueueBehaviour,
    },
    /// Sets the receiver's answers to its next requests; afterwards it answers 200.
    Receiver {
        /// The answers, in order. They replace unused earlier ones.
        answers: Vec<Answer>,
    },
    /// Sets the behaviour of the fake wrapper until it restarts.
    Wrapper(Box<WrapperBehaviour>),
}

/// How connections between two hosts end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionEnd {
    /// Both ends get an error at once, and data in flight is lost.
    Reset,
    /// Nothing passes any more, neither data nor an error.
    Silence,
    /// One host sends a FIN and can still receive.
    #[serde(rename = "fin")]
    Finish,
}

/// What a fault affects, and what is healed at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A link, or one direction of it.
    Link(Link),
    /// All links.
    EveryLink,
    /// A host, which is healed by restarting it.
    Host(String),
    /// The disk of a host.
    Disk(String),
    /// The server's callback queue.
    Queue,
    /// The behaviour of the fake wrapper.
    Wrapper,
}

impl ConnectionEnd {
    /// How a kind of fault ends connections, if it does.
    pub fn of(kind: FaultKind) -> Option<Self> {
        match kind {
            FaultKind::Reset => Some(Self::Reset),
            FaultKind::Silence => Some(Self::Silence),
            FaultKind::Fin => Some(Self::Finish),
            _ => None,
        }
    }

    /// The kind of fault.
    pub fn kind(self) -> FaultKind {
        match self {
            Self::Reset => FaultKind::Reset,
            Self::Silence => FaultKind::Silence,
            Self::Finish => FaultKind::Fin,
        }
    }
}

/// Constructors for faults that a world applies.
impl Fault {
    /// An effect on a link.
    pub fn on(link: &Link, effect: LinkEffect) -> Self {
        Self::Link {
            link: link.clone(),
            effect,
        }
    }

    /// Holds the packets of a link.
    pub fn cut(link: &Link) -> Self {
        Self::on(link, LinkEffect::Cut)
    }

    /// Loses the packets of a link.
    pub fn black_hole(link: &Link) -> Self {
        Self::on(link, LinkEffect::BlackHole)
    }

    /// Delays the packets of a link.
    pub fn delay(link: &Link, by: Duration) -> Self {
        Self::on(link, LinkEffect::Delay { by: by.into() })
    }

    /// Ends the connections between two hosts.
    pub fn end_of(from: &str, to: &str, end: ConnectionEnd) -> Self {
        Self::Connections {
            from: from.to_owned(),
            to: to.to_owned(),
            end,
        }
    }

    /// Crashes the process of a host.
    pub fn crash(host: &str) -> Self {
        Self::Host {
            host: host.to_owned(),
            power_loss: false,
            at: None,
        }
    }

    /// Removes the power of a host's machine.
    pub fn power_loss(host: &str) -> Self {
        Self::Host {
            host: host.to_owned(),
            power_loss: true,
            at: None,
        }
    }

    /// Sets the behaviour of a host's disk.
    pub fn disk(host: &str, is: DiskBehaviour) -> Self {
        Self::Disk {
            host: host.to_owned(),
            is,
            at: None,
        }
    }
}

impl Place {
    /// A link.
    pub fn link(link: &Link) -> Self {
        Self::Link(link.clone())
    }

    /// A host.
    pub fn host(name: &str) -> Self {
        Self::Host(name.to_owned())
    }

    /// The disk of a host.
    pub fn disk(host: &str) -> Self {
        Self::Disk(host.to_owned())
    }
}

impl Fault {
    /// The kind of fault.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Link { effect, .. } => effect.kind(),
            Self::Connections { end, .. } => end.kind(),
            Self::Host { .. } => FaultKind::Crash,
            Self::Disk { .. } => FaultKind::Disk,
            Self::Clock { .. } => FaultKind::Clock,
            Self::Queue { .. } => FaultKind::Queue,
            Self::Receiver { .. } => FaultKind::Receiver,
            Self::Wrapper(_) => FaultKind::Wrapper,
        }
    }

    /// What is healed at its end; `None` if it ends without help or cannot be healed.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Link { link, .. } => Some(Place::Link(link.clone())),
            Self::Host { host, .. } => Some(Place::Host(host.clone())),
            Self::Disk { host, .. } => Some(Place::Disk(host.clone())),
            Self::Queue { .. } => Some(Place::Queue),
            Self::Wrapper(_) => Some(Place::Wrapper),
            Self::Connections { .. } | Self::Clock { .. } | Self::Receiver { .. } => None,
        }
    }

    /// Whether it sets the initial behaviour, which is no fault.
    pub fn is_none(&self) -> bool {
        match self {
            Self::Disk { is, .. } => *is == DiskBehaviour::default(),
            Self::Queue { is } => *is == QueueBehaviour::default(),
            Self::Receiver { answers } => answers.is_empty(),
            Self::Wrapper(behaviour) => **behaviour == WrapperBehaviour::default(),
            Self::Link { .. } | Self::Connections { .. } | Self::Host { .. } | Self::Clock { .. } => false,
        }
    }

    /// The two hosts whose traffic it affects, for a network fault.
    pub fn ends(&self) -> Option<[&str; 2]> {
        match self {
            Self::Link { link, .. } => Some([&link.from, &link.to]),
            Self::Connections { from, to, .. } => Some([from, to]),
            _ => None,
        }
    }

    /// Capabilities that it needs of a target. `lasts` is its duration; `None` until something ends it.
    pub fn needs(&self, lasts: Option<Duration>) -> BTreeSet<Capability> {
        let mut needs = BTreeSet::new();
        match self {
            Self::Host { host, power_loss, at } => {
                if host == SERVER {
                    needs.insert(Capability::Crash);
                    if lasts.is_none_or(|after| after > SOON) {
                        needs.insert(Capability::Downtime);
                    }
                }
                // A crash at an operation of the disk needs the disk, and no point in the server.
                needs.extend(at.map(|point| match point.operation() {
                    Some(_) => Capability::Disk,
                    None => Capability::CrashPoint,
                }));
                needs.extend(power_loss.then_some(Capability::PowerLoss));
            }
            Self::Queue { .. } => needs.extend([Capability::Queue]),
            Self::Disk { .. } => needs.extend([Capability::Disk]),
            Self::Clock { .. } => needs.extend([Capability::Clock]),
            Self::Link { .. } | Self::Connections { .. } | Self::Receiver { .. } | Self::Wrapper(_) => {}
        }
        needs
    }

    /// Name without the place: `cut`, `delay 2s`, `down`, `disk fails`.
    pub fn label(&self) -> String {
        match self {
            Self::Link { effect, .. } => effect.to_string(),
            Self::Connections { end, .. } => end.kind().text().to_owned(),
            Self::Host { power_loss: true, .. } => "no power".to_owned(),
            Self::Host { .. } => "down".to_owned(),
            Self::Disk { is, at, .. } => match at {
                Some(operation) => format!("disk {} at {operation}", is.text()),
                None => format!("disk {}", is.text()),
            },
            Self::Clock { set, .. } => format!("clock {set}"),
            Self::Queue { is } => format!("queue {}", is.text()),
            Self::Receiver { .. } => "receiver".to_owned(),
            Self::Wrapper(behaviour) => behaviour.to_string(),
        }
    }
}

/// Displays the fault with its place.
impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link { link, effect } => match effect.parameter() {
                None => write!(formatter, "{} {link}", effect.kind().text()),
                Some((key, value)) => write!(formatter, "{} {link} {key} {value}", effect.kind().text()),
            },
            Self::Connections { from, to, end } => match end {
                ConnectionEnd::Finish => write!(formatter, "FIN {from} → {to}"),
                other => write!(formatter, "{} {from} ↔ {to}", other.kind().text()),
            },
            Self::Host { host, power_loss, .. } => {
                let how = if *power_loss { "loses its power" } else { "crashes" };
                write!(formatter, "{host} {how}")
            }
            Self::Disk { host, .. } | Self::Clock { host, .. } => {
                write!(formatter, "{host}: {}", self.label())
            }
            Self::Queue { .. } | Self::Receiver { .. } | Self::Wrapper(_) => {
                formatter.write_str(&self.label())
            }
        }
    }
}
