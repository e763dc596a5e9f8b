//! Chapter 2: sending a further message.

use crate::book::{Chapter, Page, Take, unified, v2};
use crate::taken::reply;

const SEND: &str = "sendMessageV2";

pub fn chapter() -> Chapter {
    let form = |number| v2("sent-in-each-form", reply(SEND, number));
    let sent: Take = unified("suite/turn/hot", reply("send", 1));
    Chapter {
        name: "02-send-a-message",
        pages: vec![
            Page::new(
                "flat-prompt",
                "the reply to sendMessageV2 with flat fields",
                form(1),
                sent,
            ),
            Page::new(
                "prompt-in-a-payload",
                "the reply to sendMessageV2 with a payload of the type prompt",
                form(2),
                sent,
            ),
            Page::new(
                "command-in-a-payload",
                "the reply to sendMessageV2 with a payload of the type command",
                form(3),
                sent,
            ),
            Page::new(
                "without-an-id",
                "the reply to sendMessageV2 without a messageId, which the server then draws",
                v2("sent-without-an-id", reply(SEND, 1)),
                unified("sent-without-an-id", reply("send", 1)),
            ),
            Page::new(
                "again-while-it-waits",
                "the reply to sendMessageV2 with a messageId that is in the queue, and the same intent",
                v2("suite/queue/repeated-while-queued", reply(SEND, 2)),
                unified("suite/queue/repeated-while-queued", reply("send", 2)),
            ),
            Page::new(
                "again-once-it-was-sent",
                "the reply to sendMessageV2 with a messageId that a wrapper took, and the same intent",
                v2("suite/queue/repeated-after-sent", reply(SEND, 1)),
                unified("suite/queue/repeated-after-sent", reply("send", 1)),
            ),
        ],
    }
}

#[test]
fn replies_to_sending_a_message_match_snapshots() {
    chapter().assert_reviewed();
}
