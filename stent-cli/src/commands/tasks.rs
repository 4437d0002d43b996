//! `tasks`: tasks by id, of one execution or of all.

use serde_json::{Value, json};
use stent_core::Timestamp;
use stent_core::backend::TaskFilter;
use stent_core::task::TaskRecord;

use super::listing;
use crate::answer::Answer;
use crate::arguments::{Name, TasksArguments};
use crate::database::Database;
use crate::failure::Failure;
use crate::span;

pub(super) async fn tasks(database: &Database, tasks: &TasksArguments) -> Result<Answer, Failure> {
    let now = database.now();
    let filter = TaskFilter {
        execution: tasks.execution,
        parent: tasks.parent,
        states: tasks.state.clone(),
        function: tasks.function.clone().map(|Name(name)| name),
        queue: tasks.queue.clone().map(|Name(name)| name),
    };
    let found = database.backend().list_tasks(&filter, tasks.page.page()).await?;
    let headings = ["ID", "STATE", "FUNCTION", "#TRIES", "#AGE"];
    Ok(listing::page("tasks", &headings, &found, tasks.page.limit, |task| row(now, task), record))
}

fn row(now: Timestamp, task: &TaskRecord) -> Vec<String> {
    vec![
        task.id.to_string(),
        task.state.to_string(),
        // Items of a map bear their index.
        task.index.map_or_else(|| task.function.to_string(), |index| format!("{} {index}", task.function)),
        task.attempt.to_string(),
        span::age(now, task.created_at),
    ]
}

fn record(task: &TaskRecord) -> Value {
    json!({
        "id": task.id,
        "execution": task.execution,
        "parent": task.parent,
        "item": task.index,
        "function": task.function.as_str(),
        "version": task.version.as_ref().map(|version| version.as_str()),
        "queue": task.queue.as_ref().map(|queue| queue.as_str()),
        "tags": task.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(),
        "priority": task.priority,
        "state": task.state.as_str(),
        "attempt": task.attempt,
        "deliveries": task.deliveries,
        "created_at": task.created_at.to_string(),
        "due": task.due.map(|at| at.to_string()),
        "started_at": task.started_at.map(|at| at.to_string()),
        "ended_at": task.ended_at.map(|at| at.to_string()),
        "worker": task.worker,
        "lease_until": task.lease_until.map(|at| at.to_string()),
        "failure": task.failure.as_ref().map(super::dlq::failure),
        "reason": task.reason,
    })
}
