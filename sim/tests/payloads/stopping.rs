//! Chapter 5: interrupting work and deleting a session.

use crate::book::{Chapter, Page};
use crate::taken::reply;

const INTERRUPT: &str = "interruptSession";
const DELETE: &str = "deleteSession";

pub fn chapter() -> Chapter {
    Chapter {
        name: "05-interrupt-and-delete",
        pages: vec![
            Page::both(
                "interrupt-what-runs",
                "the reply to interruptSession while a message is running",
                "suite/interrupt/mid-stream",
                reply(INTERRUPT, 1),
            ),
            Page::both(
                "interrupt-what-waits",
                "the reply to interruptSession while a message is in the queue and no wrapper is there yet",
                "suite/interrupt/before-it-was-sent",
                reply(INTERRUPT, 1),
            ),
            Page::both(
                "interrupt-nothing",
                "the reply to interruptSession while nothing is running and nothing is in the queue",
                "suite/interrupt/nothing-to-interrupt",
                reply(INTERRUPT, 1),
            ),
            Page::both(
                "interrupt-session-is-unknown",
                "the reply to interruptSession for a session that never was",
                "refused-otherwise",
                reply(INTERRUPT, 1),
            ),
            Page::both(
                "delete",
                "the reply to deleteSession",
                "suite/deletion/unknown",
                reply(DELETE, 2),
            ),
            Page::both(
                "delete-again",
                "the reply to deleteSession for a session that was deleted before",
                "suite/deletion/unknown",
                reply(DELETE, 3),
            ),
            Page::both(
                "delete-session-is-unknown",
                "the reply to deleteSession for a session that never was",
                "suite/deletion/unknown",
                reply(DELETE, 1),
            ),
        ],
    }
}

#[test]
fn replies_to_interrupting_and_deleting_match_snapshots() {
    chapter().assert_reviewed();
}
