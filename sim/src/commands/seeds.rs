//! Arguments that name seeds, scenarios and servers.

use std::convert::Infallible;
#[cfg(feature = "selftest")]
use std::ffi::OsStr;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
#[cfg(feature = "selftest")]
use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use turnstile::explore;
use turnstile::script::Options;
#[cfg(feature = "selftest")]
use turnstile::stage::name_of;
use turnstile::stage::{StoreChoice, Subject};
use turnstile::suite::Play;
use turnstile::watch::Watch;
#[cfg(feature = "selftest")]
use turnstile_mutants::Rule;
use turnstile_scenarios::{Entry, Surface};

use super::exit::{Exit, usage_error};
use super::library::read;
#[cfg(feature = "selftest")]
use super::suggestions::most_similar;

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
    /// Seed, or range of seeds with B excluded; determines network timings and ids [default: the script's, or 0]
    #[arg(long, value_name = "SEED|A..B")]
    seed: Option<Seeds>,
}

impl SeedsArguments {
    /// The seeds; `None` for that of each script.
    pub(crate) fn range(&self) -> Option<&Range<u64>> {
        self.seed.as_ref().map(|Seeds(range)| range)
    }

    /// Whether a scenario may be played with several seeds.
    pub(crate) fn are_several(&self) -> bool {
        self.range().is_some_and(|range| range.end - range.start > 1)
    }
}

/// One scenario with its seed and API surface.
#[derive(Args)]
pub(crate) struct SourceArguments {
    /// Seed to generate a scenario from, or path of a script
    #[arg(help_heading = None::<&str>, value_name = "SEED|FILE")]
    pub(crate) source: Source,
    /// Seed of a script [default: the script's, or 0]
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

    /// The scenario with its seed, and the server that it is played against. `outputs` says whether the other arguments are
    /// right. A usage error is printed.
    pub(crate) fn against(
        &self,
        server: &ServerArguments,
        outputs: Result<(), String>,
    ) -> Result<(Entry, u64, Subject), Exit> {
        let found = outputs
            .and_then(|()| self.entry())
            .and_then(|(entry, seed)| Ok((entry, seed, server.subject()?)));
        found.map_err(|error| usage_error(&error))
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
    /// The scenario on one surface, and its seed. A generated scenario has an empty path.
    pub fn entry(&self, seed: Option<u64>, surface: Option<Surface>) -> Result<(Entry, u64), String> {
        let entry = |path: &Path, scenario, text: Option<Arc<str>>| Entry {
            id: self.to_string(),
            path: path.to_owned(),
            scenario,
            text,
        };
        match self {
            Self::Seed(_) if seed.is_some() || surface.is_some() => {
                Err("--seed and --api apply only to scripts".to_owned())
            }
            Self::Seed(seed) => Ok((entry(Path::new(""), explore::scenario(*seed), None), *seed)),
            Self::File(file) => {
                let is_called_like_seeds = file
                    .to_string_lossy()
                    .starts_with(|first: char| first.is_ascii_digit());
                let (scenario, text) =
                    read(file).map_err(|error| match is_called_like_seeds && !file.exists() {
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
                let seed = seed.or(on_surface.seed).unwrap_or_default();
                Ok((entry(file, on_surface, Some(text.into())), seed))
            }
        }
    }
}

/// The server to play against.
#[derive(Args)]
pub(crate) struct ServerArguments {
    /// Play against a mutant of the server: one of `turnstile mutants`, or a generic one of `turnstile mutate`
    #[cfg(feature = "selftest")]
    #[arg(long, value_name = "MUTANT", value_parser = MutantNames, hide_possible_values = true)]
    breaking: Option<String>,
    /// Give the simulated server the database of real servers in place of its cheaper journal
    #[arg(long)]
    database: bool,
}

/// The servers of a run.
#[derive(Args)]
pub(crate) struct ServersArguments {
    /// Play against a mutant of the server: one of `turnstile mutants`, or a generic one of `turnstile mutate`
    ///
    /// With several mutants, separated by commas, each scenario is played against each of them.
    #[cfg(feature = "selftest")]
    #[arg(
        long,
        value_name = "MUTANT",
        value_delimiter = ',',
        value_parser = MutantNames,
        hide_possible_values = true,
        conflicts_with = "live"
    )]
    breaking: Vec<String>,
    /// Give the simulated server the database of real servers in place of its cheaper journal
    #[arg(long, conflicts_with = "live")]
    database: bool,
}

impl ServersArguments {
    /// The servers that the flags ask for: at least one.
    #[cfg(feature = "selftest")]
    pub fn subjects(&self) -> Result<Vec<Subject>, String> {
        if self.breaking.is_empty() {
            return Ok(vec![with_store(Subject::default(), self.database)]);
        }
        let mutants = self.breaking.iter().map(|name| mutant(name));
        mutants
            .map(|mutant| Ok(with_store(mutant?, self.database)))
            .collect()
    }

