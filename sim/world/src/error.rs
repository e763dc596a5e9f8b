//! Errors of calls to a world.

use turnstile_fault::Fault;

/// Why a call to a world failed. The world is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// No host has that name.
    #[error("unknown host `{0}`")]
    UnknownHost(String),
    /// A network fault between a host and itself.
    #[error("a link needs two hosts, but both ends are `{0}`")]
    OneHost(String),
    /// The host is down.
    #[error("`{0}` is down")]
    Down(String),
    /// The host is up.
    #[error("`{0}` is up")]
    Up(String),
    /// The machine has no free address.
    #[error("this machine has no free address for `{0}`")]
    NoAddress(String),
    /// This kind of world does not support it.
    #[error("this world does not support {0}")]
    Unsupported(&'static str),
}

impl WorldError {
    /// The error for a fault of a party instead of a world: a changed behaviour, or a crash at a point in its
    /// code.
    pub(crate) fn of_party(fault: &Fault) -> Self {
        Self::Unsupported(match fault {
            Fault::Host { .. } => "a crash at a point of the host's own code",
            _ => "the behaviour of a party",
        })
    }
}
