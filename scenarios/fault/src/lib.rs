//! Faults as plain values.
//!
//! A [`Fault`] is written in scripts, drawn by the generator, applied by a world, recorded in traces and
//! named in reports. The parts that a fake receives over the wire ([`WrapperBehaviour`], [`WireAnswer`]) have
//! their JSON form here, so that both ends share one type.
//!
//! Parties are plain names. This crate knows no world, protocol message or script file, and depends on no
//! other crate of the workspace.

mod answer;
mod behaviour;
mod capability;
mod clock;
mod fault;
mod given_reply;
mod kind;
mod lapse;
mod limit;
mod link;
mod odd_answer;
mod status;
mod text;
mod wrapper;

pub use answer::{Answer, LateAnswer, WireAnswer, WireAnswerError};
pub use behaviour::{CrashPoint, DiskBehaviour, DiskOperation, QueueBehaviour};
pub use capability::Capability;
pub use clock::ClockChange;
pub use fault::{ConnectionEnd, Fault, Place};
pub use given_reply::GivenReply;
pub use kind::FaultKind;
pub use lapse::{Lapse, LapseError, nonzero};
pub use limit::{
    LONGEST_ANSWER, LONGEST_DURATION, LONGEST_PAUSE_MS, MOST_CHUNKS, MOST_REPETITIONS, MOST_TOOL_CALLS,
};
pub use link::{Bandwidth, BandwidthError, Link, LinkEffect, Parameter};
pub use odd_answer::{OddAnswer, OddAnswers};
pub use status::{Status, StatusError};
pub use text::is_default;
pub use wrapper::{
    Completion, Failure, Finalizing, GateVerdict, JobBehaviour, JobCode, PartChange, Preparing,
    ReadyBehaviour, ReadyCode, WrapperBehaviour,
};
