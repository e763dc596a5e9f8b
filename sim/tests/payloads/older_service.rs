//! Chapter 11: sessions and executions imported from an older service.

use crate::book::{Chapter, Page, unified, v2};
use crate::taken::{callback, reply, streams};

const GET: &str = "getSession";
const SEND: &str = "sendMessageV2";
const INITIATE: &str = "initiateFromKilocodeSessionV2";

/// An imported session that was prepared, used by clients of both surfaces.
const DRIVEN: &str = "older-session-that-was-prepared";
/// A session of this service in every stage.
const STAGES: &str = "asked-in-every-stage";
/// An imported session with an execution without a message id, in every stage.
const EXECUTION: &str = "older-execution-in-every-stage";
/// An imported session with an execution that answers a message.
const FOR_A_MESSAGE: &str = "older-execution-for-a-message";

pub fn chapter() -> Chapter {
    let mut pages = replies();
    pages.extend(refusals());
    pages.extend(callbacks());
    pages.extend([
        Page::new(
            "stream-of-an-execution",
            "the stream of a session whose execution is answered with text and completes (on the unified surface, of \
             a message's turn)",
            v2("older-stream-of-an-execution", streams("phone")),
            unified("stream-of-a-turn", streams("phone")),
        ),
        Page::alone(
            "stream-of-an-execution-that-lost-its-wrapper",
            "the stream of a session whose execution's wrapper stays away for the grace",
            v2("older-stream-of-a-lost-execution", streams("phone")),
        ),
    ]);
    Chapter {
        name: "11-sessions-of-an-older-service",
        pages,
    }
}

#[expect(clippy::too_many_lines, reason = "the pages of one chapter")]
fn replies() -> Vec<Page> {
    let (waiting, running, completed) = (reply(GET, 1), reply(GET, 2), reply(GET, 3));
    vec![
        Page::new(
            "initiate",
            "the reply to initiateFromKilocodeSessionV2 of a session that an older service prepared",
            v2(DRIVEN, reply(INITIATE, 1)),
            unified(DRIVEN, reply("send", 1)),
        ),
        Page::new(
            "send",
            "the reply to sendMessageV2 to a session that an older service prepared",
            v2(DRIVEN, reply(SEND, 1)),
            unified(DRIVEN, reply("send", 1)),
        ),
        Page::alone(
            "update",
            "the reply to updateSession of a session that an older service used",
            v2("older-session-that-was-used", reply("updateSession", 1)),
        ),
        Page::new(
            "get-session-prepared",
            "the reply to getSession of a session that an older service prepared",
            v2(DRIVEN, reply(GET, 1)),
            unified(STAGES, waiting),
        ),
        Page::new(
            "get-session-used",
            "the reply to getSession of a session that an older service used",
            v2("older-session-that-was-used", reply(GET, 1)),
            unified(STAGES, completed),
        ),
        Page::new(
            "get-session-with-all-fields",
            "the reply to getSession of a session whose record has every field that is told, and every one that never is",
            v2("older-record-with-all-fields", reply(GET, 1)),
            unified(STAGES, completed),
        ),
        Page::new(
            "get-session-of-plain-git",
            "the reply to getSession of a session whose repository's URL has credentials in it",
            v2("older-record-of-plain-git", reply(GET, 1)),
            unified(STAGES, completed),
        ),
        Page::new(
            "get-session-with-an-execution-pending",
            "the reply to getSession while an execution is pending",
            v2(EXECUTION, reply(GET, 1)),
            unified(STAGES, waiting),
        ),
        Page::new(
            "get-session-with-an-execution-running",
            "the reply to getSession while an execution is running",
            v2(EXECUTION, reply(GET, 2)),
            unified(STAGES, running),
        ),
        Page::new(
            "get-session-with-an-execution-for-a-message",
            "the reply to getSession while an execution is running that answers a message",
            v2(FOR_A_MESSAGE, reply(GET, 1)),
            unified(STAGES, running),
        ),
        Page::new(
            "get-session-with-an-execution-over",
            "the reply to getSession after an execution completed",
            v2(EXECUTION, reply(GET, 3)),
            unified(STAGES, completed),
        ),
        Page::new(
            "health-with-an-execution-running",
            "the reply to getSessionHealth while an execution is running",
            v2(EXECUTION, reply("getSessionHealth", 1)),
            unified(STAGES, reply("getSessionHealth", 2)),
        ),
        Page::new(
            "latest-answer-of-an-execution",
            "the reply to getLatestAssistantMessage after an execution completed that answers a message",
            v2(FOR_A_MESSAGE, reply("getLatestAssistantMessage", 1)),
            unified(STAGES, reply("getLatestAssistantMessage", 3)),
        ),
        Page::new(
            "interrupt-an-execution",
            "the reply to interruptSession while an execution is running",
            v2("suite/legacy/execution-interrupted", reply("interruptSession", 1)),
            unified("suite/interrupt/mid-stream", reply("interruptSession", 1)),
        ),
    ]
}

