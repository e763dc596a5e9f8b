//! Faults and the places that they strike.
//!
//! How a world carries a fault out is the world's business.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::behaviour::{CrashPoint, DiskBehaviour, QueueBehaviour};
use crate::capability::Capability;
use crate::kind::FaultKind;
use crate::link::{Link, LinkEffect};
use crate::wrapper::WrapperBehaviour;

/// The name of the server's host, which only some targets can crash and start again.
const SERVER: &str = "server";
/// A server that starts again within this time after a crash may as well start at once.
const SOON: Duration = Duration::from_secs(2);

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "strikes", rename_all = "kebab-case")]
pub enum Fault {
    /// Something happens to what is sent on a link, on connections old and new, until the link is healed.
    Link {
        /// The link.
        link: Link,
        /// What happens there.
        effect: LinkEffect,
    },
    /// The connections that are open between two hosts end, and no others.
    Connections {
        /// A host; the one that closes, for [`ConnectionEnd::Finish`].
        from: String,
        /// The other host.
        to: String,
        /// How they end.
        end: ConnectionEnd,
    },
    /// A host goes down until it is started again: its memory is gone, its disk loses what was not synced.
    Host {
        /// The host.
        host: String,
        /// Whether its machine goes down too, so that its peers do not even see the end of their connections.
        power_loss: bool,
        /// Arms the crash instead: it happens when the server next passes this point.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<CrashPoint>,
    },
    /// A host's disk behaves like this from now on, across restarts.
    Disk {
        /// The host.
        host: String,
        /// How it behaves.
        is: DiskBehaviour,
    },
    /// The server's callback queue behaves like this from now on, across restarts.
    Queue {
        /// How it behaves.
        is: QueueBehaviour,
    },
    /// The receiver answers its next requests like this, and then with 200.
    Receiver {
        /// The answers, in order. They replace what is left of earlier ones.
        answers: Vec<Answer>,
    },
    /// The fake wrapper behaves like this from now on, until it is restarted.
    Wrapper(Box<WrapperBehaviour>),
}

/// How the connections between two hosts end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionEnd {
    /// Both ends see an error at once, and what is on its way is lost.
    Reset,
    /// Nothing passes any more, neither data nor an error.
    Silence,
    /// One host closes in good order, and may still be written to.
    #[serde(rename = "fin")]
    Finish,
}

/// What a fault strikes, and what is healed when it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A link, or one direction of it.
    Link(Link),
    /// All links.
    EveryLink,
    /// A host, which is healed by starting it again.
    Host(String),
    /// The disk of a host.
    Disk(String),
    /// The server's callback queue.
    Queue,
    /// The fake wrapper's behaviour.
    Wrapper,
}

impl ConnectionEnd {
    /// Its kind.
    pub fn kind(self) -> FaultKind {
        match self {
            Self::Reset => FaultKind::Reset,
            Self::Silence => FaultKind::Silence,
            Self::Finish => FaultKind::Fin,
        }
    }
}

/// Faults that a world applies, put together from names.
impl Fault {
    /// An effect on a link.
    pub fn on(link: &Link, effect: LinkEffect) -> Self {
        Self::Link {
            link: link.clone(),
            effect,
        }
    }

    /// A link that holds what is sent.
    pub fn cut(link: &Link) -> Self {
        Self::on(link, LinkEffect::Cut)
    }

    /// A link that loses what is sent.
    pub fn black_hole(link: &Link) -> Self {
        Self::on(link, LinkEffect::BlackHole)
    }

    /// A link that takes longer.
    pub fn delay(link: &Link, by: Duration) -> Self {
        Self::on(link, LinkEffect::Delay { by: by.into() })
    }

    /// The end of the connections between two hosts.
    pub fn end_of(from: &str, to: &str, end: ConnectionEnd) -> Self {
        Self::Connections {
            from: from.to_owned(),
            to: to.to_owned(),
            end,
        }
    }

