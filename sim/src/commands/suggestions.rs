//! Suggestions for misspelt commands and scenario ids.

use clap::Command;
use turnstile_scenarios::Library;

/// The maximum number of suggested ids.
const SUGGESTED: usize = 3;
/// The minimum similarity of a suggested id to the filter, from 0 to 1.
const SIMILARITY: f64 = 0.6;
/// From this length on, a misspelt command may have two errors.
const LONG_WORD: usize = 5;

/// The command that `word` is probably a misspelling of; `None` if `word` is a command.
pub(crate) fn similar_command(word: &str, program: &Command) -> Option<String> {
    let errors = if word.chars().count() < LONG_WORD { 1 } else { 2 };
    let candidates = program.get_subcommands().map(Command::get_name);
    let (distance, name) = candidates
        .map(|name| (strsim::osa_distance(word, name), name))
        .min()?;
    (1..=errors).contains(&distance).then(|| name.to_owned())
}

/// The ids of a library that are most similar to a filter, the most similar first.
pub(crate) fn similar_ids<'a>(filter: &str, library: &'a Library) -> Vec<&'a str> {
    let ids = library.entries().iter().map(|entry| entry.id.as_str());
    most_similar(filter, ids)
}

/// The names that are most similar to a word, the most similar first.
pub(crate) fn most_similar<'a>(filter: &str, ids: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut ranked: Vec<(f64, &str)> = ids
        .map(|id| (similarity(filter, id), id))
        .filter(|(similarity, _)| *similarity >= SIMILARITY)
        .collect();
    ranked.sort_by(|(one, one_id), (other, other_id)| other.total_cmp(one).then(one_id.cmp(other_id)));
    ranked.truncate(SUGGESTED);
    ranked.into_iter().map(|(_, id)| id).collect()
}

/// The similarity of a filter to an id or to the end of its path.
fn similarity(filter: &str, id: &str) -> f64 {
    let ends = id.match_indices('/').map(|(slash, _)| &id[slash + 1..]);
    [id].into_iter()
        .chain(ends)
        .map(|end| strsim::normalized_damerau_levenshtein(filter, end))
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_command_is_recognized_and_other_words_are_not() {
        let program = Command::new("p").subcommands(["run", "replay", "list"].map(Command::new));
        for (word, name) in [("repaly", "replay"), ("lits", "list"), ("rum", "run")] {
            assert_eq!(similar_command(word, &program).as_deref(), Some(name));
        }
        for word in ["replay", "turn", "callback", ""] {
            assert_eq!(similar_command(word, &program), None, "{word}");
        }
    }

    #[test]
    fn ids_are_compared_in_full_and_by_the_end_of_their_paths() {
        let ids = ["suite/turn/cold", "suite/turn/cold (legacy)", "suite/queue/full"];
        let similar = |filter| most_similar(filter, ids.into_iter());
        assert_eq!(similar("suite/turn/clod")[0], "suite/turn/cold");
        assert_eq!(similar("turn/clod"), ["suite/turn/cold"]);
        assert_eq!(similar("no-such-scenario"), [""; 0]);
    }
}
