//! The moment from which a failure was inevitable, as a mark in a run.

use std::time::Duration;

use crate::curve::IN_SILENCE;
use crate::suite::Played;

/// A mark at a moment of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Time since the start of the run.
    pub at: Duration,
    /// A few words.
    pub title: &'static str,
    /// What it means.
    pub text: String,
}

impl Mark {
    /// The mark of a play; `None` if its moment was not looked for, or if no moment stands out.
    pub fn of(played: &Played) -> Option<Self> {
        let curve = played.curve.as_ref()?;
        let jump = curve.turning_point()?;
        let how = match (jump.is_by_silence, jump.by_itself_since) {
            (true, _) => IN_SILENCE,
            (false, Some(_)) => "even if the server goes down after it",
            (false, None) => "almost always",
        };
        Some(Self {
            at: jump.at,
            title: "inevitable from here",
            text: format!("{} fails from here on, {how}", curve.rule),
        })
    }
}
