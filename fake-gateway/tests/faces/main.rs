//! The faces of the three fakes, on real loopback sockets. What they decide is tested beside the code
//! that decides it.

#![expect(clippy::unwrap_used, reason = "a test ends where its stage breaks")]

mod gateway;
mod receiver;
mod stage;
mod wrapper;
