//! Chapter 1: beginning a session.

use crate::book::{Chapter, Page, unified, v2};
use crate::taken::reply;

const PREPARE: &str = "prepareSession";
const INITIATE: &str = "initiateFromKilocodeSessionV2";

pub fn chapter() -> Chapter {
    let begun = unified("suite/turn/cold", reply("start", 1));
    Chapter {
        name: "01-begin-a-session",
        pages: vec![
            Page::new(
                "prepare-session",
                "the reply to prepareSession",
                v2("suite/turn/cold", reply(PREPARE, 1)),
                begun,
            ),
            Page::new(
                "prepare-session-that-initiates-at-once",
                "the reply to prepareSession with autoInitiate",
                v2("suite/legacy/prepared-and-initiated-at-once", reply(PREPARE, 1)),
                begun,
            ),
            Page::new(
                "initiate",
                "the reply to initiateFromKilocodeSessionV2 after prepareSession",
                v2("suite/turn/cold", reply(INITIATE, 1)),
                begun,
            ),
            Page::new(
                "initiate-again-while-it-waits",
                "the reply to initiateFromKilocodeSessionV2 for the second time, while its message is in the queue",
                v2("suite/legacy/initiated-again", reply(INITIATE, 2)),
                unified("suite/queue/repeated-while-queued", reply("send", 2)),
            ),
            Page::new(
                "initiate-again-once-it-was-sent",
                "the reply to initiateFromKilocodeSessionV2 once more, after a wrapper took its message",
                v2("suite/legacy/initiated-again", reply(INITIATE, 3)),
                unified("suite/queue/repeated-after-sent", reply("send", 1)),
            ),
        ],
    }
}

#[test]
fn replies_to_beginning_a_session_match_snapshots() {
    chapter().assert_reviewed();
}
