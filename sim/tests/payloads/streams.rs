//! Chapter 10: the stream of a client, from the beginning of its session.

use crate::book::{Chapter, Page};
use crate::taken::streams;

pub fn chapter() -> Chapter {
    let phone = |name, description, script| Page::both(name, description, script, streams("phone"));
    Chapter {
        name: "10-streams",
        pages: vec![
            phone(
                "one-turn",
                "the stream of a session's first turn, which is answered with text",
                "stream-of-a-turn",
            ),
            phone(
                "failed-turn",
                "the stream of a session's first turn, which the gateway refuses to answer",
                "stream-of-a-failed-turn",
            ),
            phone(
                "interrupted-turn",
                "the stream of a session's first turn, which the user interrupts",
                "stream-of-an-interrupted-turn",
            ),
            phone(
                "undelivered-turn",
                "the stream of a session's first turn, which the wrapper refuses to take",
                "stream-of-an-undelivered-turn",
            ),
            phone(
                "reconnect",
                "both streams of a client whose connection breaks in the middle of a turn, and that comes back with \
                 the id of what it saw last",
                "stream-over-a-reconnect",
            ),
            phone(
                "what-waits-and-what-failed",
                "the stream of a client that wants no replay, while one message is in the queue and one was \
                 interrupted there",
                "suite/stream/what-waits-and-what-failed",
            ),
        ],
    }
}

#[test]
fn streams_match_snapshots() {
    chapter().assert_reviewed();
}
