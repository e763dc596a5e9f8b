//! The server under test: the reference server or a mutant of it.

use turnstile_fault::WrapperBehaviour;
use turnstile_reference::server::{Config, Hooks};

/// The server under test. Mutants require the feature `selftest`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject {
    /// The rule that the mutant violates.
    #[cfg(feature = "selftest")]
    broken: Option<turnstile_mutants::Rule>,
    /// Whether the server never ends its first turn.
    #[cfg(feature = "selftest")]
    loops: bool,
}

#[cfg(feature = "selftest")]
impl From<turnstile_mutants::Rule> for Subject {
    fn from(rule: turnstile_mutants::Rule) -> Self {
        Self {
            broken: Some(rule),
            loops: false,
        }
    }
}

impl Subject {
    /// The name of [`Self::looping`] on the command line.
    #[cfg(feature = "selftest")]
    pub const ENDLESS_LOOP: &'static str = "endless-loop";

    /// A server that loops without end when it admits a message. It violates no rule of the protocol by itself: it
    /// tests that the harness does not wait for it. No play against it ends without a limit of wall-clock time.
    #[cfg(feature = "selftest")]
    pub fn looping() -> Self {
        Self {
            broken: None,
            loops: true,
        }
    }

    /// Applies the mutant to the settings of a server.
    #[cfg(feature = "selftest")]
    pub(super) fn set_up(self, config: &mut Config, hooks: &mut Hooks) {
        if let Some(rule) = self.broken {
            rule.install(config, hooks);
        }
        if self.loops {
            hooks.interceptor = Some(std::sync::Arc::new(turnstile_mutants::EndlessLoop));
        }
    }

    /// The behaviour of the wrapper, which a mutant may change.
    #[cfg(feature = "selftest")]
    pub(crate) fn behaviour(self, behaviour: &WrapperBehaviour) -> WrapperBehaviour {
        let mut behaviour = behaviour.clone();
        if let Some(rule) = self.broken {
            rule.misguide(&mut behaviour);
        }
        behaviour
    }

    /// The behaviour of the wrapper, unchanged.
    #[cfg(not(feature = "selftest"))]
    pub(crate) fn behaviour(self, behaviour: &WrapperBehaviour) -> WrapperBehaviour {
        behaviour.clone()
    }

    /// Leaves the settings unchanged.
    #[cfg(not(feature = "selftest"))]
    pub(super) fn set_up(self, _: &mut Config, _: &mut Hooks) {}
}
