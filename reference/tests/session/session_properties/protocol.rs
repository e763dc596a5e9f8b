//! The profile which the session uses and the laws check.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use turnstile_profile::Profile;

/// The default profile, except that cold sessions have more attempts than warm ones, that one refusal is permanent, and
/// that unfinished replies count: most replies that idle reconciliation finds are unfinished.
pub static PROTOCOL: LazyLock<Arc<Profile>> = LazyLock::new(|| {
    Arc::new(Profile {
        delivery_retry_delays_cold: [2, 4].map(Duration::from_secs).into(),
        unfinished_reply_counts: true,
        permanent_refusals: vec!["BAD_REQUEST".to_owned()],
        ..Profile::default()
    })
});
