//! The server under test: the reference server or a mutant of it.

use turnstile_fault::WrapperBehaviour;
#[cfg(feature = "selftest")]
use turnstile_mutants::{Rule, generic};
use turnstile_reference::server::{Config, Hooks};
use turnstile_seams::Seams;

/// The server under test. Mutants require the feature `selftest`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject {
    /// What is planted in it, if anything.
    #[cfg(feature = "selftest")]
    planted: Option<Planted>,
}

#[cfg(feature = "selftest")]
#[derive(Debug, Clone, Copy)]
enum Planted {
    /// The mutant that violates this rule.
    Rule(Rule),
    /// A generic mutant.
    Rewrite(&'static generic::Rewrite),
    /// The census of generic mutants.
    Census,
}

#[cfg(feature = "selftest")]
impl From<Rule> for Subject {
    fn from(rule: Rule) -> Self {
        Self {
            planted: Some(Planted::Rule(rule)),
        }
    }
}

#[cfg(feature = "selftest")]
impl Subject {
    /// A generic mutant. It is never freed, because subjects are copied freely and a run has few of them.
    pub fn with_rewrite(rewrite: generic::Rewrite) -> Self {
        Self {
            planted: Some(Planted::Rewrite(Box::leak(Box::new(rewrite)))),
        }
    }

    /// The unmodified server, whose possible generic mutants are collected by [`generic::census::take`].
    pub fn under_census() -> Self {
        Self {
            planted: Some(Planted::Census),
        }
    }
}

impl Subject {
    /// Applies the mutant to the settings and the seams of a server.
    #[cfg(feature = "selftest")]
    pub(super) fn set_up(self, config: &mut Config, hooks: &mut Hooks, seams: &mut Seams) {
        match self.planted {
            None => {}
            Some(Planted::Rule(rule)) => rule.install(config, hooks),
            Some(Planted::Rewrite(rewrite)) => rewrite.install(config, hooks, seams),
            Some(Planted::Census) => generic::observe(config, hooks, seams),
        }
    }

    /// The behaviour of the wrapper, which a mutant may change.
    #[cfg(feature = "selftest")]
    pub(crate) fn behaviour(self, behaviour: &WrapperBehaviour) -> WrapperBehaviour {
        let mut behaviour = behaviour.clone();
        if let Some(Planted::Rule(rule)) = self.planted {
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
    pub(super) fn set_up(self, _: &mut Config, _: &mut Hooks, _: &mut Seams) {}
}
