//! Completion: claims are given up. An end without children, memo, variables or a waiting parent is one statement,
//! however many ends go together: the statement checks the claims and tells what else there is to do.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use stent_core::backend::{Completion, Hint};
use stent_core::claim::Claim;
use stent_core::commit::{Commit, Suspended};
use stent_core::error::BackendError;
use stent_core::id::{ExecutionId, TaskId};
use stent_core::task::{End, Suspension, TaskEnd, TaskState};
use stent_core::time::Timestamp;

use crate::SqliteBackend;
use crate::batch::{Hex, Parcel, Parcels, Part, to_json};
use crate::control;
use crate::effects;
use crate::error::During;
use crate::row::Columns;
use crate::suspend;
use crate::transaction::Hinted;
use crate::tree::encode_resume;

const COMPLETE: &str = "complete";
const SUSPEND: &str = "suspend";

pub(crate) const COMPLETED: &str = include_str!("../sql/complete/completed.sql");
pub(crate) const COMPLETED_ONE: &str = include_str!("../sql/complete/completed_one.sql");
pub(crate) const FAILED: &str = include_str!("../sql/complete/failed.sql");
pub(crate) const RETRIED: &str = include_str!("../sql/complete/retried.sql");
pub(crate) const RELEASED: &str = include_str!("../sql/complete/released.sql");
pub(crate) const REPEATS: &str = include_str!("../sql/complete/repeats.sql");

#[async_trait]
impl Completion for SqliteBackend {
    async fn complete(&self, now: Timestamp, ends: &[TaskEnd]) -> Result<Vec<Commit>, BackendError> {
        if ends.is_empty() {
            return Ok(Vec::new());
        }
        let prepared = Prepared::new(COMPLETE, now, ends)?;
        self.write_alone(
            COMPLETE,
            prepared,
            |connection, prepared| Box::pin(async move { complete_alone(connection, &prepared).await }),
            |connection, prepared| Box::pin(async move { complete(connection, &prepared).await }),
        )
        .await
    }

    async fn suspend(&self, now: Timestamp, suspensions: &[Suspension]) -> Result<Vec<Suspended>, BackendError> {
        if suspensions.is_empty() {
            return Ok(Vec::new());
        }
        let prepared = Arc::new(suspend::Prepared::new(SUSPEND, now, suspensions)?);
        self.write(SUSPEND, move |connection| {
            let prepared = Arc::clone(&prepared);
            Box::pin(async move { suspend::suspend(connection, &prepared).await })
        })
        .await
    }
}

/// Ends, with all that can be made ready before they have the database to themselves.
struct Prepared {
    operation: &'static str,
    now: Timestamp,
    ends: Vec<TaskEnd>,
    completed: Vec<Parcel>,
    failed: Vec<Parcel>,
    retried: Vec<Parcel>,
    released: Vec<Parcel>,
}

/// An end that was applied, and what it told about the task.
pub(crate) struct Applied<'a> {
    pub(crate) end: &'a TaskEnd,
    pub(crate) row: i64,
    pub(crate) execution: ExecutionId,
    pub(crate) is_root: bool,
    /// Its parent is suspended.
    pub(crate) parent_waits: bool,
    /// There are open children.
    pub(crate) has_open: bool,
    /// Its result is shared.
    pub(crate) has_memo: bool,
    /// Its function has a limit: the place that it held is free for another.
    pub(crate) is_limited: bool,
}

#[derive(Serialize)]
struct CompletedEnd<'a> {
    task: Hex<'a>,
    token: Hex<'a>,
    #[serde(flatten)]
    output: Part,
}

#[derive(Serialize)]
struct FailedEnd<'a> {
    task: Hex<'a>,
    token: Hex<'a>,
    failure: String,
    resume: String,
}

#[derive(Serialize)]
struct RetriedEnd<'a> {
    task: Hex<'a>,
    token: Hex<'a>,
    at: i64,
    failure: String,
}

