//! What can go wrong in a run, as plain values.
//!
//! A [`Fault`] is what a script says, a generator draws, a world applies, a trace records and a report names. The
//! parts of it that a fake receives over the wire ([`WrapperBehaviour`], [`WireAnswer`]) have their JSON form here,
//! so that both ends share one type.
//!
//! Parties are plain names. This crate knows no world, no protocol message and no script file, and depends on none
//! of the workspace's other crates.

mod answer;
mod behaviour;
mod capability;
mod fault;
mod kind;
mod lapse;
mod link;
mod status;
mod text;
mod wrapper;

pub use answer::{Answer, LateAnswer, WireAnswer, WireAnswerError};
pub use behaviour::{CrashPoint, DiskBehaviour, QueueBehaviour};
pub use capability::Capability;
pub use fault::{ConnectionEnd, Fault, Place};
pub use kind::FaultKind;
pub use lapse::{Lapse, LapseError, nonzero};
pub use link::{Link, LinkEffect, Parameter};
pub use status::{Status, StatusError};
pub use text::is_default;
pub use wrapper::{
    Completion, Failure, GateVerdict, JobCode, Readiness, ReadyCode, Taking, WrapperBehaviour,
};
