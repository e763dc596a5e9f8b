//! What survives of the time when turns were known by execution ids (protocol §1, §10).
//!
//! The only place that knows the word. A message has no execution; towards those who still ask for one,
//! its own id stands for it.

use serde_json::{Value, json};

use crate::identity::MessageId;

/// The field that old clients and receivers look for.
const EXECUTION_ID: &str = "executionId";

/// Lets a message's id stand for its execution's in something that an old party reads.
pub fn name_execution_after(message: &MessageId, body: &mut Value) {
    body[EXECUTION_ID] = json!(message);
}
