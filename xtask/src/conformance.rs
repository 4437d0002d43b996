//! `cargo xtask conformance`: the suite on every backend, as a table of areas by backends.
//!
//! A backend that must be there and ran no case is a failure: green by skipping is not green.

use crate::Result;
use crate::cargo::{self, Program};
use crate::layout::{self, Side};
use crate::libtest::{Case, Verdict};
use crate::postgres::{Durability, Server};
use std::path::Path;

/// A backend and the crate whose `tests/conformance.rs` runs the suite on it; the crate's folder bears its name.
struct Backend {
    name: &'static str,
    package: &'static str,
    required: bool,
}

const BACKENDS: [Backend; 3] = [
    Backend { name: "memory", package: "stent-testkit", required: true },
    Backend { name: "sqlite", package: "stent-backend-sqlite", required: true },
    Backend { name: "postgres", package: "stent-backend-postgres", required: true },
];

/// The order in which areas are shown: the stages of an execution, then what stands beside them, then any other.
const AREAS: [&str; 11] =
    ["dispatch", "claim", "run", "journal", "complete", "wait", "signal", "memo", "variables", "inspect", "maintain"];

/// What the suite did on one backend.
struct Report {
    backend: &'static str,
    cases: Vec<Case>,
    /// Why the backend fails although no case may have: nothing ran, or the program died.
    trouble: Option<String>,
}

/// Runs the suite on `chosen`, or on all backends, prints the table, and fails unless all that had to run is green.
pub(crate) fn run(chosen: Option<&str>, filter: &[String]) -> Result {
    let root = cargo::root()?;
    let backends: Vec<&Backend> =
        BACKENDS.iter().filter(|backend| chosen.is_none_or(|name| name == backend.name)).collect();
    if backends.is_empty() {
        let known: Vec<&str> = BACKENDS.iter().map(|backend| backend.name).collect();
        return Err(format!("no backend of that name: one of {}", known.join(", ")).into());
    }
    let server = match backends.iter().any(|backend| backend.name == "postgres") {
        true => Some(Server::start(Durability::None)?),
        false => None,
    };
    let programs = build(&root, chosen.and(backends.first().copied()))?;
    let mut reports = Vec::new();
    for backend in backends {
        let program = programs.iter().find(|program| program.folder.ends_with(backend.package));
        match program {
            Some(program) => reports.push(run_on(backend, program, server.as_ref(), filter)?),
            None if backend.required || chosen.is_some() => reports.push(Report {
                backend: backend.name,
                cases: Vec::new(),
                trouble: Some(format!("{} has no test program `conformance`", backend.package)),
            }),
            None => println!("{}: not run: no test program in {}", backend.name, backend.package),
        }
    }
    println!("\n{}", layout::table(&sides(&reports), &rows(&reports)));
    judge(&reports)
}

/// Builds the suite's test programs: that of `one`, or all at once, so that they share the workspace's build.
fn build(root: &Path, one: Option<&Backend>) -> Result<Vec<Program>> {
    let mut command = cargo::cargo(root, ["test", "--no-run", "--message-format", "json-render-diagnostics"]);
    match one {
        Some(backend) => command.args(["--package", backend.package]),
        None => command.arg("--workspace"),
    };
    command.args(["--test", "conformance"]);
    let mut programs = Vec::new();
    let status = cargo::stream(&mut command, |line| programs.extend(Program::parse(line, "conformance")))?;
    cargo::succeeded(&command, status)?;
    Ok(programs)
}

/// Runs a program as cargo would, in its crate's folder, and shows what it prints but for the lines of passed cases.
fn run_on(backend: &Backend, program: &Program, server: Option<&Server>, filter: &[String]) -> Result<Report> {
    println!("{}: running", backend.name);
    let mut command = program.command();
    command.args(filter);
    if let Some(server) = server {
        server.lend(&mut command);
    }
    let mut cases = Vec::new();
    let status = cargo::stream(&mut command, |line| match Case::parse(line) {
        Some(case) if case.verdict == Verdict::Passed => cases.push(case),
        Some(case) => {
            println!("{line}");
            cases.push(case);
        }
        None if line.is_empty() => {}
        None => println!("{line}"),
    })?;
    let failed = cases.iter().any(|case| case.verdict == Verdict::Failed);
    let trouble = if cases.is_empty() {
        Some("ran no case".to_owned())
    } else if !status.success() && !failed {
        Some(format!("ended with {status} after {} cases", cases.len()))
    } else {
        None
    };
    Ok(Report { backend: backend.name, cases, trouble })
}

