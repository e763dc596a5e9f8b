//! Imports sessions of an older service (protocol §10).
//!
//! Records are stored unchanged and converted when they are read. The first change writes the grouped form.

use serde_json::Value;

use redb::ReadableTable as _;

use super::{EXECUTIONS, METADATA, SessionKey, Store, StoreError, WAKING, json, removal};
use crate::identity::UserId;
use crate::legacy::model::execution::Execution;
use crate::legacy::record;

impl Store {
    /// Imports the record and the executions of a session. A session that exists, or was deleted, is left unchanged.
    ///
    /// # Errors
    ///
    /// If the record or an execution is malformed, or the database fails. Nothing was imported then.
    pub fn import(&self, user: &UserId, session: &Value, executions: &[Value]) -> Result<(), StoreError> {
        let unreadable = |source: record::UnreadableRecord| StoreError::Record {
            what: format!("a session of {user}"),
            source,
        };
        let record = json(session);
        let metadata = record::read(&record).map_err(unreadable)?;
        let executions: Vec<Execution> = executions
            .iter()
            .map(record::execution::read)
            .collect::<Result<_, _>>()
            .map_err(|error| unreadable(error.into()))?;
        let key = SessionKey {
            user: user.clone(),
            session: metadata.identity.session_id,
        };
        self.with(|database| {
            let transaction = database.begin_write()?;
            {
                let mut metadata = transaction.open_table(METADATA)?;
                if metadata.get(key.parts())?.is_some() || removal::was_removed(&transaction, &key)? {
                    return Ok(());
                }
                metadata.insert(key.parts(), &*record)?;
            }
            let (_, id) = key.parts();
            let mut rows = transaction.open_table(EXECUTIONS)?;
            for execution in &executions {
                rows.insert((id, execution.id().as_str()), &*json(execution))?;
            }
            drop(rows);
            // The session must be loaded at the next start in any case; otherwise it would never expire.
            transaction.open_table(WAKING)?.insert(key.parts(), ())?;
            transaction.commit()?;
            Ok(())
        })
    }
}
