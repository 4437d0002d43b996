//! What an end does besides: shared result, variables, notes, dead letter, the waking of the parent, and what is open
//! below.
//!
//! The ends of a batch come first and their effects after, each kind for all of them, so that the outcome is that of
//! the ends one by one, children before parents: what has ended is not cancelled by an end above it, what was only put
//! back or woken is.

use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use stent_core::error::BackendError;
use stent_core::id::TaskId;
use stent_core::task::{End, Resume};
use stent_core::time::Timestamp;

use crate::batch::to_json;
use crate::complete::{Applied, is_final};
use crate::control;
use crate::entry::note;
use crate::error::During;
use crate::tree::{self, Cancellation};
use crate::{memo, variables};

pub(crate) const DEAD_LETTERS: &str = include_str!("../sql/complete/dead_letters.sql");
pub(crate) const NOTES: &str = include_str!("../sql/complete/notes.sql");
pub(crate) const COUNT_ATTEMPTS: &str = include_str!("../sql/complete/count_attempts.sql");
pub(crate) const WAKE: &str = include_str!("../sql/complete/wake.sql");

/// The effects of ends that were applied. A kind that none of them has costs nothing.
pub(crate) async fn complete(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    applied: &[Applied<'_>],
) -> Result<(), BackendError> {
    memo::store(connection, operation, now, &rows(applied, |applied| applied.has_memo)).await?;
    change_variables(connection, operation, applied).await?;
    write_notes(connection, operation, now, applied).await?;
    let dead = rows(applied, |applied| matches!(applied.end.end, End::Failed { dead_letter: true, .. }));
    if !dead.is_empty() {
        let dead = to_json(operation, &dead)?;
        sqlx::query(DEAD_LETTERS).bind(dead).execute(&mut *connection).await.during(operation)?;
    }
    let ended = rows(applied, |applied| applied.parent_waits);
    if !ended.is_empty() {
        let query = sqlx::query(control::statement(WAKE)).bind(to_json(operation, &ended)?).bind(now.as_micros());
        query.execute(&mut *connection).await.during(operation)?;
    }
    reopen(connection, operation, now, applied).await?;
    cancel(connection, operation, now, applied).await
}

fn rows(applied: &[Applied<'_>], which: fn(&Applied<'_>) -> bool) -> Vec<i64> {
    applied.iter().filter(|applied| which(applied)).map(|applied| applied.row).collect()
}

async fn change_variables(
    connection: &mut SqliteConnection,
    operation: &'static str,
    applied: &[Applied<'_>],
) -> Result<(), BackendError> {
    let changes = applied.iter().filter_map(|applied| match &applied.end.end {
        End::Completed { variables, .. } => Some((applied.execution, variables.as_slice())),
        _ => None,
    });
    variables::change(connection, operation, &changes.collect::<Vec<_>>()).await
}

#[derive(Serialize)]
struct StoredNote {
    row: i64,
    number: usize,
    turn: u32,
    body: String,
}

async fn write_notes(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    applied: &[Applied<'_>],
) -> Result<(), BackendError> {
    let mut stored = Vec::new();
    for applied in applied {
        let End::Completed { notes, .. } = &applied.end.end else { continue };
        for (number, (turn, text)) in notes.iter().enumerate() {
            stored.push(StoredNote { row: applied.row, number, turn: *turn, body: note(operation, text)? });
        }
    }
    if !stored.is_empty() {
        let query = sqlx::query(control::statement(NOTES)).bind(to_json(operation, &stored)?).bind(now.as_micros());
        query.execute(connection).await.during(operation)?;
    }
    Ok(())
}

/// Cuts the journals of tasks that go on at a point. That is rare, and done one by one. What is left of a journal keeps
/// the next claim from counting the attempt (C-Y4).
async fn reopen(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    applied: &[Applied<'_>],
) -> Result<(), BackendError> {
    let mut resumed = Vec::new();
    for applied in applied {
        match &applied.end.end {
            End::Retry { resume: Resume::At(point), .. } => {
                tree::reopen(&mut *connection, operation, now, applied.end.claim.task, point).await?;
                resumed.push(applied.row);
            }
            End::Retry { resume: Resume::Refused(_), .. } => resumed.push(applied.row),
            _ => {}
        }
    }
    if !resumed.is_empty() {
        let resumed = to_json(operation, &resumed)?;
        sqlx::query(COUNT_ATTEMPTS).bind(resumed).execute(connection).await.during(operation)?;
    }
    Ok(())
}

async fn cancel(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    applied: &[Applied<'_>],
) -> Result<(), BackendError> {
    let is_restart = |applied: &Applied<'_>| matches!(applied.end.end, End::Retry { resume: Resume::Restart, .. });
    let tasks_with = |which: &dyn Fn(&Applied<'_>) -> bool| -> Vec<TaskId> {
        applied.iter().filter(|applied| which(applied)).map(|applied| applied.end.claim.task).collect()
    };
    // Restarts first: what is below one is not to be put to the account of an end above it.
    let restarted = tasks_with(&|applied| is_restart(applied) && applied.has_open);
    let cancellations = restarted.into_iter().map(|task| Cancellation { task, include: false, by: None, turn: None });
    tree::cancel_below(&mut *connection, operation, now, &cancellations.collect::<Vec<_>>()).await?;
    let restarted = tasks_with(&is_restart);
    if !restarted.is_empty() {
        tree::restart(&mut *connection, operation, &restarted).await?;
    }
    let ended = tasks_with(&|applied| is_final(&applied.end.end) && applied.has_open);
    let cancellations: Vec<_> = ended.into_iter().map(Cancellation::below_end_of).collect();
    tree::cancel_below(connection, operation, now, &cancellations).await.map(drop)
}
