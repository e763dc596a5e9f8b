//! Chapter 6: refusals of prepareSession and initiateFromKilocodeSessionV2.

use turnstile_scenarios::Surface;

use crate::book::{Calls, Chapter, Page, in_turn, unified, v2};
use crate::taken::reply;

const PREPARE: &str = "prepareSession";
const INITIATE: &str = "initiateFromKilocodeSessionV2";

/// The script with most of the refusals.
const REFUSED: &str = "refused-to-begin";
/// The script with missing authorization.
const NO_RIGHT: &str = "suite/legacy/no-right-to-ask";
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
    // The first calls begin the script's session.
    let (prepare, initiate) = (calls(PREPARE, 2), calls(INITIATE, 2));
    let on_both = [
        ("prepare-prompt-is-empty", "prepareSession with an empty prompt"),
        ("prepare-prompt-is-missing", "prepareSession without a prompt"),
        (
            "prepare-mode-is-unknown",
            "prepareSession with a mode that there is not",
        ),
        ("prepare-mode-is-missing", "prepareSession without a mode"),
        (
            "prepare-custom-mode-without-a-system-prompt",
            "prepareSession with the mode custom and no appendSystemPrompt",
        ),
        ("prepare-model-is-missing", "prepareSession without a model"),
        ("prepare-model-is-empty", "prepareSession with an empty model"),
        (
            "prepare-repository-is-missing",
            "prepareSession with neither githubRepo nor gitUrl",
        ),
        (
            "prepare-repository-is-not-https",
            "prepareSession with a gitUrl that begins with http://",
        ),
        (
            "prepare-message-id-is-malformed",
            "prepareSession with an initialMessageId of another form",
        ),
        (
            "prepare-target-is-no-url",
            "prepareSession with a callbackTarget whose url is none",
        ),
        (
            "prepare-target-has-a-bad-header",
            "prepareSession with a callbackTarget whose header has no good name",
        ),
        (
            "prepare-gate-is-unknown",
            "prepareSession with a gateThreshold that there is not",
        ),
    ];
    let on_v2 = [
        (
            "prepare-two-repositories",
            "prepareSession with both githubRepo and gitUrl",
        ),
        (
            "prepare-command-with-images",
            "prepareSession with an initialPayload of the type command that has images",
        ),
        (
            "prepare-payload-type-is-unknown",
            "prepareSession with an initialPayload of a type that there is not",
        ),
    ];
    let initiating = [
        (
            "initiate-session-is-unknown",
            "initiateFromKilocodeSessionV2 of a session that never was",
        ),
        (
            "initiate-session-id-is-malformed",
            "initiateFromKilocodeSessionV2 with a session id of another form",
        ),
    ];
    let initiating_strictly = [(
        "initiate-field-is-unknown",
        "initiateFromKilocodeSessionV2 with a field that it does not take: its input is strict",
    )];
    let mut pages = in_turn(prepare, Some(calls("start", 1)), &on_both);
    pages.extend(in_turn(calls(PREPARE, 2 + on_both.len()), None, &on_v2));
    pages.extend(in_turn(initiate, Some(calls("send", 1)), &initiating));
    pages.extend(in_turn(
        calls(INITIATE, 2 + initiating.len()),
        None,
        &initiating_strictly,
    ));
    pages.extend([
        Page::new(
            "initiate-message-is-over",
            "initiateFromKilocodeSessionV2 of a session whose first message has ended",
            v2("suite/legacy/initiated-again", reply(INITIATE, 4)),
            unified("suite/queue/repeated-after-its-end", reply("send", 1)),
        ),
        Page::alone(
            "prepare-without-the-internal-key",
            "prepareSession by a user without the key of internal callers",
            v2(NO_RIGHT, reply(PREPARE, 1)),
        ),
        Page::new(
            "prepare-without-a-token",
            "prepareSession without a token",
            v2(NO_RIGHT, reply(PREPARE, 2)),
            unified(NO_RIGHT, reply("start", 2)),
        ),
        Page::new(
            "initiate-with-an-expired-token",
            "initiateFromKilocodeSessionV2 with a token that has expired",
            v2(NO_RIGHT, reply(INITIATE, 1)),
            unified(NO_RIGHT, reply("send", 2)),
        ),
        Page::new(
            "initiate-session-of-another-user",
            "initiateFromKilocodeSessionV2 of another user's session, which is not told to exist",
            v2(NO_RIGHT, reply(INITIATE, 2)),
            unified(NO_RIGHT, reply("send", 3)),
        ),
        Page::new(
            "prepare-cannot-be-stored",
            "prepareSession while the store fails",
            v2(NOT_STORED, reply(PREPARE, 1)),
            unified(NOT_STORED, reply("start", 2)),
        ),
    ]);
    Chapter {
        name: "06-refused-to-begin",
        pages,
    }
}

#[test]
fn refusals_to_begin_a_session_match_snapshots() {
    chapter().assert_reviewed();
}