    /// A crash of a host's process.
    pub fn crash(host: &str) -> Self {
        Self::Host {
            host: host.to_owned(),
            power_loss: false,
            at: None,
        }
    }

    /// A host's machine without power.
    pub fn power_loss(host: &str) -> Self {
        Self::Host {
            host: host.to_owned(),
            power_loss: true,
            at: None,
        }
    }

    /// A host's disk that behaves like this.
    pub fn disk(host: &str, is: DiskBehaviour) -> Self {
        Self::Disk {
            host: host.to_owned(),
            is,
        }
    }
}

impl Fault {
    /// Its kind.
    pub fn kind(&self) -> FaultKind {
        match self {
            Self::Link { effect, .. } => effect.kind(),
            Self::Connections { end, .. } => end.kind(),
            Self::Host { .. } => FaultKind::Crash,
            Self::Disk { .. } => FaultKind::Disk,
            Self::Queue { .. } => FaultKind::Queue,
            Self::Receiver { .. } => FaultKind::Receiver,
            Self::Wrapper(_) => FaultKind::Wrapper,
        }
    }

    /// What is healed when it is over; `None` if it ends by itself or cannot be healed.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Link { link, .. } => Some(Place::Link(link.clone())),
            Self::Host { host, .. } => Some(Place::Host(host.clone())),
            Self::Disk { host, .. } => Some(Place::Disk(host.clone())),
            Self::Queue { .. } => Some(Place::Queue),
            Self::Wrapper(_) => Some(Place::Wrapper),
            Self::Connections { .. } | Self::Receiver { .. } => None,
        }
    }

    /// Whether it is none: an order to behave as in the beginning.
    pub fn is_none(&self) -> bool {
        match self {
            Self::Disk { is, .. } => *is == DiskBehaviour::default(),
            Self::Queue { is } => *is == QueueBehaviour::default(),
            Self::Receiver { answers } => answers.is_empty(),
            Self::Wrapper(behaviour) => **behaviour == WrapperBehaviour::default(),
            Self::Link { .. } | Self::Connections { .. } | Self::Host { .. } => false,
        }
    }

    /// The two hosts whose traffic it strikes, if it strikes the network.
    pub fn ends(&self) -> Option<[&str; 2]> {
        match self {
            Self::Link { link, .. } => Some([&link.from, &link.to]),
            Self::Connections { from, to, .. } => Some([from, to]),
            _ => None,
        }
    }

    /// What a target must support for it. `lasts` is how long it lasts: `None` until something ends it.
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
                needs.extend(at.map(|_| Capability::CrashPoint));
                needs.extend(power_loss.then_some(Capability::PowerLoss));
            }
            Self::Queue { .. } => needs.extend([Capability::Queue]),
            Self::Disk { .. } => needs.extend([Capability::Disk]),
            Self::Link { .. } | Self::Connections { .. } | Self::Receiver { .. } | Self::Wrapper(_) => {}
        }
        needs
    }

    /// Its name without its place: `cut`, `delay 2s`, `down`, `disk fails`.
    pub fn label(&self) -> String {
        match self {
            Self::Link { effect, .. } => effect.to_string(),
            Self::Connections { end, .. } => end.kind().text().to_owned(),
            Self::Host { power_loss: true, .. } => "no power".to_owned(),
            Self::Host { .. } => "down".to_owned(),
            Self::Disk { is, .. } => format!("disk {}", is.text()),
            Self::Queue { is } => format!("queue {}", is.text()),
            Self::Receiver { .. } => "receiver".to_owned(),
            Self::Wrapper(behaviour) => behaviour.to_string(),
        }
    }
}

/// The fault with its place, for people.
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
            Self::Disk { host, .. } => write!(formatter, "{host}: {}", self.label()),
            Self::Queue { .. } | Self::Receiver { .. } | Self::Wrapper(_) => {
                formatter.write_str(&self.label())
            }
        }
    }
}
