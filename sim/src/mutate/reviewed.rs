//! Mutants that no oracle needs to notice: a reviewed list with reasons.
//!
//! Prefer an oracle to an entry. An entry whose mutant an oracle notices is stale, which is an error.

use turnstile_mutants::generic::Rewrite;

/// Names of mutants, in which `*` matches any text, and the reason.
const REVIEWED: &[(&str, &str)] = &[
    ("delay:reply:*", "no rule says how soon a request is answered"),
    (
        "delay:request:wrapper/health",
        "an answer within the time-out counts (R2.98), and no rule says how soon the question is asked",
    ),
    (
        "delay:request:wrapper/job/command",
        "the request arrives within its time-out, and no rule says how soon it follows the answer of `ready`",
    ),
    (
        "delay:request:receiver/other",
        "the queue may send a request a little later, and nothing waits for it",
    ),
    (
        "delay:frame:live/pong",
        "no rule says how soon an event of a wrapper is sent to the stream",
    ),
    (
        "delay:effect:broadcast/volatile/*",
        "no rule says how soon an event that is not kept is sent to the stream",
    ),
    (
        "delay:frame:ingest/close/4401",
        "a frame on the socket counts for nothing from its answer on (R5.61), and no rule says how soon that arrives",
    ),
    (
        "double:effect:send/kill",
        "a wrapper drops all turns at the first `kill`, and its socket is closed then",
    ),
    (
        "double:frame:ingest/kill",
        "a wrapper drops all turns at the first `kill`, and its socket is closed then",
    ),
    (
        "double:frame:live/preparing",
        "no rule says how often a preparation is reported, and clients show the last report",
    ),
    (
        "change:reply:*:body.error.message",
        "the texts of errors are for people (Texts)",
    ),
    (
        "repeat:reply:*:body.error.message",
        "the texts of errors are for people (Texts)",
    ),
    (
        "repeat:reply:*:body.error",
        "two refusals of one procedure with one status differ in their texts only, which are for people",
    ),
    (
        "repeat:reply:*/401:body",
        "two refusals of one procedure with one status differ in their texts only, which are for people",
    ),
    (
        "drop:reply:*/500",
        "the store fails at that time, which excuses a request without an answer",
    ),
    (
        "*:reply:health/200:body.result.data.timestamp",
        "no rule says what the timestamp of `health` means",
    ),
    (
        "lower:frame:live/ordinary.words:timestamp",
        "the time of an event that is not kept is a choice (R5.52): that of the server or that of the wrapper",
    ),
    (
        "lower:frame:live/preparing:timestamp",
        "the time of an event that is not kept is a choice (R5.52): that of the server or that of the wrapper",
    ),
    (
        "repeat:frame:live/heartbeat:timestamp",
        "the time of an event that is not kept is a choice (R5.52): that of the server or that of the wrapper",
    ),
    (
        "*:state:metadata:lifecycle.changes",
        "the version of a record has to rise, and by how much is a choice (R9.65)",
    ),
    (
        "raise:row:metadata:lifecycle.changes",
        "the version of a record has to rise, and by how much is a choice (R9.65)",
    ),
    (
        "*:state:execution:closing.code",
        "the code with which the wrapper of an older service closed its socket is not on the wire of every server",
    ),
    (
        "*:frame:live/wrapper_disconnected:data.wsCloseCode",
        "the code with which the wrapper of an older service closed its socket is not on the wire of every server",
    ),
    (
        "*:row:event/*:executionId",
        "the ids of an imported record are not on the wire",
    ),
    (
        "raise:profile:worker_token_lifetime:value",
        "a token that is valid for longer grants nothing after the end of its session (R2.30 is a choice)",
    ),
    (
        "*:effect:end-streams",
        "the streams of a session end with its task as well",
    ),
    (
        "*:profile:output_record_interval:value",
        "how often output is recorded is a choice (R7.31)",
    ),
    (
        "*:profile:commit_retry_delay:value",
        "the delay applies only while the store fails, and a failing store excuses lateness",
    ),
];

/// The reason for a mutant, if it was reviewed.
pub(super) fn reason_for(rewrite: &Rewrite) -> Option<&'static str> {
    let name = rewrite.to_string();
    let entry = REVIEWED.iter().find(|(pattern, _)| matches(pattern, &name));
    entry.map(|(_, reason)| *reason)
}

/// The names in the list, in which `*` matches any text.
pub(super) fn patterns() -> impl Iterator<Item = &'static str> {
    REVIEWED.iter().map(|(pattern, _)| *pattern)
}

/// Whether `text` has the form of `pattern`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    (0..=text.len()).any(|skipped| text.is_char_boundary(skipped) && matches(rest, &text[skipped..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("drop:effect:*", "drop:effect:deliver"));
        assert!(matches(
            "*:frame:*/kilocode*:data.id",
            "null:frame:live/kilocode/idle:data.id"
        ));
        assert!(!matches("drop:effect:*", "double:effect:deliver"));
        assert!(!matches("drop:effect", "drop:effect:deliver"));
    }

    #[test]
    fn reviewed_mutants_have_reasons_and_names_of_known_operations() {
        for (pattern, reason) in REVIEWED {
            assert!(reason.split_whitespace().count() > 3, "{pattern}");
            let name = pattern.replace("*:", "drop:").replace('*', "x");
            assert!(name.parse::<Rewrite>().is_ok(), "{pattern}");
        }
    }
}
