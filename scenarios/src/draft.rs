//! The readable parts of a script.

use std::collections::BTreeMap;

use serde_json::Value;
use turnstile_fault::{Answer, Lapse};

use crate::expectation::Expectation;
use crate::place::{At, Spot};
use crate::profile::RequiredProfile;
use crate::rule_name::RuleName;
use crate::scenario::{Scenario, Seam};
use crate::session::Session;
use crate::step::Step;
use crate::surface::Surfaces;

/// Key of the steps.
pub(crate) const STEPS: &str = "steps";
/// Key of the expectations.
pub(crate) const EXPECT: &str = "expect";

/// The readable parts of a script.
#[derive(Default)]
pub(crate) struct Draft {
    pub title: Option<At<String>>,
    pub about: Option<At<String>>,
    pub seam: Option<Seam>,
    pub rules: Vec<At<RuleName>>,
    /// `None` if present but unreadable.
    pub api: Option<Surfaces>,
    pub seed: Option<u64>,
    pub tolerant: bool,
    pub profile: RequiredProfile,
    pub latency: Option<Lapse>,
    /// `None` if present but unreadable.
    pub session: Option<Session>,
    pub receiver: Vec<Answer>,
    pub steps: Option<Vec<Element<Step>>>,
    pub expect: Vec<Element<Expectation>>,
    /// All keys in the script, readable or not.
    pub present: BTreeMap<String, Spot>,
}

/// A list element, readable or not.
pub(crate) enum Element<T> {
    Read(At<T>),
    Unreadable(At<Value>),
}

impl<T> Element<T> {
    /// Its position.
    pub fn spot(&self) -> Spot {
        let (Self::Read(At { spot, .. }) | Self::Unreadable(At { spot, .. })) = self;
        *spot
    }
}

impl Draft {
    /// The scenario, if everything was readable.
    pub fn finish(self) -> Option<Scenario> {
        fn whole<T>(elements: Vec<Element<T>>) -> Option<Vec<At<T>>> {
            let read = |element| match element {
                Element::Read(value) => Some(value),
                Element::Unreadable(_) => None,
            };
            elements.into_iter().map(read).collect()
        }
        Some(Scenario {
            title: self.title?.value,
            about: self.about?.value,
            seam: self.seam?,
            rules: self.rules,
            api: self.api?,
            seed: self.seed,
            tolerant: self.tolerant,
            profile: self.profile,
            latency: self.latency,
            session: self.session?,
            receiver: self.receiver,
            steps: whole(self.steps?)?,
            expect: whole(self.expect)?,
        })
    }
}
