//! Arguments that name seeds, scenarios and servers.

use std::convert::Infallible;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use turnstile::explore;
use turnstile::script::Options;
use turnstile::stage::Subject;
use turnstile::suite::Play;
use turnstile::watch::Watch;
use turnstile_scenarios::{Entry, Scenario, Surface};

use super::library::read;

/// A seed, or all seeds of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seeds(pub(crate) Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse::<u64>()
                .map_err(|_| format!("{text:?} is not a seed (0 to {})", u64::MAX))
        };
        let range = match text.split_once("..") {
            Some((start, end)) => number(start)?..number(end)?,
            None => {
                let seed = number(text)?;
                seed..seed.checked_add(1).ok_or("the largest seed is reserved")?
            }
        };
        if range.is_empty() {
            Err(format!("{text} is an empty range"))
        } else {
            Ok(Self(range))
        }
    }
}

/// The seeds of a run.
#[derive(Args)]
pub(crate) struct SeedsArguments {
    /// Seed, or range of seeds with B excluded; determines network timings and ids
    #[arg(long, default_value = "0", value_name = "SEED|A..B")]
    seed: Seeds,
}

impl SeedsArguments {
    /// The seeds.
    pub(crate) fn range(&self) -> &Range<u64> {
        &self.seed.0
    }
}

/// One scenario with its seed and API surface.
#[derive(Args)]
pub(crate) struct SourceArguments {
    /// Seed to generate a scenario from, or path of a script
    #[arg(help_heading = None::<&str>, value_name = "SEED|FILE")]
    pub(crate) source: Source,
    /// Seed of a script [default: 0]
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// API surface of a script, unified or legacy [default: the first in its `api`]
    #[arg(long, value_name = "SURFACE")]
    api: Option<Surface>,
}

impl SourceArguments {
    /// As [`Source::entry`].
    pub(crate) fn entry(&self) -> Result<(Entry, u64), String> {
        self.source.entry(self.seed, self.api)
    }

    /// As [`Source::scenario`].
    pub(crate) fn scenario(&self) -> Result<(Scenario, u64), String> {
        self.source.scenario(self.seed, self.api)
    }
}

/// The source of a scenario: a seed or a script. A file whose name is a number is written as `./17`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Generated from a seed.
    Seed(u64),
    /// Read from a file.
    File(PathBuf),
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text
            .parse()
            .map_or_else(|_| Self::File(PathBuf::from(text)), Self::Seed))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(seed) => write!(formatter, "seed {seed}"),
            Self::File(file) => file.display().fmt(formatter),
        }
    }
}

impl Source {
    /// As [`Self::scenario`], with its id and path. A generated scenario has an empty path.
    pub fn entry(&self, seed: Option<u64>, surface: Option<Surface>) -> Result<(Entry, u64), String> {
        let (scenario, seed) = self.scenario(seed, surface)?;
        let path = match self {
            Self::Seed(_) => PathBuf::new(),
            Self::File(file) => file.clone(),
        };
        let id = self.to_string();
        Ok((Entry { id, path, scenario }, seed))
    }

    /// The scenario on one surface, and its seed.
    pub fn scenario(&self, seed: Option<u64>, surface: Option<Surface>) -> Result<(Scenario, u64), String> {
        match self {
            Self::Seed(_) if seed.is_some() || surface.is_some() => {
                Err("--seed and --api apply only to scripts".to_owned())
            }
            Self::Seed(seed) => Ok((explore::scenario(*seed), *seed)),
            Self::File(file) => {
                let is_called_like_seeds = file
                    .to_string_lossy()
                    .starts_with(|first: char| first.is_ascii_digit());
                let scenario = read(file).map_err(|error| match is_called_like_seeds && !file.exists() {
                    true => format!(
                        "{} is neither a seed (0 to {}) nor a file",
                        file.display(),
                        u64::MAX
                    ),
                    false => error,
                })?;
                let surface = surface.unwrap_or(scenario.api.first());
                let on_surface = scenario.on(surface).ok_or_else(|| {
                    let file = file.display();
                    format!("{file} does not support the {surface} surface (see its `api`)")
                })?;
                Ok((on_surface, seed.unwrap_or_default()))
            }
        }
    }
}

