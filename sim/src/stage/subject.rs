//! The server under test: the reference server or a mutant of it.

use std::sync::Arc;

use turnstile_fault::WrapperBehaviour;
#[cfg(feature = "selftest")]
use turnstile_mutants::{EndlessLoop, Rule, generic};
use turnstile_reference::server::{Config, Hooks};
use turnstile_reference::store::{Storage, Store, StoreError};
use turnstile_seams::Seams;
use turnstile_world::Disk;

use super::journal::Journal;

/// Path of the server's database on its disk.
const DATABASE: &str = "data/turnstile.redb";
/// Path of the server's journal on its disk.
const JOURNAL: &str = "data/turnstile.journal";

/// The server under test. Mutants require the feature `selftest`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject {
    /// What is planted in it, if anything.
    #[cfg(feature = "selftest")]
    planted: Option<Planted>,
    /// Its store in a simulated world.
    store: StoreChoice,
}

/// The store of a server in a simulated world.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StoreChoice {
    /// The journal. A play with findings, and one of 64 others, is repeated with the database: both traces must be equal.
    /// Plays against mutants, whose findings are no news, are not repeated.
    #[default]
    CheckedJournal,
    /// Rows in memory with a journal of changes, which costs a tenth of the database.
    Journal,
    /// The database that servers have.
    Database,
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
    /// A loop without end.
    Loop,
}

#[cfg(feature = "selftest")]
impl From<Planted> for Subject {
    fn from(planted: Planted) -> Self {
        Self {
            planted: Some(planted),
            ..Self::default()
        }
    }
}

#[cfg(feature = "selftest")]
impl From<Rule> for Subject {
    fn from(rule: Rule) -> Self {
        Planted::Rule(rule).into()
    }
}

#[cfg(feature = "selftest")]
impl Subject {
    /// The name of the mutant on the command line; `None` for the unmodified server.
    pub fn mutant(self) -> Option<String> {
        match self.planted? {
            Planted::Rule(rule) => Some(name_of(rule)),
            Planted::Rewrite(rewrite) => Some(rewrite.to_string()),
            Planted::Census => None,
            Planted::Loop => Some(Self::ENDLESS_LOOP.to_owned()),
        }
    }

    /// The name of [`Self::looping`] on the command line.
    pub const ENDLESS_LOOP: &'static str = "endless-loop";

    /// A generic mutant. It is never freed, because subjects are copied freely and a run has few of them.
    pub fn with_rewrite(rewrite: generic::Rewrite) -> Self {
        Planted::Rewrite(Box::leak(Box::new(rewrite))).into()
    }

    /// The unmodified server, whose possible generic mutants are collected by [`generic::census::take`].
    pub fn under_census() -> Self {
        Planted::Census.into()
    }

    /// A server that loops without end when it admits a message. It violates no rule of the protocol by itself: it
    /// tests that the harness does not wait for it. No play against it ends without a limit of wall-clock time.
    pub fn looping() -> Self {
        Planted::Loop.into()
    }
}

/// The name of a mutant on the command line: lower case with hyphens.
#[cfg(feature = "selftest")]
pub fn name_of(rule: Rule) -> String {
    let mut name = String::new();
    for letter in format!("{rule:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

impl Subject {
    /// The same server with another store.
    pub fn with_store(mut self, store: StoreChoice) -> Self {
        self.store = store;
        self
    }

    /// The same server, whose plays are not repeated with the database.
    pub fn unchecked(self) -> Self {
        match self.store {
            StoreChoice::CheckedJournal => self.with_store(StoreChoice::Journal),
            StoreChoice::Journal | StoreChoice::Database => self,
        }
    }

    /// Its store.
    pub fn store(self) -> StoreChoice {
        self.store
    }

    /// Opens its store on a disk.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub(super) fn open_store(self, disk: Disk) -> Result<Arc<dyn Storage>, StoreError> {
        Ok(match self.store {
            StoreChoice::Database => Arc::new(Store::open(move || disk.open(DATABASE))?),
            StoreChoice::CheckedJournal | StoreChoice::Journal => {
                Arc::new(Journal::open(move || disk.open(JOURNAL))?)
            }
        })
    }

    /// The unmodified server has no name of a mutant.
    #[cfg(not(feature = "selftest"))]
    pub fn mutant(self) -> Option<String> {
        None
    }

    /// Applies the mutant to the settings and the seams of a server.
    #[cfg(feature = "selftest")]
    pub fn set_up(self, config: &mut Config, hooks: &mut Hooks, seams: &mut Seams) {
        match self.planted {
            None => {}
            Some(Planted::Rule(rule)) => rule.install(config, hooks, seams),
            Some(Planted::Rewrite(rewrite)) => rewrite.install(config, hooks, seams),
            Some(Planted::Census) => generic::observe(config, hooks, seams),
            Some(Planted::Loop) => hooks.interceptor = Some(Arc::new(EndlessLoop)),
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
    pub fn set_up(self, _: &mut Config, _: &mut Hooks, _: &mut Seams) {}
}