#[derive(Serialize)]
struct ReleasedEnd<'a> {
    task: Hex<'a>,
    token: Hex<'a>,
    until: Option<i64>,
    reason: Option<&'a str>,
}

impl Prepared {
    fn new(operation: &'static str, now: Timestamp, ends: &[TaskEnd]) -> Result<Self, BackendError> {
        let mut completed = Parcels::new(operation);
        let mut failed = Parcels::new(operation);
        let mut retried = Parcels::new(operation);
        let mut released = Parcels::new(operation);
        for TaskEnd { claim, end } in ends {
            let (task, token) = (Hex(claim.task.as_bytes()), Hex(claim.token.as_bytes()));
            match end {
                End::Completed { output, .. } => {
                    let output = completed.payloads().push(output.as_bytes());
                    completed.push(CompletedEnd { task, token, output })?;
                }
                End::Failed { failure, resume, .. } => {
                    let (failure, resume) = (to_json(operation, failure)?, encode_resume(operation, resume)?);
                    failed.push(FailedEnd { task, token, failure, resume })?;
                }
                End::Retry { at, failure, .. } => {
                    let (at, failure) = (at.as_micros(), to_json(operation, failure)?);
                    retried.push(RetriedEnd { task, token, at, failure })?;
                }
                End::Released { until, reason } => {
                    let (until, reason) = (until.map(Timestamp::as_micros), reason.as_deref());
                    released.push(ReleasedEnd { task, token, until, reason })?;
                }
            }
        }
        Ok(Self {
            operation,
            now,
            ends: ends.to_vec(),
            completed: completed.finish()?,
            failed: failed.finish()?,
            retried: retried.finish()?,
            released: released.finish()?,
        })
    }
}

/// Completes a task by one statement, a transaction of its own; `None` if there is more to end, or to do, or the claim does not hold.
async fn complete_alone(
    connection: &mut SqliteConnection,
    prepared: &Prepared,
) -> Result<Option<Hinted<Vec<Commit>>>, BackendError> {
    let [TaskEnd { claim, end: End::Completed { output, variables, notes } }] = &prepared.ends[..] else {
        return Ok(None);
    };
    if !(variables.is_empty() && notes.is_empty()) {
        return Ok(None);
    }
    let rows = sqlx::query(control::statement(COMPLETED_ONE))
        .bind(&claim.task.as_bytes()[..])
        .bind(&claim.token.as_bytes()[..])
        .bind(output.as_bytes())
        .bind(prepared.now.as_micros())
        .fetch_all(connection)
        .await
        .during(prepared.operation)?;
    let applied: Vec<_> = read(prepared, &rows)?.into_iter().flatten().collect();
    Ok((!applied.is_empty()).then(|| (vec![Commit::Applied], hints(&applied))))
}

async fn complete(connection: &mut SqliteConnection, prepared: &Prepared) -> Result<Hinted<Vec<Commit>>, BackendError> {
    let applied = apply(connection, prepared).await?;
    let mut commits: Vec<_> =
        applied.iter().map(|applied| if applied.is_some() { Commit::Applied } else { Commit::ClaimLost }).collect();
    if applied.iter().any(Option::is_none) {
        let claims: Vec<_> = prepared.ends.iter().map(|end| end.claim).collect();
        let states = states(connection, prepared.operation, &claims).await?;
        for ((commit, end), state) in commits.iter_mut().zip(&prepared.ends).zip(states) {
            if state.is_some_and(|state| is_repeat(state, &end.end)) {
                *commit = Commit::Applied;
            }
        }
    }
    let applied: Vec<_> = applied.into_iter().flatten().collect();
    effects::complete(connection, prepared.operation, prepared.now, &applied).await?;
    Ok((commits, hints(&applied)))
}

