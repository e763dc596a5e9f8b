//! Chapter 3: changing the callback target.

use crate::book::{Chapter, Page};
use crate::taken::reply;

const UPDATE: &str = "updateSession";

pub fn chapter() -> Chapter {
    Chapter {
        name: "03-change-the-callback-target",
        pages: vec![
            Page::both(
                "another-target",
                "the reply to updateSession with another callbackTarget",
                "suite/legacy/target-changed-after-admission",
                reply(UPDATE, 1),
            ),
            Page::both(
                "no-target",
                "the reply to updateSession with null as the callbackTarget",
                "suite/legacy/target-cleared",
                reply(UPDATE, 1),
            ),
            Page::both(
                "nothing-to-change",
                "the reply to updateSession without a callbackTarget, which changes nothing",
                "nothing-to-change",
                reply(UPDATE, 1),
            ),
        ],
    }
}

#[test]
fn replies_to_changing_the_target_match_snapshots() {
    chapter().assert_reviewed();
}
