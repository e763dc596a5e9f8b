//! Events of a world: the beginning and the end of faults, and stalls of the machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::{Fault, Place};

/// A fault that began or ended, caused by the caller, a scheduled action or the host itself; or a stall in real time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum WorldEvent {
    /// A fault began.
    Began {
        /// The fault.
        fault: Fault,
        /// What caused it.
        cause: Cause,
        /// Number of connections that it ended, for a fault of connections.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connections: Option<usize>,
    },
    /// All faults at a place ended: a link or a disk works again, a host is up.
    Ended {
        /// The place.
        place: Place,
    },
    /// In real time, the machine was late in running what was due. It is no fault of the run.
    Stalled {
        /// By how much in all since the last such event, in microseconds of the run's time.
        stalled_us: u64,
    },
}

/// What caused a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A call to the world.
    Order,
    /// The host, through its power switch.
    #[serde(rename = "self")]
    Itself,
    /// A panic in a task of the host.
    Panic,
}

impl WorldEvent {
    /// The event for a fault applied by a call: its beginning, or the end of earlier faults if it sets normal
    /// behaviour.
    pub fn of(fault: &Fault) -> Self {
        match fault.place() {
            Some(place) if fault.is_none() => Self::Ended { place },
            _ => Self::began(fault.clone(), Cause::Order),
        }
    }

    /// The beginning of a fault.
    pub fn began(fault: Fault, cause: Cause) -> Self {
        Self::Began {
            fault,
            cause,
            connections: None,
        }
    }

    /// The end of connections by a call.
    pub fn ended_connections(fault: &Fault, connections: usize) -> Self {
        Self::Began {
            fault: fault.clone(),
            cause: Cause::Order,
            connections: Some(connections),
        }
    }

    /// The fault, if this event is the beginning of one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Began { fault, .. } => Some(fault),
            Self::Ended { .. } | Self::Stalled { .. } => None,
        }
    }

    /// Whether a host's clock was set.
    pub fn sets_clock(&self) -> bool {
        matches!(self.fault(), Some(Fault::Clock { .. }))
    }

    /// The host that goes down, if one does.
    pub fn crashed(&self) -> Option<&str> {
        match self.fault()? {
            Fault::Host { host, .. } => Some(host),
            _ => None,
        }
    }

    /// The host that comes up, if one does.
    pub fn restarted(&self) -> Option<&str> {
        match self {
            Self::Ended {
                place: Place::Host(host),
            } => Some(host),
            _ => None,
        }
    }
}
