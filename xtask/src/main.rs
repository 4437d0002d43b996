//! The project's own commands, `cargo xtask <command>`: they run cargo and read the tree, and depend on no crate of it.

mod bench;
mod cargo;
mod ci;
mod conformance;
mod controls;
mod faults;
mod fix;
mod layout;
mod libtest;
mod postgres;
mod test;
mod tidy;

use std::error::Error;
use std::process::ExitCode;

/// What a command answers: an error is one line that says what is wrong and what to do.
type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "\
The project's own commands.

Usage: cargo xtask <command>

Commands:
  ci                   all that a change must pass; reads only
  fix                  format, apply clippy's suggestions, lower the ratchet
  test [-- FILTER...]  unit, integration and doc tests
  conformance [--backend memory|sqlite|postgres] [-- FILTER...]
                       the suite on every backend, areas by backends
  controls [--control NAME]
                       defects on purpose, each caught by a named test
  bench [W1|...|W6|full ...] [--backend sqlite|postgres] [--runs N] [--short]
        [--concurrency N] [--json FILE] [--profile]
                       what Stent does a second, beside the raw database;
                       --short: small maps; --profile: workers under perf
  faults [--backend sqlite|postgres|both] [--row ID[,ID...]] [--seed N]
         [--long] [--ci] [--json FILE]
                       real processes under faults, judged by a checker;
                       --ci: the rows that `ci` runs
  postgres [-- COMMAND...]
                       a PostgreSQL server for tests, while COMMAND runs
  tidy                 the rules of the house that no compiler knows
  release-migrations   lock the migrations of a release: they never change again
  help                 this text

FILTER goes to the test harness: part of a test's name, or an option of its own.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result {
    let (own, filter) = split(arguments);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    match (own.as_slice(), filter) {
        (["ci"], []) => ci::run(),
        (["fix"], []) => fix::run(),
        (["test"], filter) => {
            let totals = test::run(filter)?;
            println!("\n{totals}");
            Ok(())
        }
        (["conformance"], filter) => conformance::run(None, filter),
        (["conformance", "--backend", name], filter) => conformance::run(Some(name), filter),
        (["controls"], []) => controls::run(None),
        (["controls", "--control", name], []) => controls::run(Some(name)),
        (["bench", asked @ ..], []) => bench::run(asked),
        (["faults", asked @ ..], []) => faults::run(asked),
        (["postgres"], command) => postgres::run(command),
        (["tidy"], []) => tidy::run(),
        (["release-migrations"], []) => tidy::release_migrations(),
        (["help" | "--help" | "-h"], []) => {
            println!("{USAGE}");
            Ok(())
        }
        ([], []) => Err(format!("a command is missing\n\n{USAGE}").into()),
        _ => Err(format!("`{}` is no command\n\n{USAGE}", arguments.join(" ")).into()),
    }
}

/// What stands before `--`, and what stands after it.
fn split(arguments: &[String]) -> (&[String], &[String]) {
    match arguments.iter().position(|argument| argument == "--") {
        Some(at) => (&arguments[..at], &arguments[at + 1..]),
        None => (arguments, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn arguments_after_two_dashes_are_the_filter() {
        let line = words("conformance --backend memory -- claim --nocapture");
        let (own, filter) = split(&line);
        assert_eq!(own, words("conformance --backend memory"));
        assert_eq!(filter, words("claim --nocapture"));
    }

    #[test]
    fn an_unknown_command_is_refused_with_the_usage() {
        for line in ["", "cii", "ci now", "tidy -- claim", "conformance --backend"] {
            let error = run(&words(line)).unwrap_err().to_string();
            assert!(error.contains("Usage: cargo xtask <command>"), "{line}: {error}");
        }
    }

    #[test]
    fn the_usage_fits_80_columns() {
        for line in USAGE.lines() {
            assert!(line.chars().count() <= layout::COLUMNS, "{line}");
        }
    }
}
