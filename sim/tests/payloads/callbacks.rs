//! Chapter 9: callbacks.

use crate::book::{Chapter, Page, unified, v2};
use crate::taken::{Pick, callback};

#[expect(clippy::too_many_lines, reason = "the pages of one chapter")]
pub fn chapter() -> Chapter {
    let first = |name, says, script| Page::both(name, says, script, callback("first"));
    Chapter {
        name: "09-callbacks",
        pages: vec![
            first(
                "completed-with-text",
                "the callback of a message that was answered with text",
                "suite/turn/cold",
            ),
            first(
                "completed-without-text",
                "the callback of a message that was answered with nothing",
                "suite/turn/empty-answer",
            ),
            Page::new(
                "completed-command",
                "the callback of a command, which was answered with nothing (the unified surface has no commands: \
                 there it is a prompt)",
                v2("sent-in-each-form", callback("command")),
                unified("second-turn-without-text", callback("second")),
            ),
            first(
                "completed-on-a-branch",
                "the callback of a message whose wrapper told a branch, and that its gate passed",
                "suite/wrapper/branch-is-told",
            ),
            first(
                "failed-unfinished-reply",
                "the callback of a message whose answer was never finished when the session fell idle",
                "suite/wrapper/unfinished-reply",
            ),
            first(
                "failed-assistant-error",
                "the callback of a message that the gateway refused to answer",
                "suite/gateway/refused",
            ),
            first(
                "failed-unknown-model",
                "the callback of a message with a model that the gateway does not have",
                "suite/gateway/unknown-model",
            ),
            first(
                "failed-wrapper-error",
                "the callback of a message whose wrapper told a fatal error",
                "suite/wrapper/fatal-error",
            ),
            first(
                "failed-wrapper-disconnected",
                "the callback of a message whose wrapper stayed away for the grace",
                "suite/reconnect/grace-runs-out",
            ),
            first(
                "failed-wrapper-answers-no-ping",
                "the callback of a message whose wrapper left a ping unanswered",
                "suite/wrapper/deaf",
            ),
            first(
                "failed-wrapper-shows-nothing",
                "the callback of a message whose wrapper had no output for five minutes",
                "suite/wrapper/silent",
            ),
            first(
                "failed-missing-assistant-reply",
                "the callback of a message that had no answer when the session fell idle",
                "suite/wrapper/no-reply",
            ),
            first(
                "failed-undelivered-no-sandbox",
                "the callback of a message that could not be delivered: SANDBOX_CONNECT_FAILED",
                "suite/crash/wrapper-never-there",
            ),
            Page::both(
                "failed-undelivered-no-workspace",
                "the callback of a message that could not be delivered: WORKSPACE_SETUP_FAILED",
                "suite/wrapper/warm-start-fails-for-good",
                callback("second"),
            ),
            first(
                "failed-undelivered-no-kilo-server",
                "the callback of a message that could not be delivered: KILO_SERVER_FAILED",
                "suite/wrapper/start-fails-for-good",
            ),
            first(
                "failed-undelivered-wrapper-takes-nothing",
                "the callback of a message that could not be delivered: WRAPPER_START_FAILED",
                "wrapper-takes-nothing",
            ),
            first(
                "failed-undelivered-refused",
                "the callback of a message that the wrapper refused each time: BAD_REQUEST",
                "suite/wrapper/turn-refused",
            ),
            first(
                "interrupted-while-it-ran",
                "the callback of a message that was interrupted after a wrapper took it",
                "suite/interrupt/mid-stream",
            ),
            first(
                "interrupted-while-it-waited",
                "the callback of a message that was interrupted in the queue",
                "suite/interrupt/before-it-was-sent",
            ),
            first(
                "gate-passed",
                "the callback of a message whose gate passed",
                "suite/wrapper/gate-passes",
            ),
            first(
                "gate-failed",
                "the callback of a message that completed and whose gate failed",
                "suite/wrapper/gate-fails",
            ),
            first(
                "gate-never-spoke",
                "the callback of a message whose wrapper was lost before its gate spoke",
                "suite/wrapper/gate-never-speaks",
            ),
            Page::both(
                "tried-again",
                "the second request of a callback whose first was answered 500: the same once more",
                "suite/callback/receiver-fails-for-a-while",
                Pick::Callback("first", 2),
            ),
            Page::both(
                "another-target",
                "the callback of a message that was admitted after updateSession named another target",
                "suite/legacy/target-changed-after-admission",
                callback("second"),
            ),
        ],
    }
}

#[test]
fn callbacks_match_snapshots() {
    chapter().assert_reviewed();
}
