//! Imports sessions of an older service (protocol §10).
//!
//! Records are stored unchanged and converted when they are read. The first change writes the grouped form.

use serde_json::Value;

use redb::ReadableTable as _;

use super::rows::Row as _;
use super::{EXECUTIONS, METADATA, SessionKey, Store, StoreError, WAKING, json, removal};
use crate::identity::UserId;
use crate::legacy::model::execution::Execution;
use crate::legacy::record;
use crate::model::metadata::Metadata;

/// A session of an older service, as it is stored.
#[derive(Debug)]
pub struct Imported {
    /// The session.
    pub key: SessionKey,
    /// The row of its metadata: its record, unchanged.
    pub record: Vec<u8>,
    /// Its executions.
    pub executions: Vec<Execution>,
}

impl Imported {
    /// Reads the record and the executions of a session.
    ///
    /// # Errors
    ///
    /// If the record or an execution is malformed.
    pub fn read(user: &UserId, session: &Value, executions: &[Value]) -> Result<Self, StoreError> {
        let owner = || format!("a session of {user}");
        let record = json(session);
        let metadata = Metadata::from_row(&record, &owner)?;
        let executions = executions.iter().map(|execution| {
            record::execution::read(execution).map_err(|error| StoreError::Record {
                what: owner(),
                source: error.into(),
            })
        });
        Ok(Self {
            key: SessionKey {
                user: user.clone(),
                session: metadata.identity.session_id,
            },
            record,
            executions: executions.collect::<Result<_, _>>()?,
        })
    }
}

impl Store {
    /// Imports the record and the executions of a session. A session that exists, or was deleted, is left unchanged.
    ///
    /// # Errors
    ///
    /// If the record or an execution is malformed, or the database fails. Nothing was imported then.
    pub fn import(&self, user: &UserId, session: &Value, executions: &[Value]) -> Result<(), StoreError> {
        let Imported {
            key,
            record,
            executions,
        } = Imported::read(user, session, executions)?;
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
                rows.insert((id, execution.id().as_str()), &*execution.to_row())?;
            }
            drop(rows);
            // The session must be loaded at the next start in any case; otherwise it would never expire.
            transaction.open_table(WAKING)?.insert(key.parts(), ())?;
            transaction.commit()?;
            Ok(())
        })
    }
}
