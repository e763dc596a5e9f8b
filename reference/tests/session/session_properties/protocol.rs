//! The protocol's values, by which the session goes and is judged.

use std::sync::{Arc, LazyLock};

use turnstile_profile::Profile;

/// The protocol's values.
pub static PROTOCOL: LazyLock<Arc<Profile>> = LazyLock::new(Arc::default);
