//! Tests in virtual time: the suite, seeds, coverage, the cross-check of both worlds, the server's handling of invalid
//! input, secrets and failing disks, and the output of the tool.
//!
//! One binary, because linking the engine takes longer than compiling a test.

#[path = "../support/chromium.rs"]
mod chromium;
#[path = "../support/library.rs"]
mod library;
#[path = "../support/contracts.rs"]
mod schemas;
#[path = "../support/tool.rs"]
mod tool;

/// As in the tool: a play allocates and frees many small JSON values, which is slower with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod folders;
mod log;
mod test_bed;
mod wire;

mod any_folder;
mod bad_input;
mod browser;
#[cfg(unix)]
mod clients;
mod command_line;
mod conformance_action;
mod contracts;
mod coverage;
mod determinism;
#[cfg(unix)]
mod doc_examples;
mod failing_disk;
mod fuzz;
#[cfg(all(target_os = "linux", feature = "selftest"))]
mod limits;
#[cfg(feature = "selftest")]
mod mutants;
#[cfg(feature = "selftest")]
mod mutate;
mod openapi;
mod recordings;
mod report_pages;
mod runner;
mod secrets;
mod seeds;
mod snapshots;
mod streams;
mod suite;
mod suite_plays;
mod timeline;
mod toy_server;
#[cfg(feature = "selftest")]
mod why;
#[cfg(all(feature = "selftest", feature = "witness"))]
mod witness;
