//! `cargo xtask faults`: the promises under faults, by real processes on real databases.
//!
//! The rows are those of `stent-faults`; here it is built, and given a server.

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::cargo::{self, Program};
use crate::postgres::{Durability, Server};

const PACKAGE: &str = "stent-faults";

/// Builds the program and runs it with what it understands: `--backend`, `--row`, `--seed`, `--long`, `--ci`, `--json`.
pub(crate) fn run(asked: &[&str]) -> Result {
    let program = build(&cargo::root()?)?;
    let backend = asked.iter().position(|word| *word == "--backend").and_then(|at| asked.get(at + 1));
    let server = match backend {
        Some(name) if *name == "sqlite" => None,
        _ => Some(Server::start(Durability::None)?),
    };
    // In the caller's folder, which `--json` is meant from.
    let mut command = Command::new(&program.executable);
    command.arg("run").args(asked);
    if let Some(server) = &server {
        server.lend(&mut command);
    }
    cargo::run(&mut command)
}

fn build(root: &Path) -> Result<Program> {
    let mut command = cargo::cargo(root, ["build", "--package", PACKAGE]);
    command.args(["--message-format", "json-render-diagnostics"]);
    let mut program = None;
    let status = cargo::stream(&mut command, |line| program = Program::parse(line, PACKAGE).or(program.take()))?;
    cargo::succeeded(&command, status)?;
    program.ok_or_else(|| format!("{PACKAGE} has no program").into())
}
