//! `list`: executions, newest first.

use serde_json::{Value, json};
use stent_core::Timestamp;
use stent_core::backend::ExecutionFilter;
use stent_core::execution::ExecutionRecord;

use super::listing;
use crate::answer::Answer;
use crate::arguments::{ListArguments, Name};
use crate::database::Database;
use crate::failure::Failure;
use crate::span;

pub(super) async fn list(database: &Database, list: &ListArguments) -> Result<Answer, Failure> {
    let now = database.now();
    let filter = ExecutionFilter {
        states: list.state.clone(),
        function: list.function.clone().map(|Name(name)| name),
        queue: list.queue.clone().map(|Name(name)| name),
        tag: list.tag.clone().map(|Name(name)| name),
        since: list.since.map(|since| now.before(since)),
    };
    let found = database.backend().list_executions(&filter, list.page.page()).await?;
    let headings = ["ID", "STATE", "FUNCTION", "QUEUE", "#AGE"];
    Ok(listing::page("executions", &headings, &found, list.page.limit, |record| row(now, record), record))
}

fn row(now: Timestamp, record: &ExecutionRecord) -> Vec<String> {
    vec![
        record.id.to_string(),
        record.state.to_string(),
        record.function.to_string(),
        record.queue.as_ref().map_or("-".to_owned(), ToString::to_string),
        span::age(now, record.created_at),
    ]
}

/// An execution as JSON.
pub(super) fn record(record: &ExecutionRecord) -> Value {
    json!({
        "id": record.id,
        "function": record.function.as_str(),
        "version": record.version.as_ref().map(|version| version.as_str()),
        "queue": record.queue.as_ref().map(|queue| queue.as_str()),
        "tags": record.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(),
        "priority": record.priority,
        "state": record.state,
        "created_at": record.created_at.to_string(),
        "started_at": record.started_at.map(|at| at.to_string()),
        "ended_at": record.ended_at.map(|at| at.to_string()),
        "deadline": record.deadline.map(|at| at.to_string()),
        "dedup": record.dedup.as_ref().map(|key| key.as_str()),
        "failure": record.failure.as_ref().map(super::dlq::failure),
    })
}
