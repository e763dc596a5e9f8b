//! Every duration and limit of the protocol, named once.
//!
//! Whoever waits, counts or measures in this crate takes the number from here.

use std::time::Duration;

/// Pending messages a session holds at most (protocol §3).
pub const PENDING_LIMIT: usize = 10;
/// Characters a prompt has at most (protocol §2).
pub const PROMPT_LIMIT: usize = 100_000;
/// Bytes a request body has at most; a longest prompt with every character escaped fits.
pub const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// Bytes of a request body that are read at most before a client is cut off.
pub const BODY_READ_LIMIT: usize = 16 * 1024 * 1024;

/// From an admission to the drain it asks for, and from one drain to the next (protocol §3, §4).
pub const DRAIN_DELAY: Duration = Duration::from_secs(1);
/// Delays after the n-th failed delivery when the session has had a ready workspace (protocol §4). The
/// failure that uses the last one exhausts the message.
pub const WARM_RETRY_DELAYS: [Duration; 5] = seconds([2, 4, 8, 15, 15]);
/// Delays after the n-th failed delivery when it never had one (protocol §4).
pub const COLD_RETRY_DELAYS: [Duration; 10] = seconds([2, 4, 8, 16, 32, 60, 60, 60, 120, 120]);

/// Time allowed to connect to a wrapper (protocol §5).
pub const WRAPPER_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time allowed to `/session/ready` (protocol §5).
pub const WRAPPER_READY_TIMEOUT: Duration = Duration::from_secs(600);
/// Time allowed to `/job/*` (protocol §5).
pub const WRAPPER_JOB_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a wrapper's token for the ingest is valid.
pub const WORKER_TOKEN_LIFETIME: Duration = Duration::from_hours(90 * 24);

/// How long a run with unfinished work may be without an ingest socket (protocol §7).
pub const DISCONNECT_GRACE: Duration = Duration::from_secs(10);
/// From the last output or pong to the next ping (protocol §7).
pub const PING_INTERVAL: Duration = Duration::from_secs(60);
/// Time allowed to the answer to a ping (protocol §7).
pub const PONG_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an accepted message may show no meaningful output (protocol §7).
pub const NO_OUTPUT_TIMEOUT: Duration = Duration::from_secs(300);
/// Output of a wrapper that nothing else is written with is recorded this often, so that a restart does not
/// take it for silent.
pub const OUTPUT_RECORD_INTERVAL: Duration = Duration::from_secs(1);
/// From the root idle to the reconciliation of what is still accepted (protocol §7).
pub const IDLE_RECONCILIATION_DELAY: Duration = Duration::from_secs(15);
/// How long a wrapper may be ready with nothing accepted (protocol §7).
pub const READY_ONLY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an idle wrapper is kept for a next message (protocol §7).
pub const KEEP_WARM: Duration = Duration::from_secs(300);
/// How long a session is kept without activity (protocol §7).
pub const SESSION_LIFETIME: Duration = Duration::from_hours(90 * 24);
/// How long an execution of an older service's may take from its beginning (protocol §10).
pub const EXECUTION_TIMEOUT: Duration = Duration::from_mins(60);
/// A deadline that passed while the server was down is due this long after its start (protocol §7).
pub const RESUME_DELAY: Duration = Duration::from_secs(1);

/// From a failed enqueue of a callback to the next try (protocol §8).
pub const ENQUEUE_RETRY_DELAY: Duration = Duration::from_secs(30);
/// Time allowed to a callback's receiver (protocol §8).
pub const CALLBACK_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests that are made at most for one callback job (protocol §8).
pub const CALLBACK_ATTEMPTS: u32 = 5;
/// Delay after the first failed request for a callback job; it doubles with each (protocol §8).
pub const CALLBACK_RETRY_BASE: Duration = Duration::from_secs(60);

/// How long a server that is told to end waits for requests under way.
pub const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of events that are read from the store at once for a replay (protocol §9).
pub const REPLAY_ROUND_BYTES: usize = 1024 * 1024;
/// Events that a client of the stream may be behind before it has to come back for them.
pub const SUBSCRIBER_BACKLOG: usize = 4096;
/// From a failed commit to the next try, for an input that nobody can be asked to repeat.
pub const COMMIT_RETRY_DELAY: Duration = Duration::from_secs(1);

const fn seconds<const N: usize>(values: [u64; N]) -> [Duration; N] {
    let mut durations = [Duration::ZERO; N];
    let mut index = 0;
    while index < N {
        durations[index] = Duration::from_secs(values[index]);
        index += 1;
    }
    durations
}
