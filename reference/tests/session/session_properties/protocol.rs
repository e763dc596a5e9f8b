//! The profile of the protocol, which the session uses and the laws check.

use std::sync::{Arc, LazyLock};

use turnstile_profile::Profile;

/// The default profile.
pub static PROTOCOL: LazyLock<Arc<Profile>> = LazyLock::new(Arc::default);
