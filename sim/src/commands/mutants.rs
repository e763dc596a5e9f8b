//! `turnstile mutants`.

use std::io::{self, Write as _};

use clap::Args;
use serde::Serialize;
use turnstile::selftest::{name_of, oracle_of, rules_matching, script_of};
use turnstile::stage::Subject;
use turnstile_mutants::Rule;

use super::exit::{Exit, print_error};

/// The sentence about the server without a rule.
const ENDLESS_LOOP: &str = "It never ends its first turn, to test --play-timeout";

/// Arguments of `turnstile mutants`.
#[derive(Args)]
pub(crate) struct MutantsArguments {
    /// List only mutants whose name contains TEXT
    #[arg(value_name = "TEXT")]
    filter: Option<String>,
    /// Print a JSON array with an object for each mutant
    #[arg(long)]
    json: bool,
}

/// A mutant in the list for machines.
#[derive(Serialize)]
struct Listed {
    name: String,
    /// The rule that it violates, as a sentence.
    rule: &'static str,
    /// The ids of the rule in the protocol.
    protocol: &'static [&'static str],
    /// Whether a service of this kind has had this bug.
    is_historic: bool,
    /// The oracle that finds it.
    oracle: &'static str,
    /// A script that finds it.
    script: &'static str,
}

impl Listed {
    fn of(rule: Rule) -> Self {
        Self {
            name: name_of(rule),
            rule: rule.text(),
            protocol: rule.ids(),
            is_historic: rule.is_historic(),
            oracle: oracle_of(rule),
            script: script_of(rule),
        }
    }
}

/// Lists the mutants that `--breaking` accepts.
pub(crate) fn mutants(arguments: &MutantsArguments) -> io::Result<Exit> {
    let filter = arguments.filter.as_deref();
    let rules = rules_matching(filter);
    let has_loop = filter.is_none_or(|filter| Subject::ENDLESS_LOOP.contains(filter));
    if rules.is_empty() && !has_loop {
        print_error("no mutant matches; `turnstile mutants` lists all");
        return Ok(Exit::Usage);
    }
    let mut out = anstream::stdout();
    if arguments.json {
        let listed: Vec<Listed> = rules.into_iter().map(Listed::of).collect();
        serde_json::to_writer_pretty(&mut out, &listed)?;
        writeln!(out)?;
        return Ok(Exit::Passed);
    }
    for rule in rules {
        writeln!(
            out,
            "{:<44} {} ({})",
            name_of(rule),
            rule.text(),
            rule.ids().join(", ")
        )?;
    }
    if has_loop {
        writeln!(out, "{:<44} {ENDLESS_LOOP}", Subject::ENDLESS_LOOP)?;
    }
    if filter.is_none() {
        writeln!(
            out,
            "\nGeneric mutants are named by `turnstile mutate`, such as drop:effect:callback."
        )?;
    }
    Ok(Exit::Passed)
}
