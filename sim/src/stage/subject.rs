//! Which server is put to the test: the reference server, or one that breaks a rule.

use turnstile_reference::server::{Config, Hooks};

/// Which server is put to the test. Only a build with the feature `selftest` has another than the reference server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject {
    /// The rule that the server breaks.
    #[cfg(feature = "selftest")]
    broken: Option<turnstile_mutants::Rule>,
}

#[cfg(feature = "selftest")]
impl From<turnstile_mutants::Rule> for Subject {
    fn from(rule: turnstile_mutants::Rule) -> Self {
        Self { broken: Some(rule) }
    }
}

impl Subject {
    /// Makes what a server is started with into what this one is started with.
    #[cfg(feature = "selftest")]
    pub(super) fn set_up(self, config: &mut Config, hooks: &mut Hooks) {
        if let Some(rule) = self.broken {
            rule.install(config, hooks);
        }
    }

    /// Makes what a server is started with into what this one is started with.
    #[cfg(not(feature = "selftest"))]
    pub(super) fn set_up(self, _: &mut Config, _: &mut Hooks) {}
}
