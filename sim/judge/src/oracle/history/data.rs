//! The data of a frame, shared with the trace: a run has thousands of frames, and a copy of each costs as much as reading it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

/// The `data` of a frame; null if it has none.
#[derive(Clone)]
pub struct FrameData {
    frame: Arc<Value>,
}

impl FrameData {
    /// The data of this frame.
    pub(super) fn of(frame: &Arc<Value>) -> Self {
        Self {
            frame: Arc::clone(frame),
        }
    }
}

impl Deref for FrameData {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.frame["data"]
    }
}

impl fmt::Debug for FrameData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

impl fmt::Display for FrameData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(formatter)
    }
}

impl PartialEq for FrameData {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.frame, &other.frame) || **self == **other
    }
}
