//! `cargo xtask bench`: what Stent does a second, beside what the databases themselves do.
//!
//! The figures are made by the benchmark of `stent-scenarios`; here it is built, and given a server that syncs what it commits.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::cargo::{self, Program};
use crate::postgres::{Durability, Server};

const PACKAGE: &str = "stent-scenarios";
const BENCH: &str = "workloads";
/// Builds the benchmark in release and runs it with what it understands: workloads, `--backend`, `--runs`, `--json`. `--profile` is taken from it: each
/// worker then runs under `perf`.
pub(crate) fn run(asked: &[&str]) -> Result {
    let root = cargo::root()?;
    let profiles = asked.contains(&"--profile");
    let program = build(&root)?;
    let backend = asked.iter().position(|word| *word == "--backend").and_then(|at| asked.get(at + 1));
    let server = match backend {
        Some(name) if *name != "postgres" => None,
        _ => Some(Server::start(Durability::Full)?),
    };
    // In the caller's folder, which `--json` is meant from.
    let mut command = Command::new(&program.executable);
    command.args(asked.iter().filter(|word| **word != "--profile"));
    if let Some(server) = &server {
        server.lend(&mut command);
    }
    let folder = profiles.then(|| profile_folder(&program)).transpose()?;
    if let Some(folder) = &folder {
        command.arg("--profile").arg(folder);
    }
    cargo::run(&mut command)?;
    if let Some(folder) = folder {
        println!(
            "Profiles of the workers: `perf report --no-children -i FILE`, or `perf script -i FILE` for a flame graph. The files:"
        );
        let mut files: Vec<PathBuf> = folder.read_dir()?.flatten().map(|entry| entry.path()).collect();
        files.sort();
        files.iter().for_each(|file| println!("  {}", file.display()));
    }
    Ok(())
}

fn build(root: &Path) -> Result<Program> {
    let arguments = ["bench", "--package", PACKAGE, "--bench", BENCH, "--no-run"];
    let mut command = cargo::cargo(root, arguments);
    command.args(["--message-format", "json-render-diagnostics"]);
    let mut program = None;
    let status = cargo::stream(&mut command, |line| program = Program::parse(line, BENCH).or(program.take()))?;
    cargo::succeeded(&command, status)?;
    program.ok_or_else(|| format!("{PACKAGE} has no benchmark `{BENCH}`").into())
}

/// A folder for profiles beside the program, emptied.
fn profile_folder(program: &Program) -> Result<PathBuf> {
    let folder = program.executable.with_file_name("profiles");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
