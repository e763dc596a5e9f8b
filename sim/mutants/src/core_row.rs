//! The core of a session as JSON. Its fields are private to the session, so mutants edit the stored form.

use jiff::Timestamp;
use serde_json::{Value, json};
use turnstile_reference::host::interception::Decided;
use turnstile_reference::session::{Core, Session};

/// A session's core as JSON.
pub struct CoreRow(pub Value);

impl From<&Core> for CoreRow {
    fn from(core: &Core) -> Self {
        Self(serde_json::to_value(core).expect("a core can be written as JSON"))
    }
}

impl CoreRow {
    /// Returns the core of `session`.
    pub fn of(session: &Session) -> Self {
        Self::from(&session.core())
    }

    /// Returns the due time of a deadline, or null if it is not set.
    pub fn deadline(&self, name: &str) -> Value {
        let deadlines = self.0["deadlines"].as_array().into_iter().flatten();
        let mut found = deadlines.filter(|deadline| deadline[0] == name);
        found.next().map_or(Value::Null, |deadline| deadline[1].clone())
    }

    /// Returns the due time of a deadline, if it is set.
    pub fn deadline_at(&self, name: &str) -> Option<Timestamp> {
        serde_json::from_value(self.deadline(name)).ok()
    }

    /// Removes deadlines.
    pub fn remove_deadlines(&mut self, names: &[&str]) {
        if let Some(deadlines) = self.0["deadlines"].as_array_mut() {
            deadlines.retain(|deadline| names.iter().all(|name| deadline[0] != *name));
        }
    }

    /// Sets a deadline, replacing its earlier time.
    pub fn set_deadline(&mut self, name: &str, at: &Value) {
        self.remove_deadlines(&[name]);
        self.add_deadline(name, at);
    }

    /// Adds a deadline. The caller checks that it is not set yet.
    pub fn add_deadline(&mut self, name: &str, at: &Value) {
        if let Some(deadlines) = self.0["deadlines"].as_array_mut() {
            deadlines.push(json!([name, at]));
        }
    }

    /// Converts the JSON back to a core.
    pub fn into_core(self) -> Core {
        serde_json::from_value(self.0).expect("a core that was changed can be read")
    }
}

/// Changes the core in the pending commit, and adds it to the commit if it is not part of it.
pub fn change_core(decided: &mut Decided<'_>, change: impl FnOnce(&mut CoreRow)) {
    let core = decided.commit.core.take();
    let mut row = CoreRow::from(&core.unwrap_or_else(|| decided.session.core()));
    change(&mut row);
    decided.commit.core = Some(row.into_core());
}
