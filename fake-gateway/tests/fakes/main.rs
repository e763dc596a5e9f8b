//! Tests of the three fakes on loopback sockets, as libraries and as programs. The decisions have unit tests
//! beside the code.

#![expect(clippy::unwrap_used, reason = "a test ends where its stage breaks")]

mod gateway;
#[cfg(feature = "program")]
mod programs;
mod receiver;
mod stage;
mod wrapper;
