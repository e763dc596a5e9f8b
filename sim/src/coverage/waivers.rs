//! Waivers: marks that no scenario is expected to hit, with the reasons.
//!
//! Prefer a script to a waiver. A waiver whose mark is hit is stale and fails the coverage.

use fake_gateway::coverage::FakeEvent;
use turnstile_reference::coverage::ServerMark;

use super::Mark;

/// Why the fake wrapper never gets a turn that it does not expect.
const READY_FIRST: &str = "this server makes the wrapper ready before each delivery, and a new run after `complete`; covered by \
     fake-gateway/src/wrapper/lifecycle/tests.rs";
/// The reason for marks of invalid socket requests.
const SOCKETS: &str =
    "scripts cannot send invalid socket requests; covered by sim/tests/engine/bad_input/sockets.rs";

/// All waivers.
const WAIVERS: &[(Mark, &str)] = &[
    (
        Mark::of_server(ServerMark::RefusalPaymentRequired),
        "no procedure returns it: the code is reserved, and payment is a matter of the gateway",
    ),
    (
        Mark::of_server(ServerMark::RefusalForbidden),
        "no procedure returns it: a session of another user is NOT_FOUND, which does not reveal that it exists",
    ),
    (
        Mark::of_server(ServerMark::RefusalConflict),
        "no procedure returns it: stale runs and connections are refused at the ingest, with a mark for each 409",
    ),
    (
        Mark::of_server(ServerMark::RefusalServiceUnavailable),
        "no procedure returns it: no procedure of this server waits for a sandbox",
    ),
    (Mark::of_server(ServerMark::IngestNoUpgrade), SOCKETS),
    (Mark::of_server(ServerMark::IngestBadParameter), SOCKETS),
    (
        Mark::of_server(ServerMark::ReconciledWithError),
        "a reply with an error ends its message on arrival; covered by reference/tests/session/settlement_pairs, where the \
         reply precedes the message",
    ),
    (
        Mark::of_server(ServerMark::StreamOpened),
        "a script's client always sends an event id, 0 at first; covered by sim/tests/engine/bad_input/sockets.rs, which sends \
         none",
    ),
    (Mark::of_server(ServerMark::StreamNoUpgrade), SOCKETS),
    (Mark::of_server(ServerMark::StreamBadParameter), SOCKETS),
    (
        Mark::of_fakes(FakeEvent::MalformedCompletionRequest),
        "the only client of the gateway is the wrapper, which sends valid requests",
    ),
    (
        Mark::of_fakes(FakeEvent::MalformedRequest),
        "the server sends complete requests; covered by the tests of the wrapper",
    ),
    (Mark::of_fakes(FakeEvent::NoSession), READY_FIRST),
    (Mark::of_fakes(FakeEvent::BusyAgain), READY_FIRST),
    (Mark::of_fakes(FakeEvent::CompleteDropped), READY_FIRST),
    (
        Mark::of_fakes(FakeEvent::StatusReported),
        "this server relies on the ingest and never requests the status",
    ),
];

/// The reason why a mark is not expected to be hit; `None` without a waiver.
pub(super) fn waiver_for(mark: Mark) -> Option<&'static str> {
    let waiver = WAIVERS.iter().find(|(waived, _)| *waived == mark);
    waiver.map(|(_, reason)| *reason)
}
