//! Mutation testing without a list of bugs: draws generic mutants and plays scenarios against each.
//!
//! | file | what is in it |
//! |---|---|
//! | `baseline` | plays everything against the unmodified server, and finds the possible mutants |
//! | `drawing` | chooses mutants |
//! | `trial` | plays scenarios against one mutant, and how it was noticed |
//! | `reviewed` | survivors that were reviewed, with the reasons |
//! | `summary` | counts, and the part that oracles noticed |
//! | `terminal`, `json` | the report |
//!
//! The mutants themselves are in the crate `turnstile-mutants`.

mod baseline;
mod drawing;
mod json;
mod reviewed;
mod summary;
mod terminal;
mod trial;

pub use self::baseline::Baseline;
pub use self::drawing::draw;
pub use self::json::{Settings, write_json};
pub use self::summary::{Summary, stale_reviews};
pub use self::terminal::{write_survivors, write_table};
pub use self::trial::{Class, Notice, Trial, try_all};
