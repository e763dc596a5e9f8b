//! Mutants of the wrapper: each breaks one rule, to test that a judge of wrappers notices it.
//!
//! The wrapper's code contains no mutant: a mutant has other settings, or rewrites inputs, actions or frames at the edges
//! of the lifecycle. Which rule must notice it is not stated here.

mod edges;
mod frames;

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use self::edges::Edges;
use self::frames::Frames;
use super::WrapperConfig;
use super::interception::Interceptor;
use super::lifecycle::{Action, Input};

macro_rules! mutants {
    ($($mutant:ident: $name:literal, $text:literal;)*) => {
        /// A wrapper that breaks one rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mutant {
            $(#[doc = $text] $mutant,)*
        }

        impl Mutant {
            /// All mutants.
            pub const ALL: &[Self] = &[$(Self::$mutant),*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$mutant => $name,)* }
            }

            /// What it does, as a sentence without a subject.
            pub fn text(self) -> &'static str {
                match self { $(Self::$mutant => $text,)* }
            }
        }
    };
}

mutants! {
    // Requests and their answers.
    HealthIsIdle: "health-is-idle", "reports the state idle in its health at all times";
    HealthCountsNothing: "health-counts-nothing", "reports no pending message in its health";
    StatusNamesNothing: "status-names-nothing", "names no pending message in the status of the job";
    ReadyElsewhere: "ready-elsewhere", "is ready in another workspace than it was asked for";
    SentWithoutId: "sent-without-id", "answers a prompt without its message id";
    NoSessionAs500: "no-session-as-500", "answers 500 instead of 400 when it has no session";
    TakesRepeatedIds: "takes-repeated-ids", "takes a message id again that it has already taken";
    NewestFirst: "newest-first", "runs the turns that wait in the opposite order";
    AbortsNothing: "aborts-nothing", "answers an abort and aborts nothing";
    // The ingest.
    NoToken: "no-token", "opens the ingest with a wrong token";
    NoGeneration: "no-generation", "opens the ingest without the generation of the fence";
    OldFence: "old-fence", "opens the ingest with the first fence that it ever had";
    NoTimestamp: "no-timestamp", "sends frames without a timestamp";
    ReservedName: "reserved-name", "sends an event with a name of the server";
    IgnoresPing: "ignores-ping", "does not answer a ping";
    IgnoresSnapshot: "ignores-snapshot", "does not send its state when it is asked for";
    // Turns.
    NoUserMessage: "no-user-message", "does not report the message of the user";
    NoParent: "no-parent", "reports assistant messages without the message that they answer";
    NoFinish: "no-finish", "does not report the end of assistant messages";
    TextCutShort: "text-cut-short", "reports the texts of parts without their last letter";
    DeltasTwice: "deltas-twice", "sends every delta twice";
    IdleTooEarly: "idle-too-early", "reports idle before the end of the last answer";
    NoIdle: "no-idle", "never reports that it is idle";
    IdleAfterEachTurn: "idle-after-each-turn", "reports idle after every turn, whether another one waits or not";
    NoAnswerError: "no-answer-error", "reports a turn that the gateway refused without its error";
    NotFatal: "not-fatal", "reports no fatal error for an unknown model";
    NeverCompletes: "never-completes", "never sends `complete`";
    CompletesTwice: "completes-twice", "sends `complete` twice";
    CompletesFirst: "completes-first", "sends `complete` before it is idle";
    ExitCodeAsText: "exit-code-as-text", "sends the exit code as a text";
    NoGateResult: "no-gate-result", "leaves out the result of a gate";
    AlwaysGateResult: "always-gate-result", "sends the result of a gate that nobody asked for";
    StaysConnected: "stays-connected", "never closes an ingest";
    // A lost ingest.
    NoResumed: "no-resumed", "does not announce that it has resumed";
    ResumedTooLate: "resumed-too-late", "announces that it has resumed after the first event";
    ForgetsBuffer: "forgets-buffer", "loses what it has buffered";
    RepeatsBuffer: "repeats-buffer", "sends twice what it has buffered";
    ReversesBuffer: "reverses-buffer", "sends what it has buffered in the opposite order";
    CountsNoLoss: "counts-no-loss", "announces that no event was lost, whatever was";
    ReconnectsOnce: "reconnects-once", "gives up after the first attempt to reconnect";
    NeverReconnects: "never-reconnects", "gives up as soon as the ingest is lost";
    NeverGivesUp: "never-gives-up", "goes on to reconnect without end";
    IgnoresStaleClose: "ignores-stale-close", "reconnects when its fence is stale";
    IgnoresStaleRefusal: "ignores-stale-refusal", "goes on to reconnect when it is refused for a stale fence";
    // Orders to stop, and other bindings.
    IgnoresKill: "ignores-kill", "does nothing when it is killed";
    NoInterrupted: "no-interrupted", "does not report that it was interrupted";
    CompletesWhenKilled: "completes-when-killed", "sends `complete` after it was interrupted";
    KeepsCalling: "keeps-calling", "does not end the gateway call of a turn that is aborted";
    StaysAborted: "stays-aborted", "begins no turn under another binding after an abort";
    IgnoresRebinding: "ignores-rebinding", "keeps its first binding";
}

/// No mutant has this name.
#[derive(Debug, thiserror::Error)]
#[error("no mutant of the wrapper is named `{0}`")]
pub struct UnknownMutant(String);

impl FromStr for Mutant {
    type Err = UnknownMutant;

    fn from_str(name: &str) -> Result<Self, UnknownMutant> {
        let found = Self::ALL.iter().find(|mutant| mutant.name() == name);
        found.copied().ok_or_else(|| UnknownMutant(name.to_owned()))
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Mutant {
    /// Changes the settings of a wrapper.
    pub(super) fn configure(self, config: &mut WrapperConfig) {
        let pauses = &mut config.reconnect_pauses;
        match self {
            Self::ReconnectsOnce => pauses.truncate(1),
            Self::NeverReconnects => pauses.clear(),
            Self::NeverGivesUp => {
                let longest = pauses.last().copied().unwrap_or(Duration::from_secs(1));
                pauses.resize(10_000, longest);
            }
            _ => {}
        }
    }

    pub(super) fn interceptor(self) -> Arc<dyn Interceptor> {
        Arc::new(Broken {
            state: Mutex::new((Edges::new(self), Frames::new(self))),
        })
    }
}

/// Rewrites what passes, as its mutant does.
struct Broken {
    state: Mutex<(Edges, Frames)>,
}

impl Broken {
    fn state(&self) -> MutexGuard<'_, (Edges, Frames)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Interceptor for Broken {
    fn inputs(&self, input: Input) -> Vec<Input> {
        self.state().0.inputs(input)
    }

    fn actions(&self, actions: Vec<Action>) -> Vec<Action> {
        self.state().0.actions(actions)
    }

    fn frames(&self, frame: Arc<Value>) -> Vec<Arc<Value>> {
        let rewritten = self.state().1.rewrite(Arc::unwrap_or_clone(frame));
        rewritten.into_iter().map(Arc::new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_found_by_their_names() {
        for mutant in Mutant::ALL {
            assert_eq!(mutant.name().parse::<Mutant>().ok(), Some(*mutant));
        }
        assert!("none".parse::<Mutant>().is_err());
    }
}
