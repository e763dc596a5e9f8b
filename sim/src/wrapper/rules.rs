//! The rules of wrappers.

use crate::role::rule::role_rules;

role_rules! {
    /// The process answers.
    RUNS: "keeps-running",
        "The wrapper answers every request of the server, and does not end on its own.",
        [];
    /// Health.
    HEALTH: "health",
        "`GET /health` answers 200 with the state of the wrapper, its version, its session and the number of pending messages.",
        ["R5.24"];
    /// Status of the job.
    STATUS: "job-status",
        "`GET /job/status` answers 200 with the state, the session and the ids of the pending messages.",
        ["R5.26"];
    /// The answer to `/session/ready`.
    READY: "ready-answer",
        "`POST /session/ready` is answered with the places of the request, or with one of the codes of a failure.",
        ["R5.29", "R5.74", "R5.75"];
    /// The answers to jobs.
    JOB: "job-answer",
        "`POST /job/…` is answered with `sent` and what belongs to it, or with a code, its status and a text.",
        ["R5.32", "R5.34", "R5.36", "R5.37", "R5.38", "R5.40", "R5.81"];
    /// Unknown things are ignored.
    UNKNOWN: "unknown-is-ignored",
        "Unknown fields of requests and unknown frames of the server change nothing.",
        ["R5.28", "R5.54"];
    /// The request of the ingest.
    OPENS: "opens-the-ingest",
        "The ingest is opened at the given URL with the session, the fence and the token of the binding.",
        ["R5.43"];
    /// The form of frames.
    FRAMES: "frame-form",
        "Every frame is a JSON text with `streamEventType`, `timestamp` and `data`.",
        ["R5.51"];
    /// Names of the server.
    NAMES: "names-of-the-server",
        "No frame has the type `connected` or one that begins with `cloud.`.",
        ["R5.83"];
    /// Ping.
    PING: "answers-ping",
        "A `ping` is answered with the event `pong`.",
        ["R5.57"];
    /// Snapshot.
    SNAPSHOT: "sends-its-state",
        "After `request_snapshot` the messages in work are reported again.",
        ["R5.59"];
    /// Events of a turn.
    TURN: "turn-is-reported",
        "A turn reports the message of the user, then answers with `parentID`, complete texts and an end.",
        ["R11.21", "R11.35", "R11.37", "R11.38", "R11.39", "R11.50"];
    /// Order of turns.
    ORDER: "one-turn-at-a-time",
        "Turns run in the order of their acceptance, one at a time.",
        ["R11.19"];
    /// Repeated ids.
    ONCE: "message-is-taken-once",
        "A message id that was already taken is answered `sent` and not taken again.",
        ["R11.20"];
    /// Idle.
    IDLE: "idle-when-nothing-is-left",
        "`session.idle` comes after the last turn, and not while a turn is left.",
        ["R11.22", "R11.42"];
    /// Complete.
    COMPLETE: "complete-after-idle",
        "`complete` follows the idle once, when no accepted message is left, with a numeric exit code and with a gate result only if one was asked for.",
        ["R9.45", "R11.22", "R11.25", "R11.52"];
    /// Auto-commit.
    COMMIT: "commits-before-complete",
        "A requested auto-commit is reported between the idle and `complete`.",
        ["R9.48", "R9.49", "R11.22"];
    /// Leaving.
    LEAVES: "leaves-after-complete",
        "The ingest is closed after `complete`, unless there is work again.",
        ["R11.23"];
    /// Refusals of the gateway.
    REFUSED: "refused-turn-has-an-error",
        "A turn that the gateway refuses has an answer with an error, and the next turn runs.",
        ["R11.33", "R11.43"];
    /// Unknown models.
    MODEL: "unknown-model-is-fatal",
        "A model outside of the catalogue is reported as `session.error` and as a fatal `error`, and ends all turns.",
        ["R11.34", "R11.41"];
    /// Reconnecting.
    RECONNECTS: "reconnects",
        "A lost ingest is opened again with the same fence, after each of the pauses.",
        ["R11.29"];
    /// Resuming.
    RESUMES: "resumes",
        "An ingest that is open again begins with `wrapper_resumed`, which counts the events that were lost.",
        ["R9.51", "R11.29", "R11.30"];
    /// The buffer.
    BUFFER: "buffer-is-complete",
        "After `wrapper_resumed` come all events since the loss, each once and in order; the oldest are dropped first.",
        ["R11.29", "R11.30"];
    /// Giving up.
    GIVES_UP: "gives-up",
        "After the last attempt the wrapper ends its turns and drops its binding, until the next `/session/ready`.",
        ["R5.37", "R11.31"];
    /// Stale fences.
    STALE: "stale-fence-is-dropped",
        "A close with 4401 or a refusal with 409 ends the turns and the binding at once.",
        ["R5.61", "R11.31"];
    /// Other bindings.
    REBINDS: "binding-is-replaced",
        "Another binding closes the old ingest, ends the old work, and begins without traces of it or of its abort.",
        ["R5.41", "R5.42"];
    /// The same binding.
    KEEPS: "binding-is-kept",
        "`/session/ready` with the same binding disturbs neither the ingest nor the turns.",
        ["R5.2", "R5.41"];
    /// Kill and abort.
    STOPS: "stops-on-order",
        "`kill` and `/job/abort` drop all turns and their calls of the gateway; `interrupted` and idle follow, and no `complete`.",
        ["R5.34", "R5.58", "R11.32"];
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
