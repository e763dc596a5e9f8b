//! The work after the last turn: auto-commit, condensing, and `complete` (R11.22–R11.25, R11.52).

use std::time::Duration;

use jiff::Timestamp;
use turnstile_fault::GateVerdict;

use super::Lifecycle;
use crate::coverage::FakeEvent;
use crate::wrapper::binding::DEFAULT_BRANCH;
use crate::wrapper::events;
use crate::wrapper::request::Prompt;

/// How long the ingest stays open after `complete` (R11.23).
const LEAVE_AFTER: Duration = Duration::from_millis(250);

/// Exit code of a wrapper that completed, whatever the results of its turns.
const EXIT_CODE: i32 = 0;

/// Marker in a prompt that makes its gate fail (R11.24).
const FAILING_GATE: &str = "gate-result=fail";

/// Auto-commit and condensing after a turn, while they take time.
#[derive(Debug)]
pub(super) struct Finalizing {
    pub(super) until: Timestamp,
    /// The prompt of the last turn.
    last: Prompt,
}

impl Lifecycle {
    /// Begins the work after the last turn. `last` is that turn's prompt if the turn succeeded.
    pub(super) fn finalize(&mut self, now: Timestamp, last: Option<Prompt>) {
        let last = match last {
            Some(last) if last.finalization.is_requested() => last,
            other => return self.complete(now, other.as_ref()),
        };
        if last.finalization.auto_commit == Some(true) {
            self.emit(now, events::auto_commit_started(&last.message_id));
        }
        let takes = self.behaviour.finalizing();
        if takes.is_zero() {
            self.end_finalizing(now, &last);
        } else {
            FakeEvent::FinalizingTakesTime.hit();
            let until = now + takes;
            self.finalizing = Some(Finalizing { until, last });
        }
    }

    /// Ends the work after the last turn when its time is over.
    pub(super) fn end_finalizing_if_due(&mut self, now: Timestamp) {
        if let Some(Finalizing { last, .. }) = self.finalizing.take_if(|finalizing| finalizing.until <= now) {
            self.end_finalizing(now, &last);
        }
    }

    fn end_finalizing(&mut self, now: Timestamp, last: &Prompt) {
        if last.finalization.auto_commit == Some(true) {
            FakeEvent::AutoCommitted.hit();
            self.emit(now, events::auto_commit_completed(&last.message_id));
        }
        // A prompt that arrived meanwhile runs first, and `complete` follows it.
        if self.turns.is_idle() {
            self.complete(now, Some(last));
        }
    }

    fn complete(&mut self, now: Timestamp, last: Option<&Prompt>) {
        let complete = self.behaviour.complete.clone().unwrap_or_default();
        if complete.never {
            FakeEvent::NeverComplete.hit();
            return;
        }
        FakeEvent::Completed.hit();
        for (is_set, event) in [
            (complete.gate.is_some(), FakeEvent::CompleteGate),
            (complete.branch.is_some(), FakeEvent::CompleteBranch),
            (complete.exit_code.is_some(), FakeEvent::CompleteExitCode),
            (complete.stays, FakeEvent::CompleteStays),
        ] {
            if is_set {
                event.hit();
            }
        }
        let session = self.session.as_ref().expect("a turn belongs to a session");
        let branch = complete
            .branch
            .as_deref()
            .or(session.binding.upstream_branch.as_deref())
            .unwrap_or(DEFAULT_BRANCH);
        let gate = complete.gate.or_else(|| last.and_then(gate_result));
        if gate.is_some() && complete.gate.is_none() {
            FakeEvent::CompletedWithGate.hit();
        }
        let event = events::complete(complete.exit_code.unwrap_or(EXIT_CODE), branch, gate);
        self.emit(now, event);
        if !self.behaviour.silent && !complete.stays {
            self.leave_at = Some(now + LEAVE_AFTER);
        }
    }
}

/// The result of the requested gate (R11.24, R11.25).
fn gate_result(prompt: &Prompt) -> Option<GateVerdict> {
    let threshold = prompt.finalization.gate_threshold.as_deref()?;
    let verdict = if prompt.text.contains(FAILING_GATE) {
        GateVerdict::Fail
    } else {
        GateVerdict::Pass
    };
    (threshold != "off").then_some(verdict)
}
