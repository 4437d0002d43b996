//! `stats`: depths of queues, since when their oldest ready task waits, and how many executions end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use stent_core::Timestamp;
use stent_core::name::FunctionName;
use stent_core::task::TaskState;

use crate::answer::Answer;
use crate::database::Database;
use crate::failure::Failure;
use crate::{print, span};

const MINUTE: Duration = Duration::from_secs(60);

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
    let [minute, hour] = [MINUTE, 60 * MINUTE];
    let (last_minute, last_hour) = (ended(database, now, minute).await?, ended(database, now, hour).await?);
    let headings = ["QUEUE", "#READY", "#SCHEDULED", "#RUNNING", "#SUSPENDED", "#OLDEST READY"];
    let mut text = if rows.is_empty() { "no open tasks\n".to_owned() } else { print::table(&headings, &rows) };
    let rates: Vec<Vec<String>> = last_hour.iter().map(|(key, count)| rate(key, *count, &last_minute)).collect();
    if !rates.is_empty() {
        text += &print::section(
            "executions that ended",
            &print::table(&["FUNCTION", "STATE", "#LAST MINUTE", "#LAST HOUR"], &rates),
        );
    }
    let records_of = |ended: &Ended| -> Value {
        let record = |((function, state), count): (&Key, &u64)| json!({"function": function.as_str(), "state": state.as_str(), "executions": count});
        ended.iter().map(record).collect()
    };
    let ended = json!({"last_minute": records_of(&last_minute), "last_hour": records_of(&last_hour)});
    Ok(Answer::new(json!({ "queues": records, "ended": ended }), text))
}

/// A function and how its executions ended.
type Key = (FunctionName, TaskState);
type Ended = BTreeMap<Key, u64>;

/// What ended in the last time.
async fn ended(database: &Database, now: Timestamp, last: Duration) -> Result<Ended, Failure> {
    // What ends now belongs to the last moment, too.
    let span = now.before(last)..now.after(Duration::from_micros(1));
    let counts = database.backend().count_ended(span).await?;
    Ok(counts.into_iter().map(|count| ((count.function, count.state), count.tasks)).collect())
}

fn rate(key: &Key, hour: u64, last_minute: &Ended) -> Vec<String> {
    let (function, state) = key;
    let minute = last_minute.get(key).copied().unwrap_or(0);
    vec![function.to_string(), state.to_string(), minute.to_string(), hour.to_string()]
}
