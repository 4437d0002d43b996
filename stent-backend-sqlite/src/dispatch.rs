//! Dispatch: executions begin, are cancelled, run out of time, and are taken up again.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;
use stent_core::backend::{Dispatch, Hint, RedriveTarget};
use stent_core::commit::{Cancelled, Dispatched, Redriven};
use stent_core::error::BackendError;
use stent_core::execution::{ExecutionState, NewExecution};
use stent_core::id::{ExecutionId, TaskId};

use stent_core::time::Timestamp;

use crate::SqliteBackend;
use crate::batch::{Hex, to_json};
use crate::control;
use crate::error::During;
use crate::root::{self, NewRoots};
use crate::row::Columns;
use crate::tree::{self, Cancellation};
use crate::{redrive, transaction::Hinted};

const OPERATION: &str = "dispatch";

#[async_trait]
impl Dispatch for SqliteBackend {
    async fn dispatch(&self, now: Timestamp, executions: &[NewExecution]) -> Result<Vec<Dispatched>, BackendError> {
        if executions.is_empty() {
            return Ok(Vec::new());
        }
        let prepared = (now, NewRoots::pack(OPERATION, executions)?);
        if !prepared.1.are_ready() {
            // Nobody is told that he may claim, and writes with it.
            return self
                .write_alone(
                    OPERATION,
                    prepared,
                    |connection, prepared| Box::pin(insert_alone(connection, prepared)),
                    |connection, prepared| Box::pin(insert_roots(connection, prepared)),
                )
                .await;
        }
        let prepared = Arc::new(prepared);
        self.write_making(OPERATION, true, move |connection| Box::pin(insert_roots(connection, Arc::clone(&prepared))))
            .await
    }

    async fn cancel(&self, now: Timestamp, execution: ExecutionId) -> Result<Cancelled, BackendError> {
        self.write_hinting("cancel", move |connection| Box::pin(cancel(connection, now, execution))).await
    }

    async fn redrive(&self, now: Timestamp, target: RedriveTarget) -> Result<Redriven, BackendError> {
        self.write_hinting("redrive", move |connection| {
            Box::pin(async move {
                let redriven = redrive::redrive(connection, "redrive", now, target).await?;
                let hints = if redriven == Redriven::Done { vec![Hint::TasksReady] } else { Vec::new() };
                Ok((redriven, hints))
            })
        })
        .await
    }

    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<ExecutionId>, BackendError> {
        const OPERATION: &str = "expire";
        // Any living worker asks at short intervals: nothing to end needs no transaction.
        let nothing = self.read(OPERATION, move |connection| {
            Box::pin(async move { Ok(passed(connection, OPERATION, now, limit).await?.is_empty()) })
        });
        if nothing.await? {
            return Ok(Vec::new());
        }
        self.write_hinting(OPERATION, move |connection| Box::pin(expire(connection, OPERATION, now, limit))).await
    }
}

async fn insert_roots(
    connection: &mut SqliteConnection,
    prepared: Arc<(Timestamp, NewRoots)>,
) -> Result<Hinted<Vec<Dispatched>>, BackendError> {
    let (now, roots) = &*prepared;
    Ok((root::insert(connection, OPERATION, *now, roots).await?, roots.hints()))
}

/// Makes executions that were not there, by one statement; `None` if there is more to do.
async fn insert_alone(
    connection: &mut SqliteConnection,
    prepared: Arc<(Timestamp, NewRoots)>,
) -> Result<Option<Hinted<Vec<Dispatched>>>, BackendError> {
    let (now, roots) = &*prepared;
    let dispatched = root::insert_alone(connection, OPERATION, *now, roots).await?;
    Ok(dispatched.map(|dispatched| (dispatched, roots.hints())))
}

/// Makes executions in a transaction of others; answers per item.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    executions: &[NewExecution],
) -> Result<Vec<Dispatched>, BackendError> {
    root::insert(connection, operation, now, &NewRoots::pack(operation, executions)?).await
}

async fn cancel(
    connection: &mut SqliteConnection,
    now: Timestamp,
    execution: ExecutionId,
) -> Result<Hinted<Cancelled>, BackendError> {
    const OPERATION: &str = "cancel";
    let row = sqlx::query(control::statement(include_str!("../sql/dispatch/root.sql")))
        .bind(execution.as_bytes().as_slice())
        .fetch_optional(&mut *connection)
        .await
        .during(OPERATION)?;
    let Some(row) = row else { return Ok((Cancelled::Unknown, Vec::new())) };
    let columns = Columns::new(OPERATION, "tasks", "id", &row);
    if columns.flag("deleting")? {
        return Ok((Cancelled::Unknown, Vec::new()));
    }
    let state = columns.state("state")?;
    match ExecutionState::of_root(state, columns.flag("is_started")?) {
        ExecutionState::Cancelled => return Ok((Cancelled::Done, Vec::new())),
        ended if state.is_final() => return Ok((Cancelled::AlreadyFinal(ended), Vec::new())),
        _ => {}
    }
    let all = Cancellation { task: execution.root(), include: true, by: None, turn: None };
    let _ = tree::cancel_below(connection, OPERATION, now, &[all]).await?;
    Ok((Cancelled::Done, vec![Hint::TasksEnded, Hint::TasksReady, Hint::ExecutionEnded(execution)]))
}

async fn passed(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<TaskId>, BackendError> {
    let rows = sqlx::query(include_str!("../sql/dispatch/passed.sql"))
        .bind(now.as_micros())
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await
        .during(operation)?;
    rows.iter().map(|row| Columns::new(operation, "tasks", "id", row).id("id")).collect()
}

async fn expire(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    limit: u32,
) -> Result<Hinted<Vec<ExecutionId>>, BackendError> {
    let roots = passed(connection, operation, now, limit).await?;
    let below: Vec<_> = roots.iter().copied().map(Cancellation::below_end_of).collect();
    let _ = tree::cancel_below(connection, operation, now, &below).await?;
    let ids: Vec<_> = roots.iter().map(|root| Hex(root.as_bytes())).collect();
    sqlx::query(include_str!("../sql/dispatch/time_out.sql"))
        .bind(to_json(operation, &ids)?)
        .bind(now.as_micros())
        .execute(connection)
        .await
        .during(operation)?;
    let executions: Vec<_> = roots.into_iter().map(TaskId::as_execution).collect();
    let ended = executions.iter().copied().map(Hint::ExecutionEnded);
    let hints = ended.chain([Hint::TasksEnded, Hint::TasksReady]).collect();
    Ok((executions, hints))
}