/// Gives up the claims that hold; `None` for those that do not.
async fn apply<'a>(
    connection: &mut SqliteConnection,
    prepared: &'a Prepared,
) -> Result<Vec<Option<Applied<'a>>>, BackendError> {
    let (operation, now) = (prepared.operation, prepared.now.as_micros());
    let mut rows: Vec<SqliteRow> = Vec::new();
    for ends in &prepared.completed {
        let query =
            sqlx::query(control::statement(COMPLETED)).bind(ends.json.clone()).bind(ends.bytes.clone()).bind(now);
        rows.extend(query.fetch_all(&mut *connection).await.during(operation)?);
    }
    for (statement, ends) in [(FAILED, &prepared.failed), (RETRIED, &prepared.retried), (RELEASED, &prepared.released)]
    {
        for ends in ends {
            let query = sqlx::query(control::statement(statement)).bind(ends.json.clone()).bind(now);
            rows.extend(query.fetch_all(&mut *connection).await.during(operation)?);
        }
    }
    read(prepared, &rows)
}

/// The ends that were applied, by what they returned.
fn read<'a>(prepared: &'a Prepared, rows: &[SqliteRow]) -> Result<Vec<Option<Applied<'a>>>, BackendError> {
    let places: HashMap<TaskId, usize> =
        prepared.ends.iter().enumerate().map(|(place, end)| (end.claim.task, place)).collect();
    let mut applied: Vec<_> = prepared.ends.iter().map(|_| None).collect();
    for row in rows {
        let columns = Columns::new(prepared.operation, "tasks", "id", row);
        let Some(&place) = places.get(&columns.id("id")?) else { continue };
        let (Some(end), Some(applied)) = (prepared.ends.get(place), applied.get_mut(place)) else { continue };
        *applied = Some(Applied {
            end,
            row: columns.number("row")?,
            execution: columns.id("execution")?,
            is_root: columns.flag("is_root")?,
            parent_waits: columns.optional_number::<i64>("parent_waits")? == Some(1),
            has_open: columns.flag("has_open")?,
            has_memo: columns.flag("has_memo")?,
            is_limited: columns.flag("is_limited")?,
        });
    }
    Ok(applied)
}

/// The states of tasks that nobody has claimed since these claims; `None` for the others.
pub(crate) async fn states(
    connection: &mut SqliteConnection,
    operation: &'static str,
    claims: &[Claim],
) -> Result<Vec<Option<TaskState>>, BackendError> {
    #[derive(Serialize)]
    struct Given<'a> {
        task: Hex<'a>,
        token: Hex<'a>,
    }
    let given: Vec<_> = claims
        .iter()
        .map(|claim| Given { task: Hex(claim.task.as_bytes()), token: Hex(claim.token.as_bytes()) })
        .collect();
    let rows = sqlx::query(REPEATS).bind(to_json(operation, &given)?).fetch_all(connection).await.during(operation)?;
    let mut states = vec![None; claims.len()];
    for row in &rows {
        let columns = Columns::new(operation, "tasks", "key", row);
        if let Some(state) = states.get_mut(columns.number::<usize>("key")?) {
            *state = Some(columns.state("state")?);
        }
    }
    Ok(states)
}

/// Whether a task in this state, whose last claim is the end's, has been ended so before.
fn is_repeat(state: TaskState, end: &End) -> bool {
    match end {
        End::Completed { .. } => state == TaskState::Completed,
        End::Failed { .. } => state == TaskState::Failed,
        End::Retry { .. } | End::Released { .. } => matches!(state, TaskState::Pending | TaskState::Scheduled),
    }
}

/// Whether the task has ended with this.
pub(crate) fn is_final(end: &End) -> bool {
    matches!(end, End::Completed { .. } | End::Failed { .. })
}

fn hints(applied: &[Applied<'_>]) -> Vec<Hint> {
    let mut hints = Vec::new();
    for applied in applied {
        hints.push(if is_final(&applied.end.end) { Hint::TasksEnded } else { Hint::TasksReady });
        // A place that is free, of the task or of what was cancelled below it, is one that another waits for.
        if applied.parent_waits || applied.is_limited || applied.has_open {
            hints.push(Hint::TasksReady);
        }
        if applied.is_root {
            hints.push(Hint::ExecutionEnded(applied.execution));
        }
    }
    hints
}
