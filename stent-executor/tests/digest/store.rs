//! What the database of a job holds, read by the backend itself.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use stent_backend_sqlite::SqliteBackend;
use stent_core::backend::{ExecutionFilter, Inspect, Journal, Outcomes, Page, TaskFilter};
use stent_core::execution::ExecutionState;
use stent_core::journal::EntryBody;
use stent_core::outcome::{OperationOutcome, Outcome};
use stent_core::task::TaskState;
use stent_core::{ExecutionId, TaskId};

/// The job of a database.
pub(crate) struct Job {
    pub(crate) execution: ExecutionId,
    pub(crate) state: ExecutionState,
    /// The paths of files whose outcome is recorded, as the ledger writes them.
    pub(crate) recorded: BTreeSet<String>,
}

/// The only job of a database; none if there is no job yet.
pub(crate) async fn job(db: &Path, root: &Path) -> Option<Job> {
    if !db.exists() {
        return None;
    }
    let backend = SqliteBackend::open(db).await.unwrap();
    let executions = backend.list_executions(&ExecutionFilter::default(), Page::first(10)).await.unwrap();
    assert!(executions.len() <= 1, "a second job was begun while one was open");
    let job = match executions.first() {
        Some(execution) => {
            let names = names(&backend, execution.id).await;
            let recorded = recorded(&backend, execution.id, &names, root).await;
            Some(Job { execution: execution.id, state: execution.state, recorded })
        }
        None => None,
    };
    backend.close().await;
    job
}

/// The listing, from the outcomes of the steps.
async fn names(backend: &SqliteBackend, execution: ExecutionId) -> Vec<String> {
    let journal = backend.load(execution.root(), 0).await.unwrap();
    let pieces = journal.entries.iter().filter_map(|entry| match &entry.body {
        EntryBody::Outcome(operation, OperationOutcome::Completed(piece)) if &*operation.name == "list" => {
            let piece: Value = serde_json::from_slice(piece.as_bytes()).unwrap();
            Some(piece["files"].as_array().unwrap().clone())
        }
        _ => None,
    });
    pieces.flatten().map(|name| name.as_str().unwrap().to_owned()).collect()
}

async fn recorded(backend: &SqliteBackend, execution: ExecutionId, names: &[String], root: &Path) -> BTreeSet<String> {
    let filter =
        TaskFilter { parent: Some(execution.root()), states: vec![TaskState::Completed], ..TaskFilter::default() };
    let (mut recorded, mut after): (BTreeSet<String>, Option<TaskId>) = (BTreeSet::new(), None);
    loop {
        let page = backend.list_tasks(&filter, Page { after, limit: 1_000 }).await.unwrap();
        let Some(last) = page.last() else { return recorded };
        after = Some(last.id);
        let ids: Vec<_> = page.iter().map(|task| task.id).collect();
        let outcomes = backend.tasks(&ids).await.unwrap();
        for (task, outcome) in page.iter().zip(outcomes) {
            assert!(matches!(outcome.unwrap().outcome, Outcome::Completed(_)));
            let name = &names[usize::try_from(task.index.unwrap()).unwrap()];
            recorded.insert(format!("{}/{name}", root.display()));
        }
    }
}
