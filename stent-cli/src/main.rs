//! `stent`: what runs, what waits and why, dead letters and retention, in a Stent database.

mod answer;
mod arguments;
mod commands;
mod confirm;
mod database;
mod failure;
mod given;
mod print;
mod secret;
mod span;

use std::io::{self, Write as _};
use std::process::ExitCode;

use arguments::Arguments;
use failure::Failure;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(failure) => {
            // Nobody may be left to read it.
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::from(failure.exit())
        }
    }
}

fn run() -> Result<ExitCode, Failure> {
    let arguments = match given::parse()? {
        given::Given::Arguments(arguments) => arguments,
        given::Given::Help(text) => return print::put(&text).map(|_| ExitCode::SUCCESS),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::bug(format!("no runtime can be started: {error}")))?;
    let answer = runtime.block_on(answer_to(&arguments))?;
    print::put(&if arguments.json { answer.as_json()? } else { answer.as_text() })?;
    Ok(ExitCode::from(answer.exit))
}

async fn answer_to(arguments: &Arguments) -> Result<answer::Answer, Failure> {
    commands::run(arguments).await
}
