//! Plays everything against the unmodified server, and finds out which mutants are possible and in which plays.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use turnstile_judge::trace::TraceDigest;
use turnstile_mutants::generic::{Rewrite, census};

use crate::script::Options;
use crate::stage::Subject;
use crate::suite::{self, Outcome, Play, Played};
use crate::watch::Watch;

/// The plays of the unmodified server, and the mutants that differ from it.
#[derive(Debug)]
pub struct Baseline<'a> {
    plays: Vec<Clean<'a>>,
    possible: BTreeMap<Rewrite, Vec<usize>>,
    unclean: Vec<Played<'a>>,
}

/// A play in which the unmodified server passed.
#[derive(Debug)]
pub(super) struct Clean<'a> {
    /// The play.
    pub play: Play<'a>,
    /// The digest of its trace.
    pub digest: TraceDigest,
}

/// A play of the baseline, and what a census found in it.
struct Counted<'a> {
    clean: Clean<'a>,
    /// The number of records in its trace.
    length: usize,
    rewrites: Vec<Rewrite>,
}

impl<'a> Baseline<'a> {
    /// Plays `groups` one after the other. A mutant is played against all plays of the first group in which it can occur
    /// before any of the second, and in each group against the shortest first. Calls `progress` with the number of
    /// finished plays. Ends early if `watch` is over.
    pub fn take(
        groups: &[Vec<Play<'a>>],
        jobs: NonZeroUsize,
        watch: Option<Watch>,
        mut progress: impl FnMut(usize),
    ) -> Self {
        let mut baseline = Self {
            plays: Vec::new(),
            possible: BTreeMap::new(),
            unclean: Vec::new(),
        };
        let mut before = 0;
        for plays in groups {
            let mut counted = Vec::new();
            suite::play_all_by(
                plays
                    .iter()
                    .copied()
                    .take_while(|_| watch.is_none_or(|watch| !watch.is_over())),
                jobs,
                count,
                |done| progress(before + done),
                |result| match result {
                    Ok(play) => counted.push(play),
                    Err(unclean) => baseline.unclean.push(*unclean),
                },
            );
            before += plays.len();
            counted.sort_by_key(|play| play.length);
            for Counted { clean, rewrites, .. } in counted {
                let index = baseline.plays.len();
                baseline.plays.push(clean);
                for rewrite in rewrites {
                    baseline.possible.entry(rewrite).or_default().push(index);
                }
            }
        }
        baseline
    }

    /// The possible mutants.
    pub fn possible(&self) -> impl Iterator<Item = &Rewrite> {
        self.possible.keys()
    }

    /// The plays in which the unmodified server did not pass. They are not played against mutants.
    pub fn unclean(&self) -> &[Played<'a>] {
        &self.unclean
    }

    /// The plays in which a mutant can occur, in the order in which they are played.
    pub(super) fn plays_of(&self, rewrite: &Rewrite) -> Vec<&Clean<'a>> {
        let indices = self.possible.get(rewrite).into_iter().flatten();
        indices.map(|index| &self.plays[*index]).collect()
    }
}

/// Plays one scenario with a census, which must be on this thread. A play that did not pass is an error.
fn count(play: Play<'_>) -> Result<Counted<'_>, Box<Played<'_>>> {
    let observed = Play {
        options: Options {
            subject: Subject::under_census(),
            watch: None,
            ..play.options
        },
        ..play
    };
    let (played, rewrites) = census::take(|| suite::play_timed(observed));
    let Outcome::Passed(verdict) = played.outcome() else {
        return Err(Box::new(played));
    };
    Ok(Counted {
        clean: Clean {
            play,
            digest: verdict.trace.digest(),
        },
        length: verdict.trace.records().len(),
        rewrites: rewrites.into_iter().collect(),
    })
}
