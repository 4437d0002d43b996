//! `cargo xtask ci`: all that a change must pass, cheap stages first, up to the first that fails. It only reads.

use crate::layout::{self, Side};
use crate::libtest::Totals;
use crate::{Result, cargo, conformance, controls, faults, test, tidy};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How a stage ended that did not fail.
enum Done {
    Passed,
    Tested(Totals),
    NotRun(&'static str),
}

/// A part of the run, by name.
struct Stage {
    name: &'static str,
    run: fn() -> Result<Done>,
}

const STAGES: [Stage; 9] = [
    Stage { name: "fmt", run: fmt },
    Stage { name: "tidy", run: || tidy::run().map(|()| Done::Passed) },
    Stage { name: "clippy", run: clippy },
    Stage { name: "test", run: || test::run(&[]).map(Done::Tested) },
    Stage { name: "doc", run: doc },
    Stage { name: "conformance", run: || conformance::run(None, &[]).map(|()| Done::Passed) },
    Stage { name: "controls", run: || controls::run(None).map(|()| Done::Passed) },
    Stage { name: "faults", run: || faults::run(&["--ci"]).map(|()| Done::Passed) },
    Stage { name: "deny", run: deny },
];

/// Runs every stage, prints what came of each, and last of all the totals of the tests.
pub(crate) fn run() -> Result {
    let totals = run_stages(&STAGES)?;
    println!("{totals}");
    Ok(())
}

fn run_stages(stages: &[Stage]) -> Result<Totals> {
    let mut rows = vec![row("stage", "result", "time")];
    let mut totals = Totals::default();
    let mut failure = None;
    for stage in stages {
        if failure.is_some() {
            rows.push(row(stage.name, "not reached", ""));
            continue;
        }
        println!("== {} ==", stage.name);
        let start = Instant::now();
        let outcome = (stage.run)();
        let time = seconds(start.elapsed());
        let result = match outcome {
            Ok(Done::Passed) => "ok".to_owned(),
            Ok(Done::Tested(some)) => {
                totals = some;
                format!("ok: {some}")
            }
            Ok(Done::NotRun(reason)) => format!("not run: {reason}"),
            Err(error) => {
                failure = Some(format!("{}: {error}", stage.name));
                "FAILED".to_owned()
            }
        };
        println!("== {}: {result}, {time} ==\n", stage.name);
        rows.push(row(stage.name, &result, &time));
    }
    println!("{}", layout::table(&[Side::Left, Side::Left, Side::Right], &rows));
    match failure {
        None => Ok(totals),
        Some(reason) => Err(reason.into()),
    }
}

fn row(stage: &str, result: &str, time: &str) -> Vec<String> {
    [stage, result, time].map(str::to_owned).to_vec()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn fmt() -> Result<Done> {
    cargo::run(&mut cargo::cargo(&cargo::root()?, ["fmt", "--all", "--check"]))
        .map_err(|error| format!("{error}; `cargo xtask fix` formats"))?;
    Ok(Done::Passed)
}

fn clippy() -> Result<Done> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    cargo::run(&mut cargo::cargo(&cargo::root()?, arguments))?;
    Ok(Done::Passed)
}

fn doc() -> Result<Done> {
    let arguments = ["doc", "--workspace", "--no-deps", "--features", "stent-testkit/local"];
    let mut command = cargo::cargo(&cargo::root()?, arguments);
    cargo::run(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Done::Passed)
}

fn deny() -> Result<Done> {
    let root = cargo::root()?;
    let mut version = cargo::cargo(&root, ["deny", "--version"]);
    let installed = version.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !installed?.success() {
        return Ok(Done::NotRun("cargo-deny is not installed"));
    }
    cargo::run(&mut cargo::cargo(&root, ["deny", "check"]))?;
    Ok(Done::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TESTED: Stage = Stage { name: "test", run: || Ok(Done::Tested(Totals { passed: 3, failed: 0, ignored: 0 })) };
    const ABSENT: Stage = Stage { name: "deny", run: || Ok(Done::NotRun("not installed")) };

    #[test]
    fn the_totals_are_those_of_the_tests() {
        let totals = run_stages(&[TESTED, ABSENT]).unwrap();
        assert_eq!(totals.to_string(), "3 passed, 0 failed");
    }

    #[test]
    fn a_failed_stage_ends_the_run_with_its_reason() {
        let failed = Stage { name: "fmt", run: || Err("no".into()) };
        let unreached = Stage { name: "test", run: || panic!("reached") };
        let error = run_stages(&[failed, unreached]).unwrap_err();
        assert_eq!(error.to_string(), "fmt: no");
    }
}
