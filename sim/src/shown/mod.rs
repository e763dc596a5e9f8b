//! What a trace shows of a run: events and states, as hashes that are equal for what is alike.
//!
//! Nothing here judges, and nothing knows a type of the server.

mod event;
mod hash;
mod state;

pub(crate) use self::event::event;
pub(crate) use self::hash::Hash;
pub(crate) use self::state::State;
