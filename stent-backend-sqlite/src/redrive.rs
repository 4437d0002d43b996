//! Redrive: the way from the root down to what an execution failed with, and back to life (C-Y5).

use sqlx::sqlite::SqliteConnection;
use stent_core::backend::RedriveTarget;
use stent_core::commit::{Redriven, RefusedRedrive};
use stent_core::error::BackendError;
use stent_core::execution::ExecutionState;
use stent_core::id::{ExecutionId, TaskId};
use stent_core::task::{Resume, ResumePoint, TaskState};
use stent_core::time::Timestamp;

use crate::control;
use crate::error::During;
use crate::resume::decode_resume;
use crate::row::Columns;
use crate::tree;

/// A task on the way, or beside it.
struct Ended {
    id: TaskId,
    parent: Option<TaskId>,
    state: TaskState,
    resume: Option<Resume>,
}

impl Ended {
    /// The failed child that its point names.
    fn failed_with(&self) -> Option<TaskId> {
        match (self.state, &self.resume) {
            (TaskState::Failed, Some(Resume::At(point))) => point.child,
            _ => None,
        }
    }

    /// It cannot resume, or did not fail with this task.
    fn refuse(&self, cause: TaskId) -> RefusedRedrive {
        let reason = match &self.resume {
            Some(Resume::Refused(reason)) => reason.clone(),
            _ => format!("it is {}, and not by the failure of task {cause}", self.state),
        };
        RefusedRedrive::NotResumable { task: self.id, reason }
    }
}

/// Opens an execution again, or says why not.
pub(crate) async fn redrive(
    connection: &mut SqliteConnection,
    operation: &'static str,
    now: Timestamp,
    target: RedriveTarget,
) -> Result<Redriven, BackendError> {
    let root = match find(connection, operation, target).await? {
        Err(refused) => return Ok(Redriven::Refused(refused)),
        Ok(root) => root,
    };
    let go_on = match (root.state, root.resume) {
        // The deadline cut it short, nothing in its journal did.
        (TaskState::TimedOut, _) => Resume::At(ResumePoint::default()),
        (_, Some(resume)) => resume,
        (_, None) => Resume::Restart,
    };
    tree::reopen_ended(connection, operation, now, root.id, go_on).await?;
    sqlx::query(include_str!("../sql/dispatch/renew_deadline.sql"))
        .bind(root.id.as_bytes().as_slice())
        .bind(now.as_micros())
        .bind(Timestamp::MAX.as_micros())
        .execute(connection)
        .await
        .during(operation)?;
    Ok(Redriven::Done)
}

/// The root from which to go on, if every task from it to the cause can resume.
async fn find(
    connection: &mut SqliteConnection,
    operation: &'static str,
    target: RedriveTarget,
) -> Result<Result<Ended, RefusedRedrive>, BackendError> {
    let (execution, dead) = match target {
        RedriveTarget::Execution(execution) => (execution, None),
        RedriveTarget::DeadLetter(task) => {
            let letter: Option<Vec<u8>> = sqlx::query_scalar(include_str!("../sql/dispatch/buried.sql"))
                .bind(task.as_bytes().as_slice())
                .fetch_optional(&mut *connection)
                .await
                .during(operation)?;
            let execution = letter.and_then(|execution| execution.try_into().ok()).map(ExecutionId::from_bytes);
            let dead = read(connection, operation, task).await?;
            let (Some(execution), Some(dead)) = (execution, dead) else { return Ok(Err(RefusedRedrive::Unknown)) };
            (execution, Some(dead))
        }
    };
    let row = sqlx::query(control::statement(include_str!("../sql/dispatch/root.sql")))
        .bind(execution.as_bytes().as_slice())
        .fetch_optional(&mut *connection)
        .await
        .during(operation)?;
    let Some(row) = row else { return Ok(Err(RefusedRedrive::Unknown)) };
    let columns = Columns::new(operation, "tasks", "id", &row);
    if columns.flag("deleting")? {
        return Ok(Err(RefusedRedrive::Deleting));
    }
    let state = columns.state("state")?;
    if !matches!(state, TaskState::Failed | TaskState::TimedOut) {
        let state = ExecutionState::of_root(state, columns.flag("is_started")?);
        return Ok(Err(RefusedRedrive::State(state)));
    }
    let root = Ended { id: execution.root(), parent: None, state, resume: decode_resume(&columns)? };
    let refused = match dead {
        None => cause_below(connection, operation, &root).await?.err(),
        Some(dead) => why_not_cause(connection, operation, &root, dead).await?,
    };
    Ok(refused.map_or(Ok(root), Err))
}

/// Follows the failures from a task down to their cause; refuses with the task nearest to where it began that cannot resume.
async fn cause_below(
    connection: &mut SqliteConnection,
    operation: &'static str,
    from: &Ended,
) -> Result<Result<TaskId, RefusedRedrive>, BackendError> {
    let mut at = Ended { id: from.id, parent: from.parent, state: from.state, resume: from.resume.clone() };
    loop {
        if let (TaskState::Failed, Some(Resume::Refused(_))) = (at.state, &at.resume) {
            return Ok(Err(at.refuse(at.id)));
        }
        let Some(named) = at.failed_with() else { return Ok(Ok(at.id)) };
        at = match read(connection, operation, named).await? {
            Some(child) if child.state == TaskState::Failed => child,
            _ => return Ok(Err(at.refuse(named))),
        };
    }
}

/// Why a dead letter is not what its execution failed with: the ancestor nearest to it that does not name the next task down.
async fn why_not_cause(
    connection: &mut SqliteConnection,
    operation: &'static str,
    root: &Ended,
    dead: Ended,
) -> Result<Option<RefusedRedrive>, BackendError> {
    let (mut below, mut above) = (dead.id, dead.parent);
    while let Some(id) = above {
        let Some(ancestor) = read(connection, operation, id).await? else { return Ok(Some(RefusedRedrive::Unknown)) };
        if ancestor.failed_with() != Some(below) {
            return Ok(Some(ancestor.refuse(below)));
        }
        (below, above) = (ancestor.id, ancestor.parent);
    }
    Ok(match cause_below(connection, operation, root).await? {
        Ok(cause) if cause == dead.id => None,
        Ok(cause) => Some(dead.refuse(cause)),
        Err(refused) => Some(refused),
    })
}

async fn read(
    connection: &mut SqliteConnection,
    operation: &'static str,
    task: TaskId,
) -> Result<Option<Ended>, BackendError> {
    let row = sqlx::query(include_str!("../sql/dispatch/ended.sql"))
        .bind(task.as_bytes().as_slice())
        .fetch_optional(connection)
        .await
        .during(operation)?;
    let ended = row.map(|row| {
        let columns = Columns::new(operation, "tasks", "id", &row);
        Ok(Ended {
            id: task,
            parent: columns.optional_id("parent")?,
            state: columns.state("state")?,
            resume: decode_resume(&columns)?,
        })
    });
    ended.transpose()
}
