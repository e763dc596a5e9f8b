//! The frames of streams that clients received, each parsed once.
//!
//! A server sends the same text to every client of a session, and again to those that read the log. Clients share what they
//! parsed: that is faster, and a judge sees that two frames are the same without a comparison.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use turnstile_events::observation::body_as_value;

/// The frames of a run, by their text. Clones share them. The trace of the run keeps all of them too.
#[derive(Clone, Default)]
pub(super) struct Frames(Arc<Mutex<BTreeMap<Box<str>, Arc<Value>>>>);

impl Frames {
    /// The JSON of a frame; a string if it is not JSON.
    pub fn read(&self, text: &str) -> Arc<Value> {
        let mut frames = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(frame) = frames.get(text) {
            return Arc::clone(frame);
        }
        let frame = Arc::new(body_as_value(text.as_bytes()));
        frames.insert(text.into(), Arc::clone(&frame));
        frame
    }
}
