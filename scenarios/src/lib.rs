//! The script language: what a scenario may say, reading it, and checking that it can be played.
//!
//! A script is a YAML file with a title, a reason, steps, and what must be true afterwards; `README.md`
//! beside this crate teaches it by example. [`Scenario::parse`] gives back a tree in which only playable
//! things can stand, or [every problem of the file](ScriptErrors) with its line and column.
//! [`Library`] holds all scripts of a folder.
//!
//! What does not live here: playing a script, and any knowledge of the parties beyond their names.

mod check;
mod client;
mod directive;
mod expectation;
mod lapse;
mod library;
mod name;
mod parse;
mod party;
mod place;
mod problem;
mod prompt;
mod reply;
mod scenario;
mod session;
mod step;
mod text;
mod wait;
mod wire;

pub use client::{Close, Interrupt, Open, Resume};
pub use directive::Directive;
pub use expectation::{
    Bounds, Callback, Delivery, Expectation, GatewayState, Milestone, Outcome, Reason, Source, StreamCount,
    Terminal, Watcher,
};
pub use lapse::Lapse;
pub use library::{Entry, Library, LibraryError, LibraryErrors};
pub use name::{ClientName, Label, OBSERVER, Tag};
pub use party::{Between, Direction, Link, Machine, Party};
pub use place::{At, Spot};
pub use problem::{Problem, ScriptErrors};
pub use prompt::{IdMaker, Prompt, SendMessage, Start};
pub use reply::{InterruptReply, Reply, Status};
pub use scenario::{Scenario, Seam, schema};
pub use session::{Answer, Gate, Session};
pub use step::{Crash, CrashPoint, QueueBehaviour, Receiver, Step};
pub use wait::{Await, Condition, DEFAULT_WITHIN, Moment};
pub use wire::{Connections, Delay, Fault, Heal};
