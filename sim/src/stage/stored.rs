//! Imports a session of an older service to the server's disk before the first start.

use serde_json::Value;
use turnstile_reference::identity::UserId;
use turnstile_reference::store::{Storage, StoreError};

use super::identity::USER;

/// A session of an older service (protocol §10).
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSession {
    /// The flat record.
    pub record: Value,
    /// Its executions.
    pub executions: Vec<Value>,
}

/// Imports a session into a store.
pub(super) fn import(store: &dyn Storage, session: &StoredSession) -> Result<(), StoreError> {
    let user: UserId = USER.parse().expect("the harness's user has a valid id");
    store.import(&user, &session.record, &session.executions)
}
