//! Snapshots of what old clients and the receivers of their callbacks receive, reviewed in `snapshots/`.
//!
//! | file | what is in it |
//! |---|---|
//! | `book` | pages and chapters, and the comparison with the snapshots |
//! | `plays` | the scripts: the suite's, and those in `scripts/` |
//! | `taken` | extracting payloads from traces |
//! | `leftovers` | no unused snapshot, script or contract |
//! | `contracts` | what receivers and old clients rely on |
//! | all others | one chapter each |
//!
//! Shares no type with the server: reviewers see the JSON from the wire.

#[path = "../support/library.rs"]
mod library;
#[path = "../support/contracts.rs"]
mod schemas;

/// As in the tool: a play allocates and frees many small JSON values, which is slower with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
