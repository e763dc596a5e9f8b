//! Chapter 4: queries of a session in each stage of its life.

use crate::book::{Chapter, Page, unified, v2};
use crate::taken::reply;

const GET: &str = "getSession";
const HEALTH: &str = "getSessionHealth";
const LATEST: &str = "getLatestAssistantMessage";

/// The script that queries the session in each stage.
const STAGES: &str = "asked-in-every-stage";

pub fn chapter() -> Chapter {
    let stages = [
        ("waiting", "while its first message is in the queue"),
        ("running", "while its first message is running"),
        ("completed", "after its first message completed"),
        ("interrupted", "after a message was interrupted"),
        ("failed", "after a message failed"),
        (
            "let-go",
            "after its wrapper was let go, with nothing to do for long",
        ),
    ];
    let mut pages = vec![Page::new(
        "get-session-prepared",
        "the reply to getSession after prepareSession, before anything was asked of it (the unified surface has no \
         such stage: there its first message is in the queue)",
        v2("asked-when-prepared", reply(GET, 1)),
        unified(STAGES, reply(GET, 1)),
    )];
    pages.push(Page::new(
        "health-prepared",
        "the reply to getSessionHealth after prepareSession, before anything was asked of it (on the unified surface, \
         while its first message is in the queue)",
        v2("asked-when-prepared", reply(HEALTH, 1)),
        unified(STAGES, reply(HEALTH, 1)),
    ));
    for (procedure, name) in [
        (GET, "get-session"),
        (HEALTH, "health"),
        (LATEST, "latest-answer"),
    ] {
        pages.extend(stages.iter().enumerate().map(|(index, (stage, when))| {
            let description = format!("the reply to {procedure} {when}");
            let pick = reply(procedure, index + 1);
            Page::both(format!("{name}-{stage}"), description, STAGES, pick)
        }));
    }
    Chapter {
        name: "04-ask-about-a-session",
        pages,
    }
}

#[test]
fn replies_to_session_queries_match_snapshots() {
    chapter().assert_reviewed();
}
