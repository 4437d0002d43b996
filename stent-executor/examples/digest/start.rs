//! The start: opens the database, and finds the job that it holds or begins one.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stent_backend_sqlite::SqliteBackend;
use stent_core::backend::{ExecutionFilter, Page};
use stent_core::error::ErrorKind;
use stent_core::execution::ExecutionState;
use stent_core::name::FunctionName;
use stent_core::{BackendError, ExecutionId};
use stent_executor::prelude::*;
use stent_executor::{Execution, ExecutionError, Stent, StentError, Worker};

use crate::arguments::Arguments;
use crate::job::{self, Here, digest, tree};
use crate::name;
use crate::progress::Progress;
use crate::report::Report;

/// A job that may go on.
pub(crate) struct Job {
    pub(crate) execution: Execution<Report>,
    /// What was done before, if the job was there already.
    pub(crate) resumed: Option<Progress>,
    pub(crate) backend: SqliteBackend,
    stent: Stent,
}

/// Why there is no report: one line, and the program's exit status.
#[derive(Debug)]
pub(crate) struct Trouble {
    code: u8,
    text: String,
}

/// Checks everything before it changes anything, then finds the job or begins one.
pub(crate) async fn open(arguments: &Arguments) -> Result<Job, Trouble> {
    let shown = arguments.directory.display();
    let directory =
        fs::canonicalize(&arguments.directory).map_err(|error| Trouble::usage(format!("{shown}: {error}")))?;
    if !directory.is_dir() {
        return Err(Trouble::usage(format!("{shown} is not a directory")));
    }
    let backend = SqliteBackend::open(&arguments.db).await.map_err(|error| Trouble::of_store(&error, &arguments.db))?;
    let here = here(arguments)?;
    let stent = Stent::builder(backend.clone()).functions(functions![tree, digest]).resource(here).build().await?;
    let (execution, was_there) = find(&stent, &directory).await?;
    let resumed = match was_there {
        true => Some(Progress::read(&backend, execution.id()).await?),
        false => None,
    };
    Ok(Job { execution, resumed, backend, stent })
}

impl Job {
    /// Starts to work on it.
    pub(crate) async fn work(&self, concurrency: usize) -> Result<Worker, Trouble> {
        // The job's own task writes once a chunk; that the program is killed again and again is no fault of it.
        let worker = self.stent.worker().concurrency(concurrency).max_deliveries(1_000).drain_grace("10s");
        Ok(worker.start().await?)
    }
}

/// The job of this directory: the one that is not finished, or a new one; and whether it was there.
///
/// A job bears a key made of the job before it, so that programs that start at the same time begin one job and not two. Who finds an
/// unfinished job asks for it by its key, and learns that way, too, if it is over another directory.
async fn find(stent: &Stent, directory: &Path) -> Result<(Execution<Report>, bool), Trouble> {
    let filter = ExecutionFilter { function: Some(FunctionName::new(job::TREE)?), ..ExecutionFilter::default() };
    let newest = stent.backend().list_executions(&filter, Page::first(1)).await?.into_iter().next();
    let Some(newest) = newest else { return Ok((dispatch(stent, directory, "first").await?, false)) };
    let follower = format!("after {}", newest.id);
    match (newest.state, newest.dedup) {
        (ExecutionState::Completed | ExecutionState::Cancelled, _) | (_, None) => {
            Ok((dispatch(stent, directory, &follower).await?, false))
        }
        (state, Some(key)) => match dispatch(stent, directory, &key).await {
            Ok(execution) if !state.is_final() => Ok((execution, true)),
            // It keeps what succeeded, and tries again what it failed with.
            Ok(failed) if failed.redrive().await.is_ok() => Ok((failed, true)),
            Err(StentError::KeyConflict { existing }) if !state.is_final() => Err(other(stent, existing).await?),
            Ok(_) | Err(StentError::KeyConflict { .. }) => Ok((dispatch(stent, directory, &follower).await?, false)),
            Err(error) => Err(error.into()),
        },
    }
}

async fn dispatch(stent: &Stent, directory: &Path, key: &str) -> Result<Execution<Report>, StentError> {
    stent.dispatch(tree(name::to_text(directory)).dedup(key)).await
}

/// The database has an unfinished job over another directory.
async fn other(stent: &Stent, job: ExecutionId) -> Result<Trouble, BackendError> {
    let values = stent.backend().read(job).await?.values;
    let directory = values.iter().find(|(name, _)| name.as_str() == job::DIRECTORY);
    let directory = directory.and_then(|(_, value)| serde_json::from_slice(value.as_bytes()).ok());
    let directory = directory.unwrap_or_else(|| "another directory".to_owned());
    let text = format!("the database holds an unfinished job over {directory}: finish it first, or give another --db");
    Ok(Trouble::usage(text))
}

/// What belongs to this run of the program.
fn here(arguments: &Arguments) -> Result<Here, Trouble> {
    let opened = |path: &PathBuf| {
        let opened = OpenOptions::new().append(true).create(true).open(path);
        opened.map_err(|error| Trouble::usage(format!("{}: {error}", path.display())))
    };
    let ledger = arguments.ledger.as_ref().map(opened).transpose()?;
    let of_database = ["", "-wal", "-shm", "-journal"].map(|suffix| {
        let mut path = arguments.db.clone().into_os_string();
        path.push(suffix);
        PathBuf::from(path)
    });
    let others = arguments.ledger.iter().chain(&arguments.sums).cloned();
    let excluded = of_database.into_iter().chain(others).map(|path| whole(&path)).collect();
    Ok(Here { excluded, ledger, sums: arguments.sums.clone() })
}

/// The path with its directory freed of symbolic links; the file itself may be missing.
fn whole(path: &Path) -> PathBuf {
    if let Ok(path) = fs::canonicalize(path) {
        return path;
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::canonicalize(directory).unwrap_or_default().join(path.file_name().unwrap_or_default())
}

impl Trouble {
    /// The program was told nonsense.
    pub(crate) fn usage(text: String) -> Self {
        Self { code: 2, text }
    }

    /// The job failed.
    pub(crate) fn job(text: String) -> Self {
        Self { code: 1, text }
    }

    /// The database cannot be opened.
    fn of_store(error: &BackendError, path: &Path) -> Self {
        let text = error.to_string();
        let text = text.strip_prefix("open: ").unwrap_or(&text);
        match error.kind() {
            ErrorKind::SchemaMismatch { .. } => {
                Self { code: 5, text: format!("{}: {text}: use a newer digest", path.display()) }
            }
            _ => Self { code: 4, text: text.to_owned() },
        }
    }

    /// Tells it on the error stream, in one line.
    pub(crate) fn tell(self) -> ExitCode {
        eprintln!("error: {}", self.text.split_whitespace().collect::<Vec<_>>().join(" "));
        ExitCode::from(self.code)
    }
}

impl From<BackendError> for Trouble {
    fn from(error: BackendError) -> Self {
        Self { code: 4, text: error.to_string() }
    }
}

impl From<ExecutionError> for Trouble {
    fn from(error: ExecutionError) -> Self {
        match error {
            ExecutionError::Backend(error) => error.into(),
            error => Self::job(format!("{error}; the same command tries again what it failed with")),
        }
    }
}

impl From<StentError> for Trouble {
    fn from(error: StentError) -> Self {
        match error {
            StentError::Backend(error) => error.into(),
            error => Self::job(error.to_string()),
        }
    }
}

impl From<stent_core::name::InvalidName> for Trouble {
    fn from(error: stent_core::name::InvalidName) -> Self {
        StentError::from(error).into()
    }
}
