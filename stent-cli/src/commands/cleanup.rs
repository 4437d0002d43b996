//! `cleanup`: deletes executions that ended long ago, step by step, so that nobody waits for it.

use std::time::Duration;

use serde_json::json;
use stent_core::Timestamp;
use stent_core::backend::{DeadLetterFilter, ExecutionFilter, Page, TaskFilter};
use stent_core::execution::ExecutionState;
use stent_core::limits;

use crate::answer::Answer;
use crate::confirm::Consent;
use crate::database::Database;
use crate::failure::Failure;
use crate::print;

/// What a cleanup deletes.
#[derive(Debug, Default)]
struct Old {
    executions: u64,
    tasks: u64,
    dead_letters: u64,
}

impl Old {
    fn text(&self) -> String {
        let parts = [(self.executions, "execution"), (self.tasks, "task"), (self.dead_letters, "dead letter")];
        parts.map(|(number, thing)| print::count(number, thing)).join(", ")
    }
}

pub(super) async fn cleanup(
    database: &Database,
    older_than: Duration,
    dry_run: bool,
    consent: Consent,
) -> Result<Answer, Failure> {
    let now = database.now();
    let before = now.before(older_than);
    let old = count(database, before).await?;
    let mut rows = 0;
    if !dry_run {
        if old.executions > 0 {
            consent.to(&format!("deletes {}", old.text()))?;
        }
        loop {
            let pruned = database.backend().prune(now, before).await?;
            rows += pruned.rows;
            if !pruned.more {
                break;
            }
        }
    }
    let json = json!({
        "before": before.to_string(),
        "dry_run": dry_run,
        "executions": old.executions,
        "tasks": old.tasks,
        "dead_letters": old.dead_letters,
        "rows_deleted": rows,
    });
    let text = match dry_run {
        true => format!("would delete {}", old.text()),
        false => format!("deleted {}; {} of all tables", old.text(), print::count(rows, "row")),
    };
    Ok(Answer::new(json, text))
}

/// Counts what ended before a time, by reading the executions that have ended.
async fn count(database: &Database, before: Timestamp) -> Result<Old, Failure> {
    let backend = database.backend();
    let states = ExecutionState::ALL.into_iter().filter(|state| state.is_final()).collect();
    let filter = ExecutionFilter { states, ..ExecutionFilter::default() };
    let mut old = Old::default();
    let mut page = Page::first(limits::PAGE);
    loop {
        let found = backend.list_executions(&filter, page).await?;
        let Some(last) = found.last() else { return Ok(old) };
        page.after = Some(last.id);
        for record in found.iter().filter(|record| record.ended_at.is_some_and(|ended| ended < before)) {
            let tasks = TaskFilter { execution: Some(record.id), ..TaskFilter::default() };
            let letters = DeadLetterFilter { execution: Some(record.id), ..DeadLetterFilter::default() };
            old.executions += 1;
            old.tasks += backend.count_tasks(&tasks).await?;
            old.dead_letters += backend.count_dead_letters(&letters).await?;
        }
    }
}
