//! `list`: executions, newest first.

use serde_json::{Value, json};
use stent_core::Timestamp;
use stent_core::backend::{ExecutionFilter, Page};
use stent_core::execution::ExecutionRecord;

use crate::answer::Answer;
use crate::arguments::{ListArguments, Name};
use crate::database::Database;
use crate::failure::Failure;
use crate::{print, span};

pub(super) async fn list(database: &Database, list: &ListArguments) -> Result<Answer, Failure> {
    let now = database.now();
    let filter = ExecutionFilter {
        states: list.state.clone(),
        function: list.function.clone().map(|Name(name)| name),
        queue: list.queue.clone().map(|Name(name)| name),
        tag: list.tag.clone().map(|Name(name)| name),
        since: list.since.map(|since| now.before(since)),
    };
    let page = Page { after: list.after, limit: list.page.limit };
    let found = database.backend().list_executions(&filter, page).await?;
    let next = next(&found, list.page.limit, |record| record.id.to_string());
    let rows: Vec<Vec<String>> = found.iter().map(|record| row(now, record)).collect();
    let records: Vec<Value> = found.iter().map(record).collect();
    let mut text = print::table(&["ID", "STATE", "FUNCTION", "QUEUE", "#AGE"], &rows);
    if rows.is_empty() {
        text = "no executions\n".to_owned();
    }
    Ok(Answer::new(json!({"executions": records, "next": next}), text + &more(next.as_ref())))
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

/// The key of the last row of a full page: there may be more.
pub(super) fn next<R>(rows: &[R], limit: u32, key: impl Fn(&R) -> String) -> Option<String> {
    let is_full = u32::try_from(rows.len()).is_ok_and(|rows| rows >= limit);
    rows.last().filter(|_| is_full).map(key)
}

/// How to go on, if there may be more.
pub(super) fn more(next: Option<&String>) -> String {
    next.map_or(String::new(), |next| format!("more: --after {next}\n"))
}
