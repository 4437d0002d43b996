//! `two_workers [URL]`: two worker processes and a client on one PostgreSQL database. One worker is killed, and the other goes on.
//!
//! `crew` starts the workers, which are this program once more, and hears what they say; `shop` is what they do; `story` is what the client
//! tells of it.

mod crew;
mod shop;
mod story;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use stent_backend_postgres::{PostgresBackend, PostgresOptions};
use stent_core::BackendError;
use stent_core::backend::{ExecutionFilter, Page, TaskFilter};
use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{Execution, Stent};

use crew::Crew;
use shop::{assemble, order};
use story::Story;

/// The schema that this example makes in the database.
const SCHEMA: &str = "two_workers";
/// How long a dead worker's claims hold, unless it is seen to be dead.
const LEASE: Duration = Duration::from_secs(5);
/// Where the database is, if no argument says so: as PostgreSQL's own programs often have it, or as this project's tests do.
const VARIABLES: [&str; 2] = ["DATABASE_URL", "STENT_TEST_POSTGRES_URL"];
/// The worker that is killed, and how many steps it is to have begun before.
const KILLED: &str = "A";
const BEGUN: usize = 4;

const HELP: &str = "\
Two worker processes and a client on one PostgreSQL database: an order of 12
parts, on both workers. Worker A is killed (kill -9) in the middle of it, and
worker B goes on with what A was at.

Usage: two_workers [URL]

  URL   postgres://user:password@host:port/database; DATABASE_URL or
        STENT_TEST_POSTGRES_URL of the environment if not given

Without a server at hand, in the project's folder:
  cargo xtask postgres -- cargo run --example two_workers

It makes a schema `two_workers` in the database, and touches nothing else.
";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments.as_slice() {
        ["--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [crew::WORKER] => shop::run(&url(None)).await,
        [] | [_] => match url(arguments.first().copied()) {
            url if url.is_empty() => {
                eprint!("error: which database?\n\n{HELP}");
                return ExitCode::from(2);
            }
            url => client(&url).await,
        },
        _ => {
            eprint!("error: too many arguments\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The database; empty if nothing says which.
fn url(argument: Option<&str>) -> String {
    let named = VARIABLES.iter().filter_map(|name| std::env::var(name).ok());
    argument.map(str::to_owned).or_else(|| named.into_iter().find(|url| !url.is_empty())).unwrap_or_default()
}

/// What client and workers open alike.
async fn open(url: &str) -> std::result::Result<PostgresBackend, BackendError> {
    PostgresOptions::new(url).schema(SCHEMA).open().await
}

/// Orders, kills a worker in the middle, and tells what happens.
async fn client(url: &str) -> Result<()> {
    let backend = open(url).await?;
    let stent = Stent::builder(backend).functions(functions![assemble, order]).build().await?;
    cancel_earlier(&stent).await?;
    let mut story = Story::begin(LEASE);
    let mut crew = Crew::start(url, [KILLED, "B"])?;
    crew.wait_until_ready().await?;
    story.crew(&crew);
    let execution = stent.dispatch(order(shop::PARTS)).await?;
    story.client(&format!("ordered {} parts", shop::PARTS));

    let is_painting = |line: &Option<String>| line.as_ref().is_some_and(|line| line.ends_with("painting"));
    loop {
        let said = crew.hear().await?;
        story.tell(&said);
        // In the middle of a second step: the first is recorded.
        if said.worker == KILLED && story.begun_by(KILLED) >= BEGUN && is_painting(&said.line) {
            break;
        }
    }
    let (id, at) = (crew.kill(KILLED)?, Instant::now());
    let held = held(&stent, &id).await?;
    // Its last words.
    loop {
        let said = crew.hear().await?;
        story.tell(&said);
        if said.worker == KILLED && said.line.is_none() {
            break;
        }
    }
    story.killed(KILLED, at, held);
    let assembled = finish(&execution, &mut crew, &mut story).await?;
    story.end(&assembled);
    Ok(())
}

/// The parts that a worker holds: the store knows.
async fn held(stent: &Stent, worker: &str) -> Result<BTreeSet<u32>> {
    let filter = TaskFilter { states: vec![TaskState::Running], ..TaskFilter::default() };
    let running = stent.backend().list_tasks(&filter, Page::first(100)).await?;
    let held = running.iter().filter(|task| task.worker.is_some_and(|id| id.to_string() == worker));
    Ok(held.filter_map(|task| Some(task.index? + 1)).collect())
}

/// Tells what the workers say until the order is done.
async fn finish(execution: &Execution<Vec<String>>, crew: &mut Crew, story: &mut Story) -> Result<Vec<String>> {
    let result = execution.result();
    tokio::pin!(result);
    loop {
        tokio::select! {
            said = crew.hear() => story.tell(&said?),
            result = &mut result => return Ok(result?),
        }
    }
}

/// An order of an earlier run that was broken off is none of this one's.
async fn cancel_earlier(stent: &Stent) -> Result<()> {
    let states =
        vec![ExecutionState::Scheduled, ExecutionState::Pending, ExecutionState::Running, ExecutionState::Suspended];
    let filter = ExecutionFilter { states, ..ExecutionFilter::default() };
    for earlier in stent.list(&filter, Page::first(100)).await? {
        stent.cancel(earlier.id).await?;
    }
    Ok(())
}
