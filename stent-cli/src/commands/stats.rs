//! `stats`: depths of queues, and since when their oldest ready task waits.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::database::Database;
use crate::failure::Failure;
use crate::{print, span};

pub(super) async fn stats(database: &Database) -> Result<Answer, Failure> {
    let now = database.now();
    let queues = database.backend().queues(now).await?;
    let mut rows = Vec::new();
    let mut records: Vec<Value> = Vec::new();
    for queue in &queues {
        rows.push(vec![
            queue.queue.as_ref().map_or("-".to_owned(), ToString::to_string),
            queue.ready.to_string(),
            queue.scheduled.to_string(),
            queue.running.to_string(),
            queue.suspended.to_string(),
            queue.oldest_ready.map_or("-".to_owned(), |at| span::age(now, at)),
        ]);
        records.push(json!({
            "queue": queue.queue.as_ref().map(|name| name.as_str()),
            "ready": queue.ready,
            "scheduled": queue.scheduled,
            "running": queue.running,
            "suspended": queue.suspended,
            "oldest_ready": queue.oldest_ready.map(|at| at.to_string()),
        }));
    }
    let headings = ["QUEUE", "#READY", "#SCHEDULED", "#RUNNING", "#SUSPENDED", "#OLDEST READY"];
    let text = if rows.is_empty() { "no open tasks\n".to_owned() } else { print::table(&headings, &rows) };
    Ok(Answer::new(json!({ "queues": records }), text))
}
