//! What is done to a world: the faults that begin in it, and those that end.

use serde::Serialize;
use turnstile_fault::{Fault, Place};

/// Something that was done to the world, by its owner, by a scheduled action or by a host to itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum WorldEvent {
    /// A fault began.
    Began {
        /// The fault.
        fault: Fault,
        /// Who brought it about.
        cause: Cause,
        /// How many connections it ended, if it is a fault of connections.
        #[serde(skip_serializing_if = "Option::is_none")]
        connections: Option<usize>,
    },
    /// Whatever was wrong at a place is over: a link or a disk works, a host is up.
    Ended {
        /// The place.
        place: Place,
    },
}

/// Who brought a fault about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The world's owner.
    Order,
    /// The host, by its power switch.
    #[serde(rename = "self")]
    Itself,
    /// A panic in one of the host's tasks.
    Panic,
}

impl WorldEvent {
    /// The beginning of a fault by order; its end if it is an order to behave as in the beginning.
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

    /// The end of so many connections by order.
    pub fn ended_connections(fault: &Fault, connections: usize) -> Self {
        Self::Began {
            fault: fault.clone(),
            cause: Cause::Order,
            connections: Some(connections),
        }
    }

    /// The fault that begins with it, if it is the beginning of one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Began { fault, .. } => Some(fault),
            Self::Ended { .. } => None,
        }
    }

    /// The host that goes down with it, if one does.
    pub fn crashed(&self) -> Option<&str> {
        match self.fault()? {
            Fault::Host { host, .. } => Some(host),
            _ => None,
        }
    }

    /// The host that comes up with it, if one does.
    pub fn restarted(&self) -> Option<&str> {
        match self {
            Self::Ended {
                place: Place::Host(host),
            } => Some(host),
            _ => None,
        }
    }
}
