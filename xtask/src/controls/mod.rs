//! `cargo xtask controls`: tests of the tests. One build holds defects, of which `STENT_CONTROL` chooses one at run time; the test that is named
//! for it must pass without it and fail with it. A harness that cannot fail proves nothing.
//!
//! To add one, break a promise in the crate's `control.rs` or `control/seeded.rs` and list it in `list.rs`.

mod list;
mod program;

use crate::Result;
use crate::cargo::{self, Program};
use crate::layout::{self, Side};
use crate::postgres::{Durability, Server};
use list::{CONTROLS, Control};
use program::{Ended, run_test};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

/// The variable that chooses.
const CHOICE: &str = "STENT_CONTROL";
const FEATURES: &str = "stent-executor/controls,stent-backend-sqlite/controls,stent-backend-postgres/controls";

/// Tests that see to it that every control of a crate still is one.
const SEEDED: [(&str, &str); 2] =
    [("stent-backend-sqlite", "stent_backend_sqlite"), ("stent-backend-postgres", "stent_backend_postgres")];
const SEEDED_TEST: &str = "control::seeded::tests::every_control_changes_its_statements";

/// How often the test of a control is run at most until it fails.
const TRIES: u32 = 10;

/// Runs the controls, or the one of this name, and fails unless each is caught.
pub(crate) fn run(name: Option<&str>) -> Result {
    let chosen: Vec<&Control> =
        CONTROLS.iter().filter(|control| name.is_none_or(|name| name == control.name)).collect();
    if chosen.is_empty() {
        let known: Vec<&str> = CONTROLS.iter().map(|control| control.name).collect();
        return Err(format!("no control of that name: one of {}", known.join(", ")).into());
    }
    let server = Server::start(Durability::None)?;
    let programs = build(&cargo::root()?)?;
    let bench = Bench { programs, server };
    for (package, program) in SEEDED {
        let ended = bench.run_test(package, program, SEEDED_TEST, None)?;
        if !matches!(ended, Ended::Passed) {
            return Err(format!("{package}: {SEEDED_TEST} {ended}").into());
        }
    }
    // By test: several controls may have one.
    let mut without: BTreeMap<(&str, &str), Ended> = BTreeMap::new();
    let mut judged = Vec::new();
    for control in chosen {
        let without = match without.entry((control.package, control.test)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(bench.run(control, None)?),
        };
        let verdict = match without {
            Ended::Passed => Verdict::of(bench.run_until_it_fails(control)?),
            ended => Verdict::Missed(format!("without it the test {ended}")),
        };
        println!("{}: {verdict}", control.name);
        judged.push((control, verdict));
    }
    println!("\n{}\n{}", defects(&judged), witnesses(&judged));
    match judged.iter().filter(|(_, verdict)| !verdict.is_caught()).count() {
        0 => Ok(()),
        missed => Err(format!("{missed} of {} controls are not caught", judged.len()).into()),
    }
}

/// Whether a test noticed.
enum Verdict {
    /// It failed and said this.
    Caught(String),
    Missed(String),
}

impl Verdict {
    fn of(ended: Ended) -> Self {
        match ended {
            Ended::Failed(said) => Self::Caught(said),
            ended => Self::Missed(format!("with it the test {ended}")),
        }
    }

    fn is_caught(&self) -> bool {
        matches!(self, Self::Caught(_))
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Caught(said) => write!(f, "caught: {said}"),
            Self::Missed(why) => write!(f, "NOT CAUGHT: {why}"),
        }
    }
}

/// The test programs, and the server that those of one of them need.
struct Bench {
    programs: Vec<(&'static str, Program)>,
    server: Server,
}

impl Bench {
    /// Runs the test that is named for a control, with or without the defect.
    fn run(&self, of: &Control, control: Option<&str>) -> Result<Ended> {
        self.run_test(of.package, of.program, of.test, control)
    }

