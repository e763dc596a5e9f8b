//! The rules of clients.

use crate::role::rule::role_rules;

role_rules! {
    /// Badges follow from the events.
    BADGES: "badges-converge",
        "The badges follow from the events, and after a reconnect from the snapshot.",
        ["R9.52", "R9.53", "R9.54", "R9.55", "R9.57"];
    /// Label and tone belong together.
    WHOLE_BADGE: "badge-is-whole",
        "A badge is `Queued` with the tone `info` or `Failed to deliver` with the tone `error`, and no mixture of them.",
        ["R9.56"];
    /// The cursor is the highest id.
    CURSOR: "cursor-advances",
        "The cursor is the highest id of all events, known or not. Id 0 and a lower id do not move it.",
        ["R9.3", "R9.28", "R9.29"];
    /// A stream is resumed after the cursor.
    RESUMES: "resumes-after-its-cursor",
        "A client whose stream ends or is refused opens it again with its cursor as `fromId`.",
        ["R9.3", "R9.25"];
    /// Nothing is missing.
    NO_GAP: "no-gap",
        "The messages and their texts are complete, also after a cut. A later version of an entity counts, whatever its id.",
        ["R9.23", "R9.27", "R9.29"];
    /// Nothing is doubled.
    NO_DOUBLE: "no-double",
        "No message and no piece of text is shown twice: a delta extends a part, and a version of a part replaces it.",
        ["R9.23", "R9.27"];
    /// Things are in order.
    ORDER: "order",
        "Messages are in the order of their first appearance. The text of a message is that of its text parts, in order of their ids.",
        ["R2.110", "R8.18"];
    /// Unknown things are ignored.
    UNKNOWN: "unknown-is-ignored",
        "Unknown events, unknown kilo events and unknown fields change nothing but the cursor.",
        ["R9.28", "R9.31"];
    /// The view of a session keeps the session.
    SESSION: "session-keeps-what-it-was-given",
        "The view of a session that was built from a fetched session keeps every field that it was given, such as `associatedPr`.",
        ["R9.58"];
    /// Sending is repeatable.
    SEND: "send-is-repeatable",
        "A message is sent with the id that was drawn for it, again with the same id if there was no answer, and not again after an answer.",
        ["R2.56", "R3.7", "R3.8"];
    /// The client keeps running.
    RUNS: "keeps-running",
        "The client answers every `report` with its view in the form that is described, and ends only at `exit`.",
        [];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::rule::assert_well_formed;

    #[test]
    fn rules_are_sentences_and_name_rules_of_the_protocol() {
        assert_well_formed(RULES);
    }
}
