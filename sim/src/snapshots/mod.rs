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
//! | `reliance` | the contracts that name a field |
//! | `words` | a change in words |
//! | `verdict` | what a change means for clients |
//! | `terminal`, `markdown`, `html` | the comparison as text, in Markdown and as JSON, and as a page |
//! | `review` | accepting and rejecting a pending page |
//!
//! The payloads are taken by the tests in `sim/tests/payloads`.

mod alignment;
mod classify;
mod comparison;
mod git;
mod html;
mod markdown;
mod mask;
mod redactor;
mod reliance;
mod review;
mod snapshot;
mod terminal;
mod verdict;
mod words;

pub use self::classify::{Change, What, classify};
pub use self::comparison::{Compared, ComparisonError, News, SnapshotNews, since};
pub use self::git::GitError;
pub use self::html::write_html;
pub use self::markdown::{to_json, write_markdown};
pub use self::redactor::Redactor;
pub use self::reliance::Contracts;
pub use self::review::{ReviewError, accept, reject};
pub use self::snapshot::{ASKED, Part, Unreadable, page, payloads_of, without_asked};
pub use self::terminal::write_text;
pub use self::verdict::Verdict;
pub use self::words::line;