    /// The server.
    #[cfg(not(feature = "selftest"))]
    pub fn subjects(&self) -> Result<Vec<Subject>, String> {
        Ok(vec![with_store(Subject::default(), self.database)])
    }
}

/// The server with the store that the flags ask for.
fn with_store(subject: Subject, database: bool) -> Subject {
    match database {
        true => subject.with_store(StoreChoice::Database),
        false => subject,
    }
}

/// Accepts any name, because a generic mutant may have one of very many, and offers those of the others for completion.
#[cfg(feature = "selftest")]
#[derive(Clone)]
struct MutantNames;

#[cfg(feature = "selftest")]
impl TypedValueParser for MutantNames {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let names = Rule::ALL.into_iter().map(name_of);
        let names = names.chain([Subject::ENDLESS_LOOP.to_owned()]);
        // Few, and they are needed until the process ends.
        Some(Box::new(names.map(|name| PossibleValue::new(&*name.leak()))))
    }
}

/// The mutant with a name.
#[cfg(feature = "selftest")]
fn mutant(name: &str) -> Result<Subject, String> {
    if let Ok(rewrite) = name.parse() {
        return Ok(Subject::with_rewrite(rewrite));
    }
    if name == Subject::ENDLESS_LOOP {
        return Ok(Subject::looping());
    }
    if let Some(rule) = Rule::ALL.into_iter().find(|rule| name_of(*rule) == name) {
        return Ok(Subject::from(rule));
    }
    let names: Vec<String> = Rule::ALL.into_iter().map(name_of).collect();
    let similar = most_similar(name, names.iter().map(String::as_str));
    Err(match similar.as_slice() {
        [] => format!("unknown mutant {name:?}; `turnstile mutants` lists all"),
        names => format!("unknown mutant {name:?}; did you mean {}?", names.join(", ")),
    })
}

impl ServerArguments {
    /// The flags that select the same server.
    pub fn flags(&self) -> String {
        let database = if self.database { " --database" } else { "" };
        #[cfg(feature = "selftest")]
        if let Some(rule) = &self.breaking {
            return format!(" --breaking {rule}{database}");
        }
        database.to_owned()
    }

    /// The server that the flags ask for.
    #[cfg(not(feature = "selftest"))]
    pub fn subject(&self) -> Result<Subject, String> {
        Ok(with_store(Subject::default(), self.database))
    }

    /// The server that the flags ask for.
    #[cfg(feature = "selftest")]
    pub fn subject(&self) -> Result<Subject, String> {
        let subject = self.breaking.as_deref();
        let subject = subject.map_or_else(|| Ok(Subject::default()), mutant)?;
        Ok(with_store(subject, self.database))
    }
}

/// The plays of every scenario with every server and seed, in the order of servers, seeds and then scenarios.
#[derive(Clone, Copy)]
pub(crate) struct Plays<'a> {
    /// The scenarios.
    pub(crate) entries: &'a [&'a Entry],
    /// The seeds; `None` for that of each script.
    pub(crate) seeds: Option<&'a Range<u64>>,
    /// The servers.
    pub(crate) subjects: &'a [Subject],
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
            subjects,
            watch,
        } = self;
        let play = move |entry: &'a Entry, seed: Option<u64>, subject| Play {
            entry,
            options: Options {
                seed: seed.or(entry.scenario.seed).unwrap_or_default(),
                subject,
                watch,
                ..Options::default()
            },
        };
        let plays = subjects.iter().flat_map(move |&subject| {
            let own = seeds.is_none().then_some(None);
            let seeds = seeds.cloned().unwrap_or(0..0).map(Some);
            own.into_iter()
                .chain(seeds)
                .flat_map(move |seed| entries.iter().map(move |&entry| play(entry, seed, subject)))
        });
        plays.take_while(move |_| watch.is_none_or(|watch| !watch.is_over()))
    }

    /// The number of plays, or the largest number if there are more.
    pub(crate) fn count(self) -> usize {
        let seeds = self.seeds.map_or(1, |seeds| seeds.end - seeds.start);
        let seeds = usize::try_from(seeds).unwrap_or(usize::MAX);
        seeds
            .saturating_mul(self.entries.len())
            .saturating_mul(self.subjects.len())
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
            text: None,
        };
        let plays = Plays {
            entries: &[&entry, &entry],
            seeds: Some(&(0..u64::MAX)),
            subjects: &[Subject::default()],
            watch: None,
        };
        assert_eq!(plays.count(), usize::MAX);
        let seeds: Vec<u64> = plays.iter().map(|play| play.options.seed).take(3).collect();
        assert_eq!(seeds, [0, 0, 1]);
    }
}
