//! Rules that a test can have this server break, to see whether the harness notices.
//!
//! Without the feature `sabotage` no rule can be named and every question in here is answered at compile
//! time: a release build of the server cannot be told to misbehave.

/// The rules that are broken; none unless a test says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sabotage {
    #[cfg(feature = "sabotage")]
    broken: Option<Rule>,
}

/// A rule that can be broken.
#[cfg(feature = "sabotage")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A callback's next try survives a restart (protocol §8).
    CallbackRetryIsDurable,
    /// An ingest socket with a stale fence is refused, and so are its frames (protocol §5).
    StaleFenceIsRefused,
    /// An end is final (protocol §6).
    TerminalOnce,
    /// The callback is for the last message of its batch (protocol §8).
    LastOfBatchIsRepresentative,
}

#[cfg(feature = "sabotage")]
impl From<Rule> for Sabotage {
    fn from(rule: Rule) -> Self {
        Self { broken: Some(rule) }
    }
}

macro_rules! questions {
    ($($(#[$meta:meta])* $question:ident: $rule:ident;)*) => {
        impl Sabotage {
            $(
                $(#[$meta])*
                pub(crate) fn $question(self) -> bool {
                    #[cfg(feature = "sabotage")]
                    return self.broken == Some(Rule::$rule);
                    #[cfg(not(feature = "sabotage"))]
                    false
                }
            )*
        }
    };
}

questions! {
    /// Whether a callback's next try is kept in memory only.
    forgets_callback_retry: CallbackRetryIsDurable;
    /// Whether any fence will do.
    accepts_stale_fence: StaleFenceIsRefused;
    /// Whether an end can be followed by another.
    overwrites_terminal: TerminalOnce;
    /// Whether the first message of a batch stays its representative.
    calls_back_for_first: LastOfBatchIsRepresentative;
}
