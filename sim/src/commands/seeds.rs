//! Seeds, and what stands for a scenario, as they are written on the command line.

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
                .map_err(|_| format!("{text:?} is not a seed: 0 to {}", u64::MAX))
        };
        let range = match text.split_once("..") {
            Some((start, end)) => number(start)?..number(end)?,
            None => {
                let seed = number(text)?;
                seed..seed.checked_add(1).ok_or("the last seed is reserved")?
            }
        };
        if range.is_empty() {
            Err(format!("{text} has no seeds in it"))
        } else {
            Ok(Self(range))
        }
    }
}

/// The seeds that scenarios are played with.
#[derive(Args)]
pub(crate) struct SeedsArguments {
    /// The seed that every choice follows from, or a range of seeds such as 0..10 (10 not included)
    #[arg(long, default_value = "0", value_name = "SEED|A..B")]
    seed: Seeds,
}

impl SeedsArguments {
    /// All of them.
    pub(crate) fn range(&self) -> &Range<u64> {
        &self.seed.0
    }
}

/// One scenario, with the seed and the surface that it is played with.
#[derive(Args)]
pub(crate) struct SourceArguments {
    /// A seed, or a script
    #[arg(value_name = "SEED|FILE")]
    pub(crate) source: Source,
    /// The seed that every choice follows from, for a script; 0 if left out
    #[arg(long)]
    seed: Option<u64>,
    /// The surface that a script is played on; the first of its surfaces if left out
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

/// Where a scenario is from: a seed, or a script. A file that is called like a number is written as `./17`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Generated from it.
    Seed(u64),
    /// Read from it.
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
    /// As [`Self::scenario`], with what it is called and where it is; what is not in a file has an empty path.
    pub fn entry(&self, seed: Option<u64>, surface: Option<Surface>) -> Result<(Entry, u64), String> {
        let (scenario, seed) = self.scenario(seed, surface)?;
        let path = match self {
            Self::Seed(_) => PathBuf::new(),
            Self::File(file) => file.clone(),
        };
        let id = self.to_string();
        Ok((Entry { id, path, scenario }, seed))
    }

    /// The scenario, on one surface, and the seed that it is played with: a generated one has that of its
    /// generation.
    pub fn scenario(&self, seed: Option<u64>, surface: Option<Surface>) -> Result<(Scenario, u64), String> {
        match self {
            Self::Seed(_) if seed.is_some() || surface.is_some() => {
                Err("--seed and --api are for scripts: what a seed does follows from it".to_owned())
            }
            Self::Seed(seed) => Ok((explore::scenario(*seed), *seed)),
            Self::File(file) => {
                let is_called_like_seeds = file
                    .to_string_lossy()
                    .starts_with(|first: char| first.is_ascii_digit());
                let scenario = read(file).map_err(|error| match is_called_like_seeds && !file.exists() {
                    true => format!(
                        "{} is neither one seed, 0 to {}, nor a file",
                        file.display(),
                        u64::MAX
                    ),
                    false => error,
                })?;
                let surface = surface.unwrap_or(scenario.api.first());
                let on_surface = scenario.on(surface).ok_or_else(|| {
                    let file = file.display();
                    format!("{file} is not for the {surface} surface: its `api` does not name it")
                })?;
                Ok((on_surface, seed.unwrap_or_default()))
            }
        }
    }
}

/// Which server is played against.
#[derive(Args)]
pub(crate) struct ServerArguments {
    /// Play against a server that breaks this rule (`turnstile selftest` names them)
    #[cfg(feature = "selftest")]
    #[arg(long, value_name = "RULE")]
    breaking: Option<String>,
}

impl ServerArguments {
    /// The flags that ask for the same server again.
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
        let rules = selftest::rules_matching(None);
        let rule = rules
            .iter()
            .copied()
            .find(|rule| selftest::name_of(*rule) == *name);
        rule.map(Subject::from).ok_or_else(|| {
            let names: Vec<String> = rules.into_iter().map(selftest::name_of).collect();
            format!("there is no rule {name:?}; there are {}", names.join(", "))
        })
    }
}

/// Every scenario with every seed.
pub(crate) fn plays_of<'a>(entries: &[&'a Entry], seeds: &Range<u64>) -> Vec<Play<'a>> {
    let play = |entry, seed| Play {
        entry,
        options: Options {
            seed,
            ..Options::default()
        },
    };
    let with_seed = |seed| entries.iter().map(move |&entry| play(entry, seed));
    seeds.clone().flat_map(with_seed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_number_or_a_range_with_something_in_it() {
        assert_eq!("7".parse(), Ok(Seeds(7..8)));
        assert_eq!("0..10".parse(), Ok(Seeds(0..10)));
        for text in ["", "x", "3..3", "-1", "1..x"] {
            assert!(text.parse::<Seeds>().is_err(), "{text}");
        }
    }
}
