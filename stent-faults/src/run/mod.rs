//! `run`: the supervisor. It runs rows one after the other, each on a database of its own, and prints what came of them.

pub(crate) mod cluster;
pub(crate) mod disk;
pub(crate) mod process;
pub(crate) mod proxy;
mod report;
pub(crate) mod scene;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use report::{Line, Verdict};
use scene::{Lent, Scene};
use tokio::signal::unix::{SignalKind, signal};

use crate::Result;
use crate::arguments::Arguments;
use crate::rows::{ROWS, Row};

/// The databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// A row that takes longer than that hangs.
const PATIENCE: Duration = Duration::from_secs(900);

/// What a row came to: it passed, could not be run, or what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) not_run: Option<String>,
    pub(crate) wrong: Vec<String>,
    pub(crate) counts: Vec<(&'static str, u64)>,
}

impl Outcome {
    /// A row that needs what this machine does not have.
    pub(crate) fn not_run(reason: impl Into<String>) -> Self {
        Self { not_run: Some(reason.into()), ..Self::default() }
    }

    /// Something that must hold.
    pub(crate) fn demand(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }

    /// A count that the row tells.
    pub(crate) fn count(&mut self, what: &'static str, number: impl TryInto<u64>) {
        self.counts.push((what, number.try_into().unwrap_or(u64::MAX)));
    }
}

/// Runs the rows that were asked for.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let kinds: &[Kind] = match arguments.text("backend") {
        None | Some("both") => &[Kind::Sqlite, Kind::Postgres],
        Some("sqlite") => &[Kind::Sqlite],
        Some("postgres") => &[Kind::Postgres],
        Some(other) => return Err(format!("--backend {other}: expected sqlite, postgres or both").into()),
    };
    let rows = asked(arguments)?;
    let seed = arguments.or("seed", 1)?;
    let (is_long, keeps) = (arguments.has("long"), arguments.has("keep"));
    let lent = Lent::from_environment();
    let mut lines = Vec::new();
    let mut ended = signal(SignalKind::terminate())?;
    for row in rows {
        for kind in kinds.iter().filter(|kind| row.backends.contains(kind)) {
            println!("== {} {}: {} (seed {seed}) ==", row.id, kind.as_str(), row.title);
            let begun = Instant::now();
            let work = async {
                if *kind == Kind::Postgres && lent.is_none() {
                    return Ok(Outcome::not_run("STENT_TEST_POSTGRES_URL names no server"));
                }
                let mut scene = Scene::open(*kind, lent.as_ref(), seed, is_long, keeps, row.own_server).await?;
                let outcome = (row.run)(&mut scene).await;
                scene.close().await;
                outcome
            };
            // What is dropped here takes its processes and files with it.
            let outcome = tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(130)),
                _ = ended.recv() => return Ok(ExitCode::from(143)),
                outcome = tokio::time::timeout(PATIENCE, work) => outcome,
            };
            let outcome = match outcome {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(error)) => Outcome { wrong: vec![error.to_string()], ..Outcome::default() },
                Err(_) => Outcome { wrong: vec![format!("not done after {PATIENCE:?}")], ..Outcome::default() },
            };
            let line = Line::of(row, *kind, seed, is_long, begun.elapsed(), outcome);
            line.print();
            lines.push(line);
        }
    }
    println!("\n{}", report::table(&lines));
    if let Some(file) = arguments.text("json") {
        std::fs::write(file, report::json(&lines)?)?;
    }
    let failed = lines.iter().any(|line| line.verdict == Verdict::Failed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn asked(arguments: &Arguments) -> Result<Vec<&'static Row>> {
    if arguments.has("ci") {
        return Ok(ROWS.iter().filter(|row| row.in_ci).collect());
    }
    let Some(asked) = arguments.text("row") else { return Ok(ROWS.iter().collect()) };
    asked.split(',').map(find).collect()
}

fn find(id: &str) -> Result<&'static Row> {
    let row = ROWS.iter().find(|row| row.id.eq_ignore_ascii_case(id));
    row.ok_or_else(|| format!("--row {id}: there is no such row").into())
}
