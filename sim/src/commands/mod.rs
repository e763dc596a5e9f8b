//! What each command does, a file each, and what several of them need.
//!
//! | file | what is in it |
//! |---|---|
//! | `library` | finding the scenarios, and saying so if they are not there or wrong |
//! | `progress`, `seeds`, `exit` | the bar, the seeds as they are written, how the program ends |
//! | `interruption` | Ctrl-C |
//! | `output_file`, `report_files` | files that are written when all is over, and the reports that are |
//! | `arguments`, `reporting` | arguments and reporters that several commands share |
//! | all others | the command of that name: its arguments and what it does |
//!
//! What is told and how it looks is the library's business (`report`, and what the commands are named after).

mod arguments;
pub(crate) mod check;
pub(crate) mod coverage;
pub(crate) mod exit;
pub(crate) mod explore;
mod interruption;
pub(crate) mod library;
pub(crate) mod list;
pub(crate) mod live;
pub(crate) mod merge;
mod output_file;
mod progress;
pub(crate) mod replay;
mod report_files;
mod reporting;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod seeds;
pub(crate) mod selftest;
pub(crate) mod shrink;
pub(crate) mod snapshots;
pub(crate) mod soak;
pub(crate) mod stream;
pub(crate) mod sweep;
pub(crate) mod tokens;
pub(crate) mod up;
