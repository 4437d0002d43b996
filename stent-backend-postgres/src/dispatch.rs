//! Dispatch: executions begin, are cancelled, run out of time, and are taken up again.

use std::sync::Arc;

use async_trait::async_trait;
use stent_core::backend::{Dispatch, Hint, RedriveTarget};
use stent_core::commit::{Cancelled, Dispatched, Redriven};
use stent_core::error::{BackendError, ErrorKind};
use stent_core::execution::{ExecutionState, NewExecution};
use stent_core::id::{ExecutionId, TaskId};
use stent_core::time::Timestamp;

use crate::PostgresBackend;
use crate::connection::{Session, Values};
use crate::root::{self, NewRoots};
use crate::row::{At, Columns};
use crate::tree::{self, Cancellation};
use crate::{redrive, transaction::Hinted};

const DISPATCH: &str = "dispatch";
const EXPIRE: &str = "expire";

#[async_trait]
impl Dispatch for PostgresBackend {
    async fn dispatch(&self, now: Timestamp, executions: &[NewExecution]) -> Result<Vec<Dispatched>, BackendError> {
        if executions.is_empty() {
            return Ok(Vec::new());
        }
        let roots = Arc::new(NewRoots::pack(executions));
        if !roots.are_one_statement() {
            return self
                .write_hinting(DISPATCH, move |session| {
                    let roots = Arc::clone(&roots);
                    Box::pin(async move { insert_roots(session, now, &roots).await })
                })
                .await;
        }
        self.write_apart_hinting(DISPATCH, move |session| {
            let roots = Arc::clone(&roots);
            Box::pin(async move { insert_roots(session, now, &roots).await })
        })
        .await
    }

    async fn cancel(&self, now: Timestamp, execution: ExecutionId) -> Result<Cancelled, BackendError> {
        self.write_hinting("cancel", move |session| Box::pin(cancel(session, now, execution))).await
    }

    async fn redrive(&self, now: Timestamp, target: RedriveTarget) -> Result<Redriven, BackendError> {
        self.write_hinting("redrive", move |session| {
            Box::pin(async move {
                let redriven = redrive::redrive(session, now, target).await?;
                let hints = if redriven == Redriven::Done { vec![Hint::TasksReady] } else { Vec::new() };
                Ok((redriven, hints))
            })
        })
        .await
    }

    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<ExecutionId>, BackendError> {
        // Any living worker asks at short intervals: nothing to end needs no transaction.
        let roots = self.read(EXPIRE, move |session| Box::pin(passed(session, now, limit))).await?;
        let mut expired = Vec::new();
        // One execution a transaction: it holds what is open in it, and waits for whoever holds some of that.
        for root in roots {
            let ended = self.write_hinting(EXPIRE, move |session| Box::pin(expire(session, now, root))).await;
            match ended {
                Ok(true) => expired.push(root.as_execution()),
                // Somebody else did, or it was redriven since.
                Ok(false) => {}
                // Busy: the next call finds it again.
                Err(error) if *error.kind() == ErrorKind::Busy || !expired.is_empty() => {
                    tracing::warn!(%error, execution = %root, "an execution whose deadline has passed was not ended");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(expired)
    }
}

async fn insert_roots(
    session: &Session<'_>,
    now: Timestamp,
    roots: &NewRoots,
) -> Result<Hinted<Vec<Dispatched>>, BackendError> {
    Ok((root::insert(session, now, roots).await?, roots.hints()))
}

/// Makes executions in a transaction of others; answers per item.
pub(crate) async fn insert(
    session: &Session<'_>,
    now: Timestamp,
    executions: &[NewExecution],
) -> Result<Vec<Dispatched>, BackendError> {
    root::insert(session, now, &NewRoots::pack(executions)).await
}

async fn cancel(
    session: &Session<'_>,
    now: Timestamp,
    execution: ExecutionId,
) -> Result<Hinted<Cancelled>, BackendError> {
    let all = [Cancellation { task: execution.root(), include: true, by: None, turn: None }];
    let root: Values<'_> = &[execution.as_uuid()];
    let (_, row) = tokio::try_join!(
        biased;
        tree::lock(session, &all),
        session.query_opt(include_str!("../sql/dispatch/root.sql"), root),
    )?;
    let Some(row) = row else { return Ok((Cancelled::Unknown, Vec::new())) };
    let columns = Columns::new(session.operation(), "tasks", "id", &row);
    if columns.flag("deleting")? {
        return Ok((Cancelled::Unknown, Vec::new()));
    }
    let state = columns.state("state")?;
    match ExecutionState::of_root(state, columns.flag("is_started")?) {
        ExecutionState::Cancelled => return Ok((Cancelled::Done, Vec::new())),
        ended if state.is_final() => return Ok((Cancelled::AlreadyFinal(ended), Vec::new())),
        _ => {}
    }
    tree::cancel_below(session, now, &all).await?;
    Ok((Cancelled::Done, vec![Hint::TasksEnded, Hint::TasksReady, Hint::ExecutionEnded(execution)]))
}

/// The roots whose deadline has passed, earliest first.
async fn passed(session: &Session<'_>, now: Timestamp, limit: u32) -> Result<Vec<TaskId>, BackendError> {
    let rows = session.query(include_str!("../sql/dispatch/passed.sql"), &[&At(now), &i64::from(limit)]).await?;
    rows.iter().map(|row| Columns::new(session.operation(), "tasks", "id", row).id("id")).collect()
}

/// Ends an execution if its deadline has passed; true if it did.
async fn expire(session: &Session<'_>, now: Timestamp, root: TaskId) -> Result<Hinted<bool>, BackendError> {
    let all = [Cancellation { include: true, ..Cancellation::below_end_of(root) }];
    let ended: Values<'_> = &[root.as_uuid(), &At(now)];
    let (_, ended) = tokio::try_join!(
        biased;
        tree::lock(session, &all),
        session.execute(include_str!("../sql/dispatch/time_out.sql"), ended),
    )?;
    if ended == 0 {
        return Ok((false, Vec::new()));
    }
    tree::cancel_below(session, now, &[Cancellation::below_end_of(root)]).await?;
    Ok((true, vec![Hint::TasksEnded, Hint::TasksReady, Hint::ExecutionEnded(root.as_execution())]))
}
