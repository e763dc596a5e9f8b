//! The cases of clients.

mod badges;
mod requests;
mod stream;
mod transcript;

use super::stage::Stage;
use crate::role::case::cases;

cases! {
    "client", Stage,
    badges: {
        turn: "badges-of-a-turn", "a message is queued until it is sent";
        undelivered: "failed-to-deliver", "a message that fails in the queue has the badge of a failure";
        failed_later: "failed-after-acceptance", "a message that fails after it was accepted has no badge";
        after_cut: "badges-after-a-cut", "after a cut the badges are those of the snapshot";
        superseded: "superseded-failure", "a failure that the snapshot leaves out loses its badge";
    }
    stream: {
        cursor: "cursor", "the cursor is the highest id, whatever comes after it";
        resumes: "resumes-after-its-cursor", "a stream is opened again after the last event";
        closed: "closed-by-the-server", "a stream that the server closes is opened again";
        refused: "refused-twice", "a stream that is refused is opened again";
        mid_frame: "cut-in-a-frame", "an event that was cut in the middle arrives once";
        twice: "cut-during-the-replay", "a second cut during the replay loses nothing";
        unknown: "unknown-events", "unknown events and fields change nothing but the cursor";
        session: "session-view", "the view of a session keeps what it was given";
        burst: "burst", "many events at once are all shown";
    }
    transcript: {
        grows: "text-grows", "deltas extend a text, and a version of a part replaces it";
        after_cut: "text-after-a-cut", "the text is whole after a cut in the middle of an answer";
        lower_id: "later-version", "a later version of a part counts although its id is lower than the cursor";
        parts: "order-of-parts", "parts are in order of their ids, and a removed part is gone";
        answers: "order-of-messages", "messages stay in the order of their first appearance";
        unicode: "unicode", "text of several scripts is shown unchanged";
    }
    requests: {
        send: "send", "a message is sent once, as the protocol says";
        lost: "send-answer-lost", "a message whose answer was lost is sent again with the same id";
        refused: "send-refused", "a message that was refused is not sent again";
    }
}
