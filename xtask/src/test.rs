//! `cargo xtask test`: every test of the workspace and every example in its docs, and one total.

use crate::Result;
use crate::cargo;
use crate::libtest::{Case, Totals, Verdict};
use crate::postgres::{Durability, Server};

/// Runs the tests whose names match `filter` (all, if empty) with their output passed through.
///
/// A failed test is an error, and so is a run without any.
pub(crate) fn run(filter: &[String]) -> Result<Totals> {
    let root = cargo::root()?;
    let server = Server::start(Durability::None)?;
    let mut totals = Totals::default();
    // Not `--all-targets`: that builds examples as tests, and the tests run them as programs.
    let mut command = cargo::cargo(&root, ["test", "--workspace", "--no-fail-fast", "--"]);
    command.args(filter);
    server.lend(&mut command);
    let mut failing = Vec::new();
    let status = cargo::stream(&mut command, |line| {
        println!("{line}");
        if let Some(some) = Totals::parse(line) {
            totals += some;
        }
        failing.extend(Case::parse(line).filter(|case| case.verdict == Verdict::Failed));
    })?;
    if !failing.is_empty() {
        println!("\n{totals}:");
        failing.iter().for_each(|case| println!("  {}", case.name));
    }
    cargo::succeeded(&command, status)?;
    if totals.ignored > 0 {
        println!("\n{} ignored", totals.ignored);
    }
    accepted(totals)
}

/// `totals` if they are those of a success: something ran and nothing failed.
fn accepted(totals: Totals) -> Result<Totals> {
    match totals {
        Totals { passed: 0, failed: 0, .. } => Err("no test ran: the filter fits none".into()),
        Totals { failed: 0, .. } => Ok(totals),
        _ => Err(totals.to_string().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_run_is_no_success() {
        assert!(accepted(Totals::default()).is_err());
        assert!(accepted(Totals { passed: 0, failed: 0, ignored: 9 }).is_err());
        assert!(accepted(Totals { passed: 3, failed: 1, ignored: 0 }).is_err());
        assert!(accepted(Totals { passed: 3, failed: 0, ignored: 1 }).is_ok());
    }
}