fn sides(reports: &[Report]) -> Vec<Side> {
    std::iter::once(Side::Left).chain(reports.iter().map(|_| Side::Right)).collect()
}

/// The table: a header, a row an area (`passed/all`), a row of totals.
fn rows(reports: &[Report]) -> Vec<Vec<String>> {
    let names = reports.iter().map(|report| report.backend.to_owned());
    let mut rows = vec![std::iter::once("area".to_owned()).chain(names).collect()];
    for area in areas(reports) {
        let cells = reports.iter().map(|report| count(report.cases.iter().filter(|case| case.area() == area)));
        rows.push(std::iter::once(area.to_owned()).chain(cells).collect());
    }
    let totals = reports.iter().map(|report| count(report.cases.iter()));
    rows.push(std::iter::once("total".to_owned()).chain(totals).collect());
    rows
}

/// `passed/all` of some cases, or a dash where there is none.
fn count<'a>(cases: impl Iterator<Item = &'a Case>) -> String {
    let verdicts: Vec<Verdict> = cases.map(|case| case.verdict).collect();
    let passed = verdicts.iter().filter(|verdict| **verdict == Verdict::Passed).count();
    match verdicts.len() {
        0 => "-".to_owned(),
        all => format!("{passed}/{all}"),
    }
}

fn areas(reports: &[Report]) -> Vec<&str> {
    let mut areas: Vec<&str> = reports.iter().flat_map(|report| &report.cases).map(Case::area).collect();
    areas.sort_by_key(|area| (AREAS.iter().position(|known| known == area).unwrap_or(AREAS.len()), *area));
    areas.dedup();
    areas
}

/// Prints what is not green, a line each; an error if there is any.
fn judge(reports: &[Report]) -> Result {
    let mut red = 0;
    for report in reports {
        for case in report.cases.iter().filter(|case| case.verdict != Verdict::Passed) {
            let word = if case.verdict == Verdict::Ignored { "ignored" } else { "failed" };
            println!("{} {word}: {}", report.backend, case.name);
            red += 1;
        }
        if let Some(trouble) = &report.trouble {
            println!("{} {trouble}", report.backend);
            red += 1;
        }
    }
    match red {
        0 => Ok(()),
        1 => Err("conformance: 1 thing is not green".into()),
        _ => Err(format!("conformance: {red} things are not green").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(backend: &'static str, output: &str) -> Report {
        let cases = output.lines().filter_map(Case::parse).collect();
        Report { backend, cases, trouble: None }
    }

    const MEMORY: &str = "
running 3 tests
test conformance::wait::a_child_wakes_its_parent ... ok
test conformance::claim::a_claim_fences ... ok
test conformance::claim::filters_apply_before_limits ... ok

test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
    const SQLITE: &str = "
test suite::conformance::claim::a_claim_fences ... FAILED
test suite::conformance::claim::filters_apply_before_limits ... ok
test suite::conformance::zoo::an_area_of_its_own ... ignored";

    #[test]
    fn the_table_shows_areas_in_the_order_of_the_stages() {
        let reports = [report("memory", MEMORY), report("sqlite", SQLITE)];
        let table = "\
area   memory  sqlite
-----  ------  ------
claim     2/2     1/2
wait      1/1       -
zoo         -     0/1
total     3/3     1/3
";
        assert_eq!(layout::table(&sides(&reports), &rows(&reports)), table);
    }

    #[test]
    fn a_failed_or_ignored_case_is_not_green() {
        assert!(judge(&[report("memory", MEMORY)]).is_ok());
        let error = judge(&[report("memory", MEMORY), report("sqlite", SQLITE)]).unwrap_err();
        assert_eq!(error.to_string(), "conformance: 2 things are not green");
    }

    #[test]
    fn a_backend_that_ran_no_case_is_not_green() {
        let backend = Backend { name: "memory", package: "stent-testkit", required: true };
        let program = Program { executable: "true".into(), folder: cargo::root().unwrap() };
        let report = run_on(&backend, &program, None, &[]).unwrap();
        assert_eq!(report.trouble.as_deref(), Some("ran no case"));
        assert!(judge(&[report]).is_err());
    }

    #[test]
    fn an_unknown_backend_is_refused_with_the_known_ones() {
        let error = run(Some("oracle"), &[]).unwrap_err().to_string();
        assert_eq!(error, "no backend of that name: one of memory, sqlite, postgres");
    }
}
