//! Answers to the server's requests with any status and body, given by a script.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::status::Status;
use crate::text::is_default;

/// An answer in place of the wrapper's. The request does not reach the wrapper.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenReply {
    /// HTTP status.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: Status,
    /// JSON body; by default none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub body: Value,
    /// Number of such answers; by default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<NonZeroU32>,
}

impl GivenReply {
    /// Returns the next answer and counts it; `None` if none is left.
    pub fn take_next(reply: &mut Option<Self>) -> Option<Self> {
        let next = reply.clone()?;
        if let (Some(left), Some(times)) = (reply.as_mut(), next.times) {
            left.times = NonZeroU32::new(times.get() - 1);
            if left.times.is_none() {
                *reply = None;
            }
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_answers_are_given_as_stated() {
        let mut twice = serde_json::from_str(r#"{"status":500,"body":{"error":"X"},"times":2}"#).unwrap();
        let taken: Vec<_> = (0..3)
            .map(|_| GivenReply::take_next(&mut twice).map(|reply| reply.status.code()))
            .collect();
        assert_eq!(taken, [Some(500), Some(500), None]);
        let mut always = Some(GivenReply::default());
        GivenReply::take_next(&mut always);
        assert_eq!(always, Some(GivenReply::default()));
    }
}