/// The server to play against.
#[derive(Args)]
pub(crate) struct ServerArguments {
    /// Play against the mutant that violates RULE (see `turnstile selftest`), against a generic mutant (see `turnstile
    /// mutate`), or against `endless-loop`
    ///
    /// The server `endless-loop` never ends its first turn. It tests --play-timeout.
    #[cfg(feature = "selftest")]
    #[arg(long, value_name = "RULE")]
    breaking: Option<String>,
}

impl ServerArguments {
    /// The flags that select the same server.
    pub fn flags(&self) -> String {
        #[cfg(feature = "selftest")]
        if let Some(rule) = &self.breaking {
            return format!(" --breaking {rule}");
        }
        String::new()
    }

    /// The server that the flags ask for.
    #[cfg(not(feature = "selftest"))]
    pub fn subject(&self) -> Result<Subject, String> {
        Ok(Subject::default())
    }

    /// The server that the flags ask for.
    #[cfg(feature = "selftest")]
    pub fn subject(&self) -> Result<Subject, String> {
        use turnstile::selftest;

        let Some(name) = &self.breaking else {
            return Ok(Subject::default());
        };
        if let Ok(rewrite) = name.parse() {
            return Ok(Subject::with_rewrite(rewrite));
        }
        if name == Subject::ENDLESS_LOOP {
            return Ok(Subject::looping());
        }
        let rules = selftest::rules_matching(None);
        let rule = rules
            .iter()
            .copied()
            .find(|rule| selftest::name_of(*rule) == *name);
        rule.map(Subject::from).ok_or_else(|| {
            let names: Vec<String> = rules.into_iter().map(selftest::name_of).collect();
            format!("unknown rule {name:?}; expected one of {}", names.join(", "))
        })
    }
}

/// The plays of every scenario with every seed, in the order of seeds and then of scenarios.
#[derive(Clone, Copy)]
pub(crate) struct Plays<'a> {
    /// The scenarios.
    pub(crate) entries: &'a [&'a Entry],
    /// The seeds.
    pub(crate) seeds: &'a Range<u64>,
    /// The limits of each play.
    pub(crate) watch: Option<Watch>,
}

impl<'a> Plays<'a> {
    /// The plays, made one at a time: a range may have more seeds than fit into memory. Ends early if no further play
    /// should begin.
    pub(crate) fn iter(self) -> impl Iterator<Item = Play<'a>> + Send + use<'a> {
        let Self {
            entries,
            seeds,
            watch,
        } = self;
        let play = move |entry, seed| Play {
            entry,
            options: Options {
                seed,
                watch,
                ..Options::default()
            },
        };
        let with_seed = move |seed| entries.iter().map(move |&entry| play(entry, seed));
        let plays = seeds.clone().flat_map(with_seed);
        plays.take_while(move |_| watch.is_none_or(|watch| !watch.is_over()))
    }

    /// The number of plays, or the largest number if there are more.
    pub(crate) fn count(self) -> usize {
        let seeds = usize::try_from(self.seeds.end - self.seeds.start).unwrap_or(usize::MAX);
        seeds.saturating_mul(self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_number_or_a_nonempty_range() {
        assert_eq!("7".parse(), Ok(Seeds(7..8)));
        assert_eq!("0..10".parse(), Ok(Seeds(0..10)));
        for text in ["", "x", "3..3", "-1", "1..x"] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_plays_of_a_long_range_are_made_one_at_a_time() {
        let scenario = explore::scenario(0);
        let entry = Entry {
            id: String::new(),
            path: PathBuf::new(),
            scenario,
        };
        let plays = Plays {
            entries: &[&entry, &entry],
            seeds: &(0..u64::MAX),
            watch: None,
        };
        assert_eq!(plays.count(), usize::MAX);
        let seeds: Vec<u64> = plays.iter().map(|play| play.options.seed).take(3).collect();
        assert_eq!(seeds, [0, 0, 1]);
    }
}
