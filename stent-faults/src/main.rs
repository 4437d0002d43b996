//! The fault matrix: real worker and client processes on real databases, faults, and a checker that judges what came of them.
//!
//! `run` is the supervisor: it runs [`rows`], each with processes of its own, which are this program again as `worker` and `load`. What their functions did
//! is in a [`ledger`], what clients were answered in a [`history`]; [`check`] judges both, and the database, against the invariants.

mod arguments;
mod check;
mod fault;
mod functions;
mod history;
mod ledger;
mod load;
mod log;
mod place;
mod program;
mod rows;
mod run;
mod worker;

use std::error::Error;
use std::process::ExitCode;

use arguments::Arguments;

/// What a command answers: an error is one line that says what is wrong and what to do.
type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

const USAGE: &str = "\
Usage: stent-faults run [--backend sqlite|postgres|both] [--row ID[,ID...]]
                        [--seed N] [--long] [--ci] [--json FILE]
       stent-faults worker --dsn D --ledger F [--slots N] [--lease-ms N] ...
       stent-faults load --dsn D --history F --kind W1|W2|W3|W4 --n N ...
       stent-faults check --dsn D --ledger F --history F";

#[tokio::main]
async fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    match command_of(&command, words).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn command_of(command: &str, words: impl Iterator<Item = String>) -> Result<ExitCode> {
    let arguments = Arguments::parse(words)?;
    match command {
        "run" => run::run(&arguments).await,
        "worker" => worker::work(&arguments).await,
        "load" => load::load(&arguments).await.map(|()| ExitCode::SUCCESS),
        "check" => check::command(&arguments).await,
        _ => Err(format!("`{command}` is no command\n\n{USAGE}").into()),
    }
}
