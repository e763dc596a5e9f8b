//! Why an order to a world was refused.

use turnstile_fault::Fault;

/// Why an order to the world was refused. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// No host has that name.
    #[error("there is no host `{0}`")]
    UnknownHost(String),
    /// There is no link between a host and itself.
    #[error("`{0}` is one host, and a link needs two")]
    OneHost(String),
    /// The host is down.
    #[error("`{0}` is down")]
    Down(String),
    /// The host is up.
    #[error("`{0}` is up")]
    Up(String),
    /// The machine has no address left.
    #[error("this machine has no address left for `{0}`")]
    NoAddress(String),
    /// This kind of world has no way to do that.
    #[error("this world cannot carry {0}")]
    NotCarried(&'static str),
}

impl WorldError {
    /// The refusal of a fault that is none of a world's: a party behaves otherwise, or crashes at a point in its code.
    pub(crate) fn of_party(fault: &Fault) -> Self {
        Self::NotCarried(match fault {
            Fault::Host { .. } => "a crash at a point of the host's own code",
            _ => "the behaviour of a party",
        })
    }
}
