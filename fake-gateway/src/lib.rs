//! What stands around a session server, faked.

pub mod observation;
