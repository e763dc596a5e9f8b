//! The durations of the protocol, repeated here so that the server is not tested against its own constants.

use std::time::Duration;

/// R3.14, R4.3: from an admission to its drain, and between drains.
pub const DRAIN: Duration = Duration::from_secs(1);
/// R7.1.
pub const GRACE: Duration = Duration::from_secs(10);
/// R7.2.
pub const PING: Duration = Duration::from_secs(60);
/// R7.3.
pub const PONG: Duration = Duration::from_secs(30);
/// R7.4.
pub const NO_OUTPUT: Duration = Duration::from_secs(300);
/// R7.5.
pub const RECONCILIATION: Duration = Duration::from_secs(15);
/// R7.6.
pub const READY_ONLY: Duration = Duration::from_secs(60);
/// R7.7.
pub const KEEP_WARM: Duration = Duration::from_secs(300);
/// R7.28: the delay after boot of deadlines that have passed.
pub const BOOT: Duration = Duration::from_secs(1);
/// R8.20.
pub const CALLBACK_RETRY: Duration = Duration::from_secs(30);

/// R7.31, R7.32: output may be recorded late, so each restart extends the no-output deadline by this much.
pub const OUTPUT_SLACK: Duration = Duration::from_secs(1);

/// The smallest difference in time.
pub const MOMENT: Duration = Duration::from_millis(1);
/// Longer than any deadline.
pub const LONG: Duration = Duration::from_secs(3600);