fn refusals() -> Vec<Page> {
    vec![
        Page::alone(
            "refused-initiate-was-initiated-there",
            "initiateFromKilocodeSessionV2 of a session that the older service initiated: its turn is not run again",
            v2("older-session-that-was-used", reply(INITIATE, 1)),
        ),
        Page::alone(
            "refused-initiate-without-a-prompt",
            "initiateFromKilocodeSessionV2 of a session whose record has no prompt",
            v2("older-record-without-a-prompt", reply(INITIATE, 1)),
        ),
        Page::new(
            "refused-initiate-without-a-model",
            "initiateFromKilocodeSessionV2 of a session whose record has no model",
            v2("suite/legacy/record-without-a-model", reply(INITIATE, 1)),
            unified("suite/legacy/record-without-a-model", reply("send", 1)),
        ),
        Page::new(
            "refused-send-without-a-model",
            "sendMessageV2 without a model to a session whose record has none",
            v2("older-record-of-plain-git", reply(SEND, 1)),
            unified("older-record-of-plain-git", reply("send", 1)),
        ),
        Page::new(
            "refused-send-id-of-an-execution",
            "sendMessageV2 with the messageId of a turn that an execution answers",
            v2(FOR_A_MESSAGE, reply(SEND, 1)),
            unified(FOR_A_MESSAGE, reply("send", 1)),
        ),
    ]
}

fn callbacks() -> Vec<Page> {
    let old = |script| v2(script, callback("old"));
    let first = |script| unified(script, callback("first"));
    vec![
        Page::new(
            "callback-completed",
            "the callback of an execution that completed, and knows no message",
            old(EXECUTION),
            first("empty-answer-on-a-branch"),
        ),
        Page::new(
            "callback-completed-for-a-message",
            "the callback of an execution that completed with text, and knows its message",
            old(FOR_A_MESSAGE),
            first(STAGES),
        ),
        Page::new(
            "callback-completed-with-a-gate",
            "the callback of an execution whose wrapper told a branch, and that its gate failed",
            old("older-execution-with-a-gate"),
            first("suite/wrapper/gate-fails"),
        ),
        Page::new(
            "callback-failed",
            "the callback of an execution whose wrapper told a fatal error, and that knows no message",
            old("older-execution-fails"),
            first("suite/wrapper/fatal-error"),
        ),
        Page::new(
            "callback-failed-for-a-message",
            "the callback of an execution whose wrapper told a fatal error, and that knows its message",
            old("older-execution-fails-for-a-message"),
            first("suite/wrapper/fatal-error"),
        ),
        Page::new(
            "callback-failed-wrapper-disconnected",
            "the callback of an execution whose wrapper stayed away for the grace",
            old("suite/legacy/execution-loses-its-wrapper"),
            first("suite/reconnect/grace-runs-out"),
        ),
        Page::new(
            "callback-failed-timed-out",
            "the callback of an execution whose hour was over (on the unified surface, of a message whose wrapper had \
             no output)",
            old("suite/legacy/execution-never-heard-of"),
            first("suite/wrapper/silent"),
        ),
        Page::new(
            "callback-interrupted",
            "the callback of an execution that the user interrupted",
            old("suite/legacy/execution-interrupted"),
            first("suite/interrupt/mid-stream"),
        ),
    ]
}

#[test]
fn payloads_of_imported_sessions_match_snapshots() {
    chapter().assert_reviewed();
}
