//! A case: one play with a new process of the party under test.

use std::path::PathBuf;
use std::pin::Pin;

use turnstile_scenarios::{Entry, Seam, Surface};

use crate::recordings::without_steps;

/// A rule is violated, which is recorded, so the case stops early.
#[derive(Debug)]
pub struct Violated;

/// The result of a step of a case.
pub type Step<T = ()> = Result<T, Violated>;

/// What a case does on its stage.
pub type Play<S> = for<'a> fn(&'a mut S) -> Pin<Box<dyn Future<Output = Step> + 'a>>;

/// A case.
pub struct Case<S> {
    /// Its id, which reports show.
    pub id: &'static str,
    /// What the party must do, as a sentence.
    pub title: &'static str,
    pub(crate) play: Play<S>,
}

/// Defines `CASES`: the modules with their functions, each with the id and the title of its case.
macro_rules! cases {
    ($role:literal, $stage:ty, $($module:ident: { $($function:ident: $id:literal, $title:literal;)* })*) => {
        /// All cases.
        pub const CASES: &[$crate::role::case::Case<$stage>] = &[$($($crate::role::case::Case {
            id: concat!($role, "/", $id),
            title: $title,
            play: |stage| Box::pin($module::$function(stage)),
        }),*),*];
    };
}
pub(crate) use cases;

/// The cases, with their entries in reports.
pub fn entries<S>(cases: &'static [Case<S>], seam: Seam) -> impl Iterator<Item = (Entry, &'static Case<S>)> {
    cases.iter().map(move |case| {
        let entry = Entry {
            id: case.id.to_owned(),
            path: PathBuf::new(),
            scenario: without_steps(case.title, seam, Surface::Unified),
            text: None,
        };
        (entry, case)
    })
}
