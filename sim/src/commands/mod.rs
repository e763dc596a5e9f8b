//! The commands, one file each, and code that they share.
//!
//! | file | what is in it |
//! |---|---|
//! | `config` | defaults of options from `turnstile.toml` |
//! | `library`, `built_in` | loads and selects scenarios; those and the pages that are part of the program |
//! | `suggestions` | suggestions for misspelt commands and ids |
//! | `progress`, `seeds`, `exit` | the progress bar, seeds on the command line, exit statuses |
//! | `interruption` | Ctrl-C |
//! | `clock` | the time of this machine |
//! | `last_failed`, `watching` | what `run` plays again |
//! | `pages`, `seed_pages`, `explanations` | `--report`, and `--why` for it |
//! | `guided` | `explore --guided` |
//! | `output_file`, `report_files` | files that are written at the end, and the reports in them |
//! | `reference_server` | the reference server as a process, for `run --live` and `soak`, and `server` itself |
//! | `live_server`, `live_seeds` | servers for plays in real time, and seeds against them |
//! | `recording_file` | recordings on the command line |
//! | `baseline` | expected failures |
//! | `target` | options that describe a server under test |
//! | `role` | what `client` and `wrapper` share |
//! | `arguments`, `reporting` | arguments and reporters that several commands share |
//! | all others | the command of that name |
//!
//! The content and layout of reports belong to the library: `report`, and the modules named like the commands.

mod arguments;
mod baseline;
mod built_in;
pub(crate) mod check;
pub(crate) mod client;
mod clock;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod coverage;
#[cfg(feature = "selftest")]
pub(crate) mod docs;
pub(crate) mod exit;
pub(crate) mod explain;
mod explanations;
pub(crate) mod explore;
mod explore_live;
mod guided;
mod interruption;
pub(crate) mod judge;
mod last_failed;
pub(crate) mod library;
pub(crate) mod list;
pub(crate) mod live;
mod live_seeds;
mod live_server;
pub(crate) mod man;
pub(crate) mod merge;
#[cfg(feature = "selftest")]
pub(crate) mod mutants;
pub(crate) mod mutate;
mod output_file;
mod pages;
pub(crate) mod probe;
mod progress;
mod recording_file;
pub(crate) mod reference_server;
pub(crate) mod replay;
mod report_files;
mod reporting;
mod role;
pub(crate) mod run;
pub(crate) mod scenario_from;
pub(crate) mod schema;
mod seed_pages;
pub(crate) mod seeds;
pub(crate) mod selftest;
pub(crate) mod shrink;
pub(crate) mod snapshots;
pub(crate) mod soak;
pub(crate) mod stream;
pub(crate) mod suggestions;
pub(crate) mod sweep;
mod target;
pub(crate) mod tokens;
pub(crate) mod up;
mod watching;
pub(crate) mod why;
pub(crate) mod wrapper;
