//! The cases of wrappers.

mod bindings;
mod ingest;
mod lost;
mod requests;
mod stops;
mod turns;

use super::stage::Stage;
use crate::role::case::cases;

cases! {
    "wrapper", Stage,
    requests: {
        health: "health", "health and status say what the wrapper does";
        further_fields: "further-fields", "unknown fields of requests are ignored";
        incomplete: "incomplete-binding", "a job whose binding is incomplete is refused and not taken";
        not_ready: "not-ready", "a job before `/session/ready` is refused";
        unreachable: "no-ingest", "a job is refused while the ingest cannot be opened, and is taken later";
        command: "command", "a command is a turn";
        parts: "parts", "the texts of a message in parts are its prompt";
    }
    ingest: {
        opens: "ingest", "the ingest is opened with session, fence and token";
        ping: "ping", "a ping is answered during a turn";
        snapshot: "snapshot", "the state of a turn is sent again";
        unknown: "unknown-frames", "unknown frames of the server change nothing";
    }
    turns: {
        one: "turn", "a turn is reported, then idle, then complete, and the ingest is closed";
        slow: "slow-turn", "every piece of a long answer is reported";
        tools: "tool-loop", "the answers of a tool loop belong to one turn";
        several: "turns-in-order", "turns run one by one, in order, and complete once";
        repeated: "repeated-id", "a repeated message id is taken once";
        refused: "refused-turn", "a turn that the gateway refuses has an error, and the next one runs";
        unknown_model: "unknown-model", "an unknown model ends all turns";
        commit: "auto-commit", "a requested commit is reported before complete";
        gate: "gate-result", "a gate has a result if it was asked for";
        late_prompt: "late-prompt", "a prompt that arrives at the end of a turn runs before the last complete";
    }
    lost: {
        closed: "closed-ingest", "after a close frame the ingest is opened again, and nothing is missing";
        ended: "ended-ingest", "after the end of its connection nothing is missing";
        reset: "reset-ingest", "after a reset nothing is missing";
        mid_frame: "reset-in-a-frame", "after a reset in the middle of a frame nothing is missing";
        twice: "lost-twice", "a second loss before anything is sent loses nothing";
        overflow: "full-buffer", "a full buffer drops the oldest events and counts them";
        retries: "retries", "the last attempt to reconnect is as good as the first";
        gives_up: "gives-up", "after the last attempt the turns and the binding are dropped";
        stale_close: "stale-close", "a close for a stale fence drops the turns and the binding";
        stale_refusal: "stale-refusal", "a refusal for a stale fence drops the turns and the binding";
    }
    bindings: {
        kept: "same-binding", "the same binding disturbs nothing";
        replaced: "other-binding", "another binding replaces the ingest and the work";
        after_abort: "binding-after-abort", "an abort does not outlive its binding";
        after_kill: "binding-after-kill", "a kill does not outlive its binding";
    }
    stops: {
        kill: "kill", "a kill drops all turns";
        abort: "abort", "an abort drops all turns";
        abort_of_nothing: "abort-without-session", "an abort without a session is refused";
    }
}
