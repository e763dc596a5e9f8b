//! Chapter 8: refusals of the other procedures, which are the same on both surfaces.

use crate::book::{Chapter, Page, v2};
use crate::taken::reply;

const UPDATE: &str = "updateSession";
const GET: &str = "getSession";

/// The script with most of the refusals.
const REFUSED: &str = "refused-otherwise";
/// The script with missing authorization.
const NO_RIGHT: &str = "suite/legacy/no-right-to-ask";

#[expect(clippy::too_many_lines, reason = "the pages of one chapter")]
pub fn chapter() -> Chapter {
    let refused =
        |name: &str, says: &str, procedure, number| Page::both(name, says, REFUSED, reply(procedure, number));
    let gone = "suite/deletion/while-it-works";
    Chapter {
        name: "08-refused-otherwise",
        pages: vec![
            refused(
                "update-session-is-unknown",
                "updateSession of a session that never was",
                UPDATE,
                1,
            ),
            refused(
                "update-field-is-unknown",
                "updateSession with a field that it does not take: its input is strict",
                UPDATE,
                2,
            ),
            refused(
                "update-target-is-no-url",
                "updateSession with a callbackTarget whose url is none",
                UPDATE,
                3,
            ),
            refused(
                "update-target-is-no-object",
                "updateSession with a callbackTarget that is a text",
                UPDATE,
                4,
            ),
            Page::alone(
                "update-without-the-internal-key",
                "updateSession by the user without the key of internal callers",
                v2(NO_RIGHT, reply(UPDATE, 1)),
            ),
            Page::alone(
                "update-cannot-be-stored",
                "updateSession while the store fails",
                v2("refused-by-the-store", reply(UPDATE, 1)),
            ),
            refused(
                "get-session-is-unknown",
                "getSession of a session that never was",
                GET,
                1,
            ),
            refused(
                "get-session-id-is-malformed",
                "getSession with a session id of another form",
                GET,
                2,
            ),
            Page::both(
                "get-session-was-deleted",
                "getSession of a session that was deleted",
                gone,
                reply(GET, 1),
            ),
            Page::alone(
                "get-session-without-a-token",
                "getSession without a token",
                v2(NO_RIGHT, reply(GET, 1)),
            ),
            Page::alone(
                "get-session-of-another-user",
                "getSession of another user's session, which is not told to exist",
                v2(NO_RIGHT, reply(GET, 2)),
            ),
            refused(
                "health-session-is-unknown",
                "getSessionHealth of a session that never was",
                "getSessionHealth",
                1,
            ),
            refused(
                "latest-answer-session-is-unknown",
                "getLatestAssistantMessage of a session that never was",
                "getLatestAssistantMessage",
                1,
            ),
            refused(
                "procedure-is-unknown",
                "a procedure that there is not",
                "sendMessageV3",
                1,
            ),
        ],
    }
}

#[test]
fn refusals_of_other_procedures_match_snapshots() {
    chapter().assert_reviewed();
}
