//! Chapter 7: refusals of sendMessageV2.

use turnstile_scenarios::Surface;

use crate::book::{Calls, Chapter, Page, in_turn, unified, v2};
use crate::taken::reply;

const SEND: &str = "sendMessageV2";

/// The script with most of the refusals.
const REFUSED: &str = "refused-to-send";
/// The script with missing authorization.
const NO_RIGHT: &str = "suite/legacy/no-right-to-ask";
/// The script with malformed requests.
const UNREADABLE: &str = "suite/queue/unreadable-requests";
/// The script with ten queued messages.
const FULL: &str = "suite/queue/overflow-then-interrupt";
/// The script with a full disk.
const NOT_STORED: &str = "refused-by-the-store";

#[expect(clippy::too_many_lines, reason = "the pages of one chapter")]
pub fn chapter() -> Chapter {
    let calls = |procedure, first| Calls {
        script: REFUSED,
        surface: Surface::Legacy,
        procedure,
        first,
    };
    let on_both = [
        (
            "message-id-is-malformed",
            "sendMessageV2 with a messageId of another form",
        ),
        ("session-is-unknown", "sendMessageV2 to a session that never was"),
        (
            "session-id-is-malformed",
            "sendMessageV2 with a session id of another form",
        ),
        ("prompt-is-empty", "sendMessageV2 with an empty prompt"),
        (
            "prompt-is-missing",
            "sendMessageV2 with neither a prompt nor a payload",
        ),
        ("mode-is-unknown", "sendMessageV2 with a mode that there is not"),
        (
            "custom-mode-without-a-system-prompt",
            "sendMessageV2 with the mode custom to a session without an appendSystemPrompt",
        ),
        ("model-is-empty", "sendMessageV2 with an empty model"),
        (
            "message-id-is-of-another-intent",
            "sendMessageV2 with a messageId that is known, and another prompt",
        ),
        (
            "message-is-over",
            "sendMessageV2 with a messageId whose message has ended",
        ),
        (
            "images-are-neither-list-nor-object",
            "sendMessageV2 with images that are a text",
        ),
    ];
    let on_v2 = [
        ("mode-is-missing", "sendMessageV2 with flat fields and no mode"),
        ("model-is-missing", "sendMessageV2 with flat fields and no model"),
        (
            "prompt-and-payload",
            "sendMessageV2 with both a prompt and a payload",
        ),
        (
            "payload-type-is-unknown",
            "sendMessageV2 with a payload of a type that there is not",
        ),
        (
            "payload-without-a-prompt",
            "sendMessageV2 with a payload of the type prompt that has none",
        ),
        (
            "payload-without-a-command",
            "sendMessageV2 with a payload of the type command that has none",
        ),
        (
            "command-is-empty",
            "sendMessageV2 with a payload whose command is empty",
        ),
        ("command-with-images", "sendMessageV2 with a command and images"),
    ];
    // The first call sends the message that is running during the refusals.
    let mut pages = in_turn(calls(SEND, 2), Some(calls("send", 1)), &on_both);
    pages.extend(in_turn(calls(SEND, 2 + on_both.len()), None, &on_v2));
    pages.extend([
        Page::both_procedures(
            "queue-is-full",
            "sendMessageV2 while ten messages are in the queue",
            FULL,
            11,
        ),
        Page::both_procedures("without-a-token", "sendMessageV2 without a token", NO_RIGHT, 1),
        Page::both_procedures(
            "with-an-expired-token",
            "sendMessageV2 with a token that has expired",
            NO_RIGHT,
            2,
        ),
        Page::both_procedures(
            "session-of-another-user",
            "sendMessageV2 to another user's session, which is not told to exist",
            NO_RIGHT,
            3,
        ),
        Page::new(
            "session-was-deleted",
            "sendMessageV2 to a session that was deleted",
            v2("suite/deletion/while-it-works", reply(SEND, 2)),
            unified("suite/deletion/while-it-works", reply("send", 2)),
        ),
        Page::both_procedures(
            "body-is-not-json",
            "sendMessageV2 with a body that is not JSON",
            UNREADABLE,
            1,
        ),
        Page::both_procedures(
            "body-is-too-large",
            "sendMessageV2 with a body of more than 2 MiB",
            UNREADABLE,
            2,
        ),
        Page::both_procedures("asked-with-get", "sendMessageV2 asked with GET", UNREADABLE, 3),
        Page::both_procedures(
            "cannot-be-stored",
            "sendMessageV2 while the store fails",
            NOT_STORED,
            1,
        ),
    ]);
    Chapter {
        name: "07-refused-to-send",
        pages,
    }
}

impl Page {
    /// Makes a page that compares call `number` of sendMessageV2 with call `number` of send.
    fn both_procedures(name: &str, description: &str, script: &'static str, number: usize) -> Self {
        Self::new(
            name,
            description,
            v2(script, reply(SEND, number)),
            unified(script, reply("send", number)),
        )
    }
}

#[test]
fn refusals_to_send_a_message_match_snapshots() {
    chapter().assert_reviewed();
}
