//! Durations as the protocol has them, written down apart from the server's: what a server is held to cannot
//! be read off that server.

use std::time::Duration;

/// Protocol §3, §4: from an admission to its drain, and from one drain to the next.
pub const DRAIN: Duration = Duration::from_secs(1);
/// Protocol §4: delays after the n-th failure, in seconds, of a session that never had a ready workspace.
pub const COLD: [u64; 10] = [2, 4, 8, 16, 32, 60, 60, 60, 120, 120];
/// Protocol §4: the same of a session that has had one.
pub const WARM: [u64; 5] = [2, 4, 8, 15, 15];
/// Protocol §7.
pub const GRACE: Duration = Duration::from_secs(10);
/// Protocol §7.
pub const PING: Duration = Duration::from_secs(60);
/// Protocol §7.
pub const PONG: Duration = Duration::from_secs(30);
/// Protocol §7.
pub const NO_OUTPUT: Duration = Duration::from_secs(300);
/// Protocol §7.
pub const RECONCILIATION: Duration = Duration::from_secs(15);
/// Protocol §7.
pub const READY_ONLY: Duration = Duration::from_secs(60);
/// Protocol §7.
pub const KEEP_WARM: Duration = Duration::from_secs(300);
/// Protocol §7: what is past on boot is due this much later.
pub const BOOT: Duration = Duration::from_secs(1);
/// Protocol §8.
pub const CALLBACK_RETRY: Duration = Duration::from_secs(30);

/// The server need not write every output down at once. For what it may have missed, each restart puts the
/// silence that it then allows off by this much.
pub const OUTPUT_SLACK: Duration = Duration::from_secs(1);

/// Nothing in between.
pub const MOMENT: Duration = Duration::from_millis(1);
/// Long enough for all of the above.
pub const LONG: Duration = Duration::from_secs(3600);
