//! The core of a session as its row has it. Its fields are the session's own, so it is read and changed as JSON.

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
    /// That of a session.
    pub fn of(session: &Session) -> Self {
        Self::from(&session.core())
    }

    /// When a deadline is due; null if it is not set.
    pub fn deadline(&self, name: &str) -> Value {
        let deadlines = self.0["deadlines"].as_array().into_iter().flatten();
        let mut found = deadlines.filter(|deadline| deadline[0] == name);
        found.next().map_or(Value::Null, |deadline| deadline[1].clone())
    }

    /// Sets a deadline that is not set.
    pub fn add_deadline(&mut self, name: &str, at: &Value) {
        if let Some(deadlines) = self.0["deadlines"].as_array_mut() {
            deadlines.push(json!([name, at]));
        }
    }

    /// The core of this form.
    pub fn into_core(self) -> Core {
        serde_json::from_value(self.0).expect("a core that was changed can be read")
    }
}

/// Changes the core that is about to be written, which it is then in any case.
pub fn change_core(decided: &mut Decided<'_>, change: impl FnOnce(&mut CoreRow)) {
    let core = decided.commit.core.take();
    let mut row = CoreRow::from(&core.unwrap_or_else(|| decided.session.core()));
    change(&mut row);
    decided.commit.core = Some(row.into_core());
}