    /// Runs the test of a control with the defect. A race is not lost every time, least of all on a machine that does much else.
    fn run_until_it_fails(&self, control: &Control) -> Result<Ended> {
        let mut ended = self.run(control, Some(control.name))?;
        for _ in 1..TRIES {
            if !matches!(ended, Ended::Passed) {
                break;
            }
            ended = self.run(control, Some(control.name))?;
        }
        Ok(ended)
    }

    fn run_test(&self, package: &str, program: &str, test: &str, control: Option<&str>) -> Result<Ended> {
        let fits = |(name, found): &&(&str, Program)| *name == program && found.folder.ends_with(package);
        let Some((_, found)) = self.programs.iter().find(fits) else {
            return Err(format!("{package} has no test program `{program}`").into());
        };
        let mut command = found.command();
        command.args(["--exact", test]).env_remove(CHOICE);
        // As many as every defect takes to be seen many times over.
        command.env("STENT_PROGRAMS", "4000");
        self.server.lend(&mut command);
        if let Some(control) = control {
            command.env(CHOICE, control);
        }
        run_test(command)
    }
}

/// Builds all test programs at once, so that they share the build of the workspace's tests but for the crates with controls.
fn build(root: &Path) -> Result<Vec<(&'static str, Program)>> {
    let mut names: Vec<&'static str> = CONTROLS.iter().map(|control| control.program).collect();
    names.extend(SEEDED.map(|(_, program)| program));
    names.sort_unstable();
    names.dedup();
    let mut command = cargo::cargo(
        root,
        [
            "test",
            "--no-run",
            "--message-format",
            "json-render-diagnostics",
            "--workspace",
            "--features",
            FEATURES,
            "--lib",
        ],
    );
    // A crate's own tests are those of its library.
    for name in names.iter().filter(|name| !name.starts_with("stent_")) {
        command.args(["--test", name]);
    }
    let mut programs = Vec::new();
    let status = cargo::stream(&mut command, |line| {
        programs.extend(names.iter().filter_map(|name| Some((*name, Program::parse(line, name)?))));
    })?;
    cargo::succeeded(&command, status)?;
    Ok(programs)
}

fn defects(judged: &[(&Control, Verdict)]) -> String {
    let mut rows = vec![["control", "crate", "what it breaks", "verdict"].map(str::to_owned).to_vec()];
    for (control, verdict) in judged {
        let verdict = if verdict.is_caught() { "caught" } else { "MISSED" };
        let package = control.package.trim_start_matches("stent-").trim_start_matches("backend-");
        rows.push([control.name, package, control.breaks, verdict].map(str::to_owned).to_vec());
    }
    layout::table(&[Side::Left; 4], &rows)
}

fn witnesses(judged: &[(&Control, Verdict)]) -> String {
    let mut rows = vec![["control", "caught by"].map(str::to_owned).to_vec()];
    rows.extend(judged.iter().map(|(control, _)| [control.name, control.test].map(str::to_owned).to_vec()));
    layout::table(&[Side::Left; 2], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_fits_80_columns() {
        let judged: Vec<_> = CONTROLS.iter().map(|control| (control, Verdict::Missed(String::new()))).collect();
        for line in defects(&judged).lines() {
            assert!(line.chars().count() <= layout::COLUMNS, "{line}");
        }
    }

    #[test]
    fn every_control_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = CONTROLS.iter().map(|control| control.name).collect();
        assert_eq!(names.len(), CONTROLS.len());
    }

    #[test]
    fn a_test_that_passes_or_ends_otherwise_has_not_caught_anything() {
        assert!(Verdict::of(Ended::Failed("assertion".into())).is_caught());
        assert!(!Verdict::of(Ended::Passed).is_caught());
        assert!(!Verdict::of(Ended::Otherwise("ran no test".into())).is_caught());
    }

    #[test]
    fn an_unknown_control_is_refused_with_the_known_ones() {
        let error = super::run(Some("no-such")).unwrap_err().to_string();
        assert!(error.starts_with("no control of that name: one of order-entry, "), "{error}");
    }
}
