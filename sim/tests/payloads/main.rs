//! What an old client and its callback's receiver get, page by page, as it was reviewed in `snapshots/`.
//!
//! | file | what is in it |
//! |---|---|
//! | `book` | pages and chapters: what there is to see, and asserting that it is as reviewed |
//! | `plays` | the scripts that it is taken from: the suite's, and those in `scripts/` |
//! | `taken` | finding it in the trace of a play |
//! | `leftovers` | no snapshot, script or contract is there that nobody asks for |
//! | `contracts` | what receivers and old clients rely on, over all that is ever played |
//! | all others | a chapter each, as a table of contents |
//!
//! Nothing here shares a type with the server: what is reviewed is the JSON that crossed the wire.

#[path = "../support/library.rs"]
mod library;

mod book;
mod callbacks;
mod contracts;
mod leftovers;
mod older_service;
mod plays;
mod refused_otherwise;
mod refused_to_begin;
mod refused_to_send;
mod session;
mod starting;
mod stopping;
mod streams;
mod taken;
mod target;
mod turns;

use book::Chapter;

/// Every chapter, in order.
fn chapters() -> Vec<Chapter> {
    vec![
        starting::chapter(),
        turns::chapter(),
        target::chapter(),
        session::chapter(),
        stopping::chapter(),
        refused_to_begin::chapter(),
        refused_to_send::chapter(),
        refused_otherwise::chapter(),
        callbacks::chapter(),
        streams::chapter(),
        older_service::chapter(),
    ]
}
