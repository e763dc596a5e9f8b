//! What no scenario is expected to come by, and why.
//!
//! A scenario is worth more than an argument: what a script can do belongs into a script. An argument whose
//! mark is reached after all is wrong, and told of.

use fake_gateway::coverage::FakeEvent;
use turnstile_reference::coverage::Row;

use super::Mark;

/// Where every socket is asked for wrongly in every way.
const SOCKETS: &str = "no socket of a script is asked for in a wrong form; sim/tests/engine/bad_input/sockets.rs does it in all";

/// Every argument, with the mark that it is about.
const ARGUED: &[(Mark, &str)] = &[
    (
        Mark::of_server(Row::RefusalPaymentRequired),
        "no procedure says so: the code is reserved, and who pays is the gateway's business",
    ),
    (
        Mark::of_server(Row::RefusalForbidden),
        "no procedure says so: a session of another user is NOT_FOUND, so that its existence is not told",
    ),
    (
        Mark::of_server(Row::RefusalConflict),
        "no procedure says so: what is stale is refused at the ingest, where each 409 has a row of its own",
    ),
    (
        Mark::of_server(Row::RefusalServiceUnavailable),
        "no procedure says so: none of this server waits for a sandbox, which is what such a server would lack",
    ),
    (Mark::of_server(Row::IngestNoUpgrade), SOCKETS),
    (Mark::of_server(Row::IngestBadParameter), SOCKETS),
    (Mark::of_server(Row::IngestBadToken), SOCKETS),
    (Mark::of_server(Row::IngestOtherUser), SOCKETS),
    (Mark::of_server(Row::IngestOtherSession), SOCKETS),
    (
        Mark::of_server(Row::ReconciledWithError),
        "such a reply ends its message as soon as it is told; reference/tests/session/settlement_pairs tells it before \
         there is the message",
    ),
    (
        Mark::of_server(Row::StreamOpened),
        "a script's client that has seen nothing asks for what came after event 0, which is the same; \
         sim/tests/engine/bad_input/sockets.rs names no event",
    ),
    (
        Mark::of_server(Row::StreamRounds),
        "a mebibyte of kept events is more than a script should write; reference/tests/session/store.rs reads in \
         smaller rounds",
    ),
    (Mark::of_server(Row::StreamNoUpgrade), SOCKETS),
    (Mark::of_server(Row::StreamBadParameter), SOCKETS),
    (Mark::of_server(Row::StreamBadTicket), SOCKETS),
    (Mark::of_server(Row::StreamOtherSession), SOCKETS),
    (
        Mark::of_fakes(FakeEvent::UnknownModel),
        "the wrapper looks into the catalogue first, and does not ask with such a model",
    ),
    (
        Mark::of_fakes(FakeEvent::MalformedCompletionRequest),
        "the wrapper is the only one that asks, and it asks well",
    ),
    (
        Mark::of_fakes(FakeEvent::MalformedRequest),
        "a server that left something out would be found by it; the wrapper's own tests do",
    ),
    (
        Mark::of_fakes(FakeEvent::StatusReported),
        "this server goes by what the ingest tells, and never asks",
    ),
];

/// Why nothing is expected to come by a mark, if that is argued.
pub(super) fn argument_for(mark: Mark) -> Option<&'static str> {
    let argued = ARGUED.iter().find(|(argued, _)| *argued == mark);
    argued.map(|(_, why)| *why)
}
