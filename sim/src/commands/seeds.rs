//! Seeds as they are written on the command line.

use std::ops::Range;
use std::str::FromStr;

use turnstile::script::Options;
use turnstile::suite::Play;
use turnstile_scenarios::Entry;

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
