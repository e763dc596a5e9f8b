//! Taking over what an older service stored (protocol §10).
//!
//! Its records are kept as they are until something changes in them; reading makes the newer form of them.

use serde_json::Value;

use redb::ReadableTable as _;

use super::{EXECUTIONS, METADATA, SessionKey, Store, StoreError, WAKING, json, removal};
use crate::identity::UserId;
use crate::legacy::model::execution::Execution;
use crate::legacy::record;

impl Store {
    /// Takes a session of an older service's over: its record, and its executions. One that is there already is
    /// left as it is: it has gone on since.
    ///
    /// # Errors
    ///
    /// If the record or an execution cannot be read, or the database fails. Nothing was taken over then.
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
            // It is to be looked at in any case: nothing else would ever see to it that it expires.
            transaction.open_table(WAKING)?.insert(key.parts(), ())?;
            transaction.commit()?;
            Ok(())
        })
    }
}
