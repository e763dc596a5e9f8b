//! One run as a recording: a file that `turnstile judge` judges again. The format is that of
//! `turnstile_judge::recording`.

use std::io;

use super::event::{Document, Event, Reporter};
use super::worth_showing;
use crate::recordings::header_of;

/// The recording of the only play, or of the first play with findings.
#[derive(Debug)]
pub struct RecordingReport {
    is_only_play: bool,
    lines: Option<Vec<u8>>,
}

impl RecordingReport {
    /// An empty report for `plays` plays.
    pub fn new(plays: usize) -> Self {
        Self {
            is_only_play: plays == 1,
            lines: None,
        }
    }
}

impl Reporter for RecordingReport {
    fn report(&mut self, event: &Event) -> io::Result<()> {
        let Event::Played { played, .. } = *event else {
            return Ok(());
        };
        let Some(verdict) = worth_showing(played, self.is_only_play) else {
            return Ok(());
        };
        if self.lines.is_none() {
            let mut lines = serde_json::to_vec(&header_of(&played.play, verdict))?;
            lines.push(b'\n');
            verdict.trace.write_json_lines(&mut lines)?;
            self.lines = Some(lines);
        }
        Ok(())
    }
}

impl Document for RecordingReport {
    fn name(&self) -> &'static str {
        "recording"
    }

    fn absence(&self) -> Option<&'static str> {
        match (&self.lines, self.is_only_play) {
            (Some(_), _) => None,
            (None, true) => Some("the harness failed, so there is nothing to record"),
            (None, false) => Some("no play failed, and of several plays only a failed one is recorded"),
        }
    }

    fn write(self: Box<Self>, out: &mut dyn io::Write) -> io::Result<()> {
        out.write_all(&self.lines.unwrap_or_default())
    }
}
