//! Payload review: masks volatile values of payloads, and classifies changes by whether they break existing clients.
//!
//! | file | what is in it |
//! |---|---|
//! | `mask` | the format of masked values |
//! | `redactor` | masks values that differ from run to run |
//! | `classify` | two payloads → changes, breaking or compatible |
//! | `alignment` | matches the elements of two lists |
//! | `snapshot` | the file format of a snapshot |
//! | `git` | reads a folder at a revision |
//! | `comparison` | compares the folder with a revision |
//! | `terminal` | the comparison as text |
//!
//! The payloads are taken by the tests in `sim/tests/payloads`.

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
pub use self::terminal::{line, write_text};
