//! Payloads under review: what crosses the wire, made such that two runs show the same, and what a change of
//! it means to a client that was written before.
//!
//! | file | what is in it |
//! |---|---|
//! | `mask` | how a masked value looks, for those who write it and those who read it |
//! | `redactor` | masks what differs from run to run, and nothing else |
//! | `classify` | two payloads → what changed, and what of it breaks a client |
//! | `alignment` | which elements of two lists are the same ones |
//! | `snapshot` | a snapshot's file: its header, and the page in it |
//! | `git` | what git knows of a folder at a revision |
//! | `comparison` | the folder as it is against the folder at a revision |
//! | `terminal` | telling people of it |
//!
//! Which payloads there are is said where they are taken, in `sim/tests/payloads`.

mod alignment;
mod classify;
mod comparison;
mod git;
mod mask;
mod redactor;
mod snapshot;
mod terminal;

pub use self::classify::{Change, What, classify};
pub use self::comparison::{Compared, ComparisonError, News, SnapshotNews, since};
pub use self::git::GitError;
pub use self::redactor::Redactor;
pub use self::snapshot::{ASKED, Part, Unreadable, page, payloads_of, without_asked};
pub use self::terminal::{line, tell};
